import type { AgentEvent, ContentBlock, ErrorKind, TurnFailure } from "../agents/runtime.ts";
import { LIMITS } from "../core/limits.ts";
import { clip } from "../core/text.ts";
import type { FailureDetail, RunOutcome } from "../store/inbox.ts";
import { separateReasoning } from "./reasoning.ts";
import { takeReplyTag } from "./reply-tag.ts";

/**
 * The step between an agent and people: what a model produced becomes what a person may read. Everything that leaves the gateway
 * (channels, clients, the OpenAI-compatible API, the command line, previews) is made from its results. Pure.
 */

const SILENT_REPLY = "NO_REPLY";

/** The word with which an agent says that it does not want to answer. */
export const isSilentReply = (text: string): boolean => text.trim() === SILENT_REPLY;

/** Whether a text that is still being written may become the word for silence. */
export const mayBecomeSilentReply = (begun: string): boolean => SILENT_REPLY.startsWith(begun);

/** The blocks of a message with what the model thinks kept apart from what it says. */
export function toPresentableBlocks(blocks: readonly ContentBlock[]): ContentBlock[] {
  return blocks.flatMap((block): ContentBlock[] => {
    if (block.type !== "text") return [block];
    const { text, thinking } = separateReasoning(block.text);
    if (thinking === "") return text === block.text ? [block] : [{ type: "text", text }];
    return [{ type: "thinking", thinking: thinking.trim() }, ...(text === "" ? [] : [{ type: "text" as const, text }])];
  });
}

type End = Extract<AgentEvent, { type: "end" }>;

/** What is known of a turn when it ends. */
export type TurnSummary = {
  /** All that a person has been shown. */
  text: string;
  thinking: boolean;
  /** Tool calls that were made. */
  tools: number;
  stopReason: string;
  model: string | null;
  /** No one waits for an answer. */
  maySayNothing?: boolean;
};

/** The end of a turn as it is shown to people. */
export type PresentedEnd = {
  end: End;
  /** Added to the answer: why it is incomplete. */
  notice?: string;
  /** For the log: what was wrong with an answer that does not count as an error. */
  cause?: string;
  /** What the provider itself said; for the log and for operators. */
  detail?: FailureDetail;
};

export function presentEnd(end: End, facts: TurnSummary): PresentedEnd {
  if (end.error) return presentFailure(end, end.error, facts);
  if (end.reason !== "stop") return { end };
  const shown = takeReplyTag(facts.text).text.trim();
  if (shown === "") return facts.maySayNothing === true ? { end } : presentEmptyTurn(end, facts);
  const reason = STOP_NOTICES[facts.stopReason];
  if (reason === undefined) return { end };
  if (isSilentReply(shown)) return { end };
  return { end, notice: reason, cause: `stop reason ${facts.stopReason}` };
}

/** Ends of a message that are no error and are nevertheless not what was asked for. */
const STOP_NOTICES: Readonly<Record<string, string>> = {
  length: "(The answer ends here because the model reached its output limit. Ask it to go on, or for a shorter answer.)",
  max_tokens: "(The answer ends here because the model reached its output limit. Ask it to go on, or for a shorter answer.)",
  content_filter: "(The answer ends here because the provider's content filter stopped it. Ask in other words.)",
  refusal: "(The answer ends here because the model refused to go on. Ask in other words.)",
};

/** A turn that ended without a text for the person. */
function presentEmptyTurn(end: End, facts: TurnSummary): PresentedEnd {
  if (facts.tools > 0) {
    const calls = facts.tools === 1 ? "a tool once" : `tools ${facts.tools} times`;
    const notice = `The model used ${calls} and ended without an answer. Ask it what it has done.`;
    return { end, notice, cause: "the model said nothing after its tools" };
  }
  const cause = facts.thinking
    ? `the model thought and said nothing (stop reason ${facts.stopReason})`
    : `the model said nothing (stop reason ${facts.stopReason})`;
  const what =
    facts.stopReason === "length" || facts.stopReason === "max_tokens"
      ? "The model reached its output limit before it said anything."
      : facts.thinking
        ? "The model thought about it and then gave no answer."
        : "The model gave an empty answer.";
  const message = `${what} Send the message again, or choose another model with /model.`;
  return {
    end: { ...end, reason: "error", error: { kind: "bad_answer", message } },
    cause,
    detail: detailOf({ kind: "bad_answer", message: cause }, facts),
  };
}

