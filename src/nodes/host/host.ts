import type { Credentials, ProtocolClient, ProtocolClientOptions, ServerEvent } from "../../client/client.ts";
import { ClientError } from "../../client/errors.ts";
import { keepConnected } from "../../client/reconnect.ts";
import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { asNumber, asString, asStrings, fieldsOf, tryParseJson, type JsonObject } from "../../core/json.ts";
import type { Log } from "../../core/log.ts";
import type { NodeAnswer } from "../../store/nodes.ts";
import { KEEPS_ANSWERS } from "../registry.ts";
import { readHostRules, toDocument } from "./allowlist.ts";
import type { KeptAnswers } from "./answers.ts";
import type { SharedFiles } from "./files.ts";
import { HostError } from "./host-error.ts";
import { HOST_LIMITS } from "./limits.ts";
import { findProgram } from "./programs.ts";
import { prepareProgram, runProgram, type ProgramOptions } from "./run-program.ts";

export type HostOptions = {
  connection: Omit<ProtocolClientOptions, "role" | "scopes" | "caps" | "node" | "credentials">;
  /** Asked for each connection: the gateway gives a token of its own with the first. */
  credentials: () => Credentials;
  /** Where its rules and answers are. */
  directory: string;
  /** Only these commands are offered; null: all that it has. */
  commands: readonly string[] | null;
  files: SharedFiles;
  answers: KeptAnswers;
  programs: ProgramOptions;
  clock: Clock;
  log: Log;
  /** The connection is up, or why not. */
  onState: (state: { connected: boolean; reason: string | null; retryInMs: number | null }) => void;
  /** The gateway gave this device a token of its own. */
  onDeviceToken: (token: string) => void;
};

const RUN_COMMANDS = ["system.run", "system.run.prepare", "system.which", "system.execApprovals.get"] as const;
const FILE_COMMANDS = ["file.stat", "file.fetch", "file.write", "dir.list"] as const;
const LOST: NodeAnswer = {
  ok: false,
  code: "INTERRUPTED",
  message: "the node host ended while it ran; whether it finished is not known",
};

/** This machine as a node: connects to one gateway, runs what that asks for and the rules of this machine allow, once each. */
export class NodeHost {
  readonly #options: HostOptions;
  readonly #running = new Map<string, AbortController>();
  /** The connection, or the next one. */
  #connected = Promise.withResolvers<ProtocolClient>();

  constructor(options: HostOptions) {
    this.#options = options;
    // What an earlier process began has an end now, which the gateway gets when it asks again.
    for (const id of options.answers.interrupted()) options.answers.end(id, LOST);
  }

  /** What it offers to the gateway. */
  get commands(): readonly string[] {
    const { commands, files } = this.#options;
    const all: readonly string[] = [...RUN_COMMANDS, ...(files.isShared ? FILE_COMMANDS : [])];
    return commands === null ? all : all.filter((each) => commands.includes(each));
  }

  /** Runs until `signal` aborts. Rejects when another try cannot help: a wrong credential, or an approval that is missing. */
  async run(signal: AbortSignal): Promise<void> {
    const { connection, credentials, files, programs, onState } = this.#options;
    const options: ProtocolClientOptions = {
      ...connection,
      get credentials() {
        return credentials();
      },
      role: "node",
      scopes: [],
      caps: ["system", ...(files.isShared ? ["file"] : []), KEEPS_ANSWERS],
      node: { commands: this.commands, pathEnv: programs.env["PATH"] ?? "" },
      onEvent: (event) => this.#onEvent(event),
    };
    try {
      await keepConnected(
        options,
        {
          onConnected: (client) => this.#onConnected(client),
          onDisconnected: (err, retryInMs) => {
            this.#connected = Promise.withResolvers<ProtocolClient>();
            onState({ connected: false, reason: err.message, retryInMs });
          },
        },
        signal,
      );
    } finally {
      for (const each of this.#running.values()) each.abort();
    }
  }

  #onConnected(client: ProtocolClient): void {
    const { onState, onDeviceToken } = this.#options;
    this.#connected.resolve(client);
    const { deviceToken } = client.hello.auth;
    if (deviceToken !== undefined) onDeviceToken(deviceToken);
    onState({ connected: true, reason: null, retryInMs: null });
  }

