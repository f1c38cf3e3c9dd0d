import { systemClock, type Clock } from "../../core/clock.ts";
import { silentLog } from "../../core/log.ts";
import { LIMITS } from "../../core/limits.ts";
import { TerminalError, type Channel, type ChannelContext, type Link, type LoginStep } from "../channel.ts";
import { containedClock } from "../containment.ts";
import type { SignalBackend } from "./backend.ts";
import { channelFacts } from "../manifest.ts";
import { DESCRIPTION } from "./description.ts";
import { canonicalSignalId, parseSignalAccount, signalIdentity, type SignalAccount } from "./config.ts";
import { receiveEvents, SIGNAL_TIMINGS, type SignalTimings } from "./connection.ts";
import { ContainerBackend } from "./container-backend.ts";
import { toSignalChat } from "./ids.ts";
import { redecodeSignalEvent } from "./inbound.ts";
import { SignalLink } from "./link.ts";
import { NativeBackend, NotLinkedError } from "./native-backend.ts";
import { toVisibleSignal } from "./outbound.ts";
import { startDaemon, type Daemon } from "./daemon-process.ts";

const LINK_FIRST_FIX =
  "Save it anyway (--no-verify; on the page: Save it, and link a phone), then: openclaw channels login signal. Or register the number with signal-cli.";

type Options = { timings?: SignalTimings; clock?: Clock };
type Deps = { timings: SignalTimings; clock: Clock };

/** The Signal channel. Tests give it shorter times; the protocol does not change with them. */
export function createSignalChannel({ timings = SIGNAL_TIMINGS, clock = systemClock }: Options = {}): Channel<SignalAccount> {
  const deps = { timings, clock };
  return {
    ...channelFacts(DESCRIPTION),
    parse: parseSignalAccount,
    identity: signalIdentity,
    canonicalId: canonicalSignalId,
    toRenderedText: toVisibleSignal,
    redecode: redecodeSignalEvent,
    parseChat: toSignalChat,
    run: (account, host, live, signal) => runSignal(account, host, live, signal, deps),
    async verify(account, signal) {
      try {
        await withBackend(account, DETACHED_HOST, signal, deps, false, (backend) => backend.check(signal));
      } catch (err) {
        // What is not saved cannot be linked: here the way is another than for an account that runs.
        throw err instanceof NotLinkedError ? new TerminalError(err.message, LINK_FIRST_FIX) : err;
      }
      return { name: account.number };
    },
    async login(account, _vault, show, signal) {
      const onUri = (uri: string): void => show(toLoginStep(uri, clock));
      const link = (backend: SignalBackend): Promise<string> => backend.linkDevice(onUri, signal);
      const number = await withBackend(account, DETACHED_HOST, signal, deps, true, link);
      if (number === account.number) return { name: number };
      throw new Error(`the code was scanned by ${number}, but channels.signal.account is ${account.number}: correct the setting`);
    },
  };
}

const toLoginStep = (text: string, clock: Clock): LoginStep => ({ kind: "qr", text, expiresAt: clock.now() + LIMITS.channelLoginMs });

type BackendHost = Pick<ChannelContext, "log" | "reportRateLimit" | "fail">;
/** For requests without a running account: the caller that waits for the result sees the failure. */
const DETACHED_HOST: BackendHost = { log: silentLog, reportRateLimit: () => undefined, fail: () => undefined };

/** Runs `work` with the backend of the account; a daemon that was started for it ends with it. */
async function withBackend<T>(
  account: SignalAccount,
  host: BackendHost,
  signal: AbortSignal,
  { timings, clock: plainClock }: Deps,
  linking: boolean,
  work: (backend: SignalBackend, daemon: Daemon | null) => Promise<T>,
): Promise<T> {
  const { transport } = account;
  const clock = containedClock(plainClock, host.fail);
  const shared = { account, host, clock };
  if (transport.kind === "container")
    return work(new ContainerBackend({ ...shared, url: transport.url, quietMs: timings.socketQuietMs, openMs: timings.openMs }), null);
  const native = (url: string): SignalBackend => new NativeBackend({ ...shared, url, quietMs: timings.streamQuietMs });
  if (transport.kind !== "managed-native") return work(native(transport.url), null);
  const daemon = await startDaemon(account, transport, { host, clock, signal, linking });
  try {
    return await work(native(daemon.url), daemon);
  } finally {
    await daemon.stop();
  }
}

async function runSignal(
  account: SignalAccount,
  host: ChannelContext,
  live: (link: Link | null) => void,
  stop: AbortSignal,
  deps: Deps,
): Promise<void> {
  const ended = new AbortController();
  const signal = AbortSignal.any([stop, ended.signal]);
  try {
    await withBackend(account, host, signal, deps, false, async (backend, daemon) => {
      daemon?.ended.then((cause) => ended.abort(cause)).catch(host.fail);
      // A daemon of ours was started for this account; another is asked whether it has it.
      if (!daemon) await backend.check(signal);
      const link = new SignalLink(backend, host, signal);
      const session = { account, backend, host, signal, ...deps, seen: link.onEvents.bind(link) };
      await receiveEvents(session, () => live(link));
    });
  } catch (err) {
    if (!stop.aborted) throw ended.signal.aborted ? ended.signal.reason : err;
  } finally {
    ended.abort(new Error("the connection has ended"));
    live(null);
  }
}

export const channel: Channel = createSignalChannel() as Channel;
