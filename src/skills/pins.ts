import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ensureDirectory, errnoOf, isAbsent, writeFileAtomic } from "../core/files.ts";
import { asObject, asString, fieldsOf, tryParseJson } from "../core/json.ts";

/** What is kept of an installed skill: where it came from, and the hash of the content that a person has approved. */
export type SkillPin = {
  /** As it was named for `skills install`. */
  origin: string;
  /** The folder within it. */
  folder: string;
  /** Null: nothing has been approved yet. */
  approved: string | null;
};

/** By the name of the directory in `<state>/skills`. */
export type SkillPins = ReadonlyMap<string, SkillPin>;

export const pinsFile = (gatewayDir: string): string => join(gatewayDir, "skills.json");

/** The pins, or null when the file is damaged or cannot be read: then it is unknown which skills were installed, and none may be used. */
export async function readPins(file: string): Promise<SkillPins | null> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (err) {
    if (isAbsent(err)) return new Map();
    if (errnoOf(err) !== "") return null;
    throw err;
  }
  const installed = asObject(fieldsOf(tryParseJson(text))["installed"]);
  if (installed === null) return null;
  const pins = new Map<string, SkillPin>();
  for (const [name, value] of Object.entries(installed)) {
    const { origin, folder, approved } = fieldsOf(value);
    pins.set(name, { origin: asString(origin), folder: asString(folder), approved: asString(approved) || null });
  }
  return pins;
}

export async function writePins(gatewayDir: string, pins: SkillPins): Promise<void> {
  await ensureDirectory(gatewayDir);
  const sorted = [...pins].toSorted(([a], [b]) => (a < b ? -1 : 1));
  await writeFileAtomic(pinsFile(gatewayDir), `${JSON.stringify({ installed: Object.fromEntries(sorted) }, null, 2)}\n`);
}
