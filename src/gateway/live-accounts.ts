import type { ChannelSupervisor } from "../channels/supervisor.ts";

type BoundSupervisor = Pick<ChannelSupervisor, "status">;

/**
 * The state of the channel accounts, for the runtime, which is built before their supervisor: it needs the ingest, which needs the turns,
 * which need the runtime. The composition has one other port that is bound late, ToolMessages.
 */
export class LiveAccounts {
  #supervisor: BoundSupervisor | null = null;

  bind(supervisor: BoundSupervisor): void {
    this.#supervisor = supervisor;
  }

  readonly status = (): ReturnType<ChannelSupervisor["status"]> => this.#supervisor?.status() ?? [];
}
