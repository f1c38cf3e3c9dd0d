import type { ProtocolClient } from "../client/client.ts";
import { ClientError } from "../client/errors.ts";
import { applyChat, createRun, isActive, toolResultText, type RunView } from "../client/conversation/live-run.ts";
import type { ChatEventPayload } from "../client/conversation/protocol-types.ts";
import { asArray, asString, fieldsOf, type JsonObject } from "../core/json.ts";
import { saidUpdate, thoughtUpdate, toolCallOf, toolEndOf } from "./acp-content.ts";

export type AcpPromptOptions = {
  runId: string;
  key: string;
  update: (update: JsonObject) => void;
  /** Asks the editor; rejects when it gives no answer. */
  ask: (request: JsonObject, signal: AbortSignal) => Promise<unknown>;
  request: (method: string, params: JsonObject) => Promise<unknown>;
};

export type EditorStopReason = "end_turn" | "max_tokens" | "refusal" | "cancelled";

type Call = { name: string; args: unknown };

const OPTION_KINDS: Readonly<Record<string, { kind: string; name: string }>> = {
  "allow-once": { kind: "allow_once", name: "Allow once" },
  "allow-always": { kind: "allow_always", name: "Always allow" },
  deny: { kind: "reject_once", name: "Deny" },
};

/** One prompt of an editor: makes updates of the events of its turn, and brings questions to the editor. */
export class AcpPrompt {
  readonly runId: string;
  readonly ended: Promise<EditorStopReason>;
  readonly #options: AcpPromptOptions;
  readonly #calls = new Map<string, Call>();
  /** Questions that wait for the editor, by their ids. */
  readonly #asking = new Map<string, AbortController>();
  #run: RunView;
  #isCancelled = false;
  #resolve!: (reason: EditorStopReason) => void;
  #reject!: (err: Error) => void;

  constructor(options: AcpPromptOptions) {
    this.#options = options;
    this.runId = options.runId;
    this.#run = createRun(options.runId, true);
    const { promise, resolve, reject } = Promise.withResolvers<EditorStopReason>();
    this.ended = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    // It may fail before it is awaited.
    promise.catch(() => {});
  }

  cancel(): void {
    this.#isCancelled = true;
  }

  /** Nothing waits for the editor any more. */
  close(): void {
    for (const asking of this.#asking.values()) asking.abort();
    this.#asking.clear();
  }

  onEvent(event: string, payload: JsonObject): void {
    if (event === "chat") return this.#onChat(payload as unknown as ChatEventPayload);
    if (event === "agent") return this.#onAgent(asString(payload["stream"]), fieldsOf(payload["data"]));
    const [kind] = event.split(".", 1);
    if (event.endsWith(".approval.requested")) return void this.#askEditor(kind === "plugin" ? "plugin" : "exec", payload);
    if (event.endsWith(".approval.resolved")) this.#asking.get(asString(payload["id"]))?.abort();
  }

  /** After a loss of the connection: waits for the turn, and shows what was missed. */
  async recover(client: ProtocolClient): Promise<void> {
    try {
      const params = { runId: this.runId, timeoutMs: 600_000 };
      const outcome = await client.request<{ status: string; error?: string; terminalReply?: { text?: string } }>("agent.wait", params, {
        timeoutMs: 0,
      });
      if (!isActive(this.#run)) return;
      if (outcome.terminalReply?.text) this.#show({ ...this.#run, text: outcome.terminalReply.text });
      if (outcome.status === "ok") this.#resolve(this.#isCancelled ? "cancelled" : "end_turn");
      else this.#reject(new Error(outcome.error ?? `the turn ended with the status ${outcome.status}`));
    } catch (err) {
      // Lost again: the next connection asks again. A run that the gateway does not know was never sent, and is sent again.
      if (!(err instanceof ClientError)) throw err;
    }
  }

  #onChat(chat: ChatEventPayload): void {
    if (!isActive(this.#run)) return;
    this.#show(applyChat(this.#run, chat));
    const { state, error } = this.#run;
    if (state === "error") this.#reject(new Error(error ?? "the turn failed"));
    else if (state === "aborted") this.#resolve("cancelled");
    else if (state === "final") this.#resolve(stopReasonOf(asString(fieldsOf(chat)["stopReason"])));
  }

  /** A text that replaces what was shown begins on a new line: an editor cannot take text back. */
  #show(run: RunView): void {
    const before = this.#run.text;
    this.#run = run;
    if (run.text === before) return;
    this.#options.update(saidUpdate(run.text.startsWith(before) ? run.text.slice(before.length) : `\n\n${run.text}`));
  }

  #onAgent(stream: string, data: JsonObject): void {
    if (stream === "thinking" && asString(data["delta"]) !== "") this.#options.update(thoughtUpdate(asString(data["delta"])));
    const id = asString(data["toolCallId"]);
    if (stream !== "tool" || id === "") return;
    if (data["phase"] === "start") return this.#begin(id, asString(data["name"]), data["args"]);
    const call = this.#calls.get(id) ?? { name: asString(data["name"]), args: {} };
    if (data["phase"] === "update") {
      const text = toolResultText(data["partialResult"]);
      if (text !== "")
        this.#options.update({
          sessionUpdate: "tool_call_update",
          toolCallId: id,
          content: [{ type: "content", content: { type: "text", text } }],
        });
      return;
    }
    const end = toolEndOf(id, { ...call, result: toolResultText(data["result"]), isError: data["isError"] === true });
    this.#options.update({ sessionUpdate: "tool_call_update", ...end });
  }

