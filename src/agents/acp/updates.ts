import type { Clock } from "../../core/clock.ts";
import { asNumber, asString, fieldsOf, findStorageProblem, type JsonObject } from "../../core/json.ts";
import { LIMITS } from "../../core/limits.ts";
import { clip, toWellFormed } from "../../core/text.ts";
import type { EventSink } from "../event-queue.ts";
import type { ContentBlock, ModelRef, TokenUsage } from "../runtime.ts";
import { ACP_LIMITS } from "./limits.ts";
import { describeContent, type KnownCall } from "./permission.ts";

export const NO_USAGE: TokenUsage = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0, costUsd: 0 };

/** What an agent reports of its context and of what its session has cost so far. */
export type ReportedUsage = { used: number; size: number; costUsd: number | null };

type OpenCall = { id: string; name: string; known: KnownCall; startedAt: number };

export type TurnUpdatesOptions = {
  out: EventSink;
  model: ModelRef;
  clock: Pick<Clock, "monotonic">;
  /** Before the ids of calls: an agent may use the same in another turn. */
  idPrefix: string;
};

/** Makes the events of one turn of what an agent reports: text as it is written, and a message at each call and at the end. */
export class TurnUpdates {
  readonly #options: TurnUpdatesOptions;
  readonly #open = new Map<string, OpenCall>();
  #text = "";
  #thinking = "";
  #hasOutput = false;
  #chars = 0;
  #firstPieceAt: number | null = null;
  #usage: ReportedUsage | null = null;

  constructor(options: TurnUpdatesOptions) {
    this.#options = options;
  }

  /** Something of the turn was shown, or a call has begun. */
  get hasOutput(): boolean {
    return this.#hasOutput;
  }

  get firstPieceAt(): number | null {
    return this.#firstPieceAt;
  }

  get hasOpenCalls(): boolean {
    return this.#open.size > 0;
  }

  get usage(): ReportedUsage | null {
    return this.#usage;
  }

  callId(agentsId: string): string {
    return this.#options.idPrefix + clip(agentsId, ACP_LIMITS.titleChars);
  }

  knownCall(agentsId: string): KnownCall | undefined {
    return this.#open.get(agentsId)?.known;
  }

  /** Kinds that show nothing, and kinds of later versions, change nothing. */
  apply(update: JsonObject): void {
    switch (update["sessionUpdate"]) {
      case "agent_message_chunk":
        return this.say(toWellFormed(textOf(update["content"])));
      case "agent_thought_chunk":
        return this.#think(toWellFormed(textOf(update["content"])));
      case "tool_call":
      case "tool_call_update":
        return this.#onCall(update);
      case "usage_update":
        return this.#onUsage(update);
    }
  }

  say(delta: string): void {
    if (delta === "" || this.#isTooMuch(delta)) return;
    this.#mark();
    this.#text += delta;
    this.#options.out.push({ type: "text", delta });
  }

  /** A call that the gateway runs for the agent. Resolves when its start is stored, before it may run. */
  async beginOwn(call: { id: string; name: string; args: unknown }): Promise<void> {
    this.#begin(call);
    await this.#options.out.drained();
  }

  endOwn({
    id,
    name,
    result,
    isError,
    durationMs,
  }: {
    id: string;
    name: string;
    result: string;
    isError: boolean;
    durationMs: number;
  }): void {
    this.#options.out.push({ type: "tool", phase: "end", id, name, result: clip(result, ACP_LIMITS.resultChars), isError, durationMs });
  }

  /** Calls without an end get one. */
  endCalls(): void {
    for (const id of this.#open.keys()) this.#end(id, "The agent did not report how this ended.", true);
  }

  /** What is left to say becomes the last message of the turn. */
  finish(stopReason: string, costUsd: number): void {
    this.endCalls();
    this.#message([], stopReason, { ...NO_USAGE, totalTokens: this.#usage?.used ?? 0, costUsd });
  }

  #think(delta: string): void {
    if (delta === "" || this.#isTooMuch(delta)) return;
    this.#firstPieceAt ??= this.#options.clock.monotonic();
    this.#thinking += delta;
    this.#options.out.push({ type: "thinking", delta });
  }

  /** The turn is stopped at its limits; what an agent writes until it has ended does not fill the memory. */
  #isTooMuch(delta: string): boolean {
    this.#chars += delta.length;
    return this.#chars > 2 * (LIMITS.answerChars + LIMITS.thinkingChars);
  }

  #mark(): void {
    this.#hasOutput = true;
    this.#firstPieceAt ??= this.#options.clock.monotonic();
  }

