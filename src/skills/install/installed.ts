import { randomBytes } from "node:crypto";
import { chmod, lstat, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ensureDirectory, isAbsent, syncDirectory } from "../../core/files.ts";
import { managedSkillsDir } from "../agent-skills.ts";
import { ContentError, hashContent, readContent, type ContentFile } from "../contents.ts";
import { parseHeader } from "../front-matter.ts";
import { SKILL_LIMITS } from "../limits.ts";
import { pinsFile, readPins, writePins, type SkillPin, type SkillPins } from "../pins.ts";
import { SKILL_FILE, type SkillHeader } from "../skill.ts";
import type { SkillOrigin } from "./sources.ts";

export type InstalledPaths = { state: string; gateway: string };

/** The header of a content. Throws a ContentError for one that is not a skill, or too large. */
export function headerOf(files: readonly ContentFile[]): SkillHeader {
  const file = files.find(({ path }) => path === SKILL_FILE);
  if (file === undefined) throw new ContentError(`it has no ${SKILL_FILE}`);
  if (files.length > SKILL_LIMITS.contentFiles) throw new ContentError(`it has more than ${SKILL_LIMITS.contentFiles} files`);
  const bytes = files.reduce((sum, each) => sum + each.bytes.length, 0);
  if (bytes > SKILL_LIMITS.contentBytes) throw new ContentError(`it is larger than ${SKILL_LIMITS.contentBytes} bytes`);
  if (file.bytes.length > SKILL_LIMITS.fileBytes)
    throw new ContentError(`its ${SKILL_FILE} is larger than ${SKILL_LIMITS.fileBytes} bytes`);
  const parsed = parseHeader(file.bytes.toString("utf8"), "");
  if ("problem" in parsed) throw new ContentError(parsed.problem);
  return parsed.header;
}

/** The name of the directory in which a skill is installed. */
export const directoryNameOf = (name: string): string => name.toLowerCase().replaceAll(/[^\p{L}\p{N}._+-]+/gu, "-");

/** The installed skills of a state directory, and what was approved of them. */
export class InstalledSkills {
  readonly #paths: InstalledPaths;

  constructor(paths: InstalledPaths) {
    this.#paths = paths;
  }

  directoryOf(name: string): string {
    return join(managedSkillsDir(this.#paths.state), name);
  }

  /** Throws a ContentError when the file is damaged. */
  async pins(): Promise<SkillPins> {
    const file = pinsFile(this.#paths.gateway);
    const pins = await readPins(file);
    if (pins === null) throw new ContentError(`the list of installed skills, ${file}, is damaged`);
    return pins;
  }

  /** Whether there is anything where the skill would be. */
  isTaken(name: string): Promise<boolean> {
    return exists(this.directoryOf(name));
  }

  content(name: string): Promise<readonly ContentFile[]> {
    return readContent(this.directoryOf(name));
  }

  /** Puts a content in place of what is there. It may not be used before it is approved: the pin is written first. */
  async write(name: string, { origin, folder }: SkillOrigin, files: readonly ContentFile[]): Promise<void> {
    const pins = new Map(await this.pins());
    pins.set(name, { origin, folder, approved: pins.get(name)?.approved ?? null });
    await writePins(this.#paths.gateway, pins);
    const root = managedSkillsDir(this.#paths.state);
    await ensureDirectory(root);
    await removeLeftovers(root, name);
    const [staged, replaced] = ["new", "old"].map((what) => join(root, `.${name}.${randomBytes(6).toString("hex")}.${what}`)) as [
      string,
      string,
    ];
    try {
      await writeContent(staged, files);
      const target = this.directoryOf(name);
      const isReplacing = await this.isTaken(name);
      if (isReplacing) await rename(target, replaced);
      try {
        await rename(staged, target);
      } catch (err) {
        if (isReplacing) await rename(replaced, target);
        throw err;
      }
      await syncDirectory(root);
    } finally {
      await rm(staged, { recursive: true, force: true });
      await rm(replaced, { recursive: true, force: true });
    }
  }

  /** From now on the skill may be used with exactly this content. A copy of it is kept, so that a later change can be shown. */
  async approve(name: string, files: readonly ContentFile[]): Promise<void> {
    const root = this.#approvedRoot;
    await ensureDirectory(root);
    await removeLeftovers(root, name);
    const staged = join(root, `.${name}.${randomBytes(6).toString("hex")}`);
    try {
      await writeContent(staged, files);
      await rm(this.#approvedCopy(name), { recursive: true, force: true });
      await rename(staged, this.#approvedCopy(name));
    } finally {
      await rm(staged, { recursive: true, force: true });
    }
    await this.#change(name, (pin) => ({ ...pin, approved: hashContent(files) }));
  }

  /** The content that was approved last; null where there is no copy of exactly that. */
  async approvedContent(name: string, { approved }: Pick<SkillPin, "approved">): Promise<readonly ContentFile[] | null> {
    if (approved === null || !(await exists(this.#approvedCopy(name)))) return null;
    const files = await readContent(this.#approvedCopy(name));
    return hashContent(files) === approved ? files : null;
  }

  get #approvedRoot(): string {
    return join(this.#paths.gateway, "approved-skills");
  }

  #approvedCopy(name: string): string {
    return join(this.#approvedRoot, name);
  }

  /** The directory goes first: without its pin it would count as one that the owner has put there. */
  async remove(name: string): Promise<void> {
    for (const root of [managedSkillsDir(this.#paths.state), this.#approvedRoot]) await removeLeftovers(root, name);
    await rm(this.directoryOf(name), { recursive: true, force: true });
    await rm(this.#approvedCopy(name), { recursive: true, force: true });
    await this.#change(name, () => null);
  }

  async #change(name: string, change: (pin: SkillPin) => SkillPin | null): Promise<void> {
    const pins = new Map(await this.pins());
    const pin = pins.get(name);
    if (pin === undefined) return;
    const next = change(pin);
    if (next === null) pins.delete(name);
    else pins.set(name, next);
    await writePins(this.#paths.gateway, pins);
  }
}

/** What a command for this skill that was killed has left. Nothing reads it: skills are not looked for in hidden directories. */
async function removeLeftovers(root: string, name: string): Promise<void> {
  const isLeft = (entry: string): boolean =>
    entry.startsWith(`.${name}.`) && /^[0-9a-f]{12}(?:\.(?:new|old))?$/.test(entry.slice(name.length + 2));
  for (const entry of await listIn(root)) if (isLeft(entry)) await rm(join(root, entry), { recursive: true, force: true });
}

async function listIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (err) {
    if (isAbsent(err)) return [];
    throw err;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (err) {
    if (isAbsent(err)) return false;
    throw err;
  }
}

async function writeContent(directory: string, files: readonly ContentFile[]): Promise<void> {
  await mkdir(directory, { mode: 0o700 });
  for (const { path, bytes, isExecutable } of files) {
    const file = join(directory, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(file, bytes, { flag: "wx", mode: 0o600 });
    if (isExecutable) await chmod(file, 0o700);
  }
}
