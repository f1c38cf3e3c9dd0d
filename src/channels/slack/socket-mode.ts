import { isLoopbackHostname } from "../url.ts";
import { GatewayError, reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { SLACK_LIMITS } from "./limits.ts";
import { TerminalError } from "../channel.ts";
import { asSlackObject, TOKEN_ERRORS, type SlackObject, type SlackApi } from "./api.ts";
import { type SlackEventQueue, type SlackSession } from "./event-queue.ts";
import { contain } from "../../core/contain.ts";
import { sleep, untilAborted } from "../../core/async.ts";
import { isOpen, openWebSocket, type WebSocket } from "../websocket.ts";

export type SlackTimings = {
  /** Time for a socket to be opened and to say hello. */
  openMs: number;
  /** A socket on which nothing has come for so long, not even a ping, is replaced. */
  quietMs: number;
  /** So long before its announced end a socket is replaced. */
  marginMs: number;
  /** A socket that was replaced is read for so long, unless Slack closes it before. */
  lingerMs: number;
  /** Pause between attempts to replace a socket that still works. */
  retryMs: number;
  /** Pause before events are stored again. */
  storeMs: number;
  /** How often the token is checked where Slack calls us. */
  checkMs: number;
};
export const SLACK_TIMINGS: SlackTimings = {
  openMs: 20_000,
  quietMs: 60_000,
  marginMs: 60_000,
  lingerMs: 15_000,
  retryMs: 5_000,
  storeMs: 1_000,
  checkMs: 300_000,
};

/** One socket after its hello. */
type SocketModeSocket = {
  /** Why it must be replaced. */ closingReason: Promise<"refresh" | "quiet">;
  /** Why it has ended. */ ended: Promise<string>;
  isOpen: () => boolean;
  close: () => void;
};
type Deps = SlackSession & {
  timings: SlackTimings;
  intake: SlackEventQueue;
  apiRoot: string;
  proxy: string | null;
  fail: (err: unknown) => void;
};

const APP_FIX =
  "Create an app-level token with the scope connections:write, enable Socket Mode (api.slack.com/apps), set channels.slack.appToken, then: openclaw channels start slack";
/** Words for which no later attempt to open a socket can help. */
const SOCKET_ERRORS: ReadonlySet<string> = new Set([
  ...TOKEN_ERRORS,
  "not_allowed_token_type",
  "missing_scope",
  "no_permission",
  "socket_mode_disabled",
]);

/**
 * Reads events until the signal aborts. A socket that is about to end is replaced first and left after that, so that there is no moment
 * without one; the old one is read until it ends. Throws when there was none.
 */
export async function runSocketMode(deps: Deps, ready: () => void): Promise<void> {
  const { signal, clock, timings, intake, fail, host } = deps;
  const open = new Set<SocketModeSocket>();
  const connect = async (): Promise<SocketModeSocket> => {
    const socket = await openSocket(deps);
    open.add(socket);
    socket.ended.then(
      contain(host.fail, () => open.delete(socket)),
      host.fail,
    );
    return socket;
  };
  try {
    let current = await connect();
    ready();
    const aborted = untilAborted(signal);
    while (!signal.aborted) {
      const lost = current.ended.then((cause) => ({ cause }));
      const why = await Promise.race([current.closingReason, lost, aborted]);
      if (signal.aborted) return;
      if (typeof why === "object") throw new Error(`Slack has closed the connection: ${why.cause}`);
      const next = await replaceSocket(deps, current, why === "quiet", connect);
      const old = current;
      current = next;
      // Slack closed the old socket first: messages in between are in the history.
      if (!old.isOpen()) intake.backfill().catch(fail);
      else
        sleep(clock, why === "quiet" ? 0 : timings.lingerMs, signal)
          .then(() => old.close(), host.fail)
          .catch(host.fail);
    }
  } finally {
    for (const socket of open) socket.close();
  }
}

/** Opens another socket beside one that still works. A silent one gets a single attempt: it may no longer work. */
async function replaceSocket(
  deps: Deps,
  current: SocketModeSocket,
  once: boolean,
  connect: () => Promise<SocketModeSocket>,
): Promise<SocketModeSocket> {
  const { host, clock, timings, signal } = deps;
  for (;;) {
    try {
      return await connect();
    } catch (err) {
      if (once || !current.isOpen() || signal.aborted || err instanceof TerminalError) throw err;
      host.log.warn("the next socket could not be opened; the current one still works", { cause: reasonOf(err) });
      await sleep(clock, timings.retryMs, signal);
    }
  }
}

const appTokenError = (error: string): TerminalError => new TerminalError(`Slack does not open a socket: ${error}`, APP_FIX, "appToken");

/** Asks for a socket that is not opened. Throws TerminalError for an app-level token that Slack refuses. */
export async function checkAppToken(api: SlackApi, signal: AbortSignal, timeoutMs: number): Promise<void> {
  const answer = await api.openSocket({ signal, timeoutMs });
  if (answer.ok) return;
  throw SOCKET_ERRORS.has(answer.error) ? appTokenError(answer.error) : new Error(`Slack does not open a socket: ${answer.error}`);
}

async function fetchSocketUrl({ api, host, signal, timings, apiRoot }: Deps): Promise<string> {
  const answer = await api.openSocket({ signal, timeoutMs: timings.openMs });
  if (!answer.ok) {
    if (SOCKET_ERRORS.has(answer.error)) throw appTokenError(answer.error);
    if (answer.error !== "ratelimited") throw new Error(`Slack does not open a socket: ${answer.error}`);
    host.reportRateLimit();
    throw new GatewayError("UNAVAILABLE", "Slack limits the rate of connections", {
      retryAfterMs: answer.retryAfterMs ?? SLACK_LIMITS.retryMs,
    });
  }
  host.reportActivity();
  const url = typeof answer.body["url"] === "string" ? URL.parse(answer.body["url"]) : null;
  const local = url?.protocol === "ws:" && isLoopbackHostname(url.hostname) && isLoopbackHostname(new URL(apiRoot).hostname);
  if (!url || (url.protocol !== "wss:" && !local)) throw new Error("Slack returned no secure address for a socket");
  return url.href;
}

async function openSocket(deps: Deps): Promise<SocketModeSocket> {
  const { host, clock, timings, intake, signal } = deps;
  const socket = openWebSocket(await fetchSocketUrl(deps), { handshakeMs: timings.openMs, proxy: deps.proxy, fail: host.fail });
  const hello = Promise.withResolvers<void>();
  const leaving = Promise.withResolvers<"refresh" | "quiet">();
  const ended = Promise.withResolvers<string>();
  const deadline = clock.after(timings.openMs, () => hello.reject(new Error("Slack did not send hello in time")));
  let quiet: (() => void) | null = null;
  const alive = (): void => {
    host.reportActivity();
    watch();
  };
  const watch = (): void => {
    quiet?.();
    // A socket that we do not read at the moment is not a silent one.
    quiet = clock.after(timings.quietMs, () => (socket.isPaused ? watch() : leaving.resolve("quiet")));
  };
  /** Too many wait to be stored: the socket is not read until there is room. Closing it would bring all of them again. */
  const hold = async (room: Promise<void>): Promise<void> => {
    if (socket.isPaused) return;
    socket.pause();
    await room;
    if (!isOpen(socket)) return;
    socket.resume();
    watch();
  };
  const end = (cause: string): void => {
    deadline();
    quiet?.();
    ended.resolve(cause);
    hello.reject(new Error(`Slack has closed the connection: ${cause}`));
  };
  const close = (): void => {
    if (isOpen(socket) && !socket.isPaused) socket.close(1000);
    else socket.terminate();
    end("we have closed it");
  };
  socket.on("message", (data) => {
    const frame = parseEnvelope(data);
    if (frame["type"] === "hello") {
      deadline();
      hello.resolve();
      socketExpiry(deps, frame, () => leaving.resolve("refresh"));
    } else if (frame["type"] === "disconnect") {
      if (frame["reason"] === "link_disabled") deps.fail(new TerminalError("Socket Mode was disabled for the app", APP_FIX));
      leaving.resolve("refresh");
    } else handleEnvelope(deps, socket, frame);
    if (intake.untilRoom) hold(intake.untilRoom).catch(host.fail);
    alive();
  });
  socket.on("close", (code, reason) => end(reasonOf(`${code} ${String(reason)}`.trim())));
  socket.on("error", () => end("the connection broke"));
  socket.on("ping", alive);
  try {
    await Promise.race([hello.promise, untilAborted(signal)]);
    if (signal.aborted) throw new Error("the connection has ended");
  } catch (err) {
    close();
    throw err;
  }
  return { closingReason: leaving.promise, ended: ended.promise, isOpen: () => isOpen(socket), close };
}

function parseEnvelope(data: unknown): SlackObject {
  try {
    return asSlackObject(JSON.parse(String(data)));
  } catch (err) {
    if (err instanceof SyntaxError) return { type: "unreadable", payload: String(data).slice(0, LIMITS.unreadableChars) };
    throw err;
  }
}

/** Slack says at the hello how long the socket will live, about. */
function socketExpiry({ clock, timings, signal, host }: Deps, hello: SlackObject, leave: () => void): void {
  const seconds = asSlackObject(hello["debug_info"])["approximate_connection_time"];
  if (typeof seconds !== "number" || seconds <= 0) return;
  sleep(clock, Math.max(seconds * 500, seconds * 1_000 - timings.marginMs), signal)
    .then(leave)
    .catch(host.fail);
}

/** Acknowledges on the socket that has brought the envelope, when it is stored. On a closed one Slack sends it again elsewhere. */
function handleEnvelope({ intake, signal, fail, host }: Deps, socket: WebSocket, frame: SlackObject): void {
  const id = frame["envelope_id"];
  if (typeof id !== "string" && frame["payload"] === undefined) return;
  intake
    .enqueue(frame["payload"])
    .then(
      () => {
        if (typeof id === "string" && isOpen(socket)) socket.send(JSON.stringify({ envelope_id: id }));
      },
      (err: unknown) => {
        if (!signal.aborted) fail(err);
      },
    )
    .catch(host.fail);
}
