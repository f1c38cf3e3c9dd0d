// Secrets that a test plants, and the search for them in everything that a program writes.
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { ZipReader } from "../src/core/zip.ts";

/** A value whose encoded forms all differ from it. It is valid in a header. */
export const canary = (name: string): string => `cnry.${name}.${randomBytes(8).toString("hex")}/+%"z`;

/** Every form in which a value could leave: as it is, JSON-escaped, URL-encoded, reversed, and base64 at any offset of a longer text. */
export function formsOf(value: string): string[] {
  const forms = new Set([
    value,
    JSON.stringify(value).slice(1, -1),
    JSON.stringify(JSON.stringify(value).slice(1, -1)).slice(1, -1),
    encodeURIComponent(value),
    encodeURI(value),
    [...value].toReversed().join(""),
    Buffer.from(value).toString("hex"),
    // Without what an escape may have cut off.
    value.split("/")[0]!,
  ]);
  for (const offset of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(offset), Buffer.from(value)]).toString("base64");
    const inner = text.slice(Math.ceil((offset * 4) / 3), -4);
    forms.add(inner);
    forms.add(inner.replaceAll("+", "-").replaceAll("/", "_"));
  }
  return [...forms];
}

export class CanarySearch {
  readonly #forms: readonly { name: string; form: string }[];

  constructor(values: Readonly<Record<string, string>>) {
    this.#forms = Object.entries(values).flatMap(([name, value]) => formsOf(value).map((form) => ({ name, form })));
  }

  /** Names of the planted values that the text has. */
  find(text: string): string[] {
    return [...new Set(this.#forms.filter(({ form }) => text.includes(form)).map(({ name }) => name))];
  }

  /** `<file>: <name>` for every file below `dir`; archives are unpacked. */
  async findInFiles(dir: string, isExpected: (file: string) => boolean): Promise<string[]> {
    const found: string[] = [];
    for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const name = relative(dir, path);
      if (isExpected(name)) continue;
      for (const hit of this.find(readFileSync(path, "latin1"))) found.push(`${name}: ${hit}`);
      if (path.endsWith(".zip")) found.push(...(await this.findInZip(path)).map((hit) => `${name}/${hit}`));
    }
    return found;
  }

  async findInZip(path: string): Promise<string[]> {
    const zip = await ZipReader.open(path);
    try {
      const found: string[] = [];
      for (const entry of zip.entries.values())
        found.push(...this.find((await zip.readAll(entry, 100_000_000)).toString("latin1")).map((hit) => `${entry.name}: ${hit}`));
      return found;
    } finally {
      await zip.close();
    }
  }
}
