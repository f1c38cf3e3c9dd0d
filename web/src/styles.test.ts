import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { test } from "node:test";

/** Shared classes live here; every other stylesheet may refine them within its own elements. */
const SHARED = "base.css";

type Selector = { sheet: string; text: string; classes: readonly string[] };

function selectorsOf(path: string): readonly Selector[] {
  const css = readFileSync(path, "utf8").replaceAll(/\/\*[\s\S]*?\*\//g, "");
  return [...css.matchAll(/([^{};]+)\{/g)]
    .map((match) => match[1]!.trim())
    .filter((text) => !text.startsWith("@"))
    .flatMap((text) => text.split(/,(?![^(]*\))/))
    .map((text) => ({
      sheet: basename(path),
      text: text.trim(),
      classes: [...text.matchAll(/\.([a-z][\w-]*)/gi)].map((match) => match[1]!),
    }));
}

/** For each class, the stylesheets in which a selector begins with it. */
function ownersOf(selectors: readonly Selector[]): Map<string, Set<string>> {
  const owners = new Map<string, Set<string>>();
  for (const { sheet, classes } of selectors) {
    const [first] = classes;
    if (first !== undefined) owners.set(first, (owners.get(first) ?? new Set()).add(sheet));
  }
  return owners;
}

const selectors = globSync(new URL("styles/*.css", import.meta.url).pathname).flatMap(selectorsOf);
const owners = ownersOf(selectors);

test("each class is defined by one stylesheet", () => {
  const shared = [...owners].filter(([, sheets]) => sheets.size > 1).map(([name, sheets]) => `.${name}: ${[...sheets].join(", ")}`);
  assert.deepEqual(shared, []);
});

test("a stylesheet refines only its own classes and those of base.css", () => {
  const strays = selectors.flatMap(({ sheet, text, classes }) =>
    classes
      .filter((name) => {
        const sheets = owners.get(name);
        return sheets !== undefined && !sheets.has(sheet) && !sheets.has(SHARED);
      })
      .map((name) => `${sheet}: "${text}" styles .${name} of ${[...owners.get(name)!].join(", ")}`),
  );
  assert.deepEqual(strays, []);
});
