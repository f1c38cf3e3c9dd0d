import { client, PROTOCOL_VERSION, RequestError, type AnyMessage } from "@agentclientprotocol/sdk";
import { ACP_PRESETS } from "../../core/acp-presets.ts";
import { sleep, withTimeout } from "../../core/async.ts";
import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { asObjects, asString, fieldsOf, isObject, type JsonObject } from "../../core/json.ts";
import type { Log } from "../../core/log.ts";
import { clip } from "../../core/text.ts";
import { VERSION } from "../../core/version.ts";
import type { GroupWatcher } from "../../tools/group-watcher.ts";
import type { AgentOption } from "../runtime.ts";
import { AgentProcess } from "./agent-process.ts";
import type { AcpAgentSpec } from "./agent-spec.ts";
import { ACP_LIMITS } from "./limits.ts";

/** An agent did not start, broke off, or refused a request: one sentence for people, and what its process has said about it. */
export class AcpAgentError extends Error {
  /** The end of the error output of its process; empty for none. */
  readonly stderr: string;
  readonly exitCode: number | null;

  constructor(
    message: string,
    { stderr = "", exitCode = null, cause }: { stderr?: string; exitCode?: number | null; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.stderr = stderr;
    this.exitCode = exitCode;
  }
}

/** What an agent has said of itself. */
export type AgentFacts = {
  name: string;
  version: string;
  canLoad: boolean;
  canResume: boolean;
  canClose: boolean;
  takesImages: boolean;
  /** Ids of the ways to sign in that it offers. */
  signIns: readonly string[];
};

/** One of the models or modes of a session, and how it is chosen. */
export type SessionChoice = { id: string; name: string; kind: "model" | "mode"; configId: string | null };

/** A session of an agent. */
export type OpenedSession = {
  id: string;
  choices: readonly SessionChoice[];
  mode: string | null;
  model: string | null;
  /** Options that are neither a model nor a mode. */
  options: readonly AgentOption[];
};

export type AcpConnectOptions = {
  spec: AcpAgentSpec;
  cwd: string;
  watcher: GroupWatcher;
  clock: Clock;
  log: Log;
  /** Aborted when the agent is not to be started any more. */
  signal: AbortSignal;
  /** Whether the gateway reads and writes files, and runs commands, for the agent. */
  services: { files: boolean; terminals: boolean };
  /** Called in the order in which the agent wrote them. */
  onUpdate: (sessionId: string, update: JsonObject) => void;
  /** What the agent asks for; what it rejects with becomes an error answer. */
  onRequest: (method: string, params: JsonObject, signal: AbortSignal) => Promise<unknown>;
  /** The process has ended; called once, after all updates. */
  onEnd: () => void;
};

/** A connected agent. */
export type AcpConnection = {
  readonly pid: number;
  readonly facts: AgentFacts;
  newSession(): Promise<OpenedSession>;
  /** Goes on with an earlier session. Rejects when it does not know it. */
  reopenSession(sessionId: string): Promise<OpenedSession>;
  choose(sessionId: string, choice: SessionChoice): Promise<void>;
  setOption(sessionId: string, optionId: string, value: string): Promise<void>;
  /** Resolves to the stop reason. */
  prompt(sessionId: string, blocks: readonly unknown[]): Promise<string>;
  cancel(sessionId: string): void;
  /** Why it does not work any more; null while it does. */
  failure(): AcpAgentError | null;
  /** Kills it at once, for this cause. */
  fail(cause: string): void;
  /** Resolves when the process and all that it has started have ended. */
  close(): Promise<void>;
};

/** Starts an agent and agrees on the protocol with it. Rejects with an AcpAgentError; then nothing of it is left. */
export async function connectAgent(options: AcpConnectOptions): Promise<AcpConnection> {
  const { spec, clock, signal } = options;
  const opened = openStream(options);
  const { process } = opened;
  const failure = (): AcpAgentError | null => (process.end ? toError(spec, process.end) : null);
  await process.start().catch((err: unknown) => {
    throw new AcpAgentError(`The agent ${spec.name} could not be started: ${reasonOf(err)}.`, { cause: err });
  });
  const connection = client({ name: "openclaw-gateway" })
    .onRequest("*", ({ method, params, signal }) => options.onRequest(method, fieldsOf(params), signal))
    .connect(opened.stream);
  const ended = connection.closed.then((): never => {
    throw failure() ?? new AcpAgentError(`The connection to the agent ${spec.name} has ended.`);
  });
  ended.catch(() => {});
  const ask = async (method: string, params: JsonObject, timeoutMs?: number): Promise<JsonObject> => {
    const answer = Promise.race([connection.agent.request(method, params), ended]);
    const late = (): Error => new LateError(`The agent ${spec.name} did not answer ${method} within ${timeoutMs! / 1_000} s.`);
    try {
      return fieldsOf(await (timeoutMs === undefined ? answer : withTimeout(clock, timeoutMs, answer, late)));
    } catch (err) {
      // A pipe is closed before its process has ended; the end says why.
      if (!(err instanceof RequestError || err instanceof LateError)) {
        await within(clock, ACP_LIMITS.stopMs, opened.ended);
        process.fail("it does not read what it is sent");
        await opened.ended;
      }
      throw explain(spec, method, err, failure());
    }
  };
  let facts: AgentFacts;
  const onAbort = (): void => process.fail("it is not needed any more");
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    facts = toFacts(spec, await ask("initialize", initializeParams(options), ACP_LIMITS.initializeMs));
  } catch (err) {
    const seen = { odd: process.oddOutput, stderr: process.stderr };
    await process.close("it was ended");
    throw err instanceof AcpAgentError ? withOutput(err, seen) : err;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
  const params = { cwd: options.cwd, mcpServers: [] };
  return {
    pid: process.pid!,
    facts,
    newSession: async () => toSession(await ask("session/new", params, ACP_LIMITS.requestMs), null, spec),
    reopenSession: async (sessionId) => {
      const method = facts.canResume ? "session/resume" : "session/load";
      return toSession(await ask(method, { ...params, sessionId }, ACP_LIMITS.requestMs), sessionId, spec);
    },
    choose: async (sessionId, { kind, id, configId }) => {
      if (configId !== null) await ask("session/set_config_option", { sessionId, configId, value: id }, ACP_LIMITS.requestMs);
      else if (kind === "mode") await ask("session/set_mode", { sessionId, modeId: id }, ACP_LIMITS.requestMs);
      else await ask("session/set_model", { sessionId, modelId: id }, ACP_LIMITS.requestMs);
    },
    setOption: async (sessionId, configId, value) => {
      await ask("session/set_config_option", { sessionId, configId, value }, ACP_LIMITS.requestMs);
    },
    prompt: async (sessionId, prompt) => asString((await ask("session/prompt", { sessionId, prompt }))["stopReason"]),
    cancel: (sessionId) => void connection.agent.notify("session/cancel", { sessionId }).catch(() => {}),
    failure,
    fail: (cause) => process.fail(cause),
    close: async () => {
      await process.close("it was ended");
      connection.close();
    },
  };
}

/** The agent may still answer, but nothing waits for it any more. */
class LateError extends AcpAgentError {}

/** Resolves with the promise, or after the time. */
async function within(clock: Pick<Clock, "after">, delayMs: number, promise: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  await Promise.race([promise, sleep(clock, delayMs, over.signal)]);
  over.abort();
}

const initializeParams = ({ services }: AcpConnectOptions): JsonObject => ({
  protocolVersion: PROTOCOL_VERSION,
  clientInfo: { name: "openclaw-gateway", title: "OpenClaw gateway", version: VERSION },
  clientCapabilities: { fs: { readTextFile: services.files, writeTextFile: services.files }, terminal: services.terminals },
});

type OpenedStream = {
  process: AgentProcess;
  stream: { readable: ReadableStream<AnyMessage>; writable: WritableStream<AnyMessage> };
  ended: Promise<void>;
};

/**
 * Updates leave the stream before the library reads it: each is handled in its place, also the one before the answer to a prompt, and one
 * of a kind that the library does not know.
 */
function openStream({ spec, cwd, watcher, clock, log, onUpdate, onEnd }: AcpConnectOptions): OpenedStream {
  let controller!: ReadableStreamDefaultController<AnyMessage>;
  // The library stops to read when it cannot write, which is before the end of the process.
  let isRead = true;
  const readable = new ReadableStream<AnyMessage>({ start: (given) => void (controller = given), cancel: () => void (isRead = false) });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let isOpen = true;
  const process = new AgentProcess({
    argv: spec.argv,
    cwd,
    env: spec.env,
    watcher,
    clock,
    log,
    onMessage: (message) => {
      if (!isOpen) return;
      const { sessionId, update } = fieldsOf(message["params"]);
      if (message["method"] === "session/update") {
        if (isObject(update)) onUpdate(asString(sessionId), update);
      } else if (message["method"] !== undefined || typeof message["id"] === "number") {
        // The library writes the id of an answer to nothing to the terminal; those of our requests are numbers.
        if (isRead) controller.enqueue(message as AnyMessage);
      }
    },
    onEnd: () => {
      isOpen = false;
      onEnd();
      resolve();
      if (isRead) controller.close();
    },
  });
  const writable = new WritableStream<AnyMessage>({ write: (message) => process.send(message) });
  return { process, stream: { readable, writable }, ended };
}

function toError({ name, argv }: AcpAgentSpec, { cause, exitCode, stderr }: NonNullable<AgentProcess["end"]>): AcpAgentError {
  const preset = ACP_PRESETS[name];
  const isMissing = cause.includes("was not found");
  const fix = isMissing && preset?.argv[0] === argv[0] ? ` Install it (${preset!.install}), or set acp.agents.${name}.command.` : "";
  return new AcpAgentError(`The agent ${name} does not run: ${cause}.${fix}`, { stderr, exitCode });
}

/** The failure to agree on the protocol, with what the agent has written until then. */
function withOutput(err: AcpAgentError, { odd, stderr }: { odd: string | null; stderr: string }): AcpAgentError {
  const isSilent = err instanceof LateError && odd === null;
  const hint = odd === null ? (isSilent ? " It wrote nothing: it may speak no ACP." : "") : ` It speaks no ACP: it wrote ${odd}.`;
  return new AcpAgentError(err.message + hint, { stderr: err.stderr || stderr, exitCode: err.exitCode, cause: err });
}

/** JSON-RPC's and ACP's own. */
const AUTH_REQUIRED = -32_000;
const METHOD_NOT_FOUND = -32_601;

function explain({ name }: AcpAgentSpec, method: string, err: unknown, failure: AcpAgentError | null): AcpAgentError {
  if (err instanceof AcpAgentError) return failure ?? err;
  if (failure) return failure;
  if (err instanceof RequestError) {
    const details = fieldsOf(err.data)["details"];
    const said = clip([err.message, asString(details)].filter(Boolean).join(": "), ACP_LIMITS.titleChars);
    const hint = err.code === AUTH_REQUIRED ? " Sign in with its own program first, as the user of the gateway." : "";
    return new AcpAgentError(`The agent ${name} refused ${method}: ${said}.${hint}`, { cause: err });
  }
  return new AcpAgentError(`The agent ${name} failed at ${method}: ${reasonOf(err)}.`, { cause: err });
}

/** Whether an agent does not know a request at all. */
export const isUnknownMethod = (err: unknown): boolean =>
  err instanceof AcpAgentError && err.cause instanceof RequestError && err.cause.code === METHOD_NOT_FOUND;

/** An error answer for an agent: the gateway does not have what it asked for, or refused it. */
export const refusal = (message: string): Error => new RequestError(-32_000, message);
export const unknownMethod = (method: string): Error => RequestError.methodNotFound(method);

function toFacts({ name }: AcpAgentSpec, answer: JsonObject): AgentFacts {
  const version = answer["protocolVersion"];
  if (version !== PROTOCOL_VERSION) {
    const theirs = typeof version === "number" ? `version ${version} of ACP` : "no ACP";
    throw new AcpAgentError(`The agent ${name} speaks ${theirs}; the gateway speaks version ${PROTOCOL_VERSION}.`);
  }
  const capabilities = fieldsOf(answer["agentCapabilities"]);
  const sessions = fieldsOf(capabilities["sessionCapabilities"]);
  const info = fieldsOf(answer["agentInfo"]);
  return {
    name: clip(asString(info["title"]) || asString(info["name"]) || name, ACP_LIMITS.titleChars),
    version: clip(asString(info["version"]), ACP_LIMITS.titleChars),
    canLoad: capabilities["loadSession"] === true,
    canResume: isObject(sessions["resume"]),
    canClose: isObject(sessions["close"]),
    takesImages: fieldsOf(capabilities["promptCapabilities"])["image"] === true,
    signIns: asObjects(answer["authMethods"]).map((each) => clip(asString(each["id"]), ACP_LIMITS.titleChars)),
  };
}

/** A session as `session/new`, `load` and `resume` answer it. */
function toSession(answer: JsonObject, known: string | null, { name }: AcpAgentSpec): OpenedSession {
  const id = known ?? asString(answer["sessionId"]);
  if (id === "") throw new AcpAgentError(`The agent ${name} answered session/new without an id of the session.`);
  const modes = fieldsOf(answer["modes"]);
  const models = fieldsOf(answer["models"]);
  const options = asObjects(answer["configOptions"]).filter((option) => option["type"] === "select");
  const choices: SessionChoice[] = [
    ...options.flatMap(toConfigChoices),
    ...asObjects(modes["availableModes"]).map((mode) => choiceOf("mode", mode["id"], mode["name"], null)),
    ...asObjects(models["availableModels"]).map((model) => choiceOf("model", model["modelId"], model["name"], null)),
  ];
  const current = (kind: SessionChoice["kind"]): string | null =>
    asString(options.find((option) => kindOf(option) === kind)?.["currentValue"]) || null;
  return {
    id,
    choices: choices.filter((choice) => choice.id !== "").slice(0, 2 * ACP_LIMITS.choices),
    mode: current("mode") ?? (asString(modes["currentModeId"]) || null),
    model: current("model") ?? (asString(models["currentModelId"]) || null),
    options: options
      .filter((option) => kindOf(option) === null && asString(option["id"]) !== "")
      .slice(0, ACP_LIMITS.choices)
      .map(toAgentOption),
  };
}

const toAgentOption = (option: JsonObject): AgentOption => ({
  id: clip(asString(option["id"]), ACP_LIMITS.titleChars),
  value: clip(asString(option["currentValue"]), ACP_LIMITS.titleChars),
  values: valuesOf(option)
    .slice(0, ACP_LIMITS.choices)
    .map(({ value }) => clip(asString(value), ACP_LIMITS.titleChars)),
});

/** The values of an option, also of one that groups them. */
const valuesOf = (option: JsonObject): JsonObject[] =>
  asObjects(option["options"]).flatMap((each) => (Array.isArray(each["options"]) ? asObjects(each["options"]) : [each]));

const choiceOf = (kind: SessionChoice["kind"], id: unknown, name: unknown, configId: string | null): SessionChoice => ({
  id: clip(asString(id), ACP_LIMITS.titleChars),
  name: clip(asString(name) || asString(id), ACP_LIMITS.titleChars),
  kind,
  configId,
});

/** The category says what an option is; without one its id does. */
function kindOf(option: JsonObject): SessionChoice["kind"] | null {
  const category = asString(option["category"]) || asString(option["id"]);
  return category === "model" || category === "mode" ? category : null;
}

function toConfigChoices(option: JsonObject): SessionChoice[] {
  const kind = kindOf(option);
  if (kind === null) return [];
  return valuesOf(option).map((value) => choiceOf(kind, value["value"], value["name"], asString(option["id"])));
}
