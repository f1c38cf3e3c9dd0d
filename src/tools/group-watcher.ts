import { systemClock, type Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { reasonOf } from "../core/errors.ts";
import { MARKER_VARIABLE } from "../core/marked-processes.ts";
import { startProcess, type ChildProcess } from "../core/start-process.ts";
import { TOOL_LIMITS } from "./limits.ts";
import { findRunning, killSessions } from "./process-groups.ts";

/** Prints the processes of the sessions in `groups` from the `stat` files of all: pid, name in parentheses, state, parent, group, session. */
const MEMBERS_SCRIPT = `/^[0-9]+ [(]/ { pid = $1 } sub(/^.*[)] /, "") && index(groups, " " $4 " ") { print pid }`;

/**
 * Keeps the list of process groups that it reads from its stdin, and at the end of file kills them: when the gateway, the only holder of
 * the other end, has ended in whatever way. Then it kills the other processes of their sessions, and those that left their session but
 * have the entry `$1` in their environment; a system without /proc does not list either. Until then it has only shell built-ins, and it
 * ignores signals that a command may send to other processes.
 */
export const WATCHER_SCRIPT = `trap '' HUP INT QUIT TERM USR1 USR2 PIPE
groups=' '
while read -r action group; do
  case $action in
    add) groups="$groups$group " ;;
    remove) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -KILL "-$group"; done
for pass in 1 2; do
  members=$(cat /proc/[0-9]*/stat 2>/dev/null | awk -v groups="$groups" '${MEMBERS_SCRIPT}')
  marked=
  [ -z "$1" ] || for file in $(grep -lzF "$1" /proc/[0-9]*/environ 2>/dev/null); do
    file=\${file#/proc/}
    marked="$marked \${file%/environ}"
  done
  [ -z "$members$marked" ] || kill -KILL $members $marked
done`;

/**
 * Knows the process groups of commands that have a process, and ends them when the gateway is killed: one small shell in a session of
 * its own, started for the first command. It is neither a relative of the commands nor shares a descriptor with them.
 */
export class GroupWatcher {
  readonly #groups = new Set<number>();
  #child: ChildProcess | null = null;
  /** Groups whose command has ended. Processes that it left running stay, as those of a terminal do, until the gateway stops. */
  readonly #ended = new Set<number>();
  readonly #clock: Pick<Clock, "after">;
  readonly #entry: string;
  #isChecking = false;
  /** False after a restart, until the next command: a watcher that cannot run is not started in a loop. */
  #canRestart = true;

  /** `marker`: value of `OPENCLAW_RUNNER` in the environment of the commands of this gateway. */
  constructor({ clock = systemClock, marker = "" }: { clock?: Pick<Clock, "after">; marker?: string } = {}) {
    this.#clock = clock;
    this.#entry = marker === "" ? "" : `${MARKER_VARIABLE}=${marker}`;
  }

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

  /** The command that leads the group has ended. The group is forgotten as soon as it has no process. */
  ended(group: number): void {
    this.#ended.add(group);
    if (!this.#isChecking) this.#checkLater();
  }

  /** Process id of the watcher, while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Kills all groups. */
  killAll(): void {
    killSessions(this.#groups);
    this.release();
  }

  /** Ends the watcher, which then kills the groups that it knows and the marked processes. */
  release(): void {
    this.#groups.clear();
    this.#ended.clear();
    this.#child?.stdin?.end();
    this.#child = null;
  }

  /** A number must be forgotten soon after its group has ended, before the system gives it to another one. */
  #checkLater(): void {
    this.#isChecking = true;
    this.#clock.after(TOOL_LIMITS.leftoverCheckMs, () => {
      this.#isChecking = false;
      const running = findRunning(this.#ended);
      for (const group of this.#ended) if (!running.has(group)) this.#remove(group);
      if (this.#ended.size > 0) this.#checkLater();
    });
  }

  #remove(group: number): void {
    this.#ended.delete(group);
    this.#groups.delete(group);
    if (this.#child !== null) send(this.#child, `remove ${group}\n`).catch(() => this.#forget(this.#child));
  }

  #start(log: Log): ChildProcess {
    const child = startProcess("/bin/sh", ["-c", WATCHER_SCRIPT, "sh", this.#entry], {
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
    try {
      this.#start(log);
    } catch (err) {
      log.error("the watcher of commands could not be started again; the next command tries it", { cause: reasonOf(err) });
    }
  }
}

function send(child: ChildProcess, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const { stdin } = child;
    if (!stdin) return reject(new Error("the watcher of commands could not be started"));
    stdin.write(line, (err) => (err ? reject(err) : resolve()));
  });
}
