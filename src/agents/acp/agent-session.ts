import type { Clock } from "../../core/clock.ts";
import type { SessionKey } from "../../core/ids.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Log } from "../../core/log.ts";
import type { GroupWatcher } from "../../tools/group-watcher.ts";
import type { AgentProcessStatus } from "../runtime.ts";
import type { AcpCheckpoint } from "./checkpoint.ts";
import type { AcpAgentSpec } from "./agent-spec.ts";
import { ClientRequests, type AskingTurn } from "./client-requests.ts";
import { AcpAgentError, connectAgent, isUnknownMethod, type AcpConnection, type OpenedSession, type SessionChoice } from "./connection.ts";
import type { AcpServices } from "./services.ts";
import { ACP_LIMITS } from "./limits.ts";

export type AgentSessionOptions = {
  spec: AcpAgentSpec;
  cwd: string;
  sessionKey: SessionKey;
  services: AcpServices;
  watcher: GroupWatcher;
  clock: Clock;
  log: Log;
};

/** `kept`: the agent goes on where it was. `new`: it knows nothing of the conversation. */
export type Standing = "kept" | "new";

/** One process of an agent for one conversation, with its session. */
export class AgentSession {
  readonly spec: AcpAgentSpec;
  readonly cwd: string;
  readonly sessionKey: SessionKey;
  /** On the monotonic clock. */
  lastUsedAt: number;
  /** Tokens that fit into its context, as it has reported; 0 when unknown. */
  contextWindow = 0;
  /** What its session has cost, as it has reported. */
  costUsd = 0;
  readonly requests: ClientRequests;
  readonly #options: AgentSessionOptions;
  #connection: AcpConnection | null = null;
  #opened: OpenedSession | null = null;
  #asking: AskingTurn | null = null;
  #onHeard: (() => void) | null = null;

  constructor(options: AgentSessionOptions) {
    this.#options = options;
    this.spec = options.spec;
    this.cwd = options.cwd;
    this.sessionKey = options.sessionKey;
    this.lastUsedAt = options.clock.monotonic();
    this.requests = new ClientRequests(options.spec.name, options.services, options.clock);
  }

  get isBusy(): boolean {
    return this.#asking !== null;
  }

  /** It has a session, and its process runs. */
  get isOpen(): boolean {
    return this.#opened !== null && this.#connection?.failure() === null;
  }

  /** Its process has ended by itself. */
  get isDead(): boolean {
    return this.#connection !== null && this.#connection.failure() !== null;
  }

  get takesImages(): boolean {
    return this.#connection?.facts.takesImages === true;
  }

  get checkpoint(): AcpCheckpoint | null {
    return this.#opened && { agent: this.spec.name, session: this.#opened.id, costUsd: this.costUsd };
  }

