import { readdir, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errnoOf, fileProblemOf, isBeneath, openBeneath, readAtMost, UnsafePathError } from "../core/files.ts";
import { reasonOf } from "../core/errors.ts";
import { ContentError, hashContent, readContent } from "./contents.ts";
import { SKILL_LIMITS } from "./limits.ts";
import { readPins, type SkillPins } from "./pins.ts";
import { SKILL_FILE, type Skill, type SkillApproval, type SkillProblem, type SkillSet, type SkillSource } from "./skill.ts";
import { WatchedPaths } from "./watched-paths.ts";

/** A directory with skills. */
export type SkillRoot = {
  source: SkillSource;
  path: string;
  /** The directory that the root itself must lie in, where it is not the owner's own. */
  within?: string;
};

export type ScanInput = {
  /** In the order in which the first skill of a name wins. */
  roots: readonly SkillRoot[];
  /** Directories outside of the roots to which links in them may lead. */
  linkTargets: readonly string[];
  /** The file with the approved hashes of installed skills. */
  pins: string;
};

export type ScanResult = SkillSet & { watched: WatchedPaths };

/** Reads the skills of all roots. What cannot be read is reported and leaves out only itself. */
export const scanSkills = (input: ScanInput): Promise<ScanResult> => new Scan(input).run();

class Scan {
  readonly #input: ScanInput;
  readonly #watched = new WatchedPaths();
  readonly #problems: SkillProblem[] = [];
  readonly #found: Skill[] = [];
  #linkTargets: readonly string[] = [];
  #pins: SkillPins | null = new Map();

  constructor(input: ScanInput) {
    this.#input = input;
  }

  async run(): Promise<ScanResult> {
    const { roots, linkTargets, pins } = this.#input;
    await this.#watched.add(pins, dirname(pins));
    this.#pins = await readPins(pins);
    if (this.#pins === null) this.#report(pins, "it is damaged; the skills beside it are off. Restore it, or install them again");
    this.#linkTargets = (await Promise.all(linkTargets.map(realOrNull))).filter((path) => path !== null);
    for (const root of roots) await this.#scanRoot(root);
    const { skills, hidden } = firstOfEachName(this.#found);
    if (skills.length > SKILL_LIMITS.skills)
      this.#report(
        skills[SKILL_LIMITS.skills]!.path,
        `there are more than ${SKILL_LIMITS.skills} skills; this one and those after it are left out`,
      );
    return { skills: skills.slice(0, SKILL_LIMITS.skills), hidden, problems: this.#problems, watched: this.#watched };
  }

  #report(path: string, reason: string): void {
    this.#problems.push({ path, reason });
  }

  async #scanRoot(root: SkillRoot): Promise<void> {
    await this.#watched.add(root.path, dirname(root.path));
    const real = await realOrNull(root.path);
    if (real === null) return;
    const within = root.within === undefined ? real : await realOrNull(root.within);
    if (within !== null && real !== within && !isBeneath(within, real) && !this.#mayLinkTo(real)) return this.#report(root.path, LEADS_OUT);
    await this.#watched.add(real, real);
    await this.#walk(root, real);
  }

  /** Looks for skills from the root downwards; beneath a skill there is no other one. */
  async #walk(root: SkillRoot, realRoot: string): Promise<void> {
    const pending = [{ real: realRoot, path: root.path, depth: 0 }];
    const seen = new Set<string>();
    for (let at = pending.shift(); at !== undefined; at = pending.shift()) {
      if (seen.has(at.real)) continue;
      seen.add(at.real);
      if (seen.size > SKILL_LIMITS.directories)
        return this.#report(root.path, `it has more than ${SKILL_LIMITS.directories} directories; the rest was not looked at`);
      await this.#watched.add(at.real, realRoot);
      const entries = await this.#list(at);
      if (entries.some(({ name }) => name === SKILL_FILE)) {
        await this.#load(root, at, realRoot);
        continue;
      }
      if (at.depth === SKILL_LIMITS.depth) continue;
      for (const entry of entries) {
        const real = await this.#enter(entry, at, realRoot);
        if (real !== null) pending.push({ real, path: join(at.path, entry.name), depth: at.depth + 1 });
      }
    }
  }

