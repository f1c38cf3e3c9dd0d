import { asString, asStrings, fieldsOf, isObject, type JsonObject } from "../../core/json.ts";
import { clip } from "../../core/text.ts";
import type { PeerOutcome } from "../context.ts";
import { A2A_LIMITS } from "./limits.ts";

// The shapes of A2A (a2a-protocol.org): those of 1.0, and those of 0.3 for its method names. Pure.

export type A2aVersion = "1.0" | "0.3";
export type A2aMethod = "send" | "stream" | "get" | "cancel" | "subscribe";

/** Names of the methods, with the version whose shapes they have. */
export const A2A_METHODS: Readonly<Record<string, { method: A2aMethod; version: A2aVersion }>> = {
  SendMessage: { method: "send", version: "1.0" },
  SendStreamingMessage: { method: "stream", version: "1.0" },
  GetTask: { method: "get", version: "1.0" },
  CancelTask: { method: "cancel", version: "1.0" },
  SubscribeToTask: { method: "subscribe", version: "1.0" },
  "message/send": { method: "send", version: "0.3" },
  "message/stream": { method: "stream", version: "0.3" },
  "tasks/get": { method: "get", version: "0.3" },
  "tasks/cancel": { method: "cancel", version: "0.3" },
  "tasks/resubscribe": { method: "subscribe", version: "0.3" },
};

/** Codes of errors, of JSON-RPC and of A2A. */
export const A2A_ERRORS = {
  parse: -32_700,
  invalidRequest: -32_600,
  methodNotFound: -32_601,
  invalidParams: -32_602,
  internal: -32_603,
  /** Not taken now; it may be sent again. */
  busy: -32_000,
  taskNotFound: -32_001,
  taskNotCancelable: -32_002,
  unsupportedOperation: -32_004,
} as const;

export class A2aError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = "A2aError";
    this.code = code;
  }
}

/** Keys of the metadata of a message that tell another gateway which way the message took. */
export const PATH_KEY = "openclaw.path";
export const HOPS_KEY = "openclaw.maxHops";

export type A2aMessage = {
  messageId: string;
  contextId: string | null;
  /** The task that the message belongs to, where it names one. */
  taskId: string | null;
  /** Empty: the agent that the link is for. */
  agent: string;
  text: string;
  path: readonly string[];
  maxHops: number | null;
  returnImmediately: boolean;
};

const ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** The message in the params of a request. Throws A2aError for one that cannot be taken. */
export function readMessage(params: unknown): A2aMessage {
  const { message, tenant, configuration } = fieldsOf(params);
  if (!isObject(message)) throw new A2aError(A2A_ERRORS.invalidParams, "params.message is missing");
  const messageId = asString(message["messageId"]);
  const contextId = asString(message["contextId"]);
  if (!ID.test(messageId)) throw new A2aError(A2A_ERRORS.invalidParams, "message.messageId: 1 to 128 letters, digits, . _ : -");
  if (contextId !== "" && !ID.test(contextId))
    throw new A2aError(A2A_ERRORS.invalidParams, "message.contextId: at most 128 letters, digits, . _ : -");
  const metadata = fieldsOf(message["metadata"]);
  const settings = fieldsOf(configuration);
  if (isObject(settings["taskPushNotificationConfig"]) || isObject(settings["pushNotificationConfig"]))
    throw new A2aError(A2A_ERRORS.unsupportedOperation, "push notifications are not supported: poll the task, or use a stream");
  const hops = metadata[HOPS_KEY];
  return {
    messageId,
    contextId: contextId === "" ? null : contextId,
    taskId: asString(message["taskId"]) || null,
    agent: asString(tenant).toLowerCase(),
    text: textOfParts(message["parts"]),
    path: asStrings(metadata[PATH_KEY]),
    maxHops: typeof hops === "number" && Number.isInteger(hops) ? hops : null,
    returnImmediately: settings["returnImmediately"] === true || settings["blocking"] === false,
  };
}

const CUT_NOTE = "\n\n[The rest of this message was too long.]";

/** Text parts as they are, data as JSON; what is neither is named. Empty: there was nothing to read. */
export function textOfParts(parts: unknown): string {
  const texts: string[] = [];
  let left = 0;
  for (const part of Array.isArray(parts) ? parts : []) {
    const { text, data } = fieldsOf(part);
    if (typeof text === "string") texts.push(text);
    else if (data !== undefined) texts.push(JSON.stringify(data));
    else left++;
  }
  const text = texts.join("\n");
  const cut = text.length > A2A_LIMITS.textChars ? clip(text, A2A_LIMITS.textChars) + CUT_NOTE : text;
  if (left === 0 || cut === "") return cut;
  return `${cut}\n\n[${left} ${left === 1 ? "file was" : "files were"} not taken: links carry text only]`;
}

/** A task as the link knows it. `outcome` null: it has not ended. */
export type TaskView = { id: string; contextId: string; outcome: PeerOutcome | null; at: number };

type TaskState = "WORKING" | "COMPLETED" | "FAILED" | "CANCELED" | "REJECTED";

const STATES: Readonly<Record<PeerOutcome["status"], TaskState>> = {
  ok: "COMPLETED",
  error: "FAILED",
  aborted: "CANCELED",
  bounced: "REJECTED",
};

const stateOf = (outcome: PeerOutcome | null): TaskState => (outcome === null ? "WORKING" : STATES[outcome.status]);

const textPart = (text: string, version: A2aVersion): JsonObject => (version === "1.0" ? { text } : { kind: "text", text });

export const artifactIdOf = (taskId: string): string => `${taskId}-reply`;

