import { isConnected } from "../channels/account-types.ts";
import type { Clock } from "../core/clock.ts";
import type { ServiceSocket } from "../service/notify.ts";
import { ServiceWatch } from "../service/watch.ts";
import type { GatewayParts } from "./compose.ts";

/** Tells the service manager about a gateway that serves. */
export function watchService(parts: GatewayParts, socket: ServiceSocket, clock: Clock = parts.clock): ServiceWatch {
  const { store, messaging, log } = parts;
  const watch = new ServiceWatch({
    socket,
    clock,
    log: log.child({ subsystem: "service" }),
    probeStore: async () => void store.get("SELECT 1 FROM facts LIMIT 1"),
    load: () => messaging.turns.lanes.load(),
    condition: () => condition(parts),
  });
  watch.start();
  return watch;
}

function condition({ readiness, messaging }: GatewayParts): { ready: boolean; text: string } {
  const { ready, failing, degraded } = readiness();
  if (!ready) return { ready, text: `not ready: ${failing.join(", ")}` };
  const accounts = messaging.supervisor.status();
  const up = accounts.filter(({ state }) => isConnected(state)).length;
  const channels = accounts.length === 0 ? "" : `, ${up} of ${accounts.length} channel accounts connected`;
  return { ready, text: `ready${channels}${degraded.length === 0 ? "" : `; problems: ${degraded.join(", ")}`}` };
}
