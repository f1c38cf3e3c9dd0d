import {
  Client,
  InsufficientScopeError,
  ProtocolError,
  SdkError,
  SSEClientTransport,
  StreamableHTTPClientTransport,
  type Transport,
} from "@modelcontextprotocol/client";
import { abortable, sleep, withTimeout, type Deadline } from "../core/async.ts";
import type { Clock } from "../core/clock.ts";
import type { McpServerConfig } from "../config/schema.ts";
import { reasonOf } from "../core/errors.ts";
import { asArray, asString, fieldsOf } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import { MARKER_VARIABLE } from "../core/marked-processes.ts";
import { readProxySettings } from "../core/proxy.ts";
import { VERSION } from "../core/version.ts";
import { errorResult } from "../tools/results.ts";
import type { ToolResult } from "../tools/tool.ts";
import type { GroupWatcher } from "../tools/group-watcher.ts";
import { createHttpFetch, readTlsSettings } from "./http-fetch.ts";
import { MCP_LIMITS } from "./limits.ts";
import type { LoginStore } from "./login-store.ts";
import { bearerToken, noteRefusal } from "./oauth.ts";
import { readTools, type ListedTools } from "./offered-tools.ts";
import { quoteToolResult } from "../tools/outside-results.ts";
import {
  contentToolOf,
  countContent,
  InvalidContentArguments,
  withContentTools,
  type AskServer,
  type ContentKind,
} from "./server-content.ts";
import { StdioTransport } from "./stdio-transport.ts";

export type ServerConnectOptions = {
  name: string;
  config: McpServerConfig;
  /** The sign-in at a server that has one. */
  login: LoginStore | null;
  /** Variables of every server that is a process. */
  env: Readonly<Record<string, string>>;
  watcher: GroupWatcher;
  clock: Clock;
  log: Log;
  deadline: Deadline;
  /** Aborted when the server is not to be connected any more. */
  signal: AbortSignal;
  /** The connection has ended by itself. */
  onClosed: (cause: string) => void;
  onToolsChanged: () => void;
  /** The server has asked for something that is refused, such as `sampling/createMessage`. */
  onRefused: (method: string) => void;
};

export type TransportName = "stdio" | "streamable-http" | "sse";

/** Null: the server does not offer them. */
export type ContentCounts = Readonly<Record<ContentKind, number | null>>;

export type CallAnswer = { result: ToolResult; isTimeout: boolean };

type CallOptions = { signal: AbortSignal; timeoutMs: number };

/** A connected server. */
export type Connection = {
  readonly transport: TransportName;
  /** Of the child process; null for a server that is reached over HTTP. */
  readonly pid: number | null;
  /** The tools that the server lists, checked and cut. */
  listTools(timeoutMs: number): Promise<ListedTools>;
  /** The answer to a call, also when it is that the call failed or took too long. Rejects when the connection does not work. */
  call(tool: string, args: Record<string, unknown>, options: CallOptions): Promise<CallAnswer>;
  /** The answer of one of the gateway's own tools for what the server has besides tools; as `call`. */
  useContent(tool: string, args: Record<string, unknown>, options: CallOptions): Promise<CallAnswer>;
  /** How many resources and prompts it has; null for what it does not offer. */
  countContent(timeoutMs: number): Promise<ContentCounts>;
  /** Resolves when the server has ended, at most a little more than `TOOL_LIMITS.rpcStopMs` later. */
  close(): Promise<void>;
};

/** Connects to a server. Rejects with the cause when that fails or takes longer than the deadline; then nothing of it is left. */
export async function connectServer(options: ServerConnectOptions): Promise<Connection> {
  const { config } = options;
  if (config.command !== undefined && config.transport !== "sse" && config.transport !== "streamable-http")
    return await connectStdio(options);
  if (config.url === undefined) throw new Error("neither a command nor a url is configured");
  const url = new URL(config.url);
  const named = config.transport === "stdio" ? undefined : config.transport;
  try {
    return await connectHttp(options, url, named ?? "streamable-http");
  } catch (err) {
    if (named !== undefined || options.signal.aborted || options.deadline.isExpired() || !isOldServer(err)) throw err;
    return await connectHttp(options, url, "sse");
  }
}

