import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, constants, open, readlink, realpath, stat } from "node:fs/promises";
import { basename, delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { errnoOf, isAbsent, isAtOrBeneath } from "../../core/files.ts";
import { LIMITS } from "../../core/limits.ts";
import type { CommandHost, CommandRequest } from "../command-gate.ts";
import { executableAt } from "../executable.ts";
import { isShellBuiltIn, isShellCommand } from "./programs.ts";
import { parseShellText, type SimpleCommand } from "./shell-text.ts";

/** A program that a command starts, as it was found on disk. */
export type PlannedProgram = {
  /** As it is written. */
  name: string;
  /** Real path; null for a program of the shell. */
  path: string | null;
  args: readonly string[];
  /** For each argument: taken as a path, it leads to something that the caller may read. */
  within: readonly boolean[];
  /** The arguments with `{path}` for each that names something in the workspace: commands with the same shape differ in their files only. */
  shape: readonly string[];
  /** The agent can change the program: it lies where the tools for files write. */
  isChangeable: boolean;
};

/** A file whose content decides what a command does. */
export type BoundFile = { path: string; sha256: string };

/** What a command would start. */
export type CommandPlan = {
  host: CommandHost;
  /** Null when the text was not understood, or names a program that does not exist. */
  programs: readonly PlannedProgram[] | null;
};

/** Everything that decides what a command does, as far as it can be known before it runs. */
export type BoundPlan = CommandPlan & {
  files: readonly BoundFile[];
  /** SHA-256, hex, over text, directory, environment, host, programs and files. */
  digest: string;
};

/** Where a caller may read and write. */
export type Reach = { workspace: string; outside: readonly string[] };

/** What a plan is made from. */
export type PlanInput = Pick<CommandRequest, "command" | "cwd" | "env"> & { host: CommandHost };

/** Looks up what a command would start. Starts nothing. */
export async function planCommand(input: PlanInput, reach: Reach): Promise<CommandPlan> {
  const parsed = parseShellText(input.command);
  return { host: input.host, programs: parsed === null ? null : await findPrograms(parsed, input, reach) };
}

/**
 * Adds what is read to know whether a command has changed while a person was asked about it: a plan with another digest is another
 * command.
 */
export async function bindPlan({ programs }: CommandPlan, input: PlanInput): Promise<BoundPlan> {
  const files = await bindFiles(programs, input);
  const bound = [
    input.command,
    input.cwd,
    Object.entries(input.env).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    input.host,
    programs?.map(({ path }) => path) ?? null,
    files,
  ];
  return { host: input.host, programs, files, digest: createHash("sha256").update(JSON.stringify(bound)).digest("hex") };
}

/** A path as the kernel takes it: it follows each link before it goes up, so that `link/..` must not be shortened. */
const pathIn = (directory: string, path: string): string => (isAbsolute(path) ? path : `${directory}/${path}`);

/** The real path of an absolute one; what does not exist is resolved as far as it does, also behind a link that leads to it. */
export async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (err) {
    if (!isAbsent(err)) throw err;
  }
  const parent = dirname(path);
  if (parent === path) return path;
  const realParent = await realPathOf(parent);
  const target = await targetOf(join(realParent, basename(path)));
  return target === null ? join(realParent, basename(path)) : await realPathOf(pathIn(realParent, target));
}

/** Where a link leads; null for anything else. */
async function targetOf(path: string): Promise<string | null> {
  try {
    return await readlink(path);
  } catch (err) {
    if (isAbsent(err) || errnoOf(err) === "EINVAL") return null;
    throw err;
  }
}

/** Whether a real path lies in one of the directories. */
export const isWithin = (path: string, roots: readonly string[]): boolean => roots.some((root) => isAtOrBeneath(root, path));

async function findPrograms(commands: readonly SimpleCommand[], input: PlanInput, reach: Reach): Promise<readonly PlannedProgram[] | null> {
  const roots = await Promise.all([reach.workspace, ...reach.outside].map(realPathOf));
  const programs: PlannedProgram[] = [];
  let cwd = input.cwd;
  for (const [at, { words }] of commands.entries()) {
    const [name, ...args] = words as [string, ...string[]];
    if (isShellCommand(name)) return null;
    if (name === "cd") {
      if (!isCertain(commands, at) || args.length !== 1 || args[0]!.startsWith("-")) return null;
      const target = resolve(cwd, args[0]!);
      // The shell shortens `link/..`, programs do not: their directory is known only where there is no link.
      if ((await realPathOf(pathIn(cwd, args[0]!)).catch(unreadable)) !== target) return null;
      cwd = target;
    }
    const path = isShellBuiltIn(name) ? null : await findProgram(name, cwd, input.env["PATH"] ?? "");
    if (path === undefined) return null;
    programs.push({
      name,
      path,
      args,
      ...(await lookAt(args, cwd, roots)),
      isChangeable: path !== null && isWithin(path, roots),
    });
  }
  return programs;
}

