import type { ToolDescription } from "../tool.ts";

/** Points for a word of the query in the name of a tool, and elsewhere in what describes it. */
const IN_NAME = 4;
const IN_TEXT = 1;
/** Letters at the end of a word by which its forms differ: "sessions", "sending". */
const ENDINGS = /(?:ing|ies|es|ed|e|s|y)$/u;
const MIN_STEM_CHARS = 3;

/** The tools that a query matches, the best first; those with equal points keep their order. An empty query matches all. Pure. */
export function rankTools(tools: readonly ToolDescription[], query: string): readonly ToolDescription[] {
  const wanted = toStems(query);
  if (wanted.length === 0) return tools;
  return tools
    .map((tool) => ({ tool, points: pointsOf(tool, wanted) }))
    .filter(({ points }) => points > 0)
    .toSorted((a, b) => b.points - a.points)
    .map(({ tool }) => tool);
}

function pointsOf({ name, description, parameters }: ToolDescription, wanted: readonly string[]): number {
  const inName = toStems(name);
  const inText = new Set([...toStems(description), ...toStems(Object.keys(Object(parameters["properties"])).join(" "))]);
  const points = wanted.map((stem) => (inName.includes(stem) ? IN_NAME : inText.has(stem) ? IN_TEXT : 0));
  return points.reduce((sum: number, each) => sum + each, 0);
}

/** The words of a text without their endings, in lower case, each once. */
function toStems(text: string): string[] {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return [...new Set(words.map(toStem))];
}

function toStem(word: string): string {
  const stem = word.replace(ENDINGS, "");
  return stem.length >= MIN_STEM_CHARS ? stem : word;
}
