/** A failed turn in words for the person in front of the page, with the one thing that helps. Pure. */
export type FailureAction = "retry" | "model" | "key";
export type TurnFailureView = {
  sentence: string;
  action: FailureAction;
  /** The raw words, for those who want them. */ details: string | null;
};

type Kind =
  | "auth"
  | "billing"
  | "rate_limit"
  | "overloaded"
  | "context_length"
  | "model_not_found"
  | "refusal"
  | "cut"
  | "bad_answer"
  | "timeout"
  | "network"
  | "crashed"
  | "unknown";

const SENTENCES: Readonly<Record<Kind, readonly [string, FailureAction]>> = {
  auth: ["The model provider rejected the API key.", "key"],
  billing: ["The account at the model provider has no credit left.", "model"],
  rate_limit: ["The model is busy. Try again in a moment.", "retry"],
  overloaded: ["The model is overloaded. Try again in a moment.", "retry"],
  context_length: ["This conversation is too long for the model.", "model"],
  model_not_found: ["The provider does not offer this model.", "model"],
  refusal: ["The model provider blocked this reply.", "model"],
  cut: ["The reply was interrupted: the connection to the model was lost.", "retry"],
  bad_answer: ["The model sent something that is not a reply.", "retry"],
  timeout: ["The model took too long to reply.", "retry"],
  network: ["The model can't be reached.", "retry"],
  crashed: ["The agent stopped unexpectedly.", "retry"],
  unknown: ["The agent couldn't reply.", "retry"],
};

const isKind = (text: string | null): text is Kind => text !== null && text !== "unknown" && Object.hasOwn(SENTENCES, text);

/** What a raw text says about itself, the most specific first. */
const KIND_PATTERNS: readonly (readonly [Kind, RegExp])[] = [
  ["billing", /\b402\b|insufficient[ _](quota|credit|balance|funds)|billing|credit balance/i],
  ["context_length", /\b413\b|context[ _-]?(length|window)|prompt (is )?too long|too many tokens/i],
  ["auth", /\b40[13]\b|api.?key|unauthori[sz]ed|authentication|forbidden/i],
  ["rate_limit", /\b429\b|rate.?limit|too many requests/i],
  ["overloaded", /\b(529|503)\b|overloaded|at capacity/i],
  ["model_not_found", /\b404\b|model.{0,80}not (found|exist)|unknown model/i],
  ["refusal", /content.?filter|refusal|safety/i],
  ["cut", /terminated|ended without|stream ended|socket hang up|premature/i],
  ["timeout", /timed? ?out|timeout/i],
  ["network", /\b5\d\d\b|fetch failed|econn|enotfound|eai_again|network/i],
];

/** A status, JSON, HTML or a name from a program: nothing that a person was meant to read. */
const RAW_ERROR = /^\W*(?:error\W+)?\d{3}\b|[{}<>]|[a-z]_[a-z]|\bE[A-Z]{4,}\b|^(?:fetch failed|terminated|socket hang up)/i;

/** `message` and `kind` as the gateway gives them; `detail` when it tells the raw words apart. */
export function toTurnFailure(message: string | null, kind: string | null, detail: string | null): TurnFailureView {
  const said = message?.trim() ?? "";
  const found = isKind(kind) ? kind : (KIND_PATTERNS.find(([, words]) => words.test(`${said} ${detail ?? ""}`))?.[0] ?? "unknown");
  const [sentence, action] = SENTENCES[found];
  if (said === "") return { sentence, action, details: detail };
  if (RAW_ERROR.test(said)) return { sentence, action, details: detail ?? said };
  return { sentence: said, action, details: detail };
}

/** "attempt 2 of 3: 429: …" as a sentence; any other text as it is. */
export function toRetryText(text: string): string {
  const [, attempt, all, why] = /^attempt (\d+) of (\d+)(?:: ?(.*))?$/is.exec(text) ?? [];
  if (attempt === undefined) return text;
  const { sentence } = toTurnFailure(why ?? null, null, null);
  return `${sentence.replace(/\.? Try again in a moment\.$|\.$/, "")}. Retrying, attempt ${attempt} of ${all}`;
}
