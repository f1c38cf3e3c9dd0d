import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { asId, type AccountId } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import { TerminalError, type ChannelEvent, type ChannelContext } from "../channel.ts";
import { sleep } from "../../core/async.ts";
import { asObject, asString } from "../../core/json.ts";
import type { SignalBackend } from "./backend.ts";
import type { SignalAccount } from "./config.ts";
import { decodeSignalEvent } from "./inbound.ts";

export type SignalTimings = {
  /** A daemon's stream, and a container's socket, on which nothing has come for so long is dead. */
  streamQuietMs: number;
  socketQuietMs: number;
  /** Time for a container's socket to be opened. */
  openMs: number;
  /** Pause before events are stored again. */
  storeMs: number;
};
export const SIGNAL_TIMINGS: SignalTimings = { streamQuietMs: 45_000, socketQuietMs: 130_000, openMs: 20_000, storeMs: 1_000 };

export type SignalSession = {
  account: SignalAccount;
  backend: SignalBackend;
  host: ChannelContext;
  clock: Clock;
  timings: SignalTimings;
  signal: AbortSignal;
  /** Events that are about to be stored: an answer may come before `admit` has returned. */
  seen: (events: readonly ChannelEvent[]) => void;
};

/**
 * Reads notifications until the signal aborts. The next are read only when the last are stored, so that a store that is full makes
 * signal-cli wait. Throws when the connection is lost.
 */
export async function receiveEvents(session: SignalSession, ready: () => void): Promise<void> {
  const { account, backend, host, clock, signal } = session;
  for await (const batch of backend.listen(signal, ready, () => host.reportActivity())) {
    for (const notification of batch) {
      const other = asString(asObject(notification)?.["account"]);
      if (other !== "" && other !== account.number)
        throw new TerminalError(
          `this signal-cli serves ${other}`,
          `Start the daemon for ${account.number} or for all accounts (without -a), or correct channels.signal.account.`,
        );
    }
    const { number, uuid, ignoreAttachments } = account;
    const facts = { self: { number, uuid, ignoreAttachments }, account: asId<AccountId>("default"), now: clock.now() };
    const events = batch.flatMap((each) => decodeSignalEvent(each, facts));
    try {
      session.seen(events);
    } catch (err) {
      // Signal delivers once: what was read is stored in any case.
      host.log.error("the texts of a batch could not be kept for quoting", { error: err });
    }
    for (let at = 0; at < events.length; at += LIMITS.channelPendingEvents)
      await storeWithRetry(session, events.slice(at, at + LIMITS.channelPendingEvents));
  }
}

/** Signal delivers once: what was read is kept until it is stored, and tried once more at the end. */
async function storeWithRetry({ host, clock, timings, signal }: SignalSession, events: readonly ChannelEvent[]): Promise<void> {
  for (let failed = false; ; failed = true) {
    const last = signal.aborted;
    try {
      await host.admit(events);
      if (failed) host.setState("ready");
      return;
    } catch (err) {
      host.log.error("messages could not be stored; trying again", { cause: reasonOf(err), waiting: events.length });
      if (last) throw err;
      host.setState("degraded", `messages cannot be stored: ${reasonOf(err)}`);
      await sleep(clock, timings.storeMs, signal);
    }
  }
}