  #begin(id: string, name: string, args: unknown): void {
    this.#calls.set(id, { name, args });
    this.#options.update({ sessionUpdate: "tool_call", ...toolCallOf(id, name, args) });
  }

  /** The first who answers counts: the editor, or someone on the page. */
  async #askEditor(kind: "exec" | "plugin", payload: JsonObject): Promise<void> {
    const id = asString(payload["id"]);
    const request = fieldsOf(payload["request"]);
    if (id === "" || this.#asking.has(id)) return;
    const asking = new AbortController();
    this.#asking.set(id, asking);
    try {
      const answer = await this.#options.ask(toPermissionRequest(id, request), asking.signal);
      const outcome = fieldsOf(fieldsOf(answer)["outcome"]);
      const decision = asString(outcome["optionId"]);
      const isOffered = asArray(request["allowedDecisions"]).includes(decision);
      // Without an answer the question stays open for other clients.
      if (asking.signal.aborted || outcome["outcome"] !== "selected" || !isOffered) return;
      await this.#options.request("approval.resolve", { id, kind, decision });
    } catch {
      // The question was answered elsewhere, or stays open for other clients; the turn shows what becomes of it.
    } finally {
      this.#asking.delete(id);
    }
  }
}

function toPermissionRequest(id: string, request: JsonObject): JsonObject {
  const decisions = asArray(request["allowedDecisions"])
    .map(String)
    .filter((decision) => Object.hasOwn(OPTION_KINDS, decision));
  const command = asString(request["command"]);
  const title = command || asString(request["title"]) || "The agent asks";
  const detail = command || asString(request["detail"]) || asString(request["description"]);
  const warnings = asArray(request["warnings"]).map(String);
  const text = [detail, ...warnings.map((warning) => `! ${warning}`)].join("\n");
  return {
    toolCall: {
      toolCallId: asString(request["toolCallId"]) || id,
      title: title.replaceAll(/\s+/g, " ").slice(0, 200),
      kind: command === "" ? "other" : "execute",
      status: "pending",
      rawInput: command === "" ? {} : { command, cwd: request["cwd"] ?? null },
      content: [{ type: "content", content: { type: "text", text } }],
    },
    options: decisions.map((decision) => ({ optionId: decision, ...OPTION_KINDS[decision]! })),
    _meta: { approvalId: id },
  };
}

function stopReasonOf(reason: string): EditorStopReason {
  if (reason === "length" || reason === "max_tokens") return "max_tokens";
  return reason === "refusal" ? "refusal" : "end_turn";
}
