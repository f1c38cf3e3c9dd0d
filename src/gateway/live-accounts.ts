import type { ChannelSupervisor } from "../channels/supervisor.ts";
import { asId, type AccountId, type ChannelId } from "../core/ids.ts";

type BoundSupervisor = Pick<ChannelSupervisor, "link" | "status">;

/**
 * The running channel accounts, for those that are built before the supervisor: it needs the ingest, which needs the turns, which need the
 * delivery, which sends over its links. This is the one late-bound port of the composition.
 */
export class LiveAccounts {
  #supervisor: BoundSupervisor | null = null;

  bind(supervisor: BoundSupervisor): void {
    this.#supervisor = supervisor;
  }

  /** The live connection of an account; null when there is none. */
  readonly link = (channel: string, account: string): ReturnType<ChannelSupervisor["link"]> =>
    this.#supervisor?.link(asId<ChannelId>(channel), asId<AccountId>(account)) ?? null;

  readonly status = (): ReturnType<ChannelSupervisor["status"]> => this.#supervisor?.status() ?? [];
}
