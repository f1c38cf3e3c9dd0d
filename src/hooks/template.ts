import { isObject } from "../core/json.ts";
import { clip, toWellFormed } from "../core/text.ts";
import { quoteLines } from "../turns/untrusted-text.ts";
import { HOOK_LIMITS } from "./limits.ts";

/** What a template may name. */
export type TemplateData = {
  payload: unknown;
  headers: Readonly<Record<string, string | undefined>>;
  query: Readonly<Record<string, string>>;
  path: string;
  now: string;
};

const PLACEHOLDER = /\{\{\s*([\w$-]+(?:\.[\w$-]+|\[\d{1,6}\])*)\s*\}\}/g;
/** A line that is one placeholder and nothing else. */
const WHOLE_LINE = /^\s*\{\{\s*([\w$-]+(?:\.[\w$-]+|\[\d{1,6}\])*)\s*\}\}\s*$/;

/** Steps of `a.b[0]`. Pure. */
const stepsOf = (path: string): string[] => path.split(/[.[\]]/).filter((step) => step !== "");

/** What a path names in the payload, in `headers`, in `query`, or `path` and `now`; undefined where there is nothing. Pure. */
export function lookUp(path: string, { payload, headers, query, path: at, now }: TemplateData): unknown {
  const [first = "", ...rest] = stepsOf(path);
  if (first === "path" && rest.length === 0) return at;
  if (first === "now" && rest.length === 0) return now;
  if (first === "headers" && rest.length === 1) return own(headers, rest[0]!.toLowerCase());
  if (first === "query" && rest.length === 1) return own(query, rest[0]!);
  const steps = first === "payload" ? rest : [first, ...rest];
  return steps.reduce<unknown>((value, step) => own(value, step), payload);
}

/** A field of the value itself: nothing that every object has. */
function own(value: unknown, name: string): unknown {
  if (Array.isArray(value)) return /^\d+$/.test(name) ? (value as readonly unknown[])[Number(name)] : undefined;
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

const toText = (value: unknown): string =>
  value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);

/**
 * A prompt of a template of the owner with values from outside. A value that has a line of its own is a quotation, line by line; within
 * a line it is in quotation marks, on that line. So no value can pass for what the owner has written. Pure.
 */
export function renderPrompt(template: string, data: TemplateData): string {
  const lines = template.split("\n").map((line) => {
    const whole = WHOLE_LINE.exec(line)?.[1];
    if (whole !== undefined) return quoteLines(toWellFormed(toText(lookUp(whole, data))));
    return line.replaceAll(PLACEHOLDER, (_match, path: string) => inline(toText(lookUp(path, data))));
  });
  return clip(lines.join("\n"), HOOK_LIMITS.promptChars);
}

/** In quotation marks, without line breaks and control characters. */
const inline = (text: string): string =>
  JSON.stringify(clip(toWellFormed(text), HOOK_LIMITS.inlineChars)).replaceAll(/[\u0085\u2028\u2029\p{Cf}]/gu, " ");

/** A part of a session key: only letters, digits and a few marks of what the template gives. Pure. */
export const renderKey = (template: string, data: TemplateData): string =>
  template.replaceAll(
    PLACEHOLDER,
    (_match, path: string) =>
      toText(lookUp(path, data))
        .replaceAll(/[^\w.@-]+/g, "-")
        .slice(0, 64) || "none",
  );
