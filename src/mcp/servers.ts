import { isSameValue } from "../config/diff.ts";
import type { McpConfig, McpServerConfig } from "../config/schema.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { MARKER_VARIABLE } from "../core/marked-processes.ts";
import { GroupWatcher } from "../tools/group-watcher.ts";
import { errorResult, quote } from "../tools/results.ts";
import type { CallContext, ToolCall, ToolDescription, ToolResult } from "../tools/tool.ts";
import type { ToolSource } from "../tools/tool-source.ts";
import { readProxySettings } from "../core/proxy.ts";
import type { HttpFetch } from "./http-fetch.ts";
import type { LoginStore } from "./login-store.ts";
import type { OAuthOptions } from "./oauth.ts";
import { ToolPins, type ToolPinsOptions } from "./pins.ts";
import { McpServer, toOneLine, type McpServerDeps, type McpServerStatus } from "./server.ts";

export type McpServersOptions = Omit<McpServerDeps, "pins" | "watcher" | "idleMs"> & {
  config: () => McpConfig;
  pins: ToolPinsOptions;
  /** Value of `OPENCLAW_RUNNER` in the environment of the servers. */
  marker: string;
};

/** A server of the configuration, and what is known about it. */
export type McpServerReport = { name: string; config: McpServerConfig } & McpServerStatus;

export type McpAsk = {
  server: string;
  tool: string;
  /** The server says that the tool changes nothing. */
  readsOnly: boolean;
  /** Of the tool as the server gives it; empty while that is unknown. */
  hash: string;
  /** It runs on this machine. */
  isProgram: boolean;
  /** `mcp.servers.<name>.ask`. */
  ask: McpServerConfig["ask"];
};

/** All MCP servers of the configuration: a source of tools. One process or connection for each server, for all sessions. */
export class McpServers implements ToolSource {
  readonly #options: McpServersOptions;
  readonly #deps: McpServerDeps;
  readonly #servers = new Map<string, McpServer>();
  readonly #watcher: GroupWatcher;
  /** Servers that are ending. */
  readonly #ending = new Set<Promise<void>>();
  #isStopped = false;

  constructor(options: McpServersOptions) {
    const { clock, marker, config } = options;
    this.#options = options;
    this.#watcher = new GroupWatcher({ clock, marker });
    this.#deps = {
      ...options,
      env: { ...options.env, [MARKER_VARIABLE]: marker },
      idleMs: () => config().sessionIdleTtlMs,
      pins: new ToolPins(options.pins),
      watcher: this.#watcher,
    };
    options.metrics.sample("gateway_mcp_servers", () => this.#countStates());
  }

