const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };
const UNIT_BYTES: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3, tb: 1024 ** 4 };

/** Exactly what `parseDurationMs` reads, with these units only. An amount without its unit stands alone, so that no text is tried twice. */
export const durationPattern = (units: readonly string[]): string => {
  const amount = "\\d{1,9}(?:\\.\\d+)?";
  return `\\s*(?:${amount}|(?:${amount}\\s*(?:${units.join("|")})\\s*)+)\\s*`;
};

/** `30m`, `1h30m`, `7d`, or a bare number of `unit`. Milliseconds, or null when the text is not a duration. */
export function parseDurationMs(text: string, unit: "ms" | "s" | "m" | "h" | "d"): number | null {
  const trimmed = text.trim().toLowerCase();
  if (/^\d{1,15}(\.\d+)?$/.test(trimmed)) return inRange(Number(trimmed) * UNIT_MS[unit]!);
  if (!/^(\d{1,15}(\.\d+)?\s*(ms|s|m|h|d|w)\s*)+$/.test(trimmed)) return null;
  let total = 0;
  for (const [, amount, name] of trimmed.matchAll(/(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)/g)) total += Number(amount) * UNIT_MS[name!]!;
  return inRange(total);
}

/** `500mb`, `10 GB`, or a bare number of bytes; units are powers of 1024. Null when the text is not a size. */
export function parseBytes(text: string): number | null {
  const match = /^(\d{1,15}(?:\.\d+)?)\s*(b|kb|mb|gb|tb)?$/.exec(text.trim().toLowerCase());
  return match ? inRange(Number(match[1]) * UNIT_BYTES[match[2] ?? "b"]!) : null;
}

function inRange(value: number): number | null {
  return Number.isSafeInteger(Math.round(value)) ? Math.round(value) : null;
}
