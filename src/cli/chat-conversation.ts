import { randomUUID } from "node:crypto";
import type { ProtocolClient, ServerEvent } from "../client/client.ts";
import { EXIT } from "../core/errors.ts";
import { ClientError } from "../client/errors.ts";
import { noteWaitingApproval, waitingApproval, type RunEvent } from "./approval-notice.ts";
import type { Invocation } from "./invocation.ts";
import { sanitizeLine, sanitizeText } from "./terminal-text.ts";

type Content = string | { type?: string; text?: string }[];
type ChatEvent = {
  runId: string;
  sessionKey: string;
  state: string;
  deltaText?: string;
  message?: { content?: Content };
  errorMessage?: string;
};
type AgentEvent = RunEvent & { data?: { name?: string; args?: Record<string, unknown> } };
type Turn = { runId: string; text: string; printed: number; end: (state: string, message?: string) => void };

const textOf = (content: Content | undefined): string =>
  typeof content === "string" ? content : (content ?? []).map((part) => (part.type === "text" ? (part.text ?? "") : "")).join("");

/** One conversation of `openclaw chat`: sends messages and prints replies as they come, over as many connections as it takes. */
export class ChatConversation {
  readonly #invocation: Invocation;
  readonly #turns = new Map<string, Turn>();
  #client: ProtocolClient | null = null;
  #sessionKey = "";
  #exitCode: number = EXIT.failure;
  #connected: Promise<ProtocolClient>;
  #onConnected: (client: ProtocolClient) => void = () => {};

  constructor(invocation: Invocation) {
    this.#invocation = invocation;
    this.#connected = this.#nextConnection();
  }

  get sessionKey(): string {
    return this.#sessionKey;
  }

  /** The exit code of a conversation in which a message failed. */
  get failureExit(): number {
    return this.#exitCode;
  }

  get busy(): boolean {
    return this.#turns.size > 0;
  }