function statusOf({ id, contextId, outcome, at }: TaskView, version: A2aVersion): JsonObject {
  const state = stateOf(outcome);
  const reason = outcome?.reason ?? null;
  const role = version === "1.0" ? "ROLE_AGENT" : "agent";
  const kind = version === "1.0" ? {} : { kind: "message" };
  const message = { ...kind, messageId: `${id}-status`, role, parts: [textPart(reason ?? "", version)], taskId: id, contextId };
  return {
    state: version === "1.0" ? `TASK_STATE_${state}` : state.toLowerCase(),
    timestamp: new Date(at).toISOString(),
    ...(reason !== null && { message }),
  };
}

/** A task in the shape of a version. */
export function taskJson(task: TaskView, version: A2aVersion): JsonObject {
  const { id, contextId, outcome } = task;
  const artifacts =
    outcome === null || outcome.text === "" ? [] : [{ artifactId: artifactIdOf(id), parts: [textPart(outcome.text, version)] }];
  return { ...(version === "0.3" && { kind: "task" }), id, contextId, status: statusOf(task, version), artifacts, history: [] };
}

/** The answer to a method that sends a message. */
export const sentJson = (task: TaskView, version: A2aVersion): JsonObject =>
  version === "1.0" ? { task: taskJson(task, version) } : taskJson(task, version);

/** A piece of the answer while it is written; `isWhole`: it replaces what came before. */
export function artifactUpdateJson(
  { id, contextId }: TaskView,
  { text, isWhole, isLast }: { text: string; isWhole: boolean; isLast: boolean },
  version: A2aVersion,
): JsonObject {
  const artifact = { artifactId: artifactIdOf(id), parts: [textPart(text, version)] };
  const update = { taskId: id, contextId, artifact, append: !isWhole, lastChunk: isLast };
  return version === "1.0" ? { artifactUpdate: update } : { kind: "artifact-update", ...update };
}

export function statusUpdateJson(task: TaskView, version: A2aVersion): JsonObject {
  const update = { taskId: task.id, contextId: task.contextId, status: statusOf(task, version) };
  return version === "1.0" ? { statusUpdate: update } : { kind: "status-update", ...update, final: task.outcome !== null };
}

const skill = (id: string, description: string): JsonObject => ({ id, name: id, description, tags: ["agent"] });

/** The card of this gateway. `agents` null: for someone who has shown no token, who learns no names. */
export function cardJson({ url, version, agents }: { url: string; version: string; agents: readonly string[] | null }): JsonObject {
  const one = { url, protocolBinding: "JSONRPC", protocolVersion: "1.0" };
  const old = { url, protocolBinding: "JSONRPC", protocolVersion: "0.3" };
  return {
    name: "OpenClaw gateway",
    description: "Agents of a gateway. Each message needs the token of a link.",
    version,
    // One for each version: clients take any of several, and with a tenant another agent than the one that was meant.
    supportedInterfaces: [one, old],
    // The fields of 0.3.
    protocolVersion: "0.3.0",
    url,
    preferredTransport: "JSONRPC",
    capabilities: { streaming: true, pushNotifications: false, extendedAgentCard: false },
    securitySchemes: { bearer: { type: "http", scheme: "bearer", httpAuthSecurityScheme: { scheme: "Bearer" } } },
    securityRequirements: [{ schemes: { bearer: { list: [] } } }],
    security: [{ bearer: [] }],
    defaultInputModes: ["text/plain"],
    defaultOutputModes: ["text/plain"],
    skills: (agents ?? [])
      .map((id) => skill(id, `The agent ${id}; name it as the tenant of a request.`))
      .concat(agents === null ? [skill("agent", "Asks an agent.")] : []),
  };
}

/** What another agent has answered: a task, or the answer itself. */
export type RemoteTask = { id: string | null; contextId: string | null; outcome: PeerOutcome | null };

const OUTCOMES: Readonly<Record<string, PeerOutcome["status"]>> = {
  completed: "ok",
  // It asks something: the next message of the conversation is the answer to that.
  "input-required": "ok",
  "auth-required": "error",
  failed: "error",
  canceled: "aborted",
  rejected: "bounced",
};

/** A task or message of either version. Throws for what is neither. */
export function readTask(result: unknown): RemoteTask {
  const fields = fieldsOf(result);
  const task = isObject(fields["task"]) ? fields["task"] : fields;
  const message = isObject(fields["message"]) ? fields["message"] : fields;
  if (!isObject(task["status"])) {
    if (!Array.isArray(message["parts"])) throw new Error("the other agent did not answer with a task or a message");
    const outcome: PeerOutcome = { status: "ok", text: textOfParts(message["parts"]), reason: null };
    return { id: null, contextId: asString(message["contextId"]) || null, outcome };
  }
  const status = fieldsOf(task["status"]);
  const state = asString(status["state"])
    .replace(/^TASK_STATE_/, "")
    .toLowerCase()
    .replaceAll("_", "-");
  const said = textOfParts(fieldsOf(status["message"])["parts"]);
  const artifacts = (Array.isArray(task["artifacts"]) ? task["artifacts"] : []).map((each) => textOfParts(fieldsOf(each)["parts"]));
  const text = artifacts.filter((each) => each !== "").join("\n\n");
  const ended = OUTCOMES[state];
  const id = asString(task["id"]) || null;
  const contextId = asString(task["contextId"]) || null;
  if (ended === undefined) return { id, contextId, outcome: null };
  if (ended === "ok") return { id, contextId, outcome: { status: "ok", text: text || said, reason: null } };
  return { id, contextId, outcome: { status: ended, text, reason: said || `its task is ${state}` } };
}
