import { createHash } from "node:crypto";
import { GatewayError } from "../core/errors.ts";
import { asNumber, asString, asStrings, fieldsOf, isObject, type JsonObject } from "../core/json.ts";

/** A program on a node, as it is asked for. */
export type ShellRequest = {
  argv: readonly string[];
  cwd: string | null;
  env: Readonly<Record<string, string>> | null;
  timeoutMs: number | null;
  agentId: string | null;
  sessionKey: string | null;
  /** The approval by which another program says that a person has agreed. */
  approvalId: string | null;
};

/** What runs, and what a person is asked about: the same. */
export type ShellPlan = Pick<ShellRequest, "argv" | "cwd" | "env"> & {
  /** The node's own plan, which it wants back. */
  systemRunPlan: JsonObject | null;
};

const invalid = (why: string, fix: string): GatewayError => new GatewayError("INVALID_REQUEST", `system.run: ${why}`, { fix });

/** Fields of system.run that are understood. Others are refused, so that nothing runs without its effect. */
const FIELDS: ReadonlySet<string> = new Set([
  "command",
  "rawCommand",
  "cwd",
  "env",
  "timeoutMs",
  "agentId",
  "sessionKey",
  "runId",
  "approved",
  "approvalDecision",
  "systemRunPlan",
  "needsScreenRecording",
  "suppressNotifyOnExit",
]);

/** The params of system.run. Throws INVALID_REQUEST for those that do not say exactly what is to run. Pure. */
export function parseShellRequest(params: unknown): ShellRequest {
  const fields = fieldsOf(params);
  const unknown = Object.keys(fields).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) throw invalid(`${unknown.slice(0, 64)} has no effect here`, "Leave it out.");
  const argv = asStrings(fields["command"]);
  if (argv.length === 0 || !Array.isArray(fields["command"]) || argv.length !== fields["command"].length || argv[0] === "")
    throw invalid("command must be a list of texts, the program first", 'Write {"command":["uname","-a"]}.');
  const env = fields["env"];
  if (env !== undefined && env !== null && (!isObject(env) || Object.values(env).some((value) => typeof value !== "string")))
    throw invalid("env must be an object of texts", 'Write {"env":{"LANG":"C"}}.');
  return {
    argv,
    cwd: asString(fields["cwd"]) || null,
    env: isObject(env) && Object.keys(env).length > 0 ? (env as Record<string, string>) : null,
    timeoutMs: asNumber(fields["timeoutMs"]),
    agentId: asString(fields["agentId"]) || null,
    sessionKey: asString(fields["sessionKey"]) || null,
    approvalId: fields["approved"] === true ? asString(fields["runId"]) || null : null,
  };
}

/** What a node has planned for a request; the request itself where it plans nothing. Throws when the plan cannot be understood. Pure. */
export function toShellPlan({ argv, cwd, env }: ShellRequest, prepared: unknown): ShellPlan {
  const { plan } = fieldsOf(prepared);
  if (!isObject(plan)) return { argv, cwd, env, systemRunPlan: null };
  const planned = asStrings(plan["argv"]);
  if (planned.length === 0 || planned.length !== (plan["argv"] as unknown[]).length)
    throw new GatewayError("UNAVAILABLE", "the plan of the node names no program", { retryable: false });
  return { argv: planned, cwd: asString(plan["cwd"]) || cwd, env, systemRunPlan: plan };
}

/** SHA-256 over what an agreement is bound to: exactly these words, in this directory, with these variables, on this node. Pure. */
export function shellDigest(nodeId: string, { argv, cwd, env }: Pick<ShellPlan, "argv" | "cwd" | "env">): string {
  const variables = Object.entries(env ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify(["node", nodeId, argv, cwd, variables]))
    .digest("hex");
}

const toWord = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`);

/** The words of a command as one line for people. Pure. */
export const shellText = ({ argv }: Pick<ShellPlan, "argv">): string => argv.map(toWord).join(" ");

/** The text by which the node knows its plan; it compares it with the words. */
const rawCommandOf = ({ commandText }: JsonObject): { rawCommand?: string } =>
  typeof commandText === "string" ? { rawCommand: commandText } : {};

/** The params with which a node runs what was approved. Pure. */
export const toRunParams = (plan: ShellPlan, request: ShellRequest, approvalId: string | null): JsonObject => ({
  command: plan.argv,
  ...(plan.systemRunPlan && { systemRunPlan: plan.systemRunPlan, ...rawCommandOf(plan.systemRunPlan) }),
  ...(plan.cwd !== null && { cwd: plan.cwd }),
  ...(plan.env !== null && { env: plan.env }),
  ...(request.timeoutMs !== null && { timeoutMs: request.timeoutMs }),
  ...(request.agentId !== null && { agentId: request.agentId }),
  ...(request.sessionKey !== null && { sessionKey: request.sessionKey }),
  ...(approvalId !== null && { runId: approvalId, approved: true, approvalDecision: "allow-once" }),
});
