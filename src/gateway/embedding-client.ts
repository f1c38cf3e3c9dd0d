import { asArray, asNumber, fieldsOf, tryParseJson } from "../core/json.ts";
import { clip } from "../core/text.ts";
import { guardedFetch, type GuardedFetch } from "../tools/web/guarded-fetch.ts";
import { TOOL_LIMITS } from "../tools/limits.ts";
import type { EmbeddingAnswer } from "../tools/memory/embedder.ts";
import type { EmbeddingSettings } from "../tools/memory/embedding-settings.ts";
import { toUnitVector } from "../tools/memory/vectors.ts";

/** Asks the server of an embedding model for the vectors of texts. Rejects with why there are none. */
export async function fetchVectors(
  settings: EmbeddingSettings,
  texts: readonly string[],
  signal: AbortSignal,
  send: GuardedFetch = guardedFetch,
): Promise<EmbeddingAnswer> {
  const isOllama = settings.provider === "ollama";
  const url = isOllama ? `${settings.baseUrl.replace(/\/v1$/, "")}/api/embed` : `${settings.baseUrl}/embeddings`;
  const { dimensions, model } = settings;
  const key = settings.apiKey.reveal();
  const answer = await send(url, {
    maxBytes: TOOL_LIMITS.embeddingAnswerBytes,
    maxRedirects: 0,
    timeoutMs: TOOL_LIMITS.embeddingMs,
    anyStatus: true,
    signal,
    accept: "application/json",
    // The owner chose this address; no content leads to it.
    isAllowed: () => true,
    headers: { "content-type": "application/json", ...(key !== "" && { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({
      model,
      input: texts,
      ...(!isOllama && { encoding_format: "float" }),
      ...(dimensions !== undefined && { dimensions }),
    }),
  });
  const text = new TextDecoder().decode(answer.bytes);
  if (answer.status !== 200) throw new Error(`it answered ${answer.status}${quoteAnswer(text, key)}`);
  const body = fieldsOf(tryParseJson(text));
  const vectors = isOllama ? asArray(body["embeddings"]) : inOrder(asArray(body["data"]));
  const read = vectors.map((vector) => toUnitVector(asArray(vector)));
  if (read.length !== texts.length) throw new Error(`it gave ${read.length} vectors for ${texts.length} texts`);
  const unit = read.flatMap((vector) => (vector === null || vector.length > TOOL_LIMITS.vectorNumbers ? [] : [vector]));
  if (unit.length !== texts.length || unit.some((vector) => vector.length !== unit[0]!.length))
    throw new Error("its vectors cannot be used: they differ in length, or hold something else than numbers");
  const tokens = isOllama ? body["prompt_eval_count"] : fieldsOf(body["usage"])["prompt_tokens"];
  return { vectors: unit, tokens: Math.max(0, Math.round(asNumber(tokens) ?? 0)) };
}

/** The vectors in the order of the texts: each entry names its place. */
function inOrder(entries: readonly unknown[]): unknown[] {
  const rows = entries.map((entry, index) => ({ at: asNumber(fieldsOf(entry)["index"]) ?? index, vector: fieldsOf(entry)["embedding"] }));
  return rows.toSorted((a, b) => a.at - b.at).map(({ vector }) => vector);
}

/** What a server said, without the key, which some repeat. */
function quoteAnswer(text: string, key: string): string {
  const said = (key === "" ? text : text.replaceAll(key, "[secret]")).replaceAll(/[\p{C}\p{Z}]+/gu, " ").trim();
  return said === "" ? "" : `: ${JSON.stringify(clip(said, TOOL_LIMITS.embeddingQuoteChars))}`;
}