  #onEvent({ event, payload }: ServerEvent): void {
    const fields = fieldsOf(payload);
    if (event === "node.invoke.request") void this.#onRequest(fields);
    else if (event === "node.invoke.cancel") this.#running.get(asString(fields["id"]))?.abort();
  }

  async #onRequest(request: JsonObject): Promise<void> {
    const { answers, log } = this.#options;
    const id = asString(request["id"]);
    if (id === "" || this.#running.has(id)) return;
    const known = answers.get(id);
    if (known?.answer) return await this.#send(id, known.answer);
    let answer: NodeAnswer;
    try {
      answer = await this.#execute(id, request);
    } catch (err) {
      log.error("a request of the gateway failed unexpectedly", { error: err });
      answer = { ok: false, code: "UNAVAILABLE", message: reasonOf(err) };
    }
    await this.#send(id, answer);
  }

  /** On disk before it runs, and before it is answered. */
  async #execute(id: string, request: JsonObject): Promise<NodeAnswer> {
    const { answers, log } = this.#options;
    const controller = new AbortController();
    if (this.#running.size >= HOST_LIMITS.running)
      return { ok: false, code: "BUSY", message: `this machine runs ${HOST_LIMITS.running} commands already` };
    answers.begin(id);
    this.#running.set(id, controller);
    let answer: NodeAnswer;
    try {
      const payload = await this.#dispatch(asString(request["command"]), request, controller.signal);
      answer = { ok: true, payloadJSON: JSON.stringify(payload) };
    } catch (err) {
      if (!(err instanceof HostError)) log.warn("a command failed", { command: asString(request["command"]), cause: reasonOf(err) });
      answer = { ok: false, code: err instanceof HostError ? err.code : "INVALID_REQUEST", message: reasonOf(err) };
    } finally {
      this.#running.delete(id);
    }
    answers.end(id, answer);
    return answer;
  }

  async #dispatch(command: string, request: JsonObject, signal: AbortSignal): Promise<JsonObject> {
    const { programs, directory, files } = this.#options;
    if (!this.commands.includes(command)) throw new HostError("UNSUPPORTED", `this machine does not offer ${command.slice(0, 64)}`);
    const params = fieldsOf(tryParseJson(asString(request["paramsJSON"])));
    switch (command) {
      case "system.which":
        return this.#which(params);
      case "system.execApprovals.get":
        return { path: `${directory}/exec-approvals.json`, exists: true, file: toDocument(readHostRules(directory)) };
      case "system.run.prepare":
        return prepareProgram(params, programs);
      case "system.run": {
        const timeoutMs = asNumber(request["timeoutMs"]);
        return await runProgram({ ...(timeoutMs !== null && { timeoutMs }), ...params }, programs, signal);
      }
      default:
        return await files.run(command, params);
    }
  }

  #which(params: JsonObject): JsonObject {
    const path = this.#options.programs.env["PATH"] ?? "";
    const found = asStrings(params["bins"])
      .slice(0, HOST_LIMITS.bins)
      .filter((name) => !name.includes("/"))
      .map((name) => [name, findProgram(name, path)] as const);
    return { bins: Object.fromEntries(found.filter(([, where]) => where !== null)) };
  }

  /** Over this connection or the next one. An answer that does not arrive is asked for again. */
  async #send(id: string, answer: NodeAnswer): Promise<void> {
    const nodeId = this.#options.connection.device!.id;
    const result = answer.ok
      ? { id, nodeId, ok: true, ...(answer.payloadJSON !== null && { payloadJSON: answer.payloadJSON }) }
      : { id, nodeId, ok: false, error: { code: answer.code, message: answer.message } };
    try {
      const client = await this.#connected.promise;
      await client.request("node.invoke.result", result);
    } catch (err) {
      if (!(err instanceof ClientError)) throw err;
      this.#options.log.warn("an answer did not reach the gateway", { invocation: id, cause: err.message });
    }
  }
}