  async #list({ real, path }: { real: string; path: string }): Promise<Entry[]> {
    try {
      const entries = await readdir(real, { withFileTypes: true });
      return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    } catch (err) {
      if (errnoOf(err) === "") throw err;
      this.#report(path, `it cannot be read: ${fileProblemOf(err)}`);
      return [];
    }
  }

  /** The directory that an entry is or leads to; null when it is not looked into. */
  async #enter(entry: Entry, at: { real: string; path: string }, realRoot: string): Promise<string | null> {
    if (entry.name.startsWith(".") || entry.name === "node_modules") return null;
    const isLink = entry.isSymbolicLink();
    if (!isLink && !entry.isDirectory()) return null;
    const path = join(at.path, entry.name);
    if (entry.name.length > 128 || /\p{C}/u.test(entry.name)) {
      this.#report(join(at.path, JSON.stringify(entry.name.slice(0, 128))), "its name is too long, or has control characters");
      return null;
    }
    if (!isLink) return join(at.real, entry.name);
    await this.#watched.add(join(at.real, entry.name), realRoot);
    const real = await realOrNull(join(at.real, entry.name));
    if (real === null || real === realRoot || isBeneath(realRoot, real) || this.#mayLinkTo(real)) return real;
    this.#report(path, LEADS_OUT);
    return null;
  }

  #mayLinkTo(real: string): boolean {
    return this.#linkTargets.some((target) => real === target || isBeneath(target, real));
  }

  async #load(root: SkillRoot, { real, path }: { real: string; path: string }, realRoot: string): Promise<void> {
    if (isBeneath(real, dirname(this.#input.pins))) return this.#report(path, "the gateway's own files are in it");
    try {
      await this.#watched.add(join(real, SKILL_FILE), realRoot);
      const { parseHeader } = await import("./front-matter.ts");
      const parsed = parseHeader(await readSkillFile(real), basename(real));
      if ("problem" in parsed) return this.#report(path, parsed.problem);
      const approval = root.source === "openclaw-managed" ? await this.#approvalOf(path, real, root.path) : undefined;
      this.#found.push({ ...parsed.header, source: root.source, directory: real, path, ...(approval && { approval }) });
    } catch (err) {
      if (!(err instanceof UnsafePathError) && errnoOf(err) === "" && !(err instanceof ContentError)) throw err;
      this.#report(
        path,
        err instanceof ContentError
          ? err.message
          : `its ${SKILL_FILE} cannot be read: ${err instanceof UnsafePathError ? reasonOf(err) : fileProblemOf(err)}`,
      );
    }
  }

  /** What is known of a skill that was installed; undefined for one that the owner put there. */
  async #approvalOf(path: string, real: string, rootPath: string): Promise<SkillApproval | undefined> {
    if (this.#pins === null) return { origin: "", hash: "", isApproved: false, problem: "the list of approved skills is damaged" };
    const pin = dirname(path) === rootPath ? this.#pins.get(basename(path)) : undefined;
    if (pin === undefined) return undefined;
    try {
      const hash = hashContent(await readContent(real, { onRead: (read) => this.#watched.add(read, real) }));
      return { origin: pin.origin, hash, isApproved: pin.approved === hash };
    } catch (err) {
      if (!(err instanceof ContentError)) throw err;
      return { origin: pin.origin, hash: "", isApproved: false, problem: err.message };
    }
  }
}

type Entry = { name: string; isSymbolicLink(): boolean; isDirectory(): boolean };

const LEADS_OUT = "it is a link that leads out of its directory; name the target in skills.load.allowSymlinkTargets to allow it";

/** Without links; null for what does not exist, cannot be looked at, or leads in circles. */
async function realOrNull(path: string): Promise<string | null> {
  try {
    return await realpath(path);
  } catch (err) {
    if (errnoOf(err) !== "") return null;
    throw err;
  }
}

async function readSkillFile(directory: string): Promise<string> {
  const handle = await openBeneath(directory, SKILL_FILE);
  try {
    const bytes = await readAtMost(handle, SKILL_LIMITS.fileBytes + 1);
    if (bytes.length > SKILL_LIMITS.fileBytes) throw new ContentError(`its ${SKILL_FILE} is larger than ${SKILL_LIMITS.fileBytes} bytes`);
    return bytes.toString("utf8");
  } finally {
    await handle.close();
  }
}

/** Letters in both cases count as the same name. The order of `found` decides. */
function firstOfEachName(found: readonly Skill[]): Pick<SkillSet, "hidden"> & { skills: Skill[] } {
  const byName = new Map<string, Skill>();
  const hidden: { skill: Skill; by: Skill }[] = [];
  for (const skill of found) {
    const by = byName.get(skill.name.toLowerCase());
    if (by) hidden.push({ skill, by });
    else byName.set(skill.name.toLowerCase(), skill);
  }
  return { skills: [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)), hidden };
}
