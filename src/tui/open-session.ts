import { randomUUID } from "node:crypto";
import type { ProtocolClient, ServerEvent } from "../client/protocol-client.ts";
import { ClientError } from "../client/errors.ts";
import type { LiveConnection } from "../client/live-connection.ts";
import { isActive } from "../client/conversation/live-run.ts";
import { nextEntry, patchEntry, requeueEntries, type Attachment, type OutboxEntry } from "../client/conversation/outbox.ts";
import type { ChatEventPayload, HistoryPayload } from "../client/conversation/protocol-types.ts";
import { canonicalKey } from "../client/conversation/session-row.ts";
import { withRunChange } from "../client/conversation/session-transcript.ts";
import { sleep } from "../core/async.ts";
import { foregroundClock } from "../core/clock.ts";
import type { QueueMode } from "../core/queue-modes.ts";
import { activeRun, applyEvent, isMissingRow, openChat, withHistory, withOlderHistory, type ChatState } from "./chat-state.ts";

export type SendOptions = {
  readonly thinking: string | undefined;
  readonly timeoutMs: number | undefined;
  /** Answers also go where the session last talked on a channel. */
  readonly deliver: boolean;
};

export type SessionEvents = {
  onChange: () => void;
  /** Something that a person asked for was not done. */
  onFailure: (what: string, err: ClientError) => void;
};

type OpenSessionOptions = {
  readonly connection: LiveConnection;
  readonly historyRows: number;
  readonly send: SendOptions;
  readonly signal: AbortSignal;
  readonly events: SessionEvents;
};

/** A row usually follows the end of its run at once. */
const SETTLE_MS = 1_500;
const RETRY_MS = 1_500;

type OwnEntry = OutboxEntry & { readonly mode?: QueueMode };

/** The open session over as many connections as it takes: reads it, follows its events, and sends what is written. */
export class OpenSession {
  readonly #options: OpenSessionOptions;
  #state: ChatState;
  #defaultAgentId = "main";
  #isFlushing = false;
  #isLoading = false;
  #loadAgain = false;
  #isMarking = false;

  constructor(options: OpenSessionOptions) {
    this.#options = options;
    this.#state = openChat("");
  }

  get state(): ChatState {
    return this.#state;
  }

