import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { errnoOf } from "../core/files.ts";

/*
 * The processes of a command. The command leads a session and a process group, which both have its process id as their number.
 * Programs like timeout and interactive shells make further groups in the session; /proc lists these. Where there is no /proc, only
 * the group of the command is known.
 */

/** A process that starts others while it is killed needs a second look; more are for one that starts them fast. */
const KILL_PASSES = 8;

/** Kills every process of these sessions and groups. */
export function killSessions(numbers: Iterable<number>): void {
  const sessions = [...numbers];
  for (const session of sessions) signalGroup(session, "SIGKILL");
  const killed = new Set<number>();
  for (let pass = 0; pass < KILL_PASSES; pass += 1) {
    const found = [...findMembers(sessions).keys()].filter((pid) => !killed.has(pid));
    if (found.length === 0) return;
    for (const pid of found) {
      killed.add(pid);
      sendSignal(pid, "SIGKILL");
    }
  }
}

/** Which of these sessions and groups have a process. */
export function findRunning(numbers: Iterable<number>): Set<number> {
  const sessions = [...numbers];
  const running = new Set(sessions.filter(hasProcesses));
  for (const session of findMembers(sessions.filter((each) => !running.has(each))).values()) running.add(session);
  return running;
}

/** Whether a process of the group exists. */
export const hasProcesses = (group: number): boolean => signalGroup(group, 0);

/** 0 is the group of the gateway itself, and 1 every process. */
const signalGroup = (group: number, signal: NodeJS.Signals | 0): boolean => group > 1 && sendSignal(-group, signal);

/** False when there is no such process. */
function sendSignal(to: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(to, signal);
    return true;
  } catch (err) {
    // EPERM: it exists, with processes of another user only.
    if (errnoOf(err) === "EPERM") return true;
    if (errnoOf(err) === "ESRCH") return false;
    throw err;
  }
}

/** The processes of sessions that have not ended: process id -> session. */
function findMembers(sessions: readonly number[]): Map<number, number> {
  const wanted = new Set(sessions.filter((session) => session > 1));
  const members = new Map<number, number>();
  if (process.platform !== "linux" || wanted.size === 0) return members;
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    const session = Number.isSafeInteger(pid) ? sessionOf(pid) : null;
    if (session !== null && wanted.has(session)) members.set(pid, session);
  }
  return members;
}

/** The beginning of a `stat` file has all that is read here; one buffer and three calls for each keep a look at many processes short. */
const statHead = Buffer.alloc(256);

/** The session of a process; null when it has ended, also when its parent has not noticed yet. */
function sessionOf(pid: number): number | null {
  let descriptor: number | null = null;
  try {
    descriptor = openSync(`/proc/${pid}/stat`, "r");
    const stat = statHead.toString("latin1", 0, readSync(descriptor, statHead));
    // The name of the program, in parentheses, may contain anything; after it: state, parent, group, session.
    const [state, , , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ", 4);
    return state === "Z" || state === "X" ? null : Number(session);
  } catch (err) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(errnoOf(err))) return null;
    throw err;
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}
