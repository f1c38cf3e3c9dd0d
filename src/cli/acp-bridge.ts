import { randomUUID } from "node:crypto";
import type { ProtocolClient, ServerEvent } from "../client/client.ts";
import { ClientError } from "../client/errors.ts";
import type { HistoryPayload } from "../client/conversation/protocol-types.ts";
import { LiveConnection } from "../client/live-connection.ts";
import { withTimeout } from "../core/async.ts";
import type { Clock } from "../core/clock.ts";
import { asObjects, asString, fieldsOf, type JsonObject } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";
import { VERSION } from "../core/version.ts";
import { toPrompt, toUpdates } from "./acp-content.ts";
import { AcpPrompt } from "./acp-prompt.ts";
import { configOptions, DEFAULT_MODE, MODES, modesOf, type SessionSettings } from "./acp-settings.ts";

/** The editor: gets updates and is asked questions. */
export type EditorPeer = {
  update: (sessionId: string, update: JsonObject) => void;
  /** Resolves to the answer of the editor; rejects when it gives none. */
  askPermission: (request: JsonObject, signal: AbortSignal) => Promise<unknown>;
};

export type AcpBridgeOptions = {
  /** The session of every conversation; null: each has one of its own. */
  session: string | null;
  label: string | null;
  requireExisting: boolean;
  reset: boolean;
  prefixCwd: boolean;
  clock: Clock;
  signal: AbortSignal;
};

type EditorSession = { key: string; cwd: string; settings: SessionSettings; prompt: AcpPrompt | null };

const PROTOCOL_VERSION = 1;
const PAGE = 100;

/** Conversations of the gateway as sessions of an editor. The id of a session is the key of the gateway's session. */
export class AcpBridge {
  readonly #options: AcpBridgeOptions;
  readonly #connection: LiveConnection;
  readonly #sessions = new Map<string, EditorSession>();
  #editor: EditorPeer | null = null;
  #connected = Promise.withResolvers<ProtocolClient>();
  /** Why there is no connection. */
  #problem = "it is being connected";
  #hasReset = false;

  constructor(options: AcpBridgeOptions) {
    this.#options = options;
    this.#connection = new LiveConnection(options.signal);
  }

  attachEditor(editor: EditorPeer): void {
    this.#editor = editor;
  }

