import { LIMITS } from "../core/limits.ts";
import { compilePattern, type SafePattern } from "../core/safe-pattern.ts";
import { Secret } from "../core/secret.ts";

/** Placeholder of a hidden credential. */
export const REDACTED_TEXT = "[secret]";

/** Look-ahead beyond the truncation limit: a credential that begins before the limit is still matched completely. */
const OVERLAP_CHARS = 4_096;

/**
 * Patterns of credentials anywhere in a text. Each is linear: no nested repetition. `$1` keeps the part that shows
 * the kind of credential.
 */
const SHAPES: readonly [pattern: RegExp, replacement: string][] = [
  [/-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]{0,8192}?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)/g, REDACTED_TEXT],
  [/\b(Bearer|Basic|Digest)\s+[A-Za-z0-9._~+/=-]{6,}/gi, `$1 ${REDACTED_TEXT}`],
  [/\b(oc[a-z]_)[A-Za-z0-9_-]{6,}/g, `$1${REDACTED_TEXT}`],
  [
    /\b(sk-|pk-|rk-|gsk_|xai-|hf_|npm_|glpat-|ghp_|gho_|ghs_|ghu_|ghr_|github_pat_|xox[abeprs]-|xapp-)[A-Za-z0-9_-]{8,}/g,
    `$1${REDACTED_TEXT}`,
  ],
  [/\b(AKIA|ASIA)[A-Z0-9]{12,}/g, `$1${REDACTED_TEXT}`],
  [/\b(AIza|ya29\.)[A-Za-z0-9_-]{16,}/g, `$1${REDACTED_TEXT}`],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?/g, REDACTED_TEXT],
  [/\b\d{6,12}:[A-Za-z0-9_-]{30,}/g, REDACTED_TEXT],
  [/(\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@"']{0,256}):[^\s/@"']{1,512}@/gi, `$1:${REDACTED_TEXT}@`],
  [/([?#&](?:code|setup|sig|signature|auth|key)=)[^\s"'&]{4,}/gi, `$1${REDACTED_TEXT}`],
  [
    /((?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|authorization|cookie|setup[-_ ]?code|pairing[-_ ]?code)["']?\s{0,4}[=:]\s{0,4}["']?)(?!\[secret\])[^\s"'&,;}\])]{4,}/gi,
    `$1${REDACTED_TEXT}`,
  ],
];

/** Keys whose text always counts as a credential. Numbers and booleans under such keys are shown; only text is hidden. */
const CREDENTIAL_KEY =
  /(?:^|[-_.]|[a-z0-9](?=[A-Z]))(?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|authorization|cookie|setup[-_]?code|seed)s?$/i;
/** Keys that usually contain an id and sometimes a credential: hidden when the text is long and unstructured. */
const AMBIGUOUS_KEY = /(?:key|credential|signature|nonce|hash|auth|code)$/i;
const OPAQUE_TEXT = /^(?:[0-9a-f]{40,}|[A-Za-z0-9+/_-]{40,}={0,2})$/i;

const PLAIN = /^[\x20-\x7e]*$/;
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** True when text under this key is always hidden. */
export function isCredentialKey(key: string): boolean {
  return CREDENTIAL_KEY.test(key);
}

/** Makes every character visible: controls, ANSI escapes, bidirectional marks and separators become `\u{...}` in plain text. */
function escapeInvisible(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(INVISIBLE, (char) => NAMED[char] ?? `\\u{${char.codePointAt(0)!.toString(16)}}`);
}

/** Secrets known by value, e.g. from the configuration: hidden everywhere, in any common encoding. */
export class KnownSecrets {
  readonly #limit: number;
  readonly #spellings = new Set<string>();
  #pattern: RegExp | null = null;
  #shapes: readonly SafePattern[] = [];

  /** `limit`: number of secrets; the oldest is dropped first, the patterns above still apply to it. */
  constructor(limit: number) {
    this.#limit = limit * SPELLINGS;
  }

  /** Shorter secrets than 6 characters are ignored: hiding them would hide ordinary words. */
  add(secret: Secret): void {
    const text = secret.reveal();
    if (text.length < 6) return;
    const bytes = Buffer.from(text);
    for (const spelling of [
      text,
      encodeURIComponent(text),
      JSON.stringify(text).slice(1, -1),
      bytes.toString("base64"),
      bytes.toString("hex"),
    ])
      this.#spellings.add(spelling.replace(/=+$/, ""));
    for (const oldest of this.#spellings) {
      if (this.#spellings.size <= this.#limit) break;
      this.#spellings.delete(oldest);
    }
    this.#pattern = null;
  }

  /**
   * Further patterns, as sources of regular expressions; replaces the previous ones. They are matched in linear time. A source that
   * `compilePattern` rejects is left out; configuration validation has reported it.
   */
  setPatterns(sources: readonly string[]): void {
    const limits = { patternChars: LIMITS.patternChars, textChars: Infinity };
    this.#shapes = sources.flatMap((source) => {
      const result = compilePattern(source, limits);
      return "pattern" in result ? [result.pattern] : [];
    });
  }

  redact(text: string): string {
    let safe = text;
    for (const shape of this.#shapes) safe = shape.replace(safe, REDACTED_TEXT);
    if (this.#spellings.size === 0) return safe;
    // Longest first, so that a secret that contains another one is hidden completely.
    const literals = (): string[] => [...this.#spellings].toSorted((a, b) => b.length - a.length).map((text) => RegExp.escape(text));
    this.#pattern ??= new RegExp(literals().join("|"), "g");
    return safe.replace(this.#pattern, REDACTED_TEXT);
  }
}
const SPELLINGS = 5;

/** One text, safe to print: credentials hidden, every character visible, at most `limitChars` long (then marked as truncated). */
export function toSafeText(text: string, limitChars: number, known?: KnownSecrets): string {
  const longer = text.length > limitChars;
  let safe = longer ? text.slice(0, limitChars + OVERLAP_CHARS) : text;
  if (known) safe = known.redact(safe);
  if (safe.length >= 8) for (const [pattern, replacement] of SHAPES) safe = safe.replace(pattern, replacement);
  safe = escapeInvisible(safe.toWellFormed());
  if (safe.length <= limitChars && !longer) return safe;
  return `${safe.slice(0, limitChars)}...[cut, ${text.length} characters]`;
}

/** The text under `key`, safe to print. */
export function toSafeField(key: string, text: string, limitChars: number, known?: KnownSecrets): string {
  if (text === "" || text === REDACTED_TEXT) return text;
  if (isCredentialKey(key) || (AMBIGUOUS_KEY.test(key) && OPAQUE_TEXT.test(text))) return REDACTED_TEXT;
  return toSafeText(text, limitChars, known);
}
