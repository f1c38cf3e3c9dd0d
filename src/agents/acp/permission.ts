import { asArray, asString, fieldsOf, isObject, type JsonObject } from "../../core/json.ts";
import { clip } from "../../core/text.ts";
import { ACP_LIMITS } from "./limits.ts";

/** What a person may answer. */
export type PermissionDecision = "allow-once" | "allow-always" | "deny";

/** A request of an agent for permission, as a person is asked about it. */
export type PermissionQuestion = {
  callId: string;
  title: string;
  /** What it wants to do, in full as far as that is shown. */
  detail: string;
  /** What deserves attention, one sentence each. */
  warnings: readonly string[];
  offered: readonly PermissionDecision[];
};

type OptionKind = "allow_once" | "allow_always" | "reject_once" | "reject_always";
const KINDS: ReadonlySet<string> = new Set<OptionKind>(["allow_once", "allow_always", "reject_once", "reject_always"]);

/** The options of a request by their kind. Of several of one kind the first counts; the question shows its name. */
export type PermissionOptions = Readonly<Partial<Record<OptionKind, { id: string; name: string }>>>;

/** The answer to an agent. */
export type PermissionOutcome = { outcome: { outcome: "selected"; optionId: string } | { outcome: "cancelled" } };

export const CANCELLED: PermissionOutcome = { outcome: { outcome: "cancelled" } };

/**
 * Reads the options by their kind, never by their place. An option of an unknown kind, or without an id, does not count, and neither does
 * an id that stands for different kinds: choosing it could mean the opposite of what was decided. Pure.
 */
export function readOptions(value: unknown): PermissionOptions {
  const read = asArray(value)
    .slice(0, ACP_LIMITS.options)
    .filter(isObject)
    .map(({ optionId, kind, name }) => ({ id: optionId, kind, name: clip(asString(name) || asString(kind), ACP_LIMITS.titleChars) }))
    .filter((option) => typeof option.id === "string" && option.id !== "");
  const options: Partial<Record<OptionKind, { id: string; name: string }>> = {};
  for (const { id, kind, name } of read) {
    if (typeof kind !== "string" || !KINDS.has(kind)) continue;
    if (read.some((other) => other.id === id && other.kind !== kind)) continue;
    options[kind as OptionKind] ??= { id: id as string, name };
  }
  return options;
}

/** The decisions that the options leave; without one that allows there is nothing to ask. Pure. */
export const offeredDecisions = (options: PermissionOptions): readonly PermissionDecision[] => [
  ...(options.allow_once ? (["allow-once"] as const) : []),
  ...(options.allow_always ? (["allow-always"] as const) : []),
  "deny",
];

/** The option that a decision chooses; null, for no answer, and a decision without an option are `cancelled`. Pure. */
export function toOutcome(decision: PermissionDecision | null, options: PermissionOptions): PermissionOutcome {
  const chosen =
    decision === "allow-once"
      ? options.allow_once
      : decision === "allow-always"
        ? options.allow_always
        : decision === "deny"
          ? (options.reject_once ?? options.reject_always)
          : undefined;
  return chosen ? { outcome: { outcome: "selected", optionId: chosen.id } } : CANCELLED;
}

/** What the agent has said of a call before it asks about it. */
export type KnownCall = { title: string; kind: string; input: unknown };

/** The question for a person; null when it cannot be shown in a way that a person could decide about it. Pure. */
export function toQuestion(
  agent: string,
  params: unknown,
  known: KnownCall | undefined,
  options: PermissionOptions,
): PermissionQuestion | null {
  const call = fieldsOf(fieldsOf(params)["toolCall"]);
  const kind = asString(call["kind"]) || (known?.kind ?? "other");
  const title = clip(oneLine(asString(call["title"]) || (known?.title ?? "")) || `a call of the kind ${kind}`, ACP_LIMITS.titleChars);
  const full = describeCall(call, known, kind);
  const isCut = full.length > ACP_LIMITS.detailChars;
  if (isCut && kind === "execute") return null;
  return {
    callId: asString(call["toolCallId"]).slice(0, ACP_LIMITS.titleChars),
    title: `${agent}: ${title}`,
    detail: clip(full, ACP_LIMITS.detailChars),
    warnings: [
      `The agent ${agent} runs as the gateway's user, outside of the sandbox.`,
      ...(isCut ? [`Only the first ${ACP_LIMITS.detailChars} of ${full.length} characters are shown.`] : []),
      ...(options.allow_once ? [`allow-once answers: ${options.allow_once.name}.`] : []),
      ...(options.allow_always ? [`allow-always answers: ${options.allow_always.name}. The agent itself remembers it.`] : []),
    ],
    offered: offeredDecisions(options),
  };
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim();

function describeCall(call: JsonObject, known: KnownCall | undefined, kind: string): string {
  const input = call["rawInput"] ?? known?.input;
  const locations = asArray(call["locations"]).flatMap((each) => asString(fieldsOf(each)["path"]) || []);
  const parts = [
    `Kind: ${kind}`,
    ...locations.map((path) => `File: ${path}`),
    ...(input === undefined || input === null ? [] : [typeof input === "string" ? input : JSON.stringify(input, null, 2)]),
    ...describeContent(call["content"]),
  ];
  return parts.join("\n");
}

/** Texts and changes of files of a call, for people. Pure. */
export function describeContent(content: unknown): string[] {
  return asArray(content)
    .filter(isObject)
    .flatMap((item) => {
      if (item["type"] === "diff") return [describeDiff(item)];
      const block = fieldsOf(item["content"]);
      return block["type"] === "text" && asString(block["text"]) !== "" ? [asString(block["text"])] : [];
    });
}

const prefixed = (text: string, mark: string): string => text.replaceAll(/^/gm, mark);

const describeDiff = ({ path, oldText, newText }: JsonObject): string =>
  [
    `--- ${asString(path)}`,
    ...(asString(oldText) === "" ? [] : [prefixed(asString(oldText), "-")]),
    ...(asString(newText) === "" ? [] : [prefixed(asString(newText), "+")]),
  ].join("\n");
