import { piDirs } from "../agents/pi/files.ts";
import { resolveAgent, defaultAgentId } from "../config/agents.ts";
import { toCommandEnv } from "../core/command-env.ts";
import { reasonOf } from "../core/errors.ts";
import type { InternalEvent, InternalEventName } from "../hooks/internal/events.ts";
import type { InternalHooks, InternalHookState } from "../hooks/internal/internal-hooks.ts";
import { addSystemEvent } from "../methods/status.ts";
import type { Message } from "../store/messages.ts";
import { mainSessionKey } from "../routing/session-key.ts";
import { requireAgent } from "../methods/require-agent.ts";
import type { GatewayBase } from "./base.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Storage } from "./storage.ts";

type InternalHooksInput = GatewayBase & Storage & { running: RunningConfig };

/** Handlers of what happens in the gateway: nothing is loaded for them while they are off. */
export class GatewayInternalHooks {
  readonly #input: InternalHooksInput;
  #hooks: InternalHooks | null = null;
  #isStarted = false;

  constructor(input: InternalHooksInput) {
    this.#input = input;
  }

  start(): void {
    this.#isStarted = true;
    if (!this.#isOn()) return;
    this.#configured(() => this.#emit("gateway:startup", mainSessionKey(this.#defaultAgent()), {}));
  }

  /** The configuration is another one. */
  configure(): void {
    if (this.#isStarted && (this.#hooks !== null || this.#isOn())) this.#configured(() => {});
  }

  #isOn = (): boolean => this.#input.running.config.hooks.internal.enabled;
  #defaultAgent = () => defaultAgentId(this.#input.running.config);

  #configured(then: () => void): void {
    const { log } = this.#input;
    this.#load()
      .then(then)
      .catch((err: unknown) => log.error("internal hooks could not be loaded", { cause: reasonOf(err) }));
  }

  async #load(): Promise<void> {
    if (this.#hooks !== null) return this.#hooks.configure();
    const { paths, running, store, keyValue, clock, log } = this.#input;
    const { InternalHooks: Hooks } = await import("../hooks/internal/internal-hooks.ts");
    this.#hooks ??= new Hooks({
      ...this.#input,
      settings: () => running.config.hooks.internal,
      workspace: () => resolveAgent(running.config, this.#defaultAgent(), paths.state).workspace,
      stateDir: paths.state,
      env: toCommandEnv(process.env, piDirs(paths.state).temp),
      log: log.child({ subsystem: "hooks" }),
      leave: async (sessionKey, text, hook) => {
        const event = { text, at: clock.now(), session: sessionKey, source: `the internal hook ${hook}` };
        await store.write(() => addSystemEvent(keyValue, event));
      },
    });
    this.#watch();
    await this.#hooks.configure();
  }

  #emit(name: InternalEventName, sessionKey: string, context: InternalEvent["context"]): void {
    if (this.#hooks?.isWanted(name) === true) this.#hooks.emit({ name, sessionKey, context });
  }

  /** Only what is on disk is reported: nothing of a message waits for a handler. */
  #watch(): void {
    const { bus } = this.#input;
    bus.on("message.added", ({ message }) => this.#onMessage(message));
    bus.on("session.stopped", ({ sessionKey }) => this.#emit("command:stop", sessionKey, {}));
    bus.on("session.renewed", ({ sessionKey }) => this.#emit("command:new", sessionKey, {}));
  }

  #onMessage({ body, sessionKey, at }: Message): void {
    if (body.role === "toolResult") return;
    const name = body.role === "user" ? "message:received" : "message:sent";
    if (this.#hooks?.isWanted(name) !== true) return;
    const content =
      typeof body.content === "string"
        ? body.content
        : body.content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("\n\n");
    if (content === "") return;
    if (body.role === "assistant") return this.#emit(name, sessionKey, { content, timestamp: at });
    const { channel, account, senderId } = body.provenance;
    this.#emit(name, sessionKey, {
      content,
      timestamp: at,
      channelId: channel,
      ...(account !== undefined && { accountId: account }),
      ...(senderId !== undefined && { from: senderId }),
    });
  }
}

/** `hooks.status`: the internal hooks that an agent's workspace and the state directory have. */
export async function internalHookStatus(
  { running, paths }: Pick<InternalHooksInput, "running" | "paths">,
  agentId: string | undefined,
): Promise<Record<string, unknown>> {
  const { findInternalHooks } = await import("../hooks/internal/internal-hooks.ts");
  const { config } = running;
  const id = agentId === undefined ? defaultAgentId(config) : requireAgent(config, agentId);
  const { workspace } = resolveAgent(config, id, paths.state);
  const found = await findInternalHooks(workspace, paths.state, config.hooks.internal);
  return { workspaceDir: workspace, managedHooksDir: `${paths.state}/hooks`, hooks: found.map((state) => toHookRow(state)) };
}

function toHookRow({ hook, off }: InternalHookState): Record<string, unknown> {
  const { name, description, emoji, homepage, events, source, baseDir, filePath, handlerPath, hash, problem } = hook;
  return {
    name,
    description,
    source: source === "workspace" ? "openclaw-workspace" : "openclaw-managed",
    managedByPlugin: false,
    filePath,
    baseDir,
    handlerPath,
    hookKey: name,
    ...(emoji !== null && { emoji }),
    ...(homepage !== null && { homepage }),
    events,
    always: false,
    disabled: off !== null && problem === null,
    eligible: off === null,
    requirements: { bins: [], anyBins: [], env: [], config: [], os: [] },
    missing: { bins: [], anyBins: [], env: [], config: [], os: [] },
    configChecks: [],
    install: [],
    sha256: hash,
    ...(off !== null && { off }),
  };
}
