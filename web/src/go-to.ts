/** Ways to the views without a mouse: `g` and a letter, and the words of the search field. */
import { VIEW_TITLES } from "./views.ts";
import type { SideView } from "./views.ts";
import type { View } from "./state.ts";

/** The letter that follows `g`. */
export const LETTERS: Readonly<Record<string, View>> = {
  c: "chat",
  o: "overview",
  s: "sessions",
  a: "approvals",
  n: "channels",
  t: "tools",
  k: "skills",
  m: "mcp",
  b: "browser",
  j: "schedule",
  e: "nodes",
  u: "usage",
  i: "models",
  r: "agents",
  v: "devices",
  f: "config",
  d: "audit",
  h: "health",
  l: "logs",
  p: "settings",
};

/** `g` counts this long. */
const CHORD_MS = 1_500;
let begunAt = -Infinity;

/** The view that a key leads to; null for every other key. Call it with every key that is not typed into a field. */
export function viewOfKey(key: string, now: number): View | null {
  const isChord = now - begunAt < CHORD_MS;
  begunAt = key === "g" && !isChord ? now : -Infinity;
  return isChord ? (LETTERS[key] ?? null) : null;
}

/** The views whose title begins with the words, or has a word that does. Pure. */
export function viewsOfWords(words: string): readonly SideView[] {
  const wanted = words.trim().toLowerCase();
  if (wanted.length < 2) return [];
  return (Object.keys(VIEW_TITLES) as SideView[]).filter(
    (view) =>
      view !== "trace" &&
      VIEW_TITLES[view]
        .toLowerCase()
        .split(" ")
        .some((_, at, all) => all.slice(at).join(" ").startsWith(wanted)),
  );
}