/** A server of the older transport does not know the requests of the newer one. */
const isOldServer = (err: unknown): boolean => [400, 404, 405, 415].some((status) => statusOf(err) === status);

/** The same failure, with what the library's own text leaves out: the HTTP status, and what to do about it. */
function describe(err: unknown, { name, login }: ServerConnectOptions): unknown {
  const signIn = `openclaw mcp login ${name}`;
  if (InsufficientScopeError.isInstance(err)) return new Error(`it wants more rights than the sign-in has: ${signIn}`, { cause: err });
  const status = statusOf(err);
  if (status === null) return err;
  const hint = login ? `; it refuses the sign-in: ${signIn}` : "; it wants a credential, for which there is the setting `headers`";
  return new Error(`it answered with HTTP ${status}${status === 401 || status === 403 ? hint : ""}`, { cause: err });
}

/** The HTTP status of a refused request; null for another failure. */
function statusOf(err: unknown): number | null {
  if (err instanceof Error && err.cause !== undefined && !SdkError.isInstance(err)) return statusOf(err.cause);
  const status = SdkError.isInstance(err) ? fieldsOf(err.data)["status"] : undefined;
  return typeof status === "number" ? status : null;
}

async function connectStdio(options: ServerConnectOptions): Promise<Connection> {
  const { config, env, watcher, clock, log } = options;
  const own = Object.entries(config.env).map(([name, value]) => [name, value.reveal()] as const);
  const transport = new StdioTransport({
    argv: [config.command!, ...config.args],
    cwd: config.cwd ?? config.workingDirectory ?? (env["HOME"] || "/"),
    // The configuration cannot replace the mark by which what is left over is found.
    env: { ...env, ...Object.fromEntries(own), [MARKER_VARIABLE]: env[MARKER_VARIABLE] ?? "" },
    watcher,
    clock,
    log,
  });
  return await connect(options, "stdio", transport, {
    pid: () => transport.pid,
    end: () => transport.cause,
    release: () => transport.close(),
  });
}

async function connectHttp(options: ServerConnectOptions, url: URL, name: "streamable-http" | "sse"): Promise<Connection> {
  const { config, login } = options;
  const http = createHttpFetch(readProxySettings(process.env), await readTlsSettings(config));
  const sent = Object.entries(config.headers).filter(([key]) => login === null || key.toLowerCase() !== "authorization");
  const headers = Object.fromEntries(sent.map(([key, value]) => [key, value.reveal()]));
  const fetch: typeof http.fetch = async (target, init) => {
    const response = await http.fetch(target, init);
    if (login) await noteRefusal(login, response);
    return response;
  };
  const oauth = { name: options.name, url, scope: config.oauth.scope, send: http.fetch, now: options.clock.now };
  const given = { fetch, requestInit: { headers }, ...(login && { authProvider: bearerToken({ ...oauth, store: login }) }) };
  const streamable = name === "streamable-http" ? new StreamableHTTPClientTransport(url, given) : null;
  const transport = streamable ?? new SSEClientTransport(url, given);
  return await connect(options, name, transport, {
    pid: () => null,
    end: () => null,
    release: async () => {
      // The server keeps a session until a request ends it.
      if (streamable) await Promise.race([streamable.terminateSession().catch(() => {}), sleep(options.clock, MCP_LIMITS.stopMs)]);
      await transport.close();
      http.close();
    },
  });
}

/** Of JSON-RPC. */
const METHOD_NOT_FOUND = -32_601;

type Handle = { pid: () => number | null; end: () => string | null; release: () => Promise<void> };

