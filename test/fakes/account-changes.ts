import type { AccountSpec } from "../../src/channels/account-types.ts";
import type { ChannelSupervisor } from "../../src/channels/supervisor.ts";
import { diffAccounts } from "../../src/config/diff.ts";

/** Runs the given accounts and no others, as the gateway does after a change of the configuration. */
export const accountApplier =
  (supervisor: ChannelSupervisor): ((accounts: readonly AccountSpec[]) => Promise<void>) =>
  (accounts) =>
    supervisor.apply(diffAccounts(supervisor.accounts(), accounts));
