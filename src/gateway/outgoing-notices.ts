import { reasonOf } from "../core/errors.ts";
import type { OutboxPart } from "../store/outbox.ts";
import type { PairingRequest } from "../store/pairing.ts";
import { conversationOf } from "../turns/outbound.ts";
import type { ChatFamilyDeps } from "./method-deps.ts";

/** Resolves to the parts of an outgoing message when all of them are settled, or after the time is over. */
export async function waitUntilSettled(
  { outbox, bus, clock }: Pick<ChatFamilyDeps, "outbox" | "bus" | "clock">,
  intentId: string,
  timeoutMs: number,
): Promise<readonly OutboxPart[]> {
  const isOpen = (): boolean => outbox.byIntent(intentId).some((part) => part.state === "queued" || part.state === "attempting");
  if (isOpen()) {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stop();
        cancel();
        resolve();
      };
      const stop = bus.on("part.settled", () => isOpen() || done());
      const cancel = clock.after(timeoutMs, done);
    });
  }
  return outbox.byIntent(intentId);
}

const APPROVED = "You're approved. Go ahead and send me a message.";

/** Tells a sender on their channel that their pairing was approved. */
export async function notifyApproved(
  { store, clock, log, directory, messaging }: Pick<ChatFamilyDeps, "store" | "clock" | "log" | "directory" | "messaging">,
  { channel, account, sender, createdAt }: PairingRequest,
): Promise<"sent" | "unsupported" | "failed"> {
  try {
    const target = directory.toPerson(channel, account, sender);
    const id = `paired:${channel}:${account}:${sender}:${createdAt}`;
    await store.write(() => messaging.turns.outbound.add({ id, sessionKey: null, target, text: APPROVED, at: clock.now() }));
    messaging.delivery.wake(conversationOf(target));
    return "sent";
  } catch (err) {
    log.warn("the notice of an approved pairing could not be sent", { channel, account, cause: reasonOf(err) });
    return "failed";
  }
}
