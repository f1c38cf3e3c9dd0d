import type { AccountSpec, ChannelSupervisor } from "../../src/channels/supervisor.ts";
import { diffAccounts } from "../../src/config/diff.ts";

/** Runs the given accounts and no others, as the gateway does after a change of the configuration. */
export function accountApplier(supervisor: ChannelSupervisor): (accounts: readonly AccountSpec[]) => Promise<void> {
  let current: readonly AccountSpec[] = [];
  return (accounts) => {
    const changes = diffAccounts(current, accounts);
    current = accounts;
    return supervisor.apply(changes);
  };
}
