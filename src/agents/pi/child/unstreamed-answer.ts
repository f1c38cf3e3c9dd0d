import { asArray, asObject, asString, fieldsOf, type JsonObject } from "../../../core/json.ts";
import { withTextArguments } from "./event-stream.ts";

/** Of a page, only as much is read as its title needs. */
const PAGE_BYTES = 65_536;
/** A whole answer that came as one piece. */
const ANSWER_BYTES = 16_777_216;

/**
 * A response of a provider that was asked for a stream, and says 200 without one: a web page (of a proxy, or of a network that wants a
 * sign-in) becomes an error that says so, and the whole answer of a server that does not stream becomes a stream. Others stay.
 */
export async function repairUnstreamed(response: Response, init: RequestInit | undefined): Promise<Response> {
  const type = response.headers.get("content-type") ?? "";
  if (!response.ok || !response.body) return response;
  if (/^text\/html/i.test(type)) return refusal(describePage(await readText(response.body, PAGE_BYTES)));
  if (!/^application\/json/i.test(type) || typeof init?.body !== "string" || !/"stream"\s*:\s*true/.test(init.body)) return response;
  const text = await readText(response.body, ANSWER_BYTES);
  return toStream(text) ?? refusal(`it sent JSON instead of a stream: ${text.slice(0, 200)}`);
}

/** A status that is not tried again: the same request would be answered in the same way. */
const refusal = (what: string): Response =>
  new Response(JSON.stringify({ error: { message: `The provider did not send an answer: ${what}` } }), {
    status: 400,
    headers: { "content-type": "application/json" },
  });

function describePage(html: string): string {
  const title = /<title[^>]{0,200}>([^<]{1,200})/i.exec(html)?.[1]?.trim();
  return `it sent a web page${title ? ` with the title ${JSON.stringify(title)}` : ""}`;
}

/** A chat completion as the events of a stream; null for other JSON. */
function toStream(text: string): Response | null {
  const answer = parseObject(text);
  const choices = asArray(answer?.["choices"]);
  if (answer === null || choices.length === 0 || !choices.every((choice) => asObject(fieldsOf(choice)["message"]))) return null;
  const chunk = { ...answer, object: "chat.completion.chunk", choices: choices.map((choice, index) => toDelta(fieldsOf(choice), index)) };
  return new Response(`data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`, { headers: { "content-type": "text/event-stream" } });
}

function toDelta({ message, ...choice }: JsonObject, index: number): JsonObject {
  const { tool_calls: calls, ...said } = fieldsOf(message);
  const numbered = withTextArguments({ tool_calls: calls }).tool_calls?.map((call, at) => ({ index: at, ...call }));
  const finish = asString(choice["finish_reason"]) || (numbered ? "tool_calls" : "stop");
  return { index, ...choice, finish_reason: finish, delta: { ...said, ...(numbered && { tool_calls: numbered }) } };
}

function parseObject(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return null; // the caller says what came instead
  }
}

async function readText(body: ReadableStream<Uint8Array>, maxBytes: number): Promise<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let left = maxBytes; left > 0;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value.subarray(0, left), { stream: true });
    left -= value.length;
  }
  await reader.cancel();
  return text;
}
