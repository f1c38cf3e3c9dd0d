// Fails on phrases that the project does not use: private idiom, archaic words and British spelling, in documents, comments, strings
// and test titles. Each rule names the plain term to use instead. Also compares the figures of documents with the limits of the code.
// Run with file names to check only those.
import { globSync, readFileSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { LIMITS } from "../src/core/limits.ts";

/** Phrase (a space matches any line break, also within a comment) -> what to write instead. */
const PHRASES: Readonly<Record<string, string>> = {
  "(?:is|are|was|were|be|been|being) told(?! apart)": "say who receives what: reported, shown, notified",
  nobody: "no one, no client, no caller",
  "(?<!there )is no(?! longer| more| less|,| one|\\.)": "is not a, there is no",
  "for ever": "forever, indefinitely",
  "mend(?:s|ed|ing)?": "fix, repair",
  "stands?(?! (?:for|out|alone|by)|-)": "overrides, replaces, is, holds",
  "(?:is|are|was|were|be|been|being) said": "say where: logged, reported, documented",
  "somebody|anybody": "someone, anyone, say who",
  anew: "again",
  afresh: "again",
  "(?:in|by) (?:our|its|their|his|your) (?:own )?words": "say which text",
  "(?:let|lets|letting) go(?: of)?": "release, dequeue",
  letgo: "release, dequeue",
  "of use": "useful",
  whoever: "anyone who, the client that",
  whichever: "any",
  lest: "so that ... not",
  "strangers?": "pre-auth connection, unknown sender, untrusted peer",
  fate: "outcome",
  "(?:is|are|was|were) well": "healthy",
  "older word": "deprecated alias",
  "set aside": "dead letter, stored for the operator",
  stranded: "dead letter",
  "(?<![\"'`])parked(?![\"'`])": "unloaded, dead letter, waiting",
  untold: "unreported, outcome pending",
  "means nothing": "not applicable",
  "there (?:is|are|was|were) no such": "name what was not found",
  "the like": "similar",
  "(?:is|are) to be": "must be, will be",
  "without a word": "silently",
  amiss: "wrong",
  astray: "lost, misdirected",
  shall: "must, will",
  thereof: "of it",
  therein: "in it",
  wherein: "in which",
  henceforth: "from now on",
  "bear with": "tolerate",
  "come to nothing": "fail",
  "makes? do with": "uses",
  "as (?:you|one|it|they) likes?": "freely",
  "the world": "say which systems",
};

/** British -> American spelling. */
const SPELLINGS: Readonly<Record<string, string>> = {
  "colour(s|ed|ing|less)?": "color",
  "behaviour(s|al)?": "behavior",
  "favour(s|ed|ite)?": "favor",
  "honour(s|ed|ing)?": "honor",
  "neighbour(s|ing)?": "neighbor",
  "(re|un)?(recogni|seriali|normali|organi|initiali|authori|summari|synchroni|minimi|optimi|categori|sanitis)s(e|es|ed|ing|ation)": "-ize",
  "centre(s|d)?": "center",
  "licence(s)?": "license",
  "defence(s)?": "defense",
  "artefact(s)?": "artifact",
  "catalogue(s)?": "catalog",
  "grey(s)?": "gray",
  whilst: "while",
  amongst: "among",
  "analys(e|ed|es|ing)(?<!analyses)": "analyze",
  "labell(ed|ing)": "labeled",
  "signall(ed|ing)": "signaled",
  "modell(ed|ing)": "modeled",
  "programme(s)?": "program",
};

/** This file names the phrases; recorded frames, third-party texts and generated code are not ours. */
const EXCLUDED = ["scripts/check-prose.ts", "src/protocol/gen/", "web/dist/", "web/node_modules/"];

type Rule = { readonly pattern: RegExp; readonly instead: string };
const toRule = ([phrase, instead]: [string, string]): Rule => ({
  pattern: new RegExp(`\\b(?:${phrase.replaceAll(" ", "[\\s/*]+")})(?![\\w-])`, "gi"),
  instead,
});
const RULES: readonly Rule[] = [...Object.entries(PHRASES), ...Object.entries(SPELLINGS)].map(toRule);

/** Comments (consecutive lines together) and string literals of a source file. */
const PROSE = /(?:\/\/[^\n]*(?:\n[ \t]*(?=\/\/))?)+|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;

export type Finding = { readonly line: number; readonly found: string; readonly instead: string };

const lineAt = (text: string, at: number): number => text.slice(0, at).split("\n").length;

/** Every disliked phrase of a text, in the order of the text. */
export function findIdiom(text: string, isSource: boolean): Finding[] {
  const passages = isSource ? [...text.matchAll(PROSE)] : [Object.assign([text], { index: 0 })];
  const findings: (Finding & { at: number })[] = [];
  for (const passage of passages) {
    for (const { pattern, instead } of RULES) {
      for (const match of passage[0]!.matchAll(pattern)) {
        const at = passage.index + match.index;
        const line = lineAt(text, at);
        findings.push({ at, line, found: match[0].replaceAll(/[\s/*]+/g, " ").trim(), instead });
      }
    }
  }
  return findings.toSorted((a, b) => a.at - b.at);
}

/** Units of a figure, by the end of the limit's name; other limits count things, whatever word follows. */
const UNITS: readonly (readonly [suffix: RegExp, units: Readonly<Record<string, number>>])[] = [
  [/Ms$/, { ms: 1, s: 1_000, second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 }],
  [/Bytes/, { bytes: 1, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 }],
  [/Mib$/, { MiB: 1, GiB: 1_024 }],
];
const NUMBER_WORDS: Readonly<Record<string, number>> = { a: 1, one: 1, two: 2, three: 3, four: 4, five: 5, six: 6, eight: 8, ten: 10 };

/** `16 MiB<!-- limit logFileBytes -->`: a figure with its unit, and the limit of the code that it states. */
const FIGURE = new RegExp(`(?:\\b(\\d[\\d,.]*|${Object.keys(NUMBER_WORDS).join("|")})(?:\\s+(\\w+))?)?<!-- limit ([\\w.-]+) -->`, "g");

/** The number that a figure states in the unit of the limit; null when the unit does not fit. */
function valueOf(figure: string, unit: string | undefined, limit: string): number | null {
  const number = NUMBER_WORDS[figure] ?? Number(figure.replaceAll(",", ""));
  const units = UNITS.find(([suffix]) => suffix.test(limit))?.[1];
  if (units === undefined) return number;
  const factor = units[unit ?? ""] ?? units[(unit ?? "").replace(/s$/, "")];
  return factor === undefined ? null : number * factor;
}

/** Every marked figure of a document that differs from its limit. */
export function findWrongFigures(text: string, limits: Readonly<Record<string, number>>): Finding[] {
  const findings: Finding[] = [];
  for (const { 0: found, 1: figure, 2: unit, 3: limit = "", index } of text.matchAll(FIGURE)) {
    const expected = limits[limit];
    if (expected !== undefined && figure !== undefined && valueOf(figure, unit, limit) === expected) continue;
    const instead = expected === undefined ? "the name of a limit" : `a figure and unit equal to ${expected}`;
    findings.push({ line: lineAt(text, index), found, instead });
  }
  return findings;
}

/** The limits of the core by their names, those of channels as `telegram.textChars`. */
async function readLimits(): Promise<Record<string, number>> {
  const limits: Record<string, number> = { ...LIMITS };
  for (const file of globSync("src/channels/*/limits.ts")) {
    const channel = basename(dirname(file));
    const module = (await import(resolve(file))) as Record<string, Record<string, number>>;
    for (const [name, value] of Object.values(module).flatMap((each) => Object.entries(each))) limits[`${channel}.${name}`] = value;
  }
  return limits;
}

const FILES = [
  "*.md",
  "docs/**/*.md",
  "src/**/*.{ts,md,sql}",
  "web/{src,test}/**/*.{ts,tsx,css}",
  "web/*.{html,css,ts}",
  "test/**/*.ts",
  "scripts/*.{ts,js}",
  "bin/*.js",
];

function checkFiles(names: readonly string[], limits: Readonly<Record<string, number>>): number {
  let hits = 0;
  for (const name of names) {
    const text = readFileSync(name, "utf8");
    const figures = name.endsWith(".md") ? findWrongFigures(text, limits) : [];
    for (const { line, found, instead } of [...findIdiom(text, /\.(?:ts|js)$/.test(name)), ...figures]) {
      hits++;
      console.error(`${name}:${line}: "${found}"; write: ${instead}`);
    }
  }
  return hits;
}

if (import.meta.main) {
  const given = process.argv.slice(2);
  const all = given.length > 0 ? given : [...new Set(globSync(FILES))].toSorted();
  const names = all.filter((name) => !EXCLUDED.some((prefix) => name.startsWith(prefix)));
  const hits = checkFiles(names, await readLimits());
  if (hits > 0) console.error(`${hits} phrases or figures to correct (the rules are in scripts/check-prose.ts).`);
  process.exitCode = hits > 0 ? 1 : 0;
}
