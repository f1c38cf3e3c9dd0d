// Finds or fetches the Node that the gateway runs on. Plain JavaScript for Node 18 and newer: it runs before the right Node is there.
import { spawn } from "node:child_process";
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { constants as os } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeDir } from "./cache-dir.js";

export const NODE_MAJOR = 24;

/** An expected failure of the set-up: one line what, one line why, one line fix. */
export class SetupError extends Error {
  constructor(what, { why, fix }) {
    super(what);
    this.name = "SetupError";
    this.why = why;
    this.fix = fix;
  }
}

/** Prints a failure the way every command does, and returns the exit code. */
export function reportFailure(err) {
  if (!(err instanceof SetupError)) throw err;
  process.stderr.write(`✗ ${err.message}\n  Why: ${err.why}\n  Fix: ${err.fix}\n`);
  return 1;
}

/** "v24.1.0" -> true when that release can run the gateway. */
export function isNewEnough(version) {
  const [major] = version.replace(/^v/, "").split(".");
  return Number(major) >= NODE_MAJOR;
}

/** The package that holds Node for this machine, with its version; null when none is pinned for it. */
export function pinnedNode(platform = process.platform, arch = process.arch) {
  const manifest = JSON.parse(readFileSync(new URL("../toolchain/package.json", import.meta.url), "utf8"));
  for (const [name, version] of Object.entries(manifest.optionalDependencies)) {
    if (name.replace("node-bin-", "node-") === `node-${platform}-${arch}`) return { name, version };
  }
  return null;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch (err) {
    if (err.code === "ENOENT" || err.code === "EACCES" || err.code === "ENOTDIR") return false;
    throw err;
  }
}

/** Path of the pinned Node under `dir`, downloaded if missing. `say(text)` is called before a download. */
export async function ensurePinnedNode(dir, say) {
  const pinned = pinnedNode();
  if (!pinned) {
    throw new SetupError(`Node ${process.versions.node} is too old for the gateway`, {
      why: `it needs Node ${NODE_MAJOR} or newer, and none is pinned for ${process.platform}-${process.arch}.`,
      fix: `install Node ${NODE_MAJOR} from https://nodejs.org/ and start again.`,
    });
  }
  const home = join(dir, `node-${pinned.version}`);
  const executable = join(home, "node_modules", pinned.name, "bin", "node");
  if (isExecutable(executable)) return executable;
  await withLock(join(dir, "node.lock"), say, async () => {
    if (isExecutable(executable)) return;
    const done = say(`Node ${pinned.version} (${pinned.name} from npm, about 45 MB)`);
    const fresh = `${home}.${process.pid}.tmp`;
    rmSync(fresh, { recursive: true, force: true });
    makeDir(fresh);
    try {
      for (const name of ["package.json", "package-lock.json"]) {
        copyFileSync(fileURLToPath(new URL(`../toolchain/${name}`, import.meta.url)), join(fresh, name));
      }
      await npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], fresh);
      rmSync(home, { recursive: true, force: true });
      renameSync(fresh, home);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
    done?.();
  });
  if (isExecutable(executable)) return executable;
  throw new SetupError(`the pinned Node is not at ${executable}`, {
    why: "npm reported success but installed nothing for this machine.",
    fix: `remove ${home} and start again, or install Node ${NODE_MAJOR} from https://nodejs.org/.`,
  });
}

/** Runs npm in `cwd`; its output is shown only when it fails. Rejects with SetupError. */
export function npm(args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn("npm", args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const keep = (chunk) => (output = (output + chunk).slice(-8_000));
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (err) => reject(err.code === "ENOENT" ? npmMissing() : err));
    child.on("close", (code) => (code === 0 ? resolve(undefined) : reject(npmFailed(args, output, code))));
  });
}

function npmMissing() {
  return new SetupError("npm is not installed", {
    why: "the locked dependencies come from the npm registry.",
    fix: "install npm (Debian: apt-get install npm; others: https://nodejs.org/) and start again.",
  });
}

const UNREACHABLE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ECONNRESET|ERR_SOCKET_TIMEOUT/;

