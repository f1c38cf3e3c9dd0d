import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { errnoOf } from "../core/files.ts";

/*
 * The processes of a command. The command leads a session and a process group, which both have its process id as their number.
 * Programs like timeout and interactive shells make further groups in the session; /proc lists these. Where there is no /proc, only
 * the group of the command is known.
 */

/** A process that starts others while it is killed needs a second look; more are for one that starts them fast. */
const KILL_PASSES = 8;

/**
 * Kills every process of these sessions and groups. False: no file descriptors are left to see those that are in other groups of the sessions.
 * It is called in listeners and timers, where an exception would end the gateway.
 */
export function killSessions(numbers: Iterable<number>): boolean {
  const sessions = [...numbers];
  for (const session of sessions) signalGroup(session, "SIGKILL");
  const killed = new Set<number>();
  for (let pass = 0; pass < KILL_PASSES; pass += 1) {
    const members = findMembers(sessions);
    if (members === null) return false;
    const found = [...members.keys()].filter((pid) => !killed.has(pid));
    if (found.length === 0) return true;
    for (const pid of found) {
      killed.add(pid);
      sendSignal(pid, "SIGKILL");
    }
  }
  return true;
}

/** Which of these sessions and groups have a process; all of them where it cannot be seen. */
export function findRunning(numbers: Iterable<number>): Set<number> {
  const sessions = [...numbers];
  const running = new Set(sessions.filter(hasProcesses));
  const members = findMembers(sessions.filter((each) => !running.has(each)));
  if (members === null) return new Set(sessions);
  for (const session of members.values()) running.add(session);
  return running;
}

/** Whether a process of the group exists. */
export const hasProcesses = (group: number): boolean => signalGroup(group, 0);

/** 0 is the group of the gateway itself, and 1 every process. */
const signalGroup = (group: number, signal: NodeJS.Signals | 0): boolean => group > 1 && sendSignal(-group, signal);

/** False when the process does not exist. */
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

/** The processes of sessions that have not ended: process id -> session. Null when no file descriptors are left to see them. */
function findMembers(sessions: readonly number[]): Map<number, number> | null {
  try {
    return readMembers(sessions);
  } catch (err) {
    if (["EMFILE", "ENFILE"].includes(errnoOf(err))) return null;
    throw err;
  }
}

function readMembers(sessions: readonly number[]): Map<number, number> {
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