  /** Takes over a new connection: finds out what became of turns that were running. */
  async attach(client: ProtocolClient): Promise<void> {
    client.on((event) => this.#onEvent(event));
    this.#connection.attach(client);
    this.#connected.resolve(client);
    for (const { prompt } of this.#sessions.values()) void prompt?.recover(client);
  }

  detach(problem: string): void {
    this.#problem = problem;
    if (this.#connection.client === null) return;
    this.#connection.detach();
    this.#connected = Promise.withResolvers();
  }

  initialize(_params: unknown) {
    return {
      protocolVersion: PROTOCOL_VERSION,
      agentInfo: { name: "openclaw-acp", title: "OpenClaw", version: VERSION },
      agentCapabilities: {
        loadSession: true,
        promptCapabilities: { image: true, audio: false, embeddedContext: true },
        mcpCapabilities: { http: false, sse: false },
        sessionCapabilities: { list: {}, resume: {}, close: {} },
      },
      authMethods: [],
    };
  }

  async newSession(params: { cwd: string; mcpServers: readonly unknown[]; _meta?: unknown }) {
    refuseMcpServers(params.mcpServers);
    const client = await this.#client();
    const key = (await this.#namedKey(client, params)) ?? this.#ownKey(client);
    const exists = (await describe(client, key)) !== null;
    if (!exists && this.#options.requireExisting) throw new Error(`the session ${JSON.stringify(key)} does not exist (--require-existing)`);
    if (exists && this.#options.reset && !this.#hasReset) await client.request("sessions.reset", { key, reason: "new" });
    this.#hasReset = true;
    const session = await this.#open(client, key, params.cwd);
    return { sessionId: key, ...this.#shape(session) };
  }

  async loadSession(params: { sessionId: string; cwd: string; mcpServers?: readonly unknown[] }) {
    const session = await this.#reopen(params);
    const client = await this.#client();
    const page = await client.request<HistoryPayload>("chat.history", { sessionKey: session.key, limit: LIMITS.acpServeHistory });
    for (const update of toUpdates(page.messages)) this.#update(session.key, update);
    return this.#shape(session);
  }

  async resumeSession(params: { sessionId: string; cwd: string; mcpServers?: readonly unknown[] }) {
    return this.#shape(await this.#reopen(params));
  }

  async listSessions({ cursor }: { cursor?: string | null }) {
    const client = await this.#client();
    const offset = Number(cursor ?? 0);
    if (!Number.isSafeInteger(offset) || offset < 0) throw new Error("the cursor is not one of an earlier answer");
    const params = { limit: PAGE, offset, includeDerivedTitles: true };
    const { sessions, hasMore } = await client.request<{ sessions: unknown; hasMore?: boolean }>("sessions.list", params);
    return {
      sessions: asObjects(sessions).map((row) => ({
        sessionId: asString(row["key"]),
        cwd: this.#sessions.get(asString(row["key"]))?.cwd ?? process.cwd(),
        title: asString(row["label"]) || asString(row["derivedTitle"]) || asString(row["displayName"]) || null,
        ...(typeof row["updatedAt"] === "number" && { updatedAt: new Date(row["updatedAt"]).toISOString() }),
      })),
      ...(hasMore === true && { nextCursor: String(offset + PAGE) }),
    };
  }

  async closeSession({ sessionId }: { sessionId: string }) {
    await this.#cancelPrompt(sessionId);
    this.#sessions.delete(sessionId);
    return {};
  }

  async setMode({ sessionId, modeId }: { sessionId: string; modeId: string }) {
    const session = this.#require(sessionId);
    if (!MODES.some(({ id }) => id === modeId)) throw new Error(`there is no mode ${JSON.stringify(modeId.slice(0, 40))}`);
    await this.#patch(session, { permissionMode: modeId === DEFAULT_MODE ? null : modeId });
    session.settings = { ...session.settings, mode: modeId };
    return {};
  }

  async setConfigOption(params: { sessionId: string; configId: string; value: unknown }) {
    const session = this.#require(params.sessionId);
    const value = asString(params.value);
    if (params.configId === "mode") {
      await this.setMode({ sessionId: params.sessionId, modeId: value });
    } else if (params.configId === "model") {
      await this.#patch(session, { model: value });
      session.settings = { ...session.settings, model: value };
    } else if (params.configId === "thought_level") {
      await this.#patch(session, { thinkingLevel: value });
      session.settings = { ...session.settings, thinking: value };
    } else {
      throw new Error(`there is no option ${JSON.stringify(params.configId.slice(0, 40))}`);
    }
    return { configOptions: configOptions(session.settings) };
  }

  async prompt(params: { sessionId: string; prompt: readonly unknown[] }) {
    const session = this.#require(params.sessionId);
    if (session.prompt !== null) throw new Error("a prompt runs in this session already");
    const { message, attachments } = toPrompt(asObjects(params.prompt), this.#options.prefixCwd ? session.cwd : null);
    if (message === "" && attachments.length === 0) throw new Error("the prompt is empty");
    const prompt = new AcpPrompt({
      runId: randomUUID(),
      key: session.key,
      update: (update) => this.#update(session.key, update),
      ask: (request, signal) => this.#askEditor(session.key, request, signal),
      request: async (method, fields) => (await this.#client()).request(method, fields),
    });
    session.prompt = prompt;
    try {
      const fields = { sessionKey: session.key, message, idempotencyKey: prompt.runId, ...(attachments.length > 0 && { attachments }) };
      await this.#client();
      await this.#connection.requestOnce("chat.send", fields);
      return { stopReason: await prompt.ended };
    } finally {
      prompt.close();
      session.prompt = null;
    }
  }

  /** Stops what runs; the prompt ends with the reason `cancelled`. */
  async cancel(sessionId: string): Promise<void> {
    await this.#cancelPrompt(sessionId);
  }

  async #cancelPrompt(sessionId: string): Promise<void> {
    const prompt = this.#sessions.get(sessionId)?.prompt;
    if (!prompt) return;
    prompt.cancel();
    const client = await this.#client();
    await client.request("chat.abort", { sessionKey: sessionId, runId: prompt.runId });
  }

  #askEditor(key: string, request: JsonObject, signal: AbortSignal): Promise<unknown> {
    return this.#editor!.askPermission({ sessionId: key, ...request }, signal);
  }

  #update(sessionId: string, update: JsonObject): void {
    this.#editor?.update(sessionId, update);
  }

  #onEvent({ event, payload }: ServerEvent): void {
    const fields = fieldsOf(payload);
    const request = fieldsOf(fields["request"]);
    const runId = asString(fields["runId"]) || asString(request["runId"]);
    for (const { prompt } of this.#sessions.values()) {
      if (prompt === null) continue;
      if (prompt.runId === runId || event.endsWith(".approval.resolved")) prompt.onEvent(event, fields);
    }
  }

  /** The key that the command line or the editor names; null: the conversation gets one of its own. */
  async #namedKey(client: ProtocolClient, { _meta: meta }: { _meta?: unknown }): Promise<string | null> {
    const { sessionKey, sessionLabel } = fieldsOf(meta);
    const named = asString(sessionKey) || this.#options.session;
    const label = asString(sessionLabel) || this.#options.label;
    if (!named && !label) return null;
    const wanted = named ? { key: named } : { label };
    const { key } = await client.request<{ key?: string | null }>("sessions.resolve", { ...wanted, allowMissing: true });
    if (key) return key;
    if (named) return named;
    throw new Error(`no session has the label ${JSON.stringify(label)}`);
  }

  #ownKey({ hello }: ProtocolClient): string {
    return `agent:${hello.snapshot.sessionDefaults?.defaultAgentId ?? "main"}:acp-bridge:${randomUUID()}`;
  }

  async #reopen({
    sessionId,
    cwd,
    mcpServers = [],
  }: {
    sessionId: string;
    cwd: string;
    mcpServers?: readonly unknown[];
  }): Promise<EditorSession> {
    refuseMcpServers(mcpServers);
    const client = await this.#client();
    if ((await describe(client, sessionId)) === null)
      throw new Error(`the session ${JSON.stringify(sessionId.slice(0, 200))} does not exist`);
    return await this.#open(client, sessionId, cwd);
  }

  async #open(client: ProtocolClient, key: string, cwd: string): Promise<EditorSession> {
    const [row, { models }, { commands }] = await Promise.all([
      describe(client, key),
      client.request<{ models: unknown }>("models.list", { sessionKey: key }),
      client.request<{ commands: unknown }>("commands.list", { sessionKey: key }),
    ]);
    const settings: SessionSettings = {
      mode: asString(row?.["permissionMode"]) === "read-only" ? "read-only" : DEFAULT_MODE,
      model:
        asString(row?.["model"]) === "" ? null : [asString(row?.["modelProvider"]), asString(row?.["model"])].filter(Boolean).join("/"),
      thinking: asString(row?.["thinkingLevel"]) || null,
      models: asObjects(models).map((model) => ({
        id: `${asString(model["provider"])}/${asString(model["id"])}`,
        name: asString(model["name"]),
      })),
    };
    const session: EditorSession = { key, cwd, settings, prompt: this.#sessions.get(key)?.prompt ?? null };
    this.#sessions.set(key, session);
    // The editor knows the session only after the answer to its request.
    setImmediate(() => this.#update(key, { sessionUpdate: "available_commands_update", availableCommands: toCommands(commands) }));
    return session;
  }

  #shape({ settings }: EditorSession) {
    return { modes: modesOf(settings), configOptions: configOptions(settings) };
  }

  #require(sessionId: string): EditorSession {
    const session = this.#sessions.get(sessionId);
    if (!session) throw new Error(`the session ${JSON.stringify(sessionId.slice(0, 200))} is not open: load it first`);
    return session;
  }

