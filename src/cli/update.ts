import { cp, mkdir } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { getAt } from "../config/edit.ts";
import { sleep } from "../core/async.ts";
import { foregroundClock } from "../core/clock.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { findRunningGateway, isProcessRunning } from "../core/pid-file.ts";
import { applyUpdate, lockStaging, NotRestoredError, type UpdatedGateway } from "../update/apply.ts";
import { runCanary } from "../update/canary.ts";
import { findInstall, rootOf, type Install } from "../update/install.ts";
import { UPDATE_LIMITS } from "../update/limits.ts";
import type { Release, ReleaseSource } from "../update/release-source.ts";
import { releaseSourceFor } from "../update/releases.ts";
import { runInPlace, runProgram } from "../update/run-program.ts";
import { compareVersions, type UpdateChannel } from "../update/versions.ts";
import { formatBytes, makeBackup } from "./backup.ts";
import type { CommandHandler } from "./command.ts";
import { editFile } from "./config-edit.ts";
import { configOf, pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { findService, waitUntilReady } from "./service.ts";
import { formatDuration, sanitizeLine } from "./terminal-text.ts";

/** The installation that a copy of the program updates: the copy runs while the files of the installation are replaced. */
const ROOT_VARIABLE = "OPENCLAW_UPDATE_ROOT";

export const KIND_NAMES: Readonly<Record<Install["kind"], string>> = {
  git: "clone",
  "npm-global": "npm, global",
  "npm-local": "npm, in a project",
  container: "image of a container",
  unknown: "unknown",
};

/** How the program of this call was installed. */
export function installOf({ host }: Invocation): Install {
  return findInstall(host.env[ROOT_VARIABLE] ?? rootOf(process.argv[1] ?? ""), host.env);
}

export function channelOf(invocation: Invocation): { value: UpdateChannel; source: "flag" | "config" | "default" } {
  const given = invocation.text("channel") as UpdateChannel | undefined;
  if (given !== undefined) return { value: given, source: "flag" };
  const { config, raw, source } = configOf(invocation);
  const isSet = source === "file" && getAt(raw ?? "", "update.channel") !== undefined;
  return { value: config.update.channel, source: isSet ? "config" : "default" };
}

/** Throws CliError where another program has to bring the new version. */
export async function sourceOf(invocation: Invocation, install: Install): Promise<ReleaseSource> {
  const { host } = invocation;
  const env = Object.fromEntries(Object.entries(host.env).filter(([name]) => name !== ROOT_VARIABLE));
  const source = await releaseSourceFor(install, { env, run: runProgram, signal: host.signal });
  if (source !== null) return source;
  if (install.kind === "container")
    throw new CliError("this gateway is part of an image", {
      why: "what is installed inside of a container is gone with the container.",
      fix: "pull or build the new image and replace the container; the volume keeps the state: docs/containers.md",
    });
  throw new CliError("how this copy was installed is not known", {
    why: `${sanitizeLine(install.kind === "unknown" ? install.why : install.root)}.`,
    fix: "install it with npm (npm install -g openclaw-gateway), or from a clone of the repository",
  });
}

/** `openclaw update` */
export const update: CommandHandler = async (invocation) => {
  const install = installOf(invocation);
  const source = await sourceOf(invocation, install);
  if (invocation.has("dry-run")) {
    const release = await findRelease(invocation, source);
    await gatewayFor(invocation);
    return showPlan(invocation, install, release);
  }
  const unlock = invocation.host.env[ROOT_VARIABLE] === undefined ? await lockStaging(source) : null;
  if (unlock === null) return await updateNow(invocation, install, source);
  let isKept = false;
  try {
    if (!existsSync(join(install.root, "dist", "main.js"))) return await updateNow(invocation, install, source);
    const code = await updateFromCopy(invocation, install, source.stagingDir);
    isKept = code === NOT_RESTORED;
    return isKept ? EXIT.failure : code;
  } catch (err) {
    isKept = err instanceof NotRestoredError;
    throw err;
  } finally {
    if (!isKept) await unlock();
  }
};

/** The exit code of the copy when the old version could not be put back: what it needs stays. */
const NOT_RESTORED = 3;

/** Code that is loaded later would come from the new version otherwise. */
async function updateFromCopy({ host }: Invocation, { root }: Install, dir: string): Promise<number> {
  const runner = join(dir, "runner");
  await mkdir(runner, { recursive: true, mode: 0o700 });
  for (const name of ["bin", "dist", "package.json"]) await cp(join(root, name), join(runner, name), { recursive: true });
  return await runInPlace(process.execPath, [join(runner, "bin", "openclaw.js"), ...process.argv.slice(2)], {
    ...host.env,
    [ROOT_VARIABLE]: root,
  });
}

async function updateNow(invocation: Invocation, install: Install, source: ReleaseSource): Promise<number> {
  const { out, host } = invocation;
  const release = await findRelease(invocation, source);
  if (release.isCurrent) {
    out.result({ ok: true, updated: false, currentVersion: install.version, targetVersion: release.version }, () =>
      out.line(`Version ${install.version} is the newest one of ${sanitizeLine(release.spec)}.`),
    );
    return EXIT.ok;
  }
  const gateway = await gatewayFor(invocation);
  out.note(planLine(install, release, gateway));
  await invocation.confirm(isDowngrade(install, release) ? "Install the older version?" : "Install it?");
  const began = host.now();
  const env = Object.fromEntries(Object.entries(host.env).filter(([name]) => name !== ROOT_VARIABLE));
  try {
    const { version, backup, canary, restarted, steps } = await applyUpdate(
      {
        install,
        source,
        gateway,
        gatewayDir: pathsOf(invocation).gateway,
        env,
        signal: host.signal,
        now: host.now,
        backUp: async () => {
          const { file, bytes } = await makeBackup(invocation);
          out.note(`  ${sanitizeLine(file)} (${formatBytes(bytes)})`);
          return file;
        },
        canary: runCanary,
        onStep: (name) => out.note(STEPS[name] ?? name),
      },
      release,
    );
    await keepChannel(invocation);
    const tookMs = host.now() - began;
    const answer = {
      ok: true,
      updated: true,
      before: { version: install.version },
      after: { version, sha: release.sha },
      backup,
      canary,
      restarted,
      steps,
      tookMs,
    };
    out.result(answer, () => {
      out.line(`${out.paint("green", "✓")} Version ${version} ${restarted ? "runs" : "is installed"} (${formatDuration(tookMs)}).`);
      if (!restarted) out.note("No gateway ran, so none was started: openclaw gateway start, or openclaw gateway.");
    });
    return EXIT.ok;
  } catch (err) {
    if (!(err instanceof NotRestoredError) || host.env[ROOT_VARIABLE] === undefined) throw err;
    out.note(`${out.paint("red", "✗")} ${sanitizeLine(err.message)}`);
    out.note(`  Fix: ${sanitizeLine(err.fix ?? "")}`);
    return NOT_RESTORED;
  }
}

const STEPS: Readonly<Record<string, string>> = {
  stage: "Getting the new version, beside the running one …",
  backup: "Making a backup …",
  canary: "Trying the new version on a copy of the state …",
  switch: "Switching …",
};

function findRelease(invocation: Invocation, source: ReleaseSource): Promise<Release> {
  return source.find({ channel: channelOf(invocation).value, tag: invocation.text("tag") });
}

const isDowngrade = (install: Install, release: Release): boolean =>
  release.version !== null && compareVersions(release.version, install.version) < 0;

function planLine(install: Install, release: Release, { isRunning }: Pick<UpdatedGateway, "isRunning">): string {
  const target = release.version ?? release.spec;
  const commits = release.commitsBehind === null ? "" : `, ${release.commitsBehind} commits`;
  return `Version ${install.version} → ${sanitizeLine(target)} (${KIND_NAMES[install.kind]}${commits}); ${isRunning ? "the service is restarted" : "no gateway runs"}.`;
}

async function showPlan(invocation: Invocation, install: Install, release: Release): Promise<number> {
  const { out } = invocation;
  const { isRunning } = await gatewayFor(invocation);
  const channel = channelOf(invocation);
  const actions = [
    `get ${release.spec} into a directory beside ${install.root}`,
    "make a backup of the state",
    "start the new version on a copy of the state, without channels and jobs, and check it",
    ...(isRunning ? ["stop the service"] : []),
    `replace ${install.root}`,
    ...(isRunning ? ["start the service and check its version; go back, with the store, when it does not become ready"] : []),
  ];
  out.result(
    {
      dryRun: true,
      root: install.root,
      installKind: install.kind,
      restart: isRunning,
      requestedChannel: channel.source === "flag" ? channel.value : null,
      effectiveChannel: channel.value,
      tag: invocation.text("tag") ?? null,
      currentVersion: install.version,
      targetVersion: release.version,
      targetSha: release.sha,
      isCurrent: release.isCurrent,
      downgradeRisk: isDowngrade(install, release),
      actions: release.isCurrent ? [] : actions,
    },
    () => {
      if (release.isCurrent) return out.line(`Version ${install.version} is the newest one of ${sanitizeLine(release.spec)}.`);
      out.line(planLine(install, release, { isRunning }));
      for (const [index, action] of actions.entries()) out.line(`  ${index + 1}. ${sanitizeLine(action)}`);
      if (isDowngrade(install, release))
        out.note("That is an older version: it may not be able to read the store of this one; the check on a copy shows it.");
      out.note("Nothing was changed.");
    },
  );
  return EXIT.ok;
}

const nothing = async (): Promise<void> => {};

/** The gateway of this state directory. Throws CliError when one runs that nothing could start again. */
async function gatewayFor(invocation: Invocation): Promise<UpdatedGateway> {
  const { gateway: gatewayDir, state } = pathsOf(invocation);
  const owner = findRunningGateway(gatewayDir);
  if (owner === null) {
    return { isRunning: false, stop: nothing, start: nothing, untilReady: async () => "" };
  }
  const found = await findService(invocation);
  if (found === null || found.state.pid !== owner.pid)
    throw new CliError(`the gateway of ${sanitizeLine(state)} is not run by a service (pid ${owner.pid})`, {
      why: "its files would change while it runs, and nothing here can start it again.",
      fix: "openclaw gateway stop, then openclaw update, then start it again; or openclaw gateway install --force once",
      exit: EXIT.unavailable,
    });
  const { manager } = found;
  // The gateway is down meanwhile: what was begun is brought to its end.
  const uninterrupted = invocation.withSignal(new AbortController().signal);
  return {
    isRunning: true,
    stop: async () => {
      const running = findRunningGateway(gatewayDir);
      await manager.stop({ disable: false });
      if (running !== null) await untilEnded(running.pid);
    },
    start: () => manager.start(),
    untilReady: async () => (await waitUntilReady(uninterrupted, manager)).version,
  };
}

async function untilEnded(pid: number): Promise<void> {
  const end = foregroundClock.monotonic() + UPDATE_LIMITS.stopMs;
  while (isProcessRunning(pid)) {
    if (foregroundClock.monotonic() > end)
      throw new CliError(`the gateway (pid ${pid}) does not stop`, {
        why: `${formatDuration(UPDATE_LIMITS.stopMs)} have passed.`,
        fix: "openclaw gateway status --deep shows its state",
        exit: EXIT.unavailable,
      });
    await sleep(foregroundClock, UPDATE_LIMITS.pollMs);
  }
}

/** A channel that was named is the one from now on. */
async function keepChannel(invocation: Invocation): Promise<void> {
  const channel = invocation.text("channel");
  if (channel === undefined || channel === configOf(invocation).config.update.channel) return;
  await editFile(invocation, (edit) => edit.set(["update", "channel"], channel));
  invocation.out.note(`update.channel is ${channel} now.`);
}