  /** Takes a fresh connection. The first one decides the session, unless `wanted` does. */
  async attach(client: ProtocolClient, wanted: string | undefined): Promise<void> {
    const defaults = client.hello.snapshot.sessionDefaults;
    this.#defaultAgentId = defaults?.defaultAgentId ?? "main";
    if (this.#state.sessionKey === "")
      this.#state = openChat(canonicalKey(wanted ?? defaults?.mainSessionKey ?? "main", this.#defaultAgentId));
    client.on((event) => this.#onEvent(event));
    await client.request("sessions.subscribe", {});
    await client.request("sessions.messages.subscribe", { key: this.#state.sessionKey });
    this.#setState(withHistory(this.#state, await this.#readHistory(client, 0)));
  }

  /** After `attach`, when requests may be sent: whatever has no answer yet goes out again, under its old key. */
  resume(): void {
    this.#setState({ ...this.#state, outbox: requeueEntries(this.#state.outbox) });
    void this.#flush();
  }

  /** Events were missed. */
  onGap(): void {
    void this.#reload();
  }

  /** Shows another session; `isNew`: it begins with its first message. */
  async open(key: string, isNew = false): Promise<void> {
    const before = this.#state.sessionKey;
    const next = canonicalKey(key, this.#defaultAgentId);
    if (next === before) return;
    this.#setState({ ...openChat(next, this.#state.outbox), isLoaded: isNew });
    const { client } = this.#options.connection;
    if (client === null) return;
    await this.#attempt("The session was not opened", async () => {
      await client.request("sessions.messages.subscribe", { key: next });
      if (!isNew) await this.#reload();
      await client.request("sessions.messages.unsubscribe", { key: before });
    });
  }

  /** Puts a message on its way; it is shown at once and sent when there is a connection. */
  send(text: string, mode?: QueueMode, attachments: readonly Attachment[] = []): void {
    const entry: OwnEntry = {
      idempotencyKey: randomUUID(),
      sessionKey: this.#state.sessionKey,
      text,
      attachments,
      images: attachments.filter(({ type }) => type === "image").length,
      files: attachments.flatMap(({ type, fileName, mimeType }) => (type === "image" ? [] : [{ name: fileName, mimeType }])),
      state: "queued",
      error: null,
      atMs: Date.now(),
      afterSeq: this.#state.rows.rows.reduce((last, row) => Math.max(last, row.__openclaw?.seq ?? 0), 0),
      create: null,
      ...(mode !== undefined && { mode }),
    };
    this.#setState({ ...this.#state, outbox: [...this.#state.outbox, entry] });
    void this.#flush();
  }

  /** Stops the running turn; what waits behind it runs then. Without a connection it says so. */
  async abort(): Promise<void> {
    const run = activeRun(this.#state);
    if (run === undefined) return;
    await this.#attempt("Not stopped", () => this.#request("chat.abort", { sessionKey: this.#state.sessionKey, runId: run.runId }));
  }

  /** `null` takes the session's own model away. */
  async setModel(model: string | null): Promise<boolean> {
    const { sessionKey: key, agentId, session } = this.#state;
    return await this.#attempt("The model was not changed", async () => {
      if (session === null) await this.#request("sessions.create", { key, agentId });
      await this.#request("sessions.patch", { key, model });
    });
  }

  /** Reads the page before the oldest row; false when there is none. */
  async loadOlder(): Promise<boolean> {
    const { rows, isLoaded } = this.#state;
    const { client } = this.#options.connection;
    if (!isLoaded || !rows.hasMore || this.#isLoading || client === null) return false;
    this.#isLoading = true;
    const key = this.#state.sessionKey;
    try {
      return await this.#attempt("Older messages were not read", async () => {
        const page = await this.#readHistory(client, rows.nextOffset);
        if (this.#state.sessionKey === key) this.#setState(withOlderHistory(this.#state, page));
      });
    } finally {
      this.#isLoading = false;
    }
  }

  #setState(state: ChatState): void {
    this.#state = state;
    this.#options.events.onChange();
    if (state.session?.unread === true && state.isLoaded && activeRun(state) === undefined) void this.#markRead(state.sessionKey);
  }

  /** What is on the screen has been read; once for each answer. */
  async #markRead(key: string): Promise<void> {
    if (this.#isMarking || this.#options.connection.client === null) return;
    this.#isMarking = true;
    const isDone = await this.#attempt("The session was not marked as read", () => this.#request("sessions.patch", { key, unread: false }));
    // A refusal would come again with every event.
    this.#isMarking = !isDone;
  }

  #request<T>(method: string, params: unknown): Promise<T> {
    const { client } = this.#options.connection;
    if (client === null) return Promise.reject(new ClientError("closed", "the gateway is not connected"));
    return client.request<T>(method, params);
  }

