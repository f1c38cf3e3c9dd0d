import { randomUUID } from "node:crypto";
import type { GatewayError } from "../core/errors.ts";
import type { Exchange } from "./exchange.ts";
import { collect, EventStream, toOpenAiError, type CompletionEvent, type Usage } from "./openai.ts";

type Base = { id: string; createdAt: number; model: string };
type Final = Extract<CompletionEvent, { type: "final" }>;

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

const toText = (text: string): Record<string, unknown> => ({ type: "output_text", text, annotations: [] });

const toUsage = (usage: Usage): Record<string, unknown> => ({
  input_tokens: usage.inputTokens,
  output_tokens: usage.outputTokens,
  total_tokens: usage.inputTokens + usage.outputTokens,
});

/** The whole answer as one `response` object. */
export function collectResponse(base: Base, final: Final): Record<string, unknown> {
  return toResponse(base, "completed", [toItem(`msg_${randomUUID()}`, "completed", final.text)], {
    output_text: final.text,
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
  const stream = new EventStream(exchange);
  const itemId = `msg_${randomUUID()}`;
  const place = { item_id: itemId, output_index: 0, content_index: 0 };
  let sequence = 0;
  const send = (type: string, fields: Record<string, unknown>): Promise<void> =>
    stream.data({ type, sequence_number: sequence++, ...fields }, type);
  let sent = "";
  const delta = async (text: string): Promise<void> => {
    sent += text;
    await send("response.output_text.delta", { ...place, delta: text });
  };
  try {
    await send("response.created", { response: toResponse(base, "in_progress", []) });
    await send("response.in_progress", { response: toResponse(base, "in_progress", []) });
    await send("response.output_item.added", { output_index: 0, item: toItem(itemId, "in_progress", null) });
    await send("response.content_part.added", { ...place, part: toText("") });
    const final = await collect(events, delta);
    if (final.text.startsWith(sent) && final.text.length > sent.length) await delta(final.text.slice(sent.length));
    const item = toItem(itemId, "completed", final.text);
    await send("response.output_text.done", { ...place, text: final.text });
    await send("response.content_part.done", { ...place, part: toText(final.text) });
    await send("response.output_item.done", { output_index: 0, item });
    await send("response.completed", { response: toResponse(base, "completed", [item], { usage: toUsage(final.usage) }) });
  } catch (err) {
    const { code, message } = toOpenAiError(toExpected(err));
    await send("response.failed", { response: toResponse(base, "failed", [], { error: { code, message } }) });
  } finally {
    stream.end();
  }
}
