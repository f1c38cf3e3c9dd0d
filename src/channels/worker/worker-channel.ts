import { existsSync } from "node:fs";
import type { Clock } from "../../core/clock.ts";
import { GatewayError, reasonOf } from "../../core/errors.ts";
import type { AccountId } from "../../core/ids.ts";
import type { Log } from "../../core/log.ts";
import type { Channel, ChannelContext, WebhookResponse, Link } from "../channel.ts";
import type { ChannelPluginSource } from "../plugin-loader.ts";
import { forwardSpool } from "./spool-forwarder.ts";
import { NotStartedError } from "./errors.ts";
import { WorkerRun } from "./worker-run.ts";
import { packConfig, type EventSpool } from "./messages.ts";

export type WorkerChannelDeps = {
  account: AccountId;
  /** The account as configured, secrets resolved. */
  config: unknown;
  pluginSource: ChannelPluginSource | null;
  /** The file of the thread. */
  entry: URL;
  /** Where the account's spool is. */
  spoolPath: string;
  openSpool(path: string, log: Log): EventSpool;
  removeSpool(path: string): void;
  clock: Clock;
};

/** Spools in use, with a promise of their release: the next run of the account waits for it. */
const spoolLocks = new Map<string, Promise<unknown>>();

/** Lets runs with the same spool follow one another. */
async function withSpoolLock(path: string, work: () => Promise<void>): Promise<void> {
  const before = spoolLocks.get(path);
  const mine = (async () => {
    await before;
    await work();
  })();
  const settled = mine.catch(() => undefined);
  spoolLocks.set(path, settled);
  try {
    await mine;
  } finally {
    if (spoolLocks.get(path) === settled) spoolLocks.delete(path);
  }
}

/** Takes over what is in the spool. */
async function forwardStoredEvents({ spoolPath: path, openSpool }: WorkerChannelDeps, host: ChannelContext): Promise<void> {
  if (!existsSync(path)) return;
  const spool = openSpool(path, host.log);
  try {
    await forwardSpool(spool, host);
  } finally {
    spool.close();
  }
}

/**
 * The same channel with its connection in a thread of its own: what is received there is on disk before the platform is acknowledged,
 * however busy the gateway is, and a crash there ends the thread. What needs no connection runs here.
 */
export function createWorkerChannel(channel: Channel, deps: WorkerChannelDeps): Channel {
  let current: WorkerRun | null = null;
  const { handleWebhook: receive } = channel;
  return {
    ...channel,
    run: (_account, host, live, signal) =>
      withSpoolLock(deps.spoolPath, async () => {
        await forwardStoredEvents(deps, host);
        if (signal.aborted) return;
        const run = new WorkerRun({
          ...deps,
          start: {
            channel: channel.id,
            account: deps.account,
            pluginSource: deps.pluginSource,
            config: packConfig(deps.config),
            cursor: host.cursor(),
            commands: host.commands,
            vault: host.vault !== undefined,
            spool: deps.spoolPath,
          },
          host,
          setLink: live,
        });
        current = run;
        try {
          await run.run(signal);
        } finally {
          if (current === run) current = null;
          // What reached the disk in the last moment was not told any more.
          await forwardStoredEvents(deps, host).catch((err: unknown) =>
            host.log.warn("events of an isolated channel stay in its spool until it starts again", { cause: reasonOf(err) }),
          );
        }
      }),
    ...(receive && {
      handleWebhook: async (_account, request): Promise<WebhookResponse> => {
        try {
          if (current) return await current.handleWebhook(request);
        } catch (err) {
          if (!(err instanceof NotStartedError)) throw err;
        }
        throw new GatewayError("UNAVAILABLE", `${channel.id}/${deps.account} is not running`, { retryAfterMs: 5_000 });
      },
    }),
  };
}

/** The same channel, which first takes over what a thread of it has left: for an account that is not isolated any more. */
export function createSpoolDrainingChannel(channel: Channel, deps: WorkerChannelDeps): Channel {
  return {
    ...channel,
    run: async (account, host, live: (link: Link | null) => void, signal) => {
      await withSpoolLock(deps.spoolPath, async () => {
        await forwardStoredEvents(deps, host);
        deps.removeSpool(deps.spoolPath);
      });
      if (!signal.aborted) await channel.run(account, host, live, signal);
    },
  };
}