/** Whether all that follows a `cd` runs in its directory: it is not skipped, and only `&&` follows, which is not reached when it fails. */
const isCertain = (commands: readonly SimpleCommand[], at: number): boolean =>
  commands[at]!.after !== "|" &&
  commands[at]!.after !== "||" &&
  commands[at + 1]?.after !== "|" &&
  commands.slice(at + 1).every(({ after }) => after === "&&" || after === "|");

/** Undefined when there is none. */
async function findProgram(name: string, cwd: string, searched: string): Promise<string | undefined> {
  if (name.includes("/")) return await executableAt(pathIn(cwd, name));
  for (const directory of searched.split(delimiter)) {
    // An empty entry is the working directory.
    const path = await executableAt(`${pathIn(cwd, directory)}/${name}`);
    if (path !== undefined) return path;
  }
  return undefined;
}

/** In a shape: one or more arguments that name something in the workspace. */
const PATH_FORM = "{path}";

async function lookAt(args: readonly string[], cwd: string, roots: readonly string[]): Promise<Pick<PlannedProgram, "shape" | "within">> {
  const shape: string[] = [];
  const within: boolean[] = [];
  for (const arg of args) {
    const path = await realPathOf(pathIn(cwd, arg)).catch(unreadable);
    const isInside = path !== null && isWithin(path, roots);
    within.push(isInside);
    // A word without a slash or a dot that names nothing is more likely a command of the program, like `install`.
    const isFile = isInside && !arg.startsWith("-") && (/[/.]/.test(arg) || (await exists(path)));
    if (!isFile) shape.push(arg);
    else if (shape.at(-1) !== PATH_FORM) shape.push(PATH_FORM);
  }
  return { shape, within };
}

/** A path that cannot be looked up leads nowhere: too many links, too long a name, no right to look. */
const unreadable = (): null => null;

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (err) {
    if (isAbsent(err)) return false;
    throw err;
  }
}

/** Files from which programs take what they run. */
const IMPLIED_FILES: readonly [programs: RegExp, files: readonly string[]][] = [
  [/^(?:npm|npx|pnpm|yarn|bun)$/, ["package.json"]],
  [/^g?make$/, ["GNUmakefile", "makefile", "Makefile"]],
];
const SCRIPT_NAME = /\.(?:sh|bash|zsh|py|js|mjs|cjs|ts|mts|rb|pl|php|lua|sql|awk|sed|mk)$/;

/** Everything in the text that may name a script, also where the text was not understood. */
async function bindFiles(programs: readonly PlannedProgram[] | null, { command, cwd }: PlanInput): Promise<readonly BoundFile[]> {
  const words = new Set(command.split(/[\s'"`;|&<>()$={}]+/).filter((word) => word !== "" && word.length < 4_096));
  const names = [
    ...words,
    ...IMPLIED_FILES.flatMap(([pattern, files]) => ([...words].some((word) => pattern.test(basename(word))) ? files : [])),
  ];
  const own = programs?.flatMap(({ path, isChangeable }) => (isChangeable && path !== null ? [path] : [])) ?? [];
  const files = new Map<string, string>();
  for (const name of [...own, ...names]) {
    if (files.size >= LIMITS.boundFiles) break;
    const path = pathIn(cwd, name);
    const sha256 = files.has(path) ? null : await hashScript(path, own.includes(name));
    if (sha256 !== null) files.set(path, sha256);
  }
  return [...files].map(([path, sha256]) => ({ path, sha256 }));
}

/** Null for what is not a script: a directory, a large file, plain data. */
async function hashScript(path: string, isProgram: boolean): Promise<string | null> {
  try {
    const stats = await stat(path);
    if (!stats.isFile() || stats.size > LIMITS.boundFileBytes) return null;
    const isScript = isProgram || SCRIPT_NAME.test(path) || IMPLIED_FILES.some(([, files]) => files.includes(basename(path)));
    if (!isScript && !((stats.mode & 0o111) !== 0 && (await beginsAsScript(path)))) return null;
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    return hash.digest("hex");
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    if (isAbsent(err) || code === "EACCES" || code === "ELOOP" || code === "ENAMETOOLONG" || code === "ERR_INVALID_ARG_VALUE") return null;
    throw err;
  }
}

async function beginsAsScript(path: string): Promise<boolean> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer.toString("latin1") === "#!";
  } finally {
    await handle.close();
  }
}
