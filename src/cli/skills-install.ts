import { CliError, EXIT } from "../core/errors.ts";
import { errnoOf, fileProblemOf } from "../core/files.ts";
import { ContentError, hashContent, type ContentFile } from "../skills/contents.ts";
import { diffContents } from "../skills/install/diff.ts";
import { directoryNameOf, headerOf, InstalledSkills } from "../skills/install/installed.ts";
import { FetchError } from "../skills/install/run-program.ts";
import { fetchContent, parseOrigin, type SkillOrigin } from "../skills/install/sources.ts";
import type { SkillPin } from "../skills/pins.ts";
import type { SkillHeader } from "../skills/skill.ts";
import { CancelledError } from "./cancelled-error.ts";
import type { CommandHandler } from "./command.ts";
import { pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { unknownNameError } from "./known-names.ts";
import { plural, revealLine, revealText, sanitizeLine } from "./terminal-text.ts";

/** Lines of a content or a change that are shown; the rest is only counted. */
const SHOWN_LINES = 400;

const installedOf = (invocation: Invocation): InstalledSkills => new InstalledSkills(pathsOf(invocation));

/** Shows what went wrong with a content or its source as one failure of the command. */
async function orCliError<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (err) {
    const isExpected = err instanceof ContentError || err instanceof FetchError;
    if (!isExpected && errnoOf(err) === "") throw err;
    throw new CliError(what, {
      why: sanitizeLine(`${isExpected ? err.message : fileProblemOf(err)}.`),
      fix: "check the source, and the folder that --path names.",
      cause: err,
    });
  }
}

function requireOrigin(invocation: Invocation, text: string, folder: string): SkillOrigin {
  const origin = parseOrigin(text, folder, invocation.host.cwd);
  if (origin !== null) return origin;
  throw new CliError(`"${sanitizeLine(text)}" names no fixed content`, {
    why: "a package needs its exact version and a repository its whole commit, so that everyone reads what you approve.",
    fix: "npm:<package>@1.2.3, or git:<url>#<commit of 40 digits>",
    exit: EXIT.usage,
  });
}

const fetchFiles = (origin: SkillOrigin, { host }: Invocation): Promise<{ files: readonly ContentFile[]; header: SkillHeader }> =>
  orCliError(`the skill cannot be read from ${sanitizeLine(origin.origin)}`, async () => {
    const files = await fetchContent(origin, { env: { ...host.env }, signal: host.signal });
    return { files, header: headerOf(files) };
  });

/** What a person has to know before they approve a content. */
function show(invocation: Invocation, header: SkillHeader, files: readonly ContentFile[], lines: readonly string[]): void {
  const { out } = invocation;
  if (out.json) return;
  const { requires } = header;
  out.pairs([
    ["skill", header.name],
    ["for", header.description],
    [
      "files",
      files.map(({ path, bytes, isExecutable }) => `${path} (${bytes.length} bytes${isExecutable ? ", a program" : ""})`).join(", "),
    ],
    ["needs", [...requires.bins, ...requires.anyBins, ...requires.env, ...requires.config].join(", ") || "nothing"],
    ["sha256", hashContent(files)],
  ]);
  out.line();
  for (const line of lines.slice(0, SHOWN_LINES)) out.line(revealText(line));
  if (lines.length > SHOWN_LINES) out.note(`${plural(lines.length - SHOWN_LINES, "more line")}: read the files before you approve them.`);
}

type Approval = { name: string; files: readonly ContentFile[]; origin: string };

function report({ out }: Invocation, { name, files, origin }: Approval, approved: boolean, text: string): void {
  const list = files.map(({ path, bytes, isExecutable }) => ({ path, bytes: bytes.length, executable: isExecutable }));
  out.result({ name, origin, hash: hashContent(files), approved, files: list }, () => {
    out.line(sanitizeLine(text));
    if (!approved) out.note(`It is off until you approve its content: openclaw skills approve ${name}`);
  });
}

/** Whether there is someone to ask, or the answer is known. */
const canAsk = (invocation: Invocation): boolean =>
  invocation.has("yes") || (invocation.host.stdin.isTTY === true && invocation.out.interactive && !invocation.out.json);

/** A no leaves the skill where it is, and off. */
async function isConfirmed(invocation: Invocation, question: string): Promise<boolean> {
  try {
    await invocation.confirm(question);
    return true;
  } catch (err) {
    if (err instanceof CancelledError) return false;
    throw err;
  }
}

/** `openclaw skills install <source>` */
export const skillsInstall: CommandHandler = async (invocation) => {
  const origin = requireOrigin(invocation, invocation.arg(0), invocation.text("path") ?? "");
  const { files, header } = await fetchFiles(origin, invocation);
  const name = directoryNameOf(header.name);
  const installed = installedOf(invocation);
  await orCliError(`the skill ${name} cannot be installed`, async () => {
    if ((await installed.pins()).has(name)) throw alreadyInstalled(name);
    if (await installed.isTaken(name)) throw alreadyThere(installed.directoryOf(name));
    await installed.write(name, origin, files);
  });
  show(invocation, header, files, diffContents([], files));
  const isApproved = canAsk(invocation) && (await isConfirmed(invocation, `Let agents use ${name} with this content?`));
  if (isApproved) await installed.approve(name, files);
  report(invocation, { name, files, origin: origin.origin }, isApproved, `Installed ${name} in ${installed.directoryOf(name)}.`);
};