  /** Settings are kept with the session, which may not have a message yet. */
  async #patch({ key }: EditorSession, changes: JsonObject): Promise<void> {
    const client = await this.#client();
    if ((await describe(client, key)) === null) await client.request("sessions.create", { key });
    await client.request("sessions.patch", { key, ...changes });
  }

  /** Waits for a connection, but not long. */
  #client(): Promise<ProtocolClient> {
    const late = (): Error => new ClientError("unreachable", `the gateway is not connected: ${this.#problem}; it is tried again`);
    return withTimeout(this.#options.clock, LIMITS.mcpServeConnectMs, this.#connected.promise, late);
  }
}

async function describe(client: ProtocolClient, key: string): Promise<JsonObject | null> {
  const { session } = await client.request<{ session: unknown }>("sessions.describe", { key });
  return session === null || session === undefined ? null : fieldsOf(session);
}

function refuseMcpServers(servers: readonly unknown[]): void {
  if (servers.length > 0)
    throw new Error(
      "MCP servers of the editor are not used: the agent has those of the gateway (openclaw mcp list). Remove them from the settings of this agent in the editor.",
    );
}

const toCommands = (commands: unknown): readonly JsonObject[] =>
  asObjects(commands).map((command) => ({
    name: asString(command["name"]),
    description: asString(command["description"]),
    ...(asObjects(command["args"]).length > 0 && {
      input: {
        hint: asObjects(command["args"])
          .map(({ name }) => asString(name))
          .join(" "),
      },
    }),
  }));