  /** Reports a failure of the connection or of the gateway; anything else is a defect and goes on. */
  async #attempt(what: string, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (err) {
      if (!(err instanceof ClientError)) throw err;
      this.#options.events.onFailure(what, err);
      return false;
    }
  }

  #readHistory(client: ProtocolClient, offset: number): Promise<HistoryPayload> {
    const params = { sessionKey: this.#state.sessionKey, limit: this.#options.historyRows, ...(offset > 0 && { offset }) };
    return client.request<HistoryPayload>("chat.history", params);
  }

  /** Reads the newest page again; a call during a read repeats it, because the answer may be older than what asked for it. */
  async #reload(): Promise<void> {
    if (this.#isLoading) {
      this.#loadAgain = true;
      return;
    }
    this.#isLoading = true;
    try {
      do {
        this.#loadAgain = false;
        await this.#attempt("The conversation was not read", async () => {
          const { client } = this.#options.connection;
          const key = this.#state.sessionKey;
          if (client === null) return;
          const page = await this.#readHistory(client, 0);
          if (this.#state.sessionKey === key) this.#setState(withHistory(this.#state, page));
          else this.#loadAgain = true;
        });
      } while (this.#loadAgain);
    } finally {
      this.#isLoading = false;
    }
  }

  #onEvent(event: ServerEvent): void {
    const { state, reload } = applyEvent(this.#state, event, this.#defaultAgentId);
    if (state !== this.#state) this.#setState(state);
    if (reload) void this.#reload();
    const { runId, state: ended } = (event.payload ?? {}) as Partial<ChatEventPayload>;
    if (event.event === "chat" && ended === "final" && runId !== undefined) void this.#settle(runId);
  }

  async #settle(runId: string): Promise<void> {
    await sleep(foregroundClock, SETTLE_MS, this.#options.signal);
    if (isMissingRow(this.#state, runId)) await this.#reload();
  }

  /** Sends what waits, one after the other, so that the messages of a session arrive in their order. */
  async #flush(): Promise<void> {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    try {
      for (let entry = nextEntry(this.#state.outbox); entry !== undefined; entry = nextEntry(this.#state.outbox)) {
        if (this.#options.connection.client === null || !(await this.#sendOne(entry))) return;
      }
    } finally {
      this.#isFlushing = false;
    }
  }

  /** False when the queue has to wait. */
  async #sendOne(entry: OwnEntry): Promise<boolean> {
    const { idempotencyKey: key, sessionKey } = entry;
    this.#patch(key, { state: "sending" });
    try {
      const answer = await this.#submit(entry);
      this.#patch(key, { state: "accepted" });
      const isOpen = this.#state.sessionKey === sessionKey;
      if (isOpen && (answer.status === "started" || answer.status === "accepted")) this.#expectRun(answer.runId);
      if (isOpen && (answer.status === "ok" || answer.status === "in_flight")) void this.#reload();
      return true;
    } catch (err) {
      if (!(err instanceof ClientError)) throw err;
      if (err.kind !== "request" || err.retryable) return this.#retryLater(key, err);
      this.#patch(key, { state: "failed", error: err.gatewayMessage ?? err.message });
      return true;
    }
  }

  #retryLater(key: string, err: ClientError): false {
    this.#patch(key, { state: "queued" });
    // A lost connection sends again when the next one is there.
    if (err.kind !== "closed") void sleep(foregroundClock, err.retryAfterMs ?? RETRY_MS, this.#options.signal).then(() => this.#flush());
    return false;
  }

  #submit({ idempotencyKey, sessionKey, text, mode, attachments }: OwnEntry): Promise<{ runId: string; status: string }> {
    const { thinking, timeoutMs, deliver } = this.#options.send;
    const { connection } = this.#options;
    const optional = { ...(thinking !== undefined && { thinking }), ...(attachments.length > 0 && { attachments }) };
    const common = { sessionKey, message: text, idempotencyKey, ...optional };
    // Commands are for the gateway, whose answers are never delivered elsewhere.
    if (!deliver || text.startsWith("/")) {
      const more = { ...(timeoutMs !== undefined && { timeoutMs }), ...(mode !== undefined && { queueMode: mode }) };
      return connection.requestOnce("chat.send", { ...common, ...more });
    }
    return new Promise((resolve, reject) => {
      const params = { ...common, deliver: true, ...(timeoutMs !== undefined && { timeout: Math.ceil(timeoutMs / 1_000) }) };
      connection
        .requestOnce<{ runId: string; status: string }>("agent", params, {
          timeoutMs: 0,
          onAccepted: (payload) => resolve(payload as { runId: string; status: string }),
        })
        .then(resolve, reject);
    });
  }

  #patch(key: string, change: Partial<OutboxEntry>): void {
    this.#setState({ ...this.#state, outbox: patchEntry(this.#state.outbox, key, change) });
  }

  /** Shows that an answer is on its way before the first event of it. */
  #expectRun(runId: string): void {
    if (!this.#state.runs.some(isActive)) this.#setState(withRunChange(this.#state, runId, true, (run) => run));
  }
}
