import { LIMITS } from "../../core/limits.ts";
import { clip, toWellFormed } from "../../core/text.ts";
import type { ErrorKind, TurnFailure } from "../runtime.ts";

/** Texts that identify a kind, most specific first. */
const ERROR_PATTERNS: readonly (readonly [ErrorKind, RegExp])[] = [
  ["bad_answer", /the provider did not send an answer|an event that is too large/i],
  [
    "context_length",
    /context[ _-]?(length|window|size)|maximum context|prompt (is )?too long|too many tokens|reduce the length|request_too_large|maximum prompt length|token count .* exceeds/i,
  ],
  [
    "billing",
    /insufficient[ _](quota|credit|balance|funds)|billing|payment required|out of (credits|budget)|quota exceeded|usage limit reached|credit balance/i,
  ],
  ["overloaded", /overloaded|high demand|at capacity|loading model|model is (still )?loading/i],
  ["rate_limit", /rate.?limit|too many requests|resource.?exhausted|retry delay/i],
  [
    "model_not_found",
    /model.{0,80}(not found|does not exist|not exist|no longer available)|(unknown|no such|invalid) model|model_not_found/i,
  ],
  [
    "auth",
    /no api key|invalid.*(api.?key|token|credential)|incorrect api key|unauthorized|authentication|forbidden|permission denied|not authorized/i,
  ],
  ["refusal", /content.?filter|\brefusal\b|safety|blocked by|policy violation/i],
  ["cut", /terminated|ended without|stream ended|ended before|other side closed|socket hang up|premature|connection was closed|aborted/i],
  ["bad_answer", /unexpected token|not valid json|could not parse|malformed|unexpected end of json/i],
  ["network", /fetch failed|network|socket|econn|enotfound|eai_again|etimedout|connection|service unavailable|bad gateway|server error/i],
  ["timeout", /timed? ?out|timeout|deadline/i],
];

const KIND_BY_STATUS: Readonly<Record<number, ErrorKind>> = {
  401: "auth",
  402: "billing",
  403: "auth",
  404: "model_not_found",
  408: "timeout",
  413: "context_length",
  429: "rate_limit",
  529: "overloaded",
};

/** A status counts only where providers put it: at the start, or after a word that announces it. */
function statusOf(message: string): number | undefined {
  const match =
    /^\W*(?:error\W+)?([45]\d\d)\b/i.exec(message) ?? /\b(?:status|http|code|error)\W{0,4}(?:code\W{0,3})?([45]\d\d)\b/i.exec(message);
  return match ? Number(match[1]) : undefined;
}

const HTML = /<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>]/i;

/** For an HTML page from a proxy or portal: its title. */
function stripHtmlPage(message: string): string {
  const at = HTML.exec(message)?.index ?? 0;
  const title = /<title[^>]{0,200}>([^<]{1,200})/i.exec(message)?.[1]?.trim();
  return `${message.slice(0, at).trim()} a web page instead of an answer${title ? `: ${title}` : ""}`.trim();
}

/** The sentence of an error body (`401: {"message":"..."}`), not the JSON around it. */
function extractErrorMessage(message: string): string {
  if (HTML.test(message)) return stripHtmlPage(message);
  const [, before, body] = /^([^{]{0,80})(\{[^]*\})$/.exec(message) ?? [];
  if (body === undefined) return message;
  try {
    const { message: own, error } = JSON.parse(body) as { message?: unknown; error?: { message?: unknown } };
    const said = typeof own === "string" ? own : error?.message;
    return typeof said === "string" && said.trim() !== "" ? `${before}${said.trim()}` : message;
  } catch {
    return message; // not JSON: kept unchanged
  }
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The wait that the text of the provider requests: "try again in 6m0s", "retry after 30 seconds". */
function parseRetryAfter(message: string): number | undefined {
  const said =
    /(?:again in|retry after|retry in|retry-after:?|requested)\s{1,4}((?:\d{1,9}(?:\.\d{1,9})?\s?(?:ms|milliseconds?|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?)?|d(?:ays?)?)\b\s?|\d{1,9}(?:\.\d{1,9})?(?=[a-z])[a-z]{1,2}){1,4})/i.exec(
      message,
    )?.[1];
  if (said === undefined) return undefined;
  let total = 0;
  for (const [, amount, unit] of said.matchAll(/(\d+(?:\.\d+)?)\s?([a-z]+)/gi)) {
    const name = unit!.toLowerCase();
    const ms = UNITS[name] ?? (name.startsWith("milli") ? 1 : UNITS[name[0]!]);
    if (ms !== undefined) total += Number(amount) * ms;
  }
  return total > 0 && Number.isFinite(total) ? Math.min(Math.round(total), LIMITS.retryAfterMaxMs) : undefined;
}

/** Classifies a provider's error text; keeps the text, shortened, for logs and operators. */
export function classifyProviderError(message: string): TurnFailure {
  const status = statusOf(message);
  const kind = errorKindOf(message, status);
  const said = extractErrorMessage(toWellFormed(message.trim())) || "The model ended with an error and gave no reason.";
  const retryAfterMs = kind === "rate_limit" || kind === "overloaded" ? parseRetryAfter(message) : undefined;
  return {
    kind,
    message: clip(said, LIMITS.errorDetailChars),
    origin: "provider",
    ...(status === undefined ? {} : { httpStatus: status }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function errorKindOf(message: string, status: number | undefined): ErrorKind {
  const said = ERROR_PATTERNS.find(([, words]) => words.test(message))?.[0];
  if (said === "context_length" || said === "billing") return said;
  // A page with 401 or 403 comes from a proxy on the way: the key was not checked.
  if (HTML.test(message) && (status === undefined || status === 401 || status === 403 || status >= 500)) return "network";
  if (status === 503 && said === "overloaded") return said;
  if (status !== undefined && KIND_BY_STATUS[status]) return KIND_BY_STATUS[status];
  if (status !== undefined && status >= 500) return said === "rate_limit" || said === "overloaded" ? said : "network";
  return said ?? "unknown";
}

const FALLBACK_KINDS = new Set<ErrorKind>([
  "auth",
  "billing",
  "rate_limit",
  "overloaded",
  "model_not_found",
  "network",
  "timeout",
  "cut",
  "bad_answer",
]);

/** Failures for which another model may succeed. */
export const shouldTryFallback = (kind: ErrorKind): boolean => FALLBACK_KINDS.has(kind);