  /** Starts the process and opens its session: the earlier one where the agent still has it. Rejects with an AcpAgentError; then nothing is left. */
  async open(earlier: AcpCheckpoint | null, signal: AbortSignal): Promise<Standing> {
    const { services, watcher, clock, log } = this.#options;
    this.#connection = await connectAgent({
      spec: this.spec,
      cwd: this.cwd,
      watcher,
      clock,
      log,
      signal,
      services: { files: services.workbench !== null, terminals: services.workbench !== null },
      onUpdate: (sessionId, update) => this.#onUpdate(sessionId, update),
      onRequest: (method, params) => this.#onRequest(method, params),
      onEnd: () => this.#onHeard?.(),
    });
    try {
      const standing = await this.#openSession(this.#connection, earlier);
      await this.#applyChoices(this.#connection);
      return standing;
    } catch (err) {
      await this.#connection.close();
      throw err;
    }
  }

  /** Runs one prompt; resolves to the stop reason. `onHeard`: the agent has said or asked something. */
  async prompt(asking: AskingTurn, blocks: readonly unknown[], onHeard: () => void): Promise<string> {
    this.#asking = asking;
    this.#onHeard = onHeard;
    this.requests.begin(asking);
    try {
      return await this.#connection!.prompt(this.#opened!.id, blocks);
    } finally {
      this.requests.end();
      this.#asking = null;
      this.#onHeard = null;
      this.lastUsedAt = this.#options.clock.monotonic();
    }
  }

  cancel(): void {
    if (this.#opened) this.#connection?.cancel(this.#opened.id);
  }

  /** Kills it at once, for this cause. */
  fail(cause: string): void {
    this.#connection?.fail(cause);
  }

  async close(): Promise<void> {
    await this.#connection?.close();
  }

  status(): AgentProcessStatus {
    const facts = this.#connection?.facts;
    const names = (kind: SessionChoice["kind"]): string[] =>
      (this.#opened?.choices ?? []).filter((choice) => choice.kind === kind).map(({ id }) => id);
    return {
      name: this.spec.name,
      sessionKey: this.sessionKey,
      pid: this.#connection?.pid ?? null,
      state: this.isBusy ? "busy" : this.#opened ? "ready" : "starting",
      version: facts ? [facts.name, facts.version].filter(Boolean).join(" ") : "",
      agentSessionId: this.#opened?.id ?? null,
      mode: this.#opened?.mode ?? null,
      model: this.#opened?.model ?? null,
      modes: names("mode"),
      models: names("model"),
      options: this.#opened?.options ?? [],
      canReopen: facts?.canLoad === true || facts?.canResume === true,
    };
  }

  async #openSession(connection: AcpConnection, earlier: AcpCheckpoint | null): Promise<Standing> {
    const { canLoad, canResume } = connection.facts;
    if (earlier && (canLoad || canResume)) {
      try {
        this.#opened = await connection.reopenSession(earlier.session);
        this.costUsd = earlier.costUsd;
        return "kept";
      } catch (err) {
        if (connection.failure() !== null) throw err;
        this.#options.log.warn("an agent could not go on with its earlier session", {
          agent: this.spec.name,
          cause: (err as Error).message,
        });
      }
    }
    this.#opened = await connection.newSession();
    return "new";
  }

  /** The mode and the model that the configuration or the conversation names. Rejects for one that the agent does not have. */
  async #applyChoices(connection: AcpConnection): Promise<void> {
    for (const kind of ["mode", "model"] as const) {
      const wanted = this.spec[kind];
      const { id, choices } = this.#opened!;
      if (wanted === null || this.#opened![kind] === wanted) continue;
      const offered = choices.filter((choice) => choice.kind === kind);
      const choice = offered.find((each) => each.id === wanted);
      if (!choice)
        throw new AcpAgentError(`The agent ${this.spec.name} has no ${kind} ${JSON.stringify(wanted)}. ${listed(kind, offered)}`);
      try {
        await connection.choose(id, choice);
      } catch (err) {
        if (isUnknownMethod(err))
          throw new AcpAgentError(`The agent ${this.spec.name} does not let its ${kind} be chosen.`, { cause: err });
        throw err;
      }
      this.#opened = { ...this.#opened!, [kind]: wanted };
    }
    for (const [optionId, value] of Object.entries(this.spec.options)) await this.#setOption(connection, optionId, value);
  }

  async #setOption(connection: AcpConnection, optionId: string, value: string): Promise<void> {
    const { id, options } = this.#opened!;
    const { name } = this.spec;
    const option = options.find((each) => each.id === optionId);
    if (!option)
      throw new AcpAgentError(
        `The agent ${name} has no option ${JSON.stringify(optionId)}. ${options.length === 0 ? "It offers none." : `Its options: ${options.map((each) => each.id).join(", ")}.`}`,
      );
    if (option.value === value) return;
    if (!option.values.includes(value))
      throw new AcpAgentError(
        `The option ${optionId} of the agent ${name} takes ${option.values.join(", ")}, not ${JSON.stringify(value)}.`,
      );
    await connection.setOption(id, optionId, value);
    this.#opened = { ...this.#opened!, options: options.map((each) => (each === option ? { ...each, value } : each)) };
  }

  #onUpdate(sessionId: string, update: JsonObject): void {
    this.#onHeard?.();
    // While a session is opened again, an agent repeats its earlier messages.
    if (this.#asking === null || sessionId !== this.#opened?.id) return;
    if (update["sessionUpdate"] === "current_mode_update" && typeof update["currentModeId"] === "string")
      this.#opened = { ...this.#opened, mode: update["currentModeId"].slice(0, ACP_LIMITS.titleChars) };
    this.#asking.updates.apply(update);
  }

  async #onRequest(method: string, params: JsonObject): Promise<unknown> {
    this.#onHeard?.();
    return await this.requests.answer(method, params);
  }
}

const listed = (kind: string, offered: readonly SessionChoice[]): string =>
  offered.length === 0 ? `It offers none.` : `Its ${kind}s: ${offered.map(({ id }) => id).join(", ")}.`;
