/** A certificate's SHA-256 as lower-case hex; null for a text that is none. Colons and a `sha256:` before it are accepted. */
export function parseFingerprint(text: string): string | null {
  const digits = text
    .trim()
    .replace(/^sha-?256[:/=]\s*/i, "")
    .replaceAll(":", "")
    .toLowerCase();
  return /^[0-9a-f]{64}$/.test(digits) ? digits : null;
}

/** As Node writes it (`AB:CD:...`), for people who compare it with what a browser or openssl shows. */
export const formatFingerprint = (hex: string): string => hex.toUpperCase().match(/../g)?.join(":") ?? "";
