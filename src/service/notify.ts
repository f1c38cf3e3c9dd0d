import { execFile } from "node:child_process";

/** Sends the service manager what the process says about itself; true when it was sent. Never rejects. */
export type SendNotice = (fields: readonly string[], options?: { wait?: boolean }) => Promise<boolean>;

/** What systemd has told the process at its start. */
export type ServiceSocket = {
  readonly send: SendNotice;
  /** How long it waits for a sign of life; null: it does not. */
  readonly watchdogMs: number | null;
};

const LIMIT_MS = 10_000;
const SOCKET = /^[@/]/;

/**
 * Takes over what systemd has told this process, so that nothing that it starts gets it. Null when no service manager listens. Node has
 * no datagrams over UNIX sockets: each message is sent by `systemd-notify`.
 */
export function takeServiceSocket(env: Record<string, string | undefined>, pid: number, parent: number): ServiceSocket | null {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, WATCHDOG_PID: watched, PATH } = env;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
  if (socket === undefined || !SOCKET.test(socket)) return null;
  const isMeant = watched === undefined || Number(watched) === pid || Number(watched) === parent;
  const watchdogMs = isMeant && Number(usec) > 0 ? Number(usec) / 1_000 : null;
  const send: SendNotice = (fields, { wait = false } = {}) =>
    new Promise((resolve) => {
      const args = [...(wait ? [] : ["--no-block"]), ...fields.map(cleanField)];
      execFile("systemd-notify", args, { env: { NOTIFY_SOCKET: socket, PATH }, timeout: LIMIT_MS }, (err) => resolve(err === null));
    });
  return { send, watchdogMs };
}

/** A line break would begin another field. */
const cleanField = (field: string): string => field.replaceAll(/\s+/g, " ").slice(0, 500);
