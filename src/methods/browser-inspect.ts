import { randomUUID } from "node:crypto";
import { GatewayError } from "../core/errors.ts";
import type { AgentId, SessionKey } from "../core/ids.ts";
import { asString, fieldsOf, type JsonObject } from "../core/json.ts";
import type { Caller } from "../protocol/method.ts";
import type { AgentBrowsers, InspectInput } from "../tools/browser/agent-browsers.ts";
import { OPERATOR_ACTIONS } from "../tools/browser/arguments.ts";
import { listProfiles } from "../tools/browser/profiles.ts";
import { InvocationAudit } from "./tool-audit.ts";
import { requireOperatorTool, type ToolsDeps } from "./tools.ts";

type Place = { agentId: AgentId; sessionKey: SessionKey };
type Inspecting = ToolsDeps & { browsers: AgentBrowsers };
type Inspected = { text: string; data: JsonObject };

/** Whether an action is one that only operators have. */
export const isOperatorAction = (action: string): boolean => (OPERATOR_ACTIONS as readonly string[]).includes(action);

/** The parameters of each action and operation; those with `!` are required. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  "cookies get": ["values"],
  "cookies set": ["name!", "value!", "url"],
  "cookies clear": [],
  "storage get": ["kind!", "values", "key"],
  "storage set": ["kind!", "key!", "value!"],
  "storage clear": ["kind!"],
  highlight: ["ref!"],
  "trace start": ["screenshots", "snapshots"],
  "trace stop": [],
};
/** Parameters of every action. */
const COMMON = ["operation", "targetId", "profile", "timeoutMs"];

const invalid = (what: string, fix: string): GatewayError => new GatewayError("INVALID_REQUEST", what, { fix });

/** What an operator asks for. Throws for what is missing and for what would have no effect. Pure. */
export function toInspection(action: string, args: JsonObject): InspectInput {
  const operation = asString(args["operation"]) || (action === "highlight" ? "" : "get");
  const name = `${action} ${operation}`.trim();
  if (!Object.hasOwn(PARAMETERS, name)) {
    const known = Object.keys(PARAMETERS).flatMap((each) => (each.startsWith(`${action} `) ? [each.slice(action.length + 1)] : []));
    throw invalid(`${action} has no operation ${JSON.stringify(operation.slice(0, 40))}`, `Operations: ${known.join(", ")}.`);
  }
  const known = PARAMETERS[name]!;
  for (const each of known)
    if (each.endsWith("!") && typeof args[each.slice(0, -1)] !== "string")
      throw invalid(`${name} needs ${each.slice(0, -1)}`, "It is a text.");
  const names = [...known.map((each) => each.replace("!", "")), ...COMMON];
  const other = Object.keys(args).find((each) => !names.includes(each));
  if (other !== undefined)
    throw invalid(`${name} has no parameter ${JSON.stringify(other.slice(0, 40))}`, `Parameters: ${names.join(", ")}.`);
  const text = (key: string): string => asString(args[key]);
  const optional = (key: string): object => (typeof args[key] === "string" ? { [key]: args[key] } : {});
  const values = args["values"] === true || args["values"] === "true";
  if (action === "highlight") return { what: "highlight", ref: text("ref") };
  if (action === "trace" && operation === "stop") return { what: "trace", operation };
  if (action === "trace")
    return { what: "trace", operation: "start", screenshots: args["screenshots"] !== false, snapshots: args["snapshots"] !== false };
  if (action === "cookies") {
    if (operation === "get") return { what: "cookies", operation, values };
    if (operation === "clear") return { what: "cookies", operation };
    if (!/^[^\s=;,\p{Cc}]{1,256}$/u.test(text("name")))
      throw invalid("that is not the name of a cookie", "A name has no blanks, =, ; or commas.");
    return { what: "cookies", operation: "set", name: text("name"), value: text("value"), ...optional("url") };
  }
  const area = text("kind");
  if (area !== "local" && area !== "session") throw invalid("the kind of storage is not known", "It is local or session.");
  if (operation === "get") return { what: "storage", area, operation, values, ...optional("key") };
  if (operation === "clear") return { what: "storage", area, operation };
  return { what: "storage", area, operation: "set", key: text("key"), value: text("value") };
}

/** Without what is secret, for the audit. */
const withoutValue = ({ value, ...args }: JsonObject): JsonObject => ({ ...args, ...(value !== undefined && { value: "[secret]" }) });

/** Does it in a tab of the conversation, where the policy leaves the tool to operators. The audit has who, what and where, and no value. */
export async function inspectBrowser(
  deps: Inspecting,
  { action, args, place }: { action: string; args: JsonObject; place: Place },
  caller: Caller,
): Promise<Inspected> {
  const request = toInspection(action, args);
  const call = { id: randomUUID(), name: "browser", args: withoutValue({ ...args, action }) };
  const audit = new InvocationAudit(deps, call, place, caller);
  const { browsers } = deps;
  try {
    if (!browsers.config().enabled) throw invalid("browser.enabled is false", "Set it to true.");
    requireOperatorTool(deps, place, "browser");
  } catch (err) {
    await audit.refused();
    throw err;
  }
  await audit.begun();
  const profile = asString(args["profile"]) || listProfiles(browsers.config()).find(({ isDefault }) => isDefault)!.name;
  const targetId = asString(args["targetId"]);
  const tab = { agent: place.agentId, profile, session: place.sessionKey, ...(targetId !== "" && { targetId }) };
  const result = await browsers.inspect(tab, request);
  await audit.ended({ content: [], isError: "problem" in result });
  if ("problem" in result) throw new GatewayError("INVALID_REQUEST", result.problem.message);
  return { text: result.answer.text, data: fieldsOf(result.answer.data) };
}
