/** What one running turn has shown so far, built from `chat` and `agent` events. Pure: every function returns a new value. */
import { contentText } from "./protocol-types.ts";
import type { AgentEventPayload, ChatEventPayload, InFlightRun } from "./protocol-types.ts";

export type ToolState = "running" | "done" | "failed" | "stopped";

export type LiveBlock =
  /** `from` and `to` are positions in the run's whole text. */
  | { type: "text"; seq: number; from: number; to: number }
  | { type: "thinking"; seq: number; text: string }
  | { type: "tool"; seq: number; tool: LiveTool };

export type LiveTool = {
  callId: string;
  name: string;
  args: unknown;
  result: string;
  state: ToolState;
  startedAtMs: number | null;
  durationMs: number | null;
};

export type RunView = {
  runId: string;
  state: "waiting" | "running" | "final" | "aborted" | "error";
  /** A word from the server on what it is doing before the first token, or null. */
  phase: string | null;
  /** Ids of the questions to people that it waits for. */
  waitsFor: readonly string[];
  model: string | null;
  text: string;
  blocks: readonly LiveBlock[];
  chatSeq: number;
  agentSeq: number;
  error: string | null;
  errorDetail: string | null;
  errorKind: string | null;
  /** When it began, where the gateway says so. */
  startedAtMs: number | null;
  /** We saw this run from its first event: nothing of it is missing here. */
  isComplete: boolean;
};

export function createRun(runId: string, whole: boolean): RunView {
  return {
    runId,
    state: "waiting",
    phase: null,
    waitsFor: [],
    model: null,
    text: "",
    blocks: [],
    chatSeq: -1,
    agentSeq: -1,
    error: null,
    errorDetail: null,
    errorKind: null,
    startedAtMs: null,
    isComplete: whole,
  };
}

export const isActive = (run: RunView): boolean => run.state === "waiting" || run.state === "running";

/** Applies one `chat` event. Repeated and out-of-date events change nothing. */
export function applyChat(run: RunView, event: ChatEventPayload): RunView {
  if (!isActive(run)) return run;
  if (event.state === "status") return { ...run, phase: event.phase ?? null };
  if (event.state === "delta") {
    if (event.seq <= run.chatSeq) return run;
    return withText({ ...run, state: "running", phase: null, chatSeq: event.seq }, completeText(run, event), event.seq);
  }
  const said = contentText(event.message?.content);
  const ended = said === "" ? run : withText(run, said, event.seq);
  const blocks = ended.blocks.map((block) => (block.type === "tool" ? { ...block, tool: toStoppedTool(block.tool) } : block));
  return { ...ended, blocks, state: event.state, phase: null, chatSeq: event.seq, ...errorOf(event) };
}

function completeText(run: RunView, event: ChatEventPayload): string {
  const said = contentText(event.message?.content);
  if (said !== "") return said;
  return event.replace === true ? (event.deltaText ?? "") : run.text + (event.deltaText ?? "");
}

function errorOf(event: ChatEventPayload): Pick<RunView, "error" | "errorDetail" | "errorKind"> {
  if (event.state !== "error") return { error: null, errorDetail: null, errorKind: null };
  const { words, kind } = parseErrorDetail(event.errorDetail);
  return { error: event.errorMessage ?? "The agent couldn't reply.", errorDetail: words, errorKind: kind ?? event.errorKind ?? null };
}

/** The raw words of a provider and the kind of failure, where the gateway tells them apart from its own sentence. */
export function parseErrorDetail(detail: unknown): { words: string | null; kind: string | null } {
  if (typeof detail === "string") return { words: detail === "" ? null : detail, kind: null };
  const { message, providerErrorMessagePreview, providerErrorType } = (detail ?? {}) as Record<string, unknown>;
  const words = [message, providerErrorMessagePreview].find((text) => typeof text === "string" && text !== "");
  return { words: typeof words === "string" ? words : null, kind: typeof providerErrorType === "string" ? providerErrorType : null };
}

const toStoppedTool = (tool: LiveTool): LiveTool => (tool.state === "running" ? { ...tool, state: "stopped" } : tool);

/** Puts new text where its seq says: a delta that was held back over the start of a tool still belongs before that tool. */
function withText(run: RunView, text: string, seq: number): RunView {
  if (text === run.text) return run;
  const grown = text.startsWith(run.text);
  const kept = grown ? run.blocks : run.blocks.filter((block) => block.type !== "text");
  const from = grown ? run.text.length : 0;
  const later = kept.findIndex((block) => block.type !== "text" && block.seq > seq);
  const at = later === -1 ? kept.length : later;
  const before = kept[at - 1];
  const extended: LiveBlock =
    before?.type === "text" && before.to === from ? { ...before, to: text.length } : { type: "text", seq, from, to: text.length };
  const head = before?.type === "text" && before.to === from ? kept.slice(0, at - 1) : kept.slice(0, at);
  return { ...run, text, blocks: [...head, extended, ...kept.slice(at)] };
}

