import { lstatSync, realpathSync, statSync, type Stats } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { Clock } from "../core/clock.ts";
import { fileProblemOf, isAtOrBeneath } from "../core/files.ts";
import { startProcess, type ChildProcess, type ChildProcessByStdio } from "../core/start-process.ts";

/** A program that prints secrets, and its bounds. */
export type SecretProgram = {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly trustedDirs: readonly string[];
  readonly timeoutMs: number;
  /** Null: only the time as a whole counts. */
  readonly noOutputTimeoutMs: number | null;
  readonly maxOutputBytes: number;
};

export type SecretOutput = { readonly text: string } | { readonly problem: string; readonly fix?: string };

/** Variables that programs such as `op` and `vault` need to find their own files; no credential of the gateway is among them. */
const PASSED = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "LANG",
  "LC_ALL",
  "TZ",
  "XDG_CONFIG_HOME",
  "XDG_RUNTIME_DIR",
  "DBUS_SESSION_BUS_ADDRESS",
];

export function programEnvironment(
  own: Readonly<Record<string, string | undefined>>,
  passEnv: readonly string[],
  added: Readonly<Record<string, string>>,
): Record<string, string> {
  const passed = [...PASSED, ...passEnv].flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]]]));
  return { ...(Object.fromEntries(passed) as Record<string, string>), ...added };
}

const isTrusted = ({ uid }: Stats): boolean => uid === 0 || uid === process.getuid?.();
const noop = (): void => {};
const STICKY = 0o1000;

/** Why a program must not be run: another user could have put it there, or could replace it. Null: it may run. */
export function programProblem(command: string, trustedDirs: readonly string[]): string | null {
  if (!isAbsolute(command)) return `${command} is not an absolute path`;
  try {
    const stats = lstatSync(command);
    if (stats.isSymbolicLink()) return `${command} is a symbolic link; name the program that it points to (${realpathSync(command)})`;
    if (!stats.isFile()) return `${command} is not a regular file`;
    if (!isTrusted(stats)) return `${command} belongs to another user`;
    if ((stats.mode & 0o022) !== 0) return `${command} can be changed by other users (mode ${(stats.mode & 0o777).toString(8)})`;
    if ((stats.mode & 0o111) === 0) return `${command} is not executable`;
    const directory = realpathSync(dirname(command));
    for (let at = directory; ; at = dirname(at)) {
      const each = statSync(at);
      if (!isTrusted(each)) return `${at}, where ${basename(command)} is, belongs to another user`;
      if ((each.mode & 0o022) !== 0 && (each.mode & STICKY) === 0) return `other users can replace ${command}: they may write to ${at}`;
      if (at === dirname(at)) break;
    }
    const real = join(directory, basename(command));
    if (trustedDirs.length > 0 && !trustedDirs.some((each) => isAtOrBeneath(each, real))) return `${command} is not in one of trustedDirs`;
    return null;
  } catch (err) {
    return `${command} cannot be used: ${fileProblemOf(err)}`;
  }
}

/**
 * Runs the program without a shell and resolves to what it prints. What it prints to its error output is dropped: it may hold the secret.
 * Never rejects.
 */
export function runSecretProgram(program: SecretProgram, input: string, clock: Clock): Promise<SecretOutput> {
  const name = program.command;
  const untrusted = programProblem(name, program.trustedDirs);
  if (untrusted !== null)
    return Promise.resolve({ problem: untrusted, fix: "use a program that only you or root may change, by its absolute path" });
  const notStarted = (err: unknown): SecretOutput => ({ problem: `${name} could not be started: ${fileProblemOf(err)}` });
  return new Promise((resolve) => {
    let child: ChildProcessByStdio<Writable, Readable, null>;
    try {
      const { args, env } = program;
      child = startProcess(name, args, { env, cwd: "/", shell: false, detached: true, stdio: ["pipe", "pipe", "ignore"] });
    } catch (err) {
      return resolve(notStarted(err));
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    let problem: string | null = null;
    let cancelQuiet = noop;
    const fail = (why: string): void => {
      problem ??= why;
      killGroup(child);
    };
    const cancel = clock.after(program.timeoutMs, () => fail(`${name} did not answer within ${program.timeoutMs} ms`));
    const watchQuiet = (): void => {
      cancelQuiet();
      const { noOutputTimeoutMs } = program;
      if (noOutputTimeoutMs !== null)
        cancelQuiet = clock.after(noOutputTimeoutMs, () => fail(`${name} printed nothing for ${noOutputTimeoutMs} ms`));
    };
    watchQuiet();
    child.stdout.on("data", (chunk: Buffer) => {
      watchQuiet();
      bytes += chunk.length;
      if (bytes > program.maxOutputBytes) fail(`${name} printed more than ${program.maxOutputBytes} bytes`);
      else chunks.push(chunk);
    });
    // A program that does not read its input closes it.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    const settle = (answer: SecretOutput): void => {
      cancel();
      cancelQuiet();
      resolve(answer);
    };
    child.on("error", (err) => settle(notStarted(err)));
    child.on("close", (code, signal) => {
      if (problem !== null) return settle({ problem });
      if (code !== 0) return settle({ problem: `${name} ended with ${code === null ? `the signal ${signal}` : `the exit code ${code}`}` });
      settle({ text: Buffer.concat(chunks).toString("utf8") });
    });
  });
}

/** With what it has started; those would keep its output open. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}
