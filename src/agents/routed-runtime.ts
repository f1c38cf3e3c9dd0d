import type { AgentId } from "../core/ids.ts";
import { ACP_PROVIDER } from "./acp/agent-spec.ts";
import type { AgentEvent, AgentRuntime, RuntimeStatus, Turn } from "./runtime.ts";

/**
 * The runtime of all agents: Pi, and for turns whose model is an agent of another vendor the runtime of those, which is loaded with the
 * first such turn. Neither takes over for the other: they act with different rights.
 */
export class RoutedRuntime implements AgentRuntime {
  readonly #pi: AgentRuntime;
  readonly #load: () => Promise<AgentRuntime>;
  #loading: Promise<AgentRuntime> | null = null;
  #acp: AgentRuntime | null = null;
  #isStopped = false;

  constructor(pi: AgentRuntime, load: () => Promise<AgentRuntime>) {
    this.#pi = pi;
    this.#load = load;
  }

  start(): void {
    this.#pi.start();
  }

  prompt(turn: Turn, signal: AbortSignal): AsyncIterable<AgentEvent> {
    const [first] = turn.models;
    if (first?.provider !== ACP_PROVIDER)
      return this.#pi.prompt({ ...turn, models: turn.models.filter(({ provider }) => provider !== ACP_PROVIDER) }, signal);
    return this.#promptAcp({ ...turn, models: [first] }, signal);
  }

  steer(...[sessionKey, message]: Parameters<AgentRuntime["steer"]>): Promise<boolean> {
    return this.#pi.steer(sessionKey, message);
  }

  async compact(...[turn, instructions]: Parameters<AgentRuntime["compact"]>): ReturnType<AgentRuntime["compact"]> {
    if (turn.models[0]?.provider === ACP_PROVIDER) return await (await this.#loaded()).compact(turn, instructions);
    return await this.#pi.compact(turn, instructions);
  }

  async forget(agentId: AgentId, sessionId: string): Promise<void> {
    await Promise.all([this.#pi.forget(agentId, sessionId), this.#acp?.forget(agentId, sessionId)]);
  }

  status(): RuntimeStatus {
    const pi = this.#pi.status();
    const acp = this.#acp?.status();
    return acp === undefined ? pi : { ...pi, processes: pi.processes + acp.processes, busy: pi.busy + acp.busy, agents: acp.agents ?? [] };
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([this.#pi.stop(), this.#acp?.stop()]);
  }

  async *#promptAcp(turn: Turn, signal: AbortSignal): AsyncGenerator<AgentEvent> {
    yield* (await this.#loaded()).prompt(turn, signal);
  }

  async #loaded(): Promise<AgentRuntime> {
    this.#loading ??= this.#load();
    const acp = await this.#loading;
    this.#acp = acp;
    if (this.#isStopped) await acp.stop();
    return acp;
  }
}