async function connect(options: ServerConnectOptions, name: TransportName, transport: Transport, handle: Handle): Promise<Connection> {
  const { clock, deadline, signal, log } = options;
  // No capability is declared: the library refuses what servers ask of a client (sampling, elicitation, roots).
  const client = new Client({ name: "openclaw-gateway", version: VERSION });
  let isOpen = true;
  let lastProblem = "";
  Object.assign(client, {
    fallbackRequestHandler: async ({ method }: { method: string }) => {
      options.onRefused(method);
      throw new ProtocolError(METHOD_NOT_FOUND, "Method not found");
    },
    onerror: (err: Error) => {
      lastProblem = reasonOf(err);
      log.debug("an MCP connection reports a problem", { reason: lastProblem });
    },
    onclose: () => {
      if (!isOpen) return;
      isOpen = false;
      options.onClosed(handle.end() ?? `the connection has ended${lastProblem === "" ? "" : `: ${lastProblem}`}`);
    },
  });
  const close = async (): Promise<void> => {
    isOpen = false;
    await handle.release();
  };
  try {
    const timeout = Math.ceil(deadline.remainingMs());
    const connecting = withTimeout(
      clock,
      timeout,
      client.connect(transport, { timeout }),
      () => new Error(`it did not answer in ${timeout} ms`),
    );
    await abortable(connecting, signal);
    client.setNotificationHandler("notifications/tools/list_changed", options.onToolsChanged);
  } catch (err) {
    const end = handle.end();
    await close();
    throw end === null ? describe(err, options) : new Error(end, { cause: err });
  }
  return toConnection(client, options, { name, pid: handle.pid(), isOpen: () => isOpen, close });
}

type Connected = { name: TransportName; pid: number | null; isOpen: () => boolean; close: () => Promise<void> };

function toConnection(client: Client, options: ServerConnectOptions, { name, pid, isOpen, close }: Connected): Connection {
  const { toolFilter } = options.config;
  const capabilities = client.getServerCapabilities() ?? {};
  const kinds = new Set((["resources", "prompts"] as const).filter((kind) => capabilities[kind] !== undefined));
  const ask =
    (sent: { signal?: AbortSignal; timeout: number }): AskServer =>
    async (method, params) =>
      fieldsOf(await client.request({ method, params } as never, sent));
  const run = async (tool: string, { signal, timeoutMs }: CallOptions, call: (asked: AskServer) => Promise<ToolResult>) => {
    try {
      return { result: await call(ask({ signal, timeout: timeoutMs })), isTimeout: false };
    } catch (err) {
      if (err instanceof InvalidContentArguments) return { result: errorResult(err.message), isTimeout: false };
      if (!isOpen() || signal.aborted || !isAnswer(err)) throw describe(err, options);
      const isTimeout = SdkError.isInstance(err) && err.code === "REQUEST_TIMEOUT";
      const text = isTimeout ? `There was no answer within ${timeoutMs} ms.` : reasonOf(err);
      return {
        result: quoteToolResult(`the tool ${options.name}__${tool} of an MCP server`, { isError: true, content: [{ type: "text", text }] }),
        isTimeout,
      };
    }
  };
  return {
    transport: name,
    pid,
    listTools: async (timeoutMs) => {
      try {
        const listed = readTools(options.name, await listTools(client, timeoutMs), toolFilter);
        return withContentTools(options.name, listed, kinds, toolFilter);
      } catch (err) {
        throw describe(err, options);
      }
    },
    call: (tool, args, sent) =>
      run(tool, sent, async (asked) =>
        quoteToolResult(`the tool ${options.name}__${tool} of an MCP server`, await asked("tools/call", { name: tool, arguments: args })),
      ),
    useContent: (tool, args, sent) => run(tool, sent, (asked) => contentToolOf(tool)!.run(asked, args, options.name)),
    countContent: async (timeoutMs) => {
      const count = (kind: ContentKind): Promise<number> | null =>
        kinds.has(kind) ? countContent(ask({ timeout: timeoutMs }), kind) : null;
      const [resources, prompts] = await Promise.all([count("resources"), count("prompts")]);
      return { resources, prompts };
    },
    close,
  };
}

/** An error that the server sent, or a request that took too long, as opposed to a connection that does not work. */
const isAnswer = (err: unknown): boolean =>
  ProtocolError.isInstance(err) || (SdkError.isInstance(err) && ["REQUEST_TIMEOUT", "INVALID_RESULT"].includes(err.code));

async function listTools(client: Client, timeoutMs: number): Promise<readonly unknown[]> {
  if (client.getServerCapabilities()?.tools === undefined) return [];
  const tools: unknown[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MCP_LIMITS.listPages; page += 1) {
    const params = cursor === undefined ? {} : { cursor };
    const answer = fieldsOf(await client.request({ method: "tools/list", params }, { timeout: timeoutMs }));
    tools.push(...asArray(answer["tools"]));
    cursor = asString(answer["nextCursor"]) || undefined;
    if (cursor === undefined) break;
  }
  return tools;
}
