import { GatewayError } from "../core/errors.ts";

type Check = { fix?: string } & ({ allow: (value: unknown) => boolean; must: string } | { refuse: string });

/**
 * What becomes of each field of a request. `used` has its effect. `ignored` is accepted without one, because the agent behind the
 * route decides it; docs/clients.md lists the same names. `checked` is accepted where it asks for what happens anyway. Every other
 * field is refused with its name.
 */
export type FieldTable = { used: readonly string[]; ignored: readonly string[]; checked: Readonly<Record<string, Check>> };

const isText = (value: unknown): boolean => (value as { type?: unknown } | null)?.type === "text";
const FORMAT: Check = { allow: isText, must: 'be {"type": "text"}: the agent answers in plain text' };
const SESSION_FIX = "To continue a conversation, send the same `user` or the header x-openclaw-session-key.";

const IGNORED_BY_BOTH = [
  "frequency_penalty",
  "logit_bias",
  "metadata",
  "min_p",
  "parallel_tool_calls",
  "presence_penalty",
  "prompt_cache_key",
  "prompt_cache_retention",
  "repetition_penalty",
  "safety_identifier",
  "seed",
  "service_tier",
  "stop",
  "store",
  "temperature",
  "tool_choice",
  "tools",
  "top_k",
  "top_p",
  "verbosity",
] as const;

export const CHAT_FIELDS: FieldTable = {
  used: ["messages", "model", "stream", "stream_options", "user"],
  ignored: [
    ...IGNORED_BY_BOTH,
    "function_call",
    "functions",
    "max_completion_tokens",
    "max_tokens",
    "prediction",
    "reasoning_effort",
    "web_search_options",
  ],
  checked: {
    n: { allow: (value) => value === 1, must: "be 1: an agent gives one answer" },
    logprobs: { allow: (value) => value === false, must: "be false: there are no log probabilities" },
    top_logprobs: { allow: (value) => value === 0, must: "be 0: there are no log probabilities" },
    modalities: {
      allow: (value) => Array.isArray(value) && value.every((each) => each === "text"),
      must: 'be ["text"]: there is no audio',
    },
    response_format: FORMAT,
  },
};

export const RESPONSES_FIELDS: FieldTable = {
  used: ["input", "instructions", "model", "stream", "user"],
  ignored: [...IGNORED_BY_BOTH, "include", "max_output_tokens", "max_tool_calls", "reasoning", "stream_options", "truncation"],
  checked: {
    background: { allow: (value) => value === false, must: "be false: the answer is part of the request" },
    conversation: { refuse: "conversations are not served", fix: SESSION_FIX },
    previous_response_id: { refuse: "earlier responses are not kept", fix: SESSION_FIX },
    prompt: { refuse: "stored prompts are not served" },
    text: {
      allow: (value) => (value as { format?: unknown } | null)?.format === undefined || isText((value as { format: unknown }).format),
      must: 'have the format {"type": "text"}: the agent answers in plain text',
    },
    top_logprobs: { allow: (value) => value === 0, must: "be 0: there are no log probabilities" },
  },
};

const fieldRefused = (field: string, text: string, fix?: string): GatewayError =>
  new GatewayError("INVALID_REQUEST", fix === undefined ? text : `${text} ${fix}`, {
    details: { param: field },
    ...(fix === undefined ? {} : { fix }),
  });

/** Throws GatewayError INVALID_REQUEST for the first field that would be without its effect. Null counts as absent. */
export function checkFields(body: Readonly<Record<string, unknown>>, table: FieldTable): void {
  for (const [field, value] of Object.entries(body)) {
    if (value === null || value === undefined || table.used.includes(field) || table.ignored.includes(field)) continue;
    const check = Object.hasOwn(table.checked, field) ? table.checked[field] : undefined;
    const shown = field.slice(0, 64);
    if (!check)
      throw fieldRefused(
        shown,
        `unsupported field: \`${shown}\`.`,
        "docs/clients.md lists the fields that are used and those that are ignored.",
      );
    if ("refuse" in check) throw fieldRefused(field, `\`${field}\` is not supported: ${check.refuse}.`, check.fix);
    if (!check.allow(value)) throw fieldRefused(field, `\`${field}\` must ${check.must}.`, check.fix);
  }
  const { stream } = body;
  if (stream !== undefined && stream !== null && typeof stream !== "boolean")
    throw fieldRefused("stream", "`stream` must be true or false.");
}