  /** Takes a fresh connection: watches the session, and finds out what became of turns that were running. */
  async attach(client: ProtocolClient): Promise<void> {
    this.#sessionKey ||= this.#chooseSession(client);
    client.on((event) => this.#onEvent(event));
    await client.request("sessions.messages.subscribe", { key: this.#sessionKey });
    this.#client = client;
    this.#onConnected(client);
    for (const turn of this.#turns.values()) void this.#recover(client, turn);
  }

  /** The connection is lost; messages wait for the next one. */
  detach(): void {
    this.#client = null;
    this.#connected = this.#nextConnection();
  }

  /** Sends a message and resolves when its turn has ended: true when it ended well. */
  async send(message: string): Promise<boolean> {
    const runId = randomUUID();
    const ended = new Promise<{ state: string; cause: string | undefined }>((resolve) => {
      this.#turns.set(runId, { runId, text: "", printed: 0, end: (state, cause) => resolve({ state, cause }) });
    });
    const turn = this.#turns.get(runId)!;
    try {
      await this.#send(message, runId);
      const { state, cause } = await ended;
      this.#show(turn, state, cause);
      return state === "final";
    } catch (err) {
      if (!(err instanceof ClientError) || err.kind !== "request") throw err;
      if (err.code === "FORBIDDEN" || err.code === "UNAUTHORIZED") this.#exitCode = EXIT.noPermission;
      this.#show(turn, "error", err.gatewayMessage ?? err.message);
      return false;
    } finally {
      this.#turns.delete(runId);
    }
  }

  /** Stops what runs. */
  async stop(): Promise<void> {
    await this.#client?.request("chat.abort", { sessionKey: this.#sessionKey });
  }

  /** The same key is sent again after a loss of the connection: the gateway runs it once. */
  async #send(message: string, idempotencyKey: string): Promise<void> {
    const thinking = this.#invocation.text("thinking");
    for (;;) {
      const client = await this.#connected;
      try {
        await client.request("chat.send", { sessionKey: this.#sessionKey, message, idempotencyKey, ...(thinking && { thinking }) });
        return;
      } catch (err) {
        if (!(err instanceof ClientError) || err.kind !== "closed" || this.#invocation.host.signal.aborted) throw err;
        if (this.#client === client) this.detach();
      }
    }
  }

  #nextConnection(): Promise<ProtocolClient> {
    return new Promise((resolve) => (this.#onConnected = resolve));
  }

  #chooseSession(client: ProtocolClient): string {
    const named = this.#invocation.text("session-key");
    if (named) return named;
    const agent = this.#invocation.text("agent");
    const defaults = client.hello.snapshot.sessionDefaults;
    return agent ? `agent:${agent.toLowerCase()}:main` : (defaults?.mainSessionKey ?? "agent:main:main");
  }

  #onEvent({ event, payload }: ServerEvent): void {
    if (event === "agent") return this.#onAgent(payload as AgentEvent);
    if (event !== "chat") return;
    const chat = payload as ChatEvent;
    const turn = this.#turns.get(chat.runId);
    if (!turn) return;
    // The cumulative text wins over the delta: events may be left out for a slow reader.
    const text = chat.message ? textOf(chat.message.content) : turn.text + (chat.deltaText ?? "");
    if (chat.state === "delta") return this.#print(turn, text);
    if (chat.state === "status") return;
    if (text) this.#print(turn, text);
    turn.end(chat.state, chat.errorMessage);
  }

  #onAgent(event: AgentEvent): void {
    const { runId, stream, data } = event;
    const { out } = this.#invocation;
    const turn = this.#turns.get(runId);
    if (!turn) return;
    const approval = waitingApproval(event);
    if (approval !== null && this.#client) void noteWaitingApproval(this.#client, this.#invocation, approval, "/approve");
    if (out.json || stream !== "tool" || data?.phase !== "start") return;
    if (turn.printed > 0) out.line();
    turn.printed = 0;
    const first = Object.values(data.args ?? {}).find((value) => typeof value === "string");
    out.line(
      out.paint(
        "dim",
        `· ${sanitizeLine(data.name ?? "tool")}${first === undefined ? "" : ` ${sanitizeLine(String(first)).slice(0, 100)}`}`,
      ),
    );
  }

  #print(turn: Turn, text: string): void {
    const { out } = this.#invocation;
    const fresh = text.startsWith(turn.text) ? text.slice(turn.text.length) : `\n${text}`;
    turn.text = text;
    if (out.json || fresh === "") return;
    out.raw(sanitizeText(fresh));
    turn.printed += fresh.length;
  }

  #show(turn: Turn, state: string, cause: string | undefined): void {
    const { out } = this.#invocation;
    if (out.json) {
      out.data({ runId: turn.runId, sessionKey: this.#sessionKey, state, text: turn.text, ...(cause && { error: cause }) });
      return;
    }
    if (turn.printed > 0) out.line();
    if (state === "aborted") out.note("(stopped)");
    if (state === "error") out.note(`${out.paint("red", "✗")} ${sanitizeLine(cause ?? "The reply failed.")}`);
  }

  /** After a reconnect: waits for the turn and prints what was missed. */
  async #recover(client: ProtocolClient, turn: Turn): Promise<void> {
    try {
      const outcome = await client.request<{ status: string; error?: string; terminalReply?: { text?: string } }>(
        "agent.wait",
        { runId: turn.runId, timeoutMs: 600_000 },
        { timeoutMs: 0 },
      );
      if (outcome.terminalReply?.text) this.#print(turn, outcome.terminalReply.text);
      turn.end(
        outcome.status === "ok" ? "final" : "error",
        outcome.error ?? (outcome.status === "timeout" ? "no answer yet; openclaw sessions show will have it" : undefined),
      );
    } catch (err) {
      // Lost again: the next connection asks again. A run that the gateway does not know was never sent, and is sent again by #send.
      if (!(err instanceof ClientError)) throw err;
    }
  }
}