const alreadyInstalled = (name: string): CliError =>
  new CliError(`the skill ${name} is installed already`, { fix: `openclaw skills update ${name} <source>` });
const alreadyThere = (directory: string): CliError =>
  new CliError(`${directory} exists already`, {
    why: "it was not installed, so it is not replaced.",
    fix: "move it away, or keep it as it is.",
  });

/** The pin of an installed skill, and what is in its directory. */
async function requireInstalled(invocation: Invocation): Promise<{ name: string; pin: SkillPin; installed: InstalledSkills }> {
  const installed = installedOf(invocation);
  const pins = await orCliError("the installed skills cannot be read", () => installed.pins());
  const name = directoryNameOf(invocation.arg(0));
  const pin = pins.get(name);
  if (pin === undefined)
    throw unknownNameError("installed skill", invocation.arg(0), [...pins.keys()], "openclaw skills list", EXIT.failure);
  return { name, pin, installed };
}

/** `openclaw skills update <name> [source]`, or `--all`. */
export const skillsUpdate: CommandHandler = async (invocation) => {
  const isAll = invocation.has("all");
  if (isAll === (invocation.args[0] !== undefined))
    throw new CliError(isAll ? "--all takes no name" : "the name of the skill is missing", {
      fix: "openclaw skills update <name>, or openclaw skills update --all",
      exit: EXIT.usage,
    });
  return isAll ? await updateAll(invocation) : await updateOne(invocation, await requireInstalled(invocation), invocation.args[1]);
};

/** A skill that cannot be updated does not keep the others from it. */
async function updateAll(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const installed = installedOf(invocation);
  const pins = await orCliError("the installed skills cannot be read", () => installed.pins());
  if (pins.size === 0) out.result({ updated: [] }, () => out.line("No skill is installed."));
  let failed = 0;
  for (const [name, pin] of [...pins].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    try {
      await updateOne(invocation, { name, pin, installed }, undefined);
    } catch (err) {
      if (!(err instanceof CliError) || err.exit === EXIT.interrupted) throw err;
      // Who refuses one skill may still want the next.
      if (err instanceof CancelledError) out.note(`${name} stays as it is.`);
      else {
        failed += 1;
        out.note(sanitizeLine(`${name}: ${[err.message, err.why].filter(Boolean).join(": ")}`));
      }
    }
  if (failed > 0) out.note(`${plural(failed, "skill")} could not be updated.`);
  return failed === 0 ? EXIT.ok : EXIT.failure;
}

type Target = Awaited<ReturnType<typeof requireInstalled>>;

async function updateOne(invocation: Invocation, { name, pin, installed }: Target, given: string | undefined): Promise<void> {
  const { out } = invocation;
  const origin = requireOrigin(invocation, given ?? pin.origin, invocation.text("path") ?? (given === undefined ? pin.folder : ""));
  const { files, header } = await fetchFiles(origin, invocation);
  if (directoryNameOf(header.name) !== name)
    throw new CliError(`${sanitizeLine(origin.origin)} is another skill: ${header.name}`, {
      fix: `openclaw skills install ${sanitizeLine(origin.origin)}`,
    });
  const current = await orCliError(`the skill ${name} cannot be read`, async () =>
    (await installed.isTaken(name)) ? await installed.content(name) : [],
  );
  const lines = diffContents(current, files);
  const approval = { name, files, origin: origin.origin };
  if (lines.length === 0 && pin.approved === hashContent(files) && pin.origin === origin.origin)
    return report(invocation, approval, true, `${name} has not changed.`);
  show(invocation, header, files, lines.length > 0 ? lines : ["No file has changed."]);
  await invocation.confirm(`Replace ${name} with this content, and let agents use it?`);
  await orCliError(`the skill ${name} cannot be replaced`, async () => {
    await installed.write(name, origin, files);
    await installed.approve(name, files);
  });
  report(invocation, approval, true, `Updated ${name}.`);
  if (!out.json && current.length > 0) out.note("The next message of each agent has the new content.");
}

/** `openclaw skills approve <name>` */
export const skillsApprove: CommandHandler = async (invocation) => {
  const { name, pin, installed } = await requireInstalled(invocation);
  const { files, header } = await orCliError(`the skill ${name} cannot be approved`, async () => {
    const content = await installed.content(name);
    return { files: content, header: headerOf(content) };
  });
  const approval = { name, files, origin: pin.origin };
  if (pin.approved === hashContent(files)) return report(invocation, approval, true, `${name} is approved already.`);
  const before = await orCliError(`the approved content of ${name} cannot be read`, () => installed.approvedContent(name, pin));
  if (before !== null && !invocation.out.json) invocation.out.note("What has changed since it was approved:");
  show(invocation, header, files, diffContents(before ?? [], files));
  await invocation.confirm(`Let agents use ${name} with this content?`);
  await installed.approve(name, files);
  report(invocation, approval, true, `Approved ${name}.`);
};

/** `openclaw skills remove <name>` */
export const skillsRemove: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { name, installed } = await requireInstalled(invocation);
  const directory = installed.directoryOf(name);
  await invocation.confirm(`Delete ${revealLine(directory)}?`);
  await orCliError(`the skill ${name} cannot be deleted`, () => installed.remove(name));
  out.result({ name, directory }, () => out.line(sanitizeLine(`Deleted ${directory}.`)));
};
