import { randomUUID } from "node:crypto";
import type { GatewayError } from "../core/errors.ts";
import type { Exchange } from "./exchange.ts";
import type { CompletionEvent, CompletionUsage, FinalCompletion } from "./openai-backend.ts";
import { SseStream, streamCompletionText, toOpenAiError } from "./openai-stream.ts";

type Base = { id: string; createdAt: number; model: string };

function toResponse(base: Base, status: string, output: readonly unknown[], rest: Record<string, unknown> = {}): Record<string, unknown> {
  return { id: base.id, object: "response", created_at: base.createdAt, status, model: base.model, output, ...rest };
}

const toItem = (id: string, status: string, text: string | null): Record<string, unknown> => ({
  type: "message",
  id,
  role: "assistant",
  status,
  content: text === null ? [] : [toText(text)],
});

/** The item of a finished answer: its text, and why the provider refused more. */
function toFinalItem(id: string, final: FinalCompletion): Record<string, unknown> {
  const status = final.finishReason === "stop" ? "completed" : "incomplete";
  const item = toItem(id, status, final.text);
  if (final.refusal === undefined) return item;
  const said = final.text === "" ? [] : [toText(final.text)];
  return { ...item, content: [...said, { type: "refusal", refusal: final.refusal }] };
}

const REASONS = { length: "max_output_tokens", content_filter: "content_filter" } as const;

function toResponseStatus(final: FinalCompletion): { status: string; details: Record<string, unknown> } {
  if (final.finishReason === "stop") return { status: "completed", details: {} };
  return { status: "incomplete", details: { incomplete_details: { reason: REASONS[final.finishReason] } } };
}

const toText = (text: string): Record<string, unknown> => ({ type: "output_text", text, annotations: [] });

const toUsage = (usage: CompletionUsage): Record<string, unknown> => ({
  input_tokens: usage.inputTokens,
  output_tokens: usage.outputTokens,
  total_tokens: usage.inputTokens + usage.outputTokens,
  ...(usage.cachedTokens === undefined ? {} : { input_tokens_details: { cached_tokens: usage.cachedTokens } }),
});

/** The whole answer as one `response` object. */
export function collectResponse(base: Base, final: FinalCompletion): Record<string, unknown> {
  const { status, details } = toResponseStatus(final);
  return toResponse(base, status, [toFinalItem(`msg_${randomUUID()}`, final)], {
    output_text: final.text,
    ...details,
    usage: toUsage(final.usage),
  });
}

/** The answer as the event sequence of the Responses API. */
export async function streamResponse(
  exchange: Exchange,
  events: AsyncIterable<CompletionEvent>,
  base: Base,
  toExpected: (err: unknown) => GatewayError,
): Promise<void> {
  const stream = new SseStream(exchange);
  const itemId = `msg_${randomUUID()}`;
  const place = { item_id: itemId, output_index: 0, content_index: 0 };
  let sequence = 0;
  const send = (type: string, fields: Record<string, unknown>): Promise<void> =>
    stream.send({ type, sequence_number: sequence++, ...fields }, type);
  const delta = async (text: string): Promise<void> => {
    if (text !== "") await send("response.output_text.delta", { ...place, delta: text });
  };
  try {
    await send("response.created", { response: toResponse(base, "in_progress", []) });
    await send("response.in_progress", { response: toResponse(base, "in_progress", []) });
    await send("response.output_item.added", { output_index: 0, item: toItem(itemId, "in_progress", null) });
    await send("response.content_part.added", { ...place, part: toText("") });
    const final = await streamCompletionText(events, delta);
    const item = toFinalItem(itemId, final);
    const { status, details } = toResponseStatus(final);
    await send("response.output_text.done", { ...place, text: final.text });
    await send("response.content_part.done", { ...place, part: toText(final.text) });
    await send("response.output_item.done", { output_index: 0, item });
    await send(`response.${status}`, { response: toResponse(base, status, [item], { ...details, usage: toUsage(final.usage) }) });
  } catch (err) {
    const { code, message } = toOpenAiError(toExpected(err));
    await send("response.failed", { response: toResponse(base, "failed", [], { error: { code, message } }) });
  } finally {
    stream.end();
  }
}
