import { randomUUID } from "node:crypto";
import type { ProtocolClient, ServerEvent } from "../client/client.ts";
import { applyChat, createRun, isActive, type RunView } from "../client/conversation/live-run.ts";
import type { ChatEventPayload } from "../client/conversation/protocol-types.ts";
import { LiveConnection } from "../client/live-connection.ts";
import { EXIT } from "../core/errors.ts";
import { ClientError } from "../client/errors.ts";
import { noteWaitingApproval, waitingApproval, type RunEvent } from "./approval-notice.ts";
import type { Invocation } from "./invocation.ts";
import { sanitizeLine, sanitizeText } from "./terminal-text.ts";

type AgentEvent = RunEvent & { data?: { name?: string; args?: Record<string, unknown> } };
/** `printed`: characters of the text since the last line of a tool. */
type Turn = { run: RunView; printed: number; end: (state: string, message?: string) => void };

/** One conversation of `openclaw chat`: sends messages and prints replies as they come, over as many connections as it takes. */
export class ChatConversation {
  readonly #invocation: Invocation;
  readonly #turns = new Map<string, Turn>();
  readonly #connection: LiveConnection;
  #sessionKey = "";
  #exitCode: number = EXIT.failure;

  constructor(invocation: Invocation) {
    this.#invocation = invocation;
    this.#connection = new LiveConnection(invocation.host.signal);
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
    this.#connection.attach(client);
    for (const turn of this.#turns.values()) void this.#recover(client, turn);
  }

  /** The connection is lost; messages wait for the next one. */
  detach(): void {
    this.#connection.detach();
  }

  /** Sends a message and resolves when its turn has ended: true when it ended well. */
  async send(message: string): Promise<boolean> {
    const runId = randomUUID();
    const ended = new Promise<{ state: string; cause: string | undefined }>((resolve) => {
      this.#turns.set(runId, { run: createRun(runId, true), printed: 0, end: (state, cause) => resolve({ state, cause }) });
    });
    const turn = this.#turns.get(runId)!;
    try {
      const thinking = this.#invocation.text("thinking");
      await this.#connection.requestOnce("chat.send", {
        sessionKey: this.#sessionKey,
        message,
        idempotencyKey: runId,
        ...(thinking && { thinking }),
      });
      const { state, cause } = await ended;
      this.#showEnd(turn, state, cause);
      return state === "final";
    } catch (err) {
      if (!(err instanceof ClientError) || err.kind !== "request") throw err;
      if (err.code === "FORBIDDEN" || err.code === "UNAUTHORIZED") this.#exitCode = EXIT.noPermission;
      this.#showEnd(turn, "error", err.gatewayMessage ?? err.message);
      return false;
    } finally {
      this.#turns.delete(runId);
    }
  }

  /** Stops what runs. */
  async stop(): Promise<void> {
    await this.#connection.client?.request("chat.abort", { sessionKey: this.#sessionKey });
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
    const chat = payload as ChatEventPayload;
    const turn = this.#turns.get(chat.runId);
    if (!turn) return;
    this.#show(turn, applyChat(turn.run, chat));
    if (!isActive(turn.run)) turn.end(turn.run.state, chat.errorMessage);
  }

  #onAgent(event: AgentEvent): void {
    const { runId, stream, data } = event;
    const { out } = this.#invocation;
    const turn = this.#turns.get(runId);
    if (!turn) return;
    const approval = waitingApproval(event);
    const { client } = this.#connection;
    if (approval !== null && client) void noteWaitingApproval(client, this.#invocation, approval, "/approve");
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

  /** Prints what the reply has become since. */
  #show(turn: Turn, run: RunView): void {
    const { out } = this.#invocation;
    const before = turn.run.text;
    turn.run = run;
    if (out.json || run.text === before) return;
    const fresh = run.text.startsWith(before) ? run.text.slice(before.length) : `\n${run.text}`;
    out.raw(sanitizeText(fresh));
    turn.printed += fresh.length;
  }

  #showEnd(turn: Turn, state: string, cause: string | undefined): void {
    const { out } = this.#invocation;
    if (out.json) {
      out.data({ runId: turn.run.runId, sessionKey: this.#sessionKey, state, text: turn.run.text, ...(cause && { error: cause }) });
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
        { runId: turn.run.runId, timeoutMs: 600_000 },
        { timeoutMs: 0 },
      );
      if (outcome.terminalReply?.text) this.#show(turn, { ...turn.run, text: outcome.terminalReply.text });
      turn.end(
        outcome.status === "ok" ? "final" : "error",
        outcome.error ?? (outcome.status === "timeout" ? "no answer yet; openclaw sessions show will have it" : undefined),
      );
    } catch (err) {
      // Lost again: the next connection asks again. A run that the gateway does not know was never sent, and is sent again over the next connection.
      if (!(err instanceof ClientError)) throw err;
    }
  }
}
