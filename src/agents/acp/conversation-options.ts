import { asNumber, asString, fieldsOf, tryParseJson } from "../../core/json.ts";
import type { AcpAgentSpec } from "./agent-spec.ts";

/** How an agent works in one conversation, as far as people have chosen that there. What is absent is configured. */
export type ConversationOptions = {
  cwd?: string;
  /** Longest silence. */
  timeoutSeconds?: number;
  /** `deny-all`: no one is asked; the answer to each question is no. */
  permissions?: "deny-all";
  /** Options of the agent itself, by their ids. */
  config?: Readonly<Record<string, string>>;
};

/** Bounds of `timeoutSeconds`, as in the configuration. */
export const TIMEOUT_SECONDS = { min: 10, max: 86_400 } as const;

/** As they are stored with the session. Pure. */
export function parseConversationOptions(text: string | null | undefined): ConversationOptions {
  const fields = fieldsOf(text ? tryParseJson(text) : undefined);
  const config = Object.entries(fieldsOf(fields["config"])).map(([id, value]) => [id, asString(value)] as const);
  const seconds = asNumber(fields["timeoutSeconds"]);
  return {
    ...(asString(fields["cwd"]) !== "" && { cwd: asString(fields["cwd"]) }),
    ...(seconds !== null && { timeoutSeconds: seconds }),
    ...(fields["permissions"] === "deny-all" && { permissions: "deny-all" }),
    ...(config.length > 0 && { config: Object.fromEntries(config) }),
  };
}

/** Null where nothing is chosen. Pure. */
export const formatConversationOptions = (options: ConversationOptions): string | null =>
  Object.keys(options).length === 0 ? null : JSON.stringify(options);

/** The start of an agent with what was chosen in the conversation. Pure. */
export const withConversationOptions = (spec: AcpAgentSpec, { cwd, timeoutSeconds, config }: ConversationOptions): AcpAgentSpec => ({
  ...spec,
  cwd: cwd ?? spec.cwd,
  silenceMs: timeoutSeconds === undefined ? spec.silenceMs : timeoutSeconds * 1_000,
  options: { ...spec.options, ...config },
});
