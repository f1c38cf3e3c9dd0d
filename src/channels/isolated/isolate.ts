import { existsSync } from "node:fs";
import type { Clock } from "../../core/clock.ts";
import { GatewayError, reasonOf } from "../../core/errors.ts";
import type { AccountId } from "../../core/ids.ts";
import type { Log } from "../../core/log.ts";
import type { Channel, ChannelHost, HookAnswer, Link } from "../channel.ts";
import type { Outside } from "../third-party.ts";
import { drainLeftovers } from "./drain.ts";
import { NeverBegunError } from "./errors.ts";
import { ThreadRun } from "./run.ts";
import { packConfig, type SpoolFile } from "./wire.ts";

export type IsolationDeps = {
  account: AccountId;
  /** The account as configured, secrets resolved. */
  config: unknown;
  outside: Outside | null;
  /** The file of the thread. */
  entry: URL;
  /** Where the account's spool is. */
  spool: string;
  openSpool(path: string, log: Log): SpoolFile;
  removeSpool(path: string): void;
  clock: Clock;
};

/** Spools that a run uses, with when it lets go: the next run of the account waits for it. */
const inUse = new Map<string, Promise<unknown>>();

/** Lets runs with the same spool follow one another. */
async function alone(path: string, work: () => Promise<void>): Promise<void> {
  const before = inUse.get(path);
  const mine = (async () => {
    await before;
    await work();
  })();
  const settled = mine.catch(() => undefined);
  inUse.set(path, settled);
  try {
    await mine;
  } finally {
    if (inUse.get(path) === settled) inUse.delete(path);
  }
}

/** Takes over what is in the spool. */
async function takeOver({ spool: path, openSpool }: IsolationDeps, host: ChannelHost): Promise<void> {
  if (!existsSync(path)) return;
  const spool = openSpool(path, host.log);
  try {
    await drainLeftovers(spool, host);
  } finally {
    spool.close();
  }
}

/**
 * The same channel with its connection in a thread of its own: what is received there is on disk before the platform is acknowledged,
 * however busy the gateway is, and a crash there ends the thread. What needs no connection runs here.
 */
export function isolate(channel: Channel, deps: IsolationDeps): Channel {
  let current: ThreadRun | null = null;
  const { receive } = channel;
  return {
    ...channel,
    run: (_account, host, live, signal) =>
      alone(deps.spool, async () => {
        await takeOver(deps, host);
        if (signal.aborted) return;
        const run = new ThreadRun({
          ...deps,
          start: {
            channel: channel.id,
            account: deps.account,
            outside: deps.outside,
            config: packConfig(deps.config),
            cursor: host.cursor(),
            commands: host.commands,
            vault: host.vault !== undefined,
            spool: deps.spool,
          },
          host,
          live,
        });
        current = run;
        try {
          await run.serve(signal);
        } finally {
          if (current === run) current = null;
          // What reached the disk in the last moment was not told any more.
          await takeOver(deps, host).catch((err: unknown) =>
            host.log.warn("events of an isolated channel stay in its spool until it starts again", { cause: reasonOf(err) }),
          );
        }
      }),
    ...(receive && {
      receive: async (_account, request): Promise<HookAnswer> => {
        try {
          if (current) return await current.receive(request);
        } catch (err) {
          if (!(err instanceof NeverBegunError)) throw err;
        }
        throw new GatewayError("UNAVAILABLE", `${channel.id}/${deps.account} is not running`, { retryAfterMs: 5_000 });
      },
    }),
  };
}

/** The same channel, which first takes over what a thread of it has left: for an account that is not isolated any more. */
export function afterIsolation(channel: Channel, deps: IsolationDeps): Channel {
  return {
    ...channel,
    run: async (account, host, live: (link: Link | null) => void, signal) => {
      await alone(deps.spool, async () => {
        await takeOver(deps, host);
        deps.removeSpool(deps.spool);
      });
      if (!signal.aborted) await channel.run(account, host, live, signal);
    },
  };
}
