import { spawn, type ChildProcess } from "node:child_process";
import { errnoOf } from "../core/files.ts";
import type { Log } from "../core/log.ts";

/**
 * Keeps the list of process groups that it reads from its stdin, and kills them at the end of file: when the gateway, the only holder of
 * the other end, has ended in whatever way. Has only shell built-ins, and ignores signals that a command may send to other processes.
 */
export const WATCHER_SCRIPT = `trap '' HUP INT QUIT TERM USR1 USR2 PIPE
groups=' '
while read -r action group; do
  case $action in
    add) groups="$groups$group " ;;
    remove) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -KILL "-$group"; done`;

/**
 * Ends process groups when the gateway is killed: one small shell in a session of its own, started for the first command. It is neither
 * a relative of the commands nor shares a descriptor with them.
 */
export class GroupWatcher {
  readonly #groups = new Set<number>();
  #child: ChildProcess | null = null;
  /** False after a restart, until the next command: a watcher that cannot run is not started in a loop. */
  #canRestart = true;

  /** Resolves when the group is known to the watcher: from then on it cannot outlive the gateway. Rejects when there is no watcher. */
  async add(group: number, log: Log): Promise<void> {
    const child = this.#child ?? this.#start(log);
    this.#canRestart = true;
    this.#groups.add(group);
    try {
      await send(child, `add ${group}\n`);
    } catch (err) {
      this.#groups.delete(group);
      throw err;
    }
  }

  /** Forgets a group that has ended; its number may be given to another one. */
  remove(group: number): void {
    this.#groups.delete(group);
    if (this.#child !== null) send(this.#child, `remove ${group}\n`).catch(() => this.#forget(this.#child));
  }

  /** Process id of the watcher, while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Kills all groups. */
  killAll(): void {
    for (const group of this.#groups) killGroup(group);
    this.release();
  }

  /** Ends the watcher, which then kills the groups that it knows. */
  release(): void {
    this.#groups.clear();
    this.#child?.stdin?.end();
    this.#child = null;
  }

  #start(log: Log): ChildProcess {
    const child = spawn("/bin/sh", ["-c", WATCHER_SCRIPT], {
      cwd: "/",
      detached: true,
      env: { PATH: "/usr/bin:/bin" },
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#child = child;
    child.unref();
    // A failed write rejects the call that wrote.
    child.stdin.on("error", () => this.#forget(child));
    child.on("error", () => this.#forget(child));
    child.on("exit", () => this.#replace(child, log));
    for (const group of this.#groups) child.stdin.write(`add ${group}\n`);
    return child;
  }

  #forget(child: ChildProcess | null): void {
    if (this.#child === child) this.#child = null;
  }

  /** The watcher was ended from outside. */
  #replace(child: ChildProcess, log: Log): void {
    if (this.#child !== child) return;
    this.#child = null;
    log.warn("the watcher of commands has ended", { pid: child.pid, groups: this.#groups.size });
    if (this.#groups.size === 0 || !this.#canRestart) return;
    this.#canRestart = false;
    this.#start(log);
  }
}

function send(child: ChildProcess, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const { stdin } = child;
    if (!stdin) return reject(new Error("the watcher of commands could not be started"));
    stdin.write(line, (err) => (err ? reject(err) : resolve()));
  });
}

/** Kills every process of a group. False when there is none. */
export function killGroup(group: number): boolean {
  return signalGroup(group, "SIGKILL");
}

/** Whether a process of the group exists. */
export const hasProcesses = (group: number): boolean => signalGroup(group, 0);

function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  // 0 is the group of the gateway itself, and 1 every process.
  if (group <= 1) return false;
  try {
    process.kill(-group, signal);
    return true;
  } catch (err) {
    // EPERM: it exists, with processes of another user only.
    if (errnoOf(err) === "EPERM") return true;
    if (errnoOf(err) === "ESRCH") return false;
    throw err;
  }
}
