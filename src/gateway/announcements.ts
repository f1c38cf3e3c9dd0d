import type { Clock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";
import type { Hub } from "../protocol/hub.ts";

/** Counters that events carry, so that clients see what they have missed. */
export type StateVersion = { presence: number; health: number };

export type AnnouncementDeps = {
  hub: Pick<Hub, "publish">;
  clock: Clock;
  /** The payload of the `health` event; `invalidate` drops the cached one. */
  health: { snapshot(): Record<string, unknown>; invalidate(): void };
  stateVersion: StateVersion;
};

const READ = "operator.read";

/** Events about the gateway itself, so that clients need not poll. */
export class Announcements {
  readonly #deps: AnnouncementDeps;
  #cancelHealth: (() => void) | null = null;

  constructor(deps: AnnouncementDeps) {
    this.#deps = deps;
  }

  /** Something that `health` shows is different. Changes in quick succession, such as all channels of a start, are one event. */
  healthChanged(): void {
    this.#deps.health.invalidate();
    this.#cancelHealth ??= this.#deps.clock.after(LIMITS.healthAnnounceMs, () => {
      this.#cancelHealth = null;
      this.publishHealth();
    });
  }

  /** Publishes the current health to all clients that may read it. */
  publishHealth(): void {
    const { hub, health, stateVersion } = this.#deps;
    health.invalidate();
    stateVersion.health++;
    hub.publish("health", health.snapshot(), { scope: READ, droppable: true, stateVersion });
  }

  /** Another configuration is in use. Agents, models and commands depend on it. */
  configChanged(path: string, hash: string): void {
    const { hub, clock } = this.#deps;
    hub.publish("config.changed", { path, hash, ts: clock.now() }, { scope: READ });
    hub.publish("chat.metadata.changed", {}, { scope: READ });
    this.healthChanged();
  }

  stop(): void {
    this.#cancelHealth?.();
  }
}
