import { GUIDE_MODEL, GUIDE_NAME } from "../../../core/guide-model.ts";
import { guideReply, type GuideFacts } from "../guide.ts";

type GuideModel = { id: string; provider: string; api: string };
type TextPart = { type: string; text?: string };
type Transcript = { messages: readonly { role: string; content: string | readonly TextPart[] }[] };

/** The setup guide as a provider of Pi, to be registered under GUIDE_PROVIDER. `facts` is asked for each answer. */
export const guideProvider = (facts: () => GuideFacts): Record<string, unknown> => ({
  name: GUIDE_NAME,
  api: "openclaw-guide",
  baseUrl: "http://127.0.0.1:9",
  apiKey: "none",
  models: [
    {
      id: GUIDE_MODEL,
      name: GUIDE_NAME,
      reasoning: false,
      input: ["text"],
      cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
      contextWindow: 1_000_000,
      maxTokens: 16_384,
    },
  ],
  streamSimple: (model: GuideModel, transcript: Transcript) => streamReply(model, guideReply(lastUserText(transcript), facts())),
});

function lastUserText(transcript: Transcript): string {
  const content = transcript.messages.findLast((message) => message.role === "user")?.content ?? "";
  return typeof content === "string" ? content : content.map((part) => part.text ?? "").join("");
}

/** The stream that Pi expects of a provider: an async iterable with `result()`. One delta per paragraph. */
function streamReply(model: GuideModel, text: string): unknown {
  const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 };
  const message = {
    role: "assistant",
    content: [] as { type: "text"; text: string }[],
    api: model.api,
    provider: model.provider,
    model: model.id,
    usage: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0, cost },
    stopReason: "stop",
    timestamp: Date.now(),
  };
  async function* events(): AsyncGenerator<unknown> {
    yield { type: "start", partial: message };
    const block = { type: "text" as const, text: "" };
    message.content.push(block);
    yield { type: "text_start", contentIndex: 0, partial: message };
    for (const delta of text.match(/[\s\S]+?(?:\n\n|$)/g) ?? [text]) {
      block.text += delta;
      yield { type: "text_delta", contentIndex: 0, delta, partial: message };
    }
    yield { type: "text_end", contentIndex: 0, content: block.text, partial: message };
    yield { type: "done", reason: "stop", message };
  }
  const iterator = events();
  const whole = { ...message, content: [{ type: "text" as const, text }] };
  return { [Symbol.asyncIterator]: () => iterator, result: () => Promise.resolve(whole) };
}