  #onCall(update: JsonObject): void {
    const agentsId = asString(update["toolCallId"]);
    if (agentsId === "") return;
    const call = this.#open.get(agentsId) ?? this.#start(agentsId, update);
    if (call === null) return;
    const status = update["status"];
    const text = clip(toWellFormed(outputOf(update)), ACP_LIMITS.resultChars);
    if (status === "completed" || status === "failed") return this.#end(agentsId, text || "(no output)", status === "failed");
    if (text !== "") this.#options.out.push({ type: "tool", phase: "update", id: call.id, name: call.name, partial: text });
  }

  #start(agentsId: string, update: JsonObject): OpenCall | null {
    if (this.#open.size >= ACP_LIMITS.openCalls) return null;
    const kind = clip(asString(update["kind"]) || "other", ACP_LIMITS.titleChars);
    const title = toWellFormed(clip(asString(update["title"]), ACP_LIMITS.titleChars));
    const input = update["rawInput"];
    const call: OpenCall = {
      id: this.callId(agentsId),
      // Names of tools are short words; what the agent does is in its title.
      name: /^[a-z_]{1,32}$/.test(kind) ? kind : "other",
      known: { title, kind, input },
      startedAt: this.#options.clock.monotonic(),
    };
    this.#open.set(agentsId, call);
    this.#begin({ id: call.id, name: call.name, args: { title, ...fieldsOf(storable(input)) } });
    return call;
  }

  #begin({ id, name, args }: { id: string; name: string; args: unknown }): void {
    this.#mark();
    this.#message([{ type: "toolCall", id, name, arguments: args }], "toolUse", NO_USAGE);
    this.#options.out.push({ type: "tool", phase: "start", id, name, args });
  }

  #end(agentsId: string, result: string, isError: boolean): void {
    const call = this.#open.get(agentsId)!;
    this.#open.delete(agentsId);
    this.endOwn({ ...call, result, isError, durationMs: Math.round(this.#options.clock.monotonic() - call.startedAt) });
  }

  #message(more: readonly ContentBlock[], stopReason: string, usage: TokenUsage): void {
    const blocks: ContentBlock[] = [
      ...(this.#thinking === "" ? [] : [{ type: "thinking" as const, thinking: this.#thinking }]),
      ...(this.#text === "" ? [] : [{ type: "text" as const, text: this.#text }]),
      ...more,
    ];
    this.#text = "";
    this.#thinking = "";
    this.#options.out.push({ type: "message", blocks, model: this.#options.model, usage, stopReason });
  }

  #onUsage(update: JsonObject): void {
    const { amount, currency } = fieldsOf(update["cost"]);
    const cost = currency === "USD" ? asNumber(amount) : null;
    this.#usage = {
      used: toCount(update["used"]),
      size: toCount(update["size"]),
      costUsd: cost !== null && cost >= 0 ? cost : (this.#usage?.costUsd ?? null),
    };
  }
}

const toCount = (value: unknown): number => Math.min(Math.max(0, Math.round(asNumber(value) ?? 0)), Number.MAX_SAFE_INTEGER);

const textOf = (content: unknown): string => {
  const { type, text, uri, name } = fieldsOf(content);
  if (type === "text") return asString(text);
  return type === "resource_link" ? `[${asString(name) || asString(uri)}](${asString(uri)})` : "";
};

/** Arguments that are too long or too deep are left out: the title says what the call is about. */
const storable = (input: unknown): unknown =>
  input === undefined || findStorageProblem(input, { depth: LIMITS.jsonDepth, chars: ACP_LIMITS.argumentsChars }) !== null ? {} : input;

function outputOf(update: JsonObject): string {
  const shown = describeContent(update["content"]).join("\n");
  const raw = update["rawOutput"];
  if (shown !== "" || raw === undefined || raw === null) return shown;
  if (typeof raw === "string") return raw;
  const problem = findStorageProblem(raw, { depth: LIMITS.jsonDepth, chars: ACP_LIMITS.rawResultChars });
  return problem === null ? JSON.stringify(raw) : `(The results ${problem}.)`;
}