function presentFailure(end: End, failure: TurnFailure, facts: TurnSummary): PresentedEnd {
  const detail = detailOf(failure, facts);
  if (failure.origin !== "provider") return { end, detail };
  return { end: { ...end, error: { kind: failure.kind, message: describeFailure(failure, facts.model) } }, detail };
}

function detailOf(failure: TurnFailure, { model }: TurnSummary): FailureDetail {
  const slash = model?.indexOf("/") ?? -1;
  return {
    message: failure.message,
    ...(failure.httpStatus === undefined ? {} : { httpStatus: failure.httpStatus }),
    ...(failure.retryAfterMs === undefined ? {} : { retryAfterMs: failure.retryAfterMs }),
    ...(model && slash > 0 ? { provider: model.slice(0, slash), model: model.slice(slash + 1) } : {}),
  };
}

/** "2 minutes", for people. */
export function describeDuration(ms: number): string {
  const units: readonly (readonly [string, number])[] = [
    ["day", 86_400_000],
    ["hour", 3_600_000],
    ["minute", 60_000],
    ["second", 1_000],
  ];
  const [name, size] = units.find(([, each]) => ms >= 2 * each) ?? units[3]!;
  const count = Math.max(1, Math.ceil(ms / size));
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

const OTHER_MODEL = "or choose another model with /model";

type FailureText = (failure: TurnFailure, provider: string, model: string) => string;

/** What happened, why, and what helps, for each kind of failure of a provider. */
const FAILURE_TEXTS: Readonly<Record<ErrorKind, FailureText>> = {
  auth: (_failure, provider) =>
    `${provider} refused the key of this gateway. Its operator can check the key with \`openclaw models status\`; until then, choose another model with /model.`,
  billing: (_failure, provider) =>
    `The account at ${provider} has no credit or quota left. The operator of this gateway can top it up; until then, choose another model with /model.`,
  rate_limit: ({ retryAfterMs }, provider) =>
    `${provider} takes no more requests at the moment. Try again in ${retryAfterMs === undefined ? "a minute" : describeDuration(retryAfterMs)}, ${OTHER_MODEL}.`,
  overloaded: ({ retryAfterMs }, provider) =>
    `${provider} is overloaded or still loading the model. Try again in ${retryAfterMs === undefined ? "a minute" : describeDuration(retryAfterMs)}, ${OTHER_MODEL}.`,
  context_length: (_failure, _provider, model) => `This conversation is too long for ${model}. Begin a new one with /new, ${OTHER_MODEL}.`,
  model_not_found: (_failure, provider, model) =>
    `${provider} does not know ${model}. The operator of this gateway can list the models with \`openclaw models list\`; until then, choose another model with /model.`,
  timeout: (_failure, provider) => `${provider} did not answer in time. Try again, ${OTHER_MODEL}.`,
  refusal: (_failure, provider) => `${provider} refused to answer this: its content filter stopped it. Ask in other words, ${OTHER_MODEL}.`,
  network: (_failure, provider) => `${provider} cannot be reached, or failed on its side. Try again in a minute, ${OTHER_MODEL}.`,
  cut: (_failure, provider) => `The connection to ${provider} ended before the answer was complete. Try again, ${OTHER_MODEL}.`,
  bad_answer: (_failure, provider) =>
    `${provider} sent a response that is not a model answer. Try again; if it happens again, the operator of this gateway can check the address of ${provider} with \`openclaw models status\`.`,
  too_long: () => "The answer was stopped because it is longer than this gateway keeps. Ask for it in parts.",
  tool_loop: () => "The turn was stopped because the model kept calling its tools. Ask again, and say more exactly what you want.",
  budget: () => "A budget of this gateway is used up. Its operator can raise it.",
  crashed: () => "The agent failed in the middle of this. Send the message again.",
  unknown: ({ httpStatus }, provider) =>
    `${provider} failed for a reason that is not known here${httpStatus === undefined ? "" : ` (status ${httpStatus})`}. Try again, ${OTHER_MODEL}; \`openclaw logs\` on the gateway's machine has the cause.`,
};

/** One sentence for the person who waits; the words of the provider stay with the operator. */
export function describeFailure(failure: TurnFailure, model: string | null): string {
  const slash = model?.indexOf("/") ?? -1;
  const provider = model && slash > 0 ? model.slice(0, slash) : "The model's provider";
  const named = model && slash > 0 ? `the model ${model.slice(slash + 1)}` : "the model";
  return clip(FAILURE_TEXTS[failure.kind](failure, sanitizeName(provider), sanitizeName(named)), 600);
}

/** A name that cannot bring markup or lines into a sentence. */
const sanitizeName = (name: string): string => name.replaceAll(/[\p{C}`*_[\]<>]/gu, "").slice(0, 120);

/** The text for the sender while a turn is waiting. */
export function waitingText(event: Extract<AgentEvent, { type: "waiting" }>): string {
  if (event.for === "peer")
    return `The link to ${event.name} is down. The message is kept and sent when the link is back, for ${describeDuration(event.untilMs)} at most. /stop withdraws it.`;
  if (event.for === "process") return "The agent is busy with other conversations; this one is next in line.";
  const ends = event.untilMs === undefined ? "" : ` It is asked again in ${describeDuration(event.untilMs)}.`;
  if (event.for === "provider") return `The model's provider asked to wait.${ends}`;
  return `The model has not said anything for ${describeDuration(event.forMs)}. /stop ends the wait.`;
}

/** Sent once to a person whose message waits for a slot. */
export const SLOT_WAIT_TEXT =
  "The agent is busy with other conversations. Your message is in line and will be answered; /stop withdraws it.";

/** The text for the sender about a retry. */
export function retryText(event: Extract<AgentEvent, { type: "retry" }>): string {
  const why = event.kind ? RETRY_TEXTS[event.kind] : undefined;
  const wait = event.delayMs >= 1_000 ? ` in ${describeDuration(event.delayMs)}` : "";
  return `${why ?? "The model failed"}; trying again${wait} (${event.attempt} of ${event.maxAttempts}).`;
}

const RETRY_TEXTS: Readonly<Partial<Record<ErrorKind, string>>> = {
  rate_limit: "The provider takes no more requests at the moment",
  overloaded: "The provider is overloaded",
  network: "The provider cannot be reached or failed",
  cut: "The connection to the model broke off",
  timeout: "The model did not answer in time",
  context_length: "The conversation was shortened",
};

/** The failure of a turn that was stopped because it grew beyond a limit. */
export const tooLongFailure = (what: "answer" | "thinking"): TurnFailure => ({
  kind: "too_long",
  message:
    what === "answer"
      ? `The answer was stopped at ${LIMITS.answerChars} characters, which is the most that is kept. Ask for the rest, or for a shorter answer.`
      : `The model was stopped after it had thought for ${LIMITS.thinkingChars} characters. Ask again, and say more exactly what you want.`,
});

/** What a person reads when a run could not be answered. */
export function failureNotice({ error }: RunOutcome): string {
  if (!error) return "Stopped.";
  // A message that is a sentence already is shown as it is.
  return /^\p{Lu}/u.test(error.message) ? error.message : `That did not work: ${error.message}`;
}