/** Applies one `agent` or `session.tool` event (the same payload may come by both ways). */
export function applyAgent(run: RunView, event: AgentEventPayload): RunView {
  if (event.seq <= run.agentSeq || !isActive(run)) return run;
  const next: RunView = { ...run, agentSeq: event.seq };
  const data = event.data ?? {};
  if (event.stream === "tool") return withTool({ ...next, state: "running", phase: null }, event, data);
  if (event.stream === "thinking" || event.stream === "reasoning")
    return withThinking({ ...next, state: "running", phase: null }, event, data);
  if (event.stream === "run_status" && typeof data["message"] === "string") return { ...next, phase: data["message"] };
  if (event.stream === "compaction") return { ...next, phase: data["phase"] === "start" ? "compacting" : null };
  if (event.stream === "lifecycle" && data["phase"] === "model" && typeof data["model"] === "string") {
    return { ...next, model: data["model"] };
  }
  if (event.stream === "lifecycle" && typeof data["approvalId"] === "string") return withApproval(next, data["phase"], data["approvalId"]);
  return next;
}

function withApproval(run: RunView, phase: unknown, id: string): RunView {
  const others = run.waitsFor.filter((each) => each !== id);
  if (phase === "waiting-approval") return { ...run, waitsFor: [...others, id] };
  return phase === "approval-resolved" ? { ...run, waitsFor: others } : run;
}

function withThinking(run: RunView, event: AgentEventPayload, data: Record<string, unknown>): RunView {
  const last = run.blocks.at(-1);
  const previous = last?.type === "thinking" ? last.text : "";
  const text = typeof data["text"] === "string" ? withoutEarlier(run, data["text"], last) : previous + String(data["delta"] ?? "");
  if (text === "") return run;
  const grows = last?.type === "thinking" && text.startsWith(previous);
  const block: LiveBlock = { type: "thinking", seq: event.seq, text };
  return { ...run, blocks: grows ? [...run.blocks.slice(0, -1), { ...block, seq: last.seq }] : [...run.blocks, block] };
}

/** When the text counts from the beginning of the turn, the part that is shown above is left out. */
function withoutEarlier(run: RunView, text: string, last: LiveBlock | undefined): string {
  const earlier = run.blocks
    .filter((block) => block.type === "thinking" && block !== last)
    .map((block) => (block as { text: string }).text);
  let rest = text;
  for (const thought of earlier) if (rest.startsWith(thought)) rest = rest.slice(thought.length).trimStart();
  return rest;
}

function withTool(run: RunView, event: AgentEventPayload, data: Record<string, unknown>): RunView {
  const callId = String(data["toolCallId"] ?? "");
  if (callId === "") return run;
  const last = run.blocks.findLastIndex((block) => block.type === "tool" && block.tool.callId === callId);
  const found = run.blocks[last];
  // A second call under the id of one that has ended is another call.
  const isAnother = data["phase"] === "start" && found?.type === "tool" && found.tool.state !== "running";
  const at = isAnother ? -1 : last;
  const known = isAnother ? undefined : found;
  const before: LiveTool =
    known?.type === "tool"
      ? known.tool
      : {
          callId,
          name: String(data["name"] ?? "tool"),
          args: null,
          result: "",
          state: "running",
          startedAtMs: event.ts ?? null,
          durationMs: null,
        };
  const tool = toTool(before, event, data);
  if (known?.type === "tool") return { ...run, blocks: run.blocks.with(at, { ...known, tool }) };
  return { ...run, blocks: [...run.blocks, { type: "tool", seq: event.seq, tool }] };
}

function toTool(before: LiveTool, event: AgentEventPayload, data: Record<string, unknown>): LiveTool {
  const phase = data["phase"];
  if (phase === "start") return { ...before, args: data["args"] ?? before.args, startedAtMs: event.ts ?? before.startedAtMs };
  if (phase === "update") return { ...before, result: toShownOutput(before.result, data) };
  if (phase !== "result" && phase !== "end") return before;
  const measured = Number(
    (data["result"] as { details?: { durationMs?: unknown } } | undefined)?.details?.durationMs ?? data["durationMs"],
  );
  const elapsed = before.startedAtMs !== null && event.ts !== undefined ? event.ts - before.startedAtMs : null;
  return {
    ...before,
    result: toolResultText(data["result"]) || before.result,
    state: data["isError"] === true ? "failed" : "done",
    durationMs: Number.isFinite(measured) ? measured : elapsed,
  };
}

/** Characters of the output of a running call that are kept. */
const OUTPUT_CHARS = 8_000;

/** The output of a running call: what an update has of it, or what it adds. */
function toShownOutput(before: string, { delta, partialResult, partial }: Record<string, unknown>): string {
  const whole = toolResultText(partialResult ?? partial);
  return whole === "" && typeof delta === "string" ? (before + delta).slice(-OUTPUT_CHARS) : whole || before;
}

/** Text of a tool result, whatever its shape: a string, `{content:[…]}`, or JSON. */
export function toolResultText(result: unknown): string {
  if (result === undefined || result === null) return "";
  if (typeof result === "string") return result;
  const content = (result as { content?: unknown }).content;
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return contentText(content);
  return JSON.stringify(result, null, 2);
}

/** Takes over what the server says is running: after a reload of the page or of the connection. */
export function restoreInFlightRun(known: RunView | undefined, inFlight: InFlightRun): RunView {
  // An answer may have come unseen; what still waits is read separately.
  let run = known !== undefined && isActive(known) ? { ...known, waitsFor: [] } : createRun(inFlight.runId, false);
  for (const event of inFlight.events ?? []) run = applyAgent(run, event);
  const text = inFlight.text ?? "";
  if (text !== "" && !run.text.startsWith(text))
    run = { ...withText(run, text, inFlight.seq ?? Math.max(run.agentSeq, run.chatSeq, 0)), state: "running" };
  return { ...run, startedAtMs: inFlight.startedAt ?? run.startedAtMs, isComplete: false };
}