function npmFailed(args, output, code) {
  if (UNREACHABLE.test(output)) {
    return new SetupError("the npm registry cannot be reached", {
      why: `npm says ${output.match(UNREACHABLE)[0]}.`,
      fix: "check the network or the proxy (npm config get registry, npm config get proxy) and start again.",
    });
  }
  if (/ENOSPC/.test(output)) {
    return new SetupError("the disk is full", { why: "npm could not write the dependencies.", fix: "free some space and start again." });
  }
  const said = output
    .split("\n")
    .filter((line) => /^npm err/i.test(line) && !/complete log/i.test(line))
    .slice(0, 3)
    .map((line) => line.replace(/^npm err[a-z]*!?\s*/i, "").trim())
    .filter(Boolean)
    .join("; ");
  return new SetupError(`npm ${args[0]} failed`, {
    why: said || `it ended with code ${code}.`,
    fix: `run it by hand to see everything: npm ${args.join(" ")}`,
  });
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (err) {
    return err.code === "EPERM";
  }
}

/** Whether the owner of the lock directory is gone: its pid is dead, or it never got to write one. */
function isStale(path) {
  let pid;
  try {
    pid = Number(readFileSync(join(path, "pid"), "utf8"));
  } catch (err) {
    if (err.code !== "ENOENT") throw err;
    const age = existsSync(path) ? Date.now() - statSync(path).mtimeMs : 0;
    return age > 10_000;
  }
  return !(pid > 0 && isAlive(pid));
}

function prepare(dir) {
  try {
    makeDir(dir);
  } catch (err) {
    throw cannotWrite(dir, err);
  }
}

const REFUSED = ["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR", "ENOENT"];

/** A system error about a directory as a message for people; other errors are returned unchanged. */
function cannotWrite(dir, err) {
  if (!REFUSED.includes(err.code)) return err;
  return new SetupError(`cannot write to ${dir}`, {
    why: `the system says ${err.code}; what is fetched and built is kept there.`,
    fix:
      err.code === "ENOSPC" || err.code === "EDQUOT"
        ? "free some space and start again."
        : "let the owner of that directory start it once, or make it belong to this user.",
  });
}

export function noCacheDir() {
  throw new SetupError("there is no directory for the pinned Node", {
    why: "HOME and XDG_CACHE_HOME are not set, and the system's list of users has no entry for this user.",
    fix: `set HOME or XDG_CACHE_HOME, or start with Node ${NODE_MAJOR} or newer.`,
  });
}

/**
 * Runs `work` while this process holds the lock directory `path`; waits for another start that holds it. A lock whose owner
 * died is broken: moving the directory away succeeds for one breaker only.
 */
export async function withLock(path, say, work) {
  prepare(join(path, ".."));
  for (let told = false; ;) {
    try {
      mkdirSync(path);
      break;
    } catch (err) {
      if (err.code !== "EEXIST") throw cannotWrite(join(path, ".."), err);
    }
    if (isStale(path)) {
      breakLock(path);
      continue;
    }
    if (!told) say("waiting for another start that does the same");
    told = true;
    await pause(200);
  }
  writeFileSync(join(path, "pid"), String(process.pid));
  try {
    return await work();
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

function breakLock(path) {
  const away = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, away);
  } catch (err) {
    if (err.code === "ENOENT") return;
    throw err;
  }
  // Between the check and the move another start may have taken the lock again: then it is restored.
  if (!isStale(away) && !existsSync(path)) renameSync(away, path);
  else rmSync(away, { recursive: true, force: true });
}

const ignore = () => {};

/** Runs a program in this one's place as far as Node can: same streams, signals passed on, same exit code. */
export function runInPlace(executable, args, env = process.env) {
  return new Promise((resolve, reject) => {
    const child = spawn(executable, args, { stdio: "inherit", env });
    const pass = (signal) => child.kill(signal);
    for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, pass);
    // The terminal sends Ctrl-C to the child as well; this process only waits for it to end.
    process.on("SIGINT", ignore);
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(signal ? 128 + os.signals[signal] : code));
  });
}
