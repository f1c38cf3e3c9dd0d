import { enumOf, integer, number, object, secret, string } from "../../core/config-schema.ts";

export const EMBEDDING_PROVIDERS = ["none", "openai", "openai-compatible", "ollama"] as const;
export type EmbeddingProvider = (typeof EMBEDDING_PROVIDERS)[number];

const UNSERVED = [
  "enabled",
  "rememberAcrossConversations",
  "sources",
  "extraPaths",
  "multimodal",
  "experimental",
  "fallback",
  "inputType",
  "queryInputType",
  "documentInputType",
  "local",
  "store",
  "cache",
] as const;

/** How notes are found by what they mean. */
const search = object(
  "How notes are found by what they mean.",
  {
    provider: enumOf(
      "Who compares notes by what they mean, besides their words. `none`: only words count, and no text leaves this machine. `openai-compatible`: any server with `/embeddings`, such as LM Studio, llama.cpp or vLLM.",
      EMBEDDING_PROVIDERS,
      { default: "none" },
    ),
    model: string("Embedding model; `text-embedding-3-small` for `openai` and `nomic-embed-text` for `ollama` when it is not set.", {
      maxChars: 256,
    }),
    remote: object(
      "The server of the embedding model.",
      {
        baseUrl: string("Address of its API, also on a private network; that of OpenAI or of Ollama on this machine when it is not set.", {
          format: "url",
        }),
        apiKey: secret("Key of the API; `OPENAI_API_KEY` when it is not set and the provider is `openai`."),
      },
      { unserved: ["headers", "batch"] },
    ),
    outputDimensionality: integer("Numbers of a vector, for models that can shorten it.", { min: 1, max: 8_192 }),
    query: object(
      "Searches.",
      {
        maxResults: integer("Parts of notes in a result when a call does not say how many.", { default: 6, min: 1, max: 25 }),
        minScore: number("Least likeness, from 0 to 1, of a note that has none of the words.", { default: 0.35, min: 0, max: 1 }),
      },
      { unserved: ["hybrid"] },
    ),
  },
  { unserved: UNSERVED },
);

export const memory = object("What agents have noted.", { search }, { unserved: ["citations", "qmd", "backend"] });
