import { spawn, type ChildProcess } from "node:child_process";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../core/clock.ts";
import { contain } from "../../core/contain.ts";
import { SIGNAL_LIMITS } from "./limits.ts";
import { containListeners } from "../containment.ts";
import { TerminalError, type ChannelContext } from "../channel.ts";
import { openHttp } from "../http.ts";
import { sleep } from "../../core/async.ts";
import type { SignalAccount, SignalTransport } from "./config.ts";
import { NotLinkedError } from "./native-backend.ts";

type Managed = Extract<SignalTransport, { kind: "managed-native" }>;

/** A signal-cli of ours, which answers at `url`. */
export type Daemon = { url: string; /** Why it has ended. */ ended: Promise<Error>; stop(): Promise<void> };

/** How long a daemon may take to end when it is asked to; then it is killed. */
const STOP_TIMEOUT_MS = 700;
/** Pause between two looks whether it answers. */
const POLL_MS = 100;

/**
 * Runs the program while our end of its input is open: it ends with the gateway, also when the gateway is killed. $1: seconds between
 * SIGTERM and SIGKILL.
 */
const PARENT_WATCH_SCRIPT = `
grace=$1; shift
exec 3<&0
"$@" </dev/null 3<&- & child=$!
( cat <&3 >/dev/null 2>&1; kill "$child" 2>/dev/null; sleep "$grace"; kill -9 "$child" 2>/dev/null ) & guard=$!
exec 3<&-
wait "$child"; code=$?
kill "$guard" 2>/dev/null
exit $code
`;

function daemonArguments({ configPath, ignoreStories }: Managed, account: SignalAccount, address: string, linking: boolean): string[] {
  return [
    ...(configPath === null ? [] : ["--config", configPath]),
    ...(linking ? [] : ["-a", account.number]),
    "daemon",
    "--http",
    address,
    "--no-receive-stdout",
    // Messages that arrive without a listener stay at Signal instead of being discarded.
    "--receive-mode",
    linking ? "manual" : "on-connection",
    ...(account.ignoreAttachments ? ["--ignore-attachments"] : []),
    ...(ignoreStories ? ["--ignore-stories"] : []),
  ];
}

/** A port that was free a moment ago. */
async function freePort(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Only what a Java or native program needs: no credential of the gateway's environment. */
function environment(): NodeJS.ProcessEnv {
  const kept = /^(?:PATH|HOME|USER|LOGNAME|LANG|LC_.*|TZ|TMPDIR|JAVA_HOME|JAVA_OPTS|SIGNAL_CLI_OPTS|XDG_.*|SystemRoot)$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => kept.test(name)));
}

/**
 * Starts signal-cli and waits until it answers. `linking`: for every account, to link a new one. Throws TerminalError when it is not
 * there or does not know the account; any other failure may pass.
 */
export async function startDaemon(
  account: SignalAccount,
  transport: Managed,
  {
    host,
    clock,
    signal,
    linking = false,
  }: { host: Pick<ChannelContext, "log" | "fail">; clock: Clock; signal: AbortSignal; linking?: boolean },
): Promise<Daemon> {
  const port = transport.port ?? (await freePort(transport.host));
  const address = `${transport.host.includes(":") ? `[${transport.host}]` : transport.host}:${port}`;
  const args = daemonArguments(transport, account, address, linking);
  const lines: string[] = [];
  const child = containListeners(spawnDaemon(transport.cliPath, args), host.fail);
  child.stderr?.setEncoding("utf8").on(
    "data",
    contain(host.fail, (text: string) => {
      lines.push(...text.split("\n").filter((line) => line.trim() !== ""));
      lines.splice(0, Math.max(0, lines.length - SIGNAL_LIMITS.logLines));
      host.log.debug("signal-cli", { text: text.trim() });
    }),
  );
  const ended = new Promise<Error>((resolve) => {
    child.once("error", (err) => resolve(startFailure(err, transport.cliPath)));
    child.once("exit", (code, how) => resolve(describeExit(code, how, lines, account.number, transport.cliPath)));
  });
  const daemon: Daemon = { url: `http://${address}`, ended, stop: () => stopDaemon(child) };
  try {
    await untilReachable(daemon, transport, clock, signal);
  } catch (err) {
    await daemon.stop();
    throw err;
  }
  host.log.info("signal-cli runs", { pid: child.pid, address });
  return daemon;
}

function spawnDaemon(cliPath: string, args: readonly string[]): ChildProcess {
  const options = { env: environment(), stdio: ["pipe", "ignore", "pipe"] as ["pipe", "ignore", "pipe"], windowsHide: true };
  const child =
    process.platform === "win32"
      ? spawn(cliPath, args, options)
      : spawn("/bin/sh", ["-c", PARENT_WATCH_SCRIPT, "signal-cli", String(STOP_TIMEOUT_MS / 1_000), cliPath, ...args], options);
  // The pipe breaks when the program ends first; `exit` reports that.
  child.stdin?.on("error", () => undefined);
  return child;
}

async function stopDaemon(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise<void>((resolve) => void child.once("exit", () => resolve()));
  // The holder asks the program to end, and kills it when it does not.
  if (process.platform === "win32") child.kill();
  else child.stdin?.destroy();
  await gone;
}

async function untilReachable(daemon: Daemon, { startupTimeoutMs }: Managed, clock: Clock, signal: AbortSignal): Promise<void> {
  let over: Error | null = null;
  void daemon.ended.then((cause) => (over = cause));
  const until = clock.monotonic() + startupTimeoutMs;
  while (clock.monotonic() < until) {
    if (over) throw over as Error;
    if (signal.aborted) throw new Error("stopped");
    try {
      const response = await openHttp({
        url: `${daemon.url}/api/v1/check`,
        signal: AbortSignal.any([signal, AbortSignal.timeout(2_000)]),
      });
      response.cancel();
      if (response.status === 200) return;
    } catch (err) {
      // It does not listen yet.
      if (signal.aborted) throw err;
    }
    // The pause alone keeps no process alive; that the program has ended must not wait for it.
    await Promise.race([sleep(clock, POLL_MS, signal), daemon.ended]);
  }
  throw new Error(`signal-cli did not answer within ${startupTimeoutMs / 1_000} s; transport.startupTimeoutMs sets the limit`);
}

const INSTALL_FIX =
  "Install signal-cli (github.com/AsamK/signal-cli/releases), or set channels.signal.transport.cliPath; or use a daemon that runs already: transport.kind external-native or container.";

function startFailure(err: Error, cliPath: string): Error {
  const { code } = err as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "EACCES" ? new TerminalError(`${cliPath} cannot be started: ${code}`, INSTALL_FIX) : err;
}

function describeExit(code: number | null, how: NodeJS.Signals | null, lines: readonly string[], number: string, cliPath: string): Error {
  const last = lines.at(-1) ?? "";
  if (code === 127 || code === 126) return new TerminalError(`${cliPath} cannot be started: ${last.replace(/^.*: /, "")}`, INSTALL_FIX);
  if (lines.some((line) => /is not registered|not linked|Not registered/i.test(line))) return new NotLinkedError(number, "signal-cli");
  if (lines.some((line) => /UnsupportedClassVersionError/.test(line)))
    return new TerminalError(
      "signal-cli needs a newer Java",
      "Install Java 25 (21 for signal-cli 0.13), or the native build of signal-cli.",
    );
  return new Error(`signal-cli ended with ${how ?? `code ${code}`}${last === "" ? "" : `: ${last}`}`);
}
