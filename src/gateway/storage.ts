import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createPairingCode } from "../channels/pairing-code.ts";
import type { Config } from "../config/schema.ts";
import { reasonOf } from "../core/errors.ts";
import { createGrantRows } from "../store/approval-grants.ts";
import { createApprovalRows } from "../store/approvals.ts";
import { createAudit } from "../store/audit.ts";
import { createButtons } from "../store/buttons.ts";
import { createConfigVersions } from "../store/config-versions.ts";
import { createChannelState } from "../store/channel-state.ts";
import { createInbox } from "../store/inbox.ts";
import { createKeyValueStore, type KeyValueStore } from "../store/key-value.ts";
import { MediaStore } from "../store/media.ts";
import { createMessages } from "../store/messages.ts";
import { openStore, type Store } from "../store/open.ts";
import { createOutbox } from "../store/outbox.ts";
import { createPairings } from "../store/pairing.ts";
import { createSessionBranches } from "../store/session-branches.ts";
import { createSessionNotes } from "../store/session-notes.ts";
import { createSessions } from "../store/sessions.ts";
import { createUsage } from "../store/usage.ts";
import type { GatewayBase } from "./base.ts";

/** The store and its tables. */
export type Storage = ReturnType<typeof openStorage>;

/** Opens the store. `repair`: an earlier start has met damage, and the file is rebuilt. Throws when another process owns the directory. */
export function openStorage(base: GatewayBase, repair: boolean) {
  const { paths, log, clock, crashPoint, health } = base;
  const store = openStore({ dir: paths.gateway, log: log.child({ subsystem: "store" }), crashPoint, repair });
  store.onHealth = ({ state, cause }) => health.report("store", state, cause ?? undefined);
  const keyValue = createKeyValueStore(store);
  return {
    store,
    keyValue,
    sessions: createSessions(store),
    branches: createSessionBranches(store),
    configVersions: createConfigVersions(store),
    messages: createMessages(store),
    inbox: createInbox(store),
    audit: createAudit(store),
    usage: createUsage(store),
    outbox: createOutbox(store),
    channelState: createChannelState(store),
    approvalRows: createApprovalRows(store),
    grantRows: createGrantRows(store),
    buttons: createButtons(store),
    notes: createSessionNotes(store),
    pairings: createPairings(store, { newCode: createPairingCode, now: clock.now }),
    instanceId: loadInstanceId(base, store, keyValue),
  };
}

/** The directory of received files. */
export const mediaDirOf = ({ gateway }: GatewayBase["paths"]): string => join(gateway, "media");

/** Media files, within the quota of the running configuration. */
export function openMedia({ paths, clock, log }: GatewayBase, running: { readonly config: Config }): MediaStore {
  const quota = () => {
    const { maxTotalBytes, maxAccountBytesPerDay } = running.config.gateway.media;
    return { totalBytes: maxTotalBytes, accountBytesPerDay: maxAccountBytesPerDay };
  };
  return new MediaStore(mediaDirOf(paths), quota, clock.now, log);
}

/** Names this installation; the same after every restart. */
function loadInstanceId({ log, clock }: GatewayBase, store: Store, keyValue: KeyValueStore): string {
  const kept = keyValue.get("instance-id");
  if (typeof kept === "string") return kept;
  const fresh = randomUUID();
  void store
    .write(() => keyValue.set("instance-id", fresh, clock.now()))
    .catch((err: unknown) => log.warn("the instance id could not be stored", { cause: reasonOf(err) }));
  return fresh;
}