  /** Takes over a changed configuration: servers that are not in it any more, or in another way, are ended. */
  configure(): void {
    const { servers } = this.#options.config();
    for (const [name, server] of this.#servers) {
      const config = Object.hasOwn(servers, name) ? servers[name]! : null;
      if (config?.enabled && isSameValue(config, server.config)) continue;
      this.#servers.delete(name);
      const ending = server.stop().finally(() => this.#ending.delete(ending));
      this.#ending.add(ending);
    }
  }

  async list(signal: AbortSignal): Promise<readonly ToolDescription[]> {
    const lists = await Promise.all(this.#enabled().map((server) => server.list(signal)));
    return lists.flat().map(({ description }) => description);
  }

  /** The tools that can be called, as far as they are known; starts nothing. */
  known(): readonly { server: string; tool: string; description: ToolDescription }[] {
    return [...this.#servers.values()].flatMap((server) =>
      server.usable().map(({ name, description }) => ({ server: server.name, tool: name, description })),
    );
  }

  has(name: string): boolean {
    const found = this.#find(name);
    return found !== null && found.server.mayHave(found.tool);
  }

  /** Whether there is a tool of this name; asks its server unless its tools are known. Never rejects. */
  async find(name: string, signal: AbortSignal): Promise<boolean> {
    await this.#find(name)?.server.list(signal);
    return this.has(name);
  }

  /** What decides whether a person is asked before a call of a tool; null where no server has it. */
  askOf(name: string): McpAsk | null {
    const found = this.#find(name);
    if (found === null) return null;
    const { server, tool } = found;
    const isProgram = server.config.url === undefined;
    return { server: server.name, tool, ...server.describe(tool), isProgram, ask: server.config.ask };
  }

  async run({ name, args }: ToolCall, context: CallContext): Promise<ToolResult> {
    const found = this.#find(name);
    if (found === null) return errorResult(`There is no MCP server with a tool ${quote(name)}.`);
    return await found.server.call(found.tool, args, context);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([...this.#servers.values()].map((server) => server.stop()));
    await Promise.all(this.#ending);
    this.#watcher.killAll();
  }

  /** Every server of the configuration, in its order. */
  report(): readonly McpServerReport[] {
    return Object.entries(this.#options.config().servers).map(([name, config]) => {
      const server = config.enabled ? this.#server(name, config) : new McpServer(name, config, this.#deps);
      return { name, config, ...server.status() };
    });
  }

  /** Starts a server, also during the pause after a failure. Never rejects: the report says what became of it. */
  async probe(name: string): Promise<McpServerReport> {
    const server = this.#require(name);
    // The state has the cause.
    await server.contact().catch(() => {});
    return { name: server.name, config: server.config, ...server.status() };
  }

  /**
   * Accepts the tools of a server as it lists them, and names those that were withheld. Rejects with UNAVAILABLE when it has to be started
   * for that and does not work.
   */
  async accept(name: string): Promise<{ server: string; accepted: readonly string[] }> {
    const server = this.#require(name);
    try {
      return { server: server.name, accepted: await server.accept() };
    } catch (err) {
      const { cause } = server.status();
      if (cause === null) throw err;
      throw new GatewayError("UNAVAILABLE", `the MCP server ${server.name} does not work: ${cause}`, {
        cause: err,
        fix: `openclaw mcp probe ${server.name}`,
      });
    }
  }

  /** Ends a server, or all; the next use starts it with nothing known about it but the accepted tools. Names those that were meant. */
  async reload(name: string | undefined): Promise<readonly string[]> {
    const names = name === undefined ? this.#enabled().map((each) => each.name) : [this.#require(name).name];
    await Promise.all(names.map((each) => this.#renew(each)));
    return names;
  }

  /** Whether someone is signed in at a server; null where that is not configured. */
  async isSignedIn(name: string): Promise<boolean | null> {
    const { servers } = this.#options.config();
    const login = Object.hasOwn(servers, name) ? new McpServer(name, servers[name]!, this.#deps).login : null;
    return login && (await login.read()).active?.tokens !== undefined;
  }

  /** Begins a sign-in; resolves to the address that a person opens, who is then redirected to `redirectUrl`. */
  async startLogin(name: string, redirectUrl: string): Promise<string> {
    const { startLogin } = await import("./oauth.ts");
    return await this.#signIn(name, (options) => startLogin(options, redirectUrl));
  }

  /** Completes a sign-in with the address to which the person was redirected, or only the code in it. */
  async finishLogin(name: string, callback: string): Promise<void> {
    const { finishLogin } = await import("./oauth.ts");
    await this.#signIn(name, (options) => finishLogin(options, callback));
    await this.#renew(name);
  }

  /** Forgets the sign-in at a server. */
  async logout(name: string): Promise<void> {
    await this.#requireLogin(name).clear();
    await this.#renew(name);
  }

  /** The next use of a server begins without what was known about it. */
  async #renew(name: string): Promise<void> {
    const server = this.#servers.get(name);
    this.#servers.delete(name);
    await server?.stop();
  }

  #requireLogin(name: string): LoginStore {
    const { login } = this.#require(name);
    if (login) return login;
    throw new GatewayError("INVALID_REQUEST", `the MCP server ${quote(name)} has no sign-in`, {
      fix: `For a server with a url that wants one: openclaw config set mcp.servers.${name}.auth oauth`,
    });
  }

  async #signIn<T>(name: string, run: (options: OAuthOptions) => Promise<T>): Promise<T> {
    const store = this.#requireLogin(name);
    const config = this.#options.config().servers[name]!;
    const { url, oauth } = config;
    const { createHttpFetch, readTlsSettings } = await import("./http-fetch.ts");
    let http: HttpFetch | null = null;
    const { now } = this.#options.clock;
    try {
      http = createHttpFetch(readProxySettings(process.env), await readTlsSettings(config));
      return await run({ name, url: new URL(url!), scope: oauth.scope, store, send: http.fetch, now });
    } catch (err) {
      if (err instanceof GatewayError) throw err;
      throw new GatewayError("UNAVAILABLE", `the sign-in at ${quote(name)} failed: ${toOneLine(reasonOf(err))}`, {
        cause: err,
        retryable: false,
      });
    } finally {
      http?.close();
    }
  }

  #require(name: string): McpServer {
    const { servers } = this.#options.config();
    if (!Object.hasOwn(servers, name))
      throw new GatewayError("NOT_FOUND", `no MCP server ${quote(name)} is configured`, { fix: "`openclaw mcp list` shows the servers." });
    if (!servers[name]!.enabled)
      throw new GatewayError("INVALID_REQUEST", `the MCP server ${quote(name)} is switched off`, {
        fix: `openclaw config set mcp.servers.${name}.enabled true`,
      });
    return this.#server(name, servers[name]!);
  }

  #enabled(): readonly McpServer[] {
    return Object.entries(this.#options.config().servers).flatMap(([name, config]) => (config.enabled ? [this.#server(name, config)] : []));
  }

  /** The server that a name of a tool means; null when none of this name is in use. */
  #find(name: string): { server: McpServer; tool: string } | null {
    const at = name.indexOf("__");
    if (at <= 0) return null;
    const wanted = name.slice(0, at).toLowerCase();
    const server = this.#enabled().find((each) => each.name.toLowerCase() === wanted);
    return server ? { server, tool: name.slice(at + 2) } : null;
  }

  #server(name: string, config: McpServerConfig): McpServer {
    const known = this.#servers.get(name);
    if (known) return known;
    const made = new McpServer(name, config, this.#deps);
    // A server that is made after the end is in no list, and is never started.
    if (this.#isStopped) void made.stop();
    else this.#servers.set(name, made);
    return made;
  }

  #countStates(): { labels: { state: string }; value: number }[] {
    const counts = new Map<string, number>();
    for (const { config, state } of this.report()) {
      const shown = config.enabled ? state : "off";
      counts.set(shown, (counts.get(shown) ?? 0) + 1);
    }
    return [...counts].map(([state, value]) => ({ labels: { state }, value }));
  }
}
