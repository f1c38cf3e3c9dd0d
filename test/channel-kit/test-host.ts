import { systemClock } from "../../src/core/clock.ts";
import { asId, type AccountId, type ChannelId, type ChatId } from "../../src/core/ids.ts";
import { silentLog } from "../../src/core/log.ts";
import { silentMetrics } from "../../src/core/metrics.ts";
import type { Channel, ChannelEvent, InboundMessage, Link, OutboundPart, SendResult } from "../../src/channels/channel.ts";
import type { AccountSpec, AccountStatus } from "../../src/channels/account-types.ts";
import { LinkTable } from "../../src/channels/link-table.ts";
import { createChannelSupervisor, type ChannelSupervisor } from "../../src/channels/supervisor.ts";
import { accountApplier } from "../fakes/account-changes.ts";
import { checkAccount } from "../fakes/channel-account.ts";

/** A channel under its real host, with a journal in memory in place of the store. */
export type TestHost = {
  host: ChannelSupervisor;
  /** Runs these accounts and no others; their keys are checked by the schema first. */
  apply(accounts: readonly AccountSpec[]): Promise<void>;
  /** Every message that was admitted once, in order. */
  events: InboundMessage[];
  /** The same for edits, reactions and all other events. */
  others: Exclude<ChannelEvent, InboundMessage>[];
  /** Every change of state, in order. */
  states: AccountStatus[];
  /** While set, nothing can be stored. */
  failures: { admit: Error | null };
  /** While `until` is set, admissions wait for it; `waiting` counts them. */
  stalled: { until: Promise<void> | null; waiting: number };
  until(ready: () => boolean, what: string): Promise<void>;
  state(wanted: AccountStatus["state"]): Promise<AccountStatus>;
  link(): Link;
  send(chat: { kind: "direct" | "group" | "channel"; id: string }, text: string, signal?: AbortSignal): Promise<SendResult>;
  close(): Promise<void>;
};

export async function openTestHost(channel: Channel, config: unknown, account = "default"): Promise<TestHost> {
  const events: InboundMessage[] = [];
  const others: TestHost["others"] = [];
  const known = new Set<string>();
  const states: AccountStatus[] = [];
  const failing: TestHost["failures"] = { admit: null };
  const held: TestHost["stalled"] = { until: null, waiting: 0 };
  const looks = new Set<() => void>();
  const look = (): void => [...looks].forEach((fn) => fn());
  let cursor: string | null = null;
  const host = createChannelSupervisor({
    links: new LinkTable(),
    load: async (id) => (id === channel.id ? channel : null),
    async admit(channelId, accountId, batch, next) {
      if (failing.admit) throw failing.admit;
      if (held.until) {
        held.waiting++;
        await held.until;
        held.waiting--;
      }
      for (const event of batch) {
        const key = `${channelId} ${accountId} ${event.eventId}`;
        if (known.has(key)) continue;
        if (event.kind === "message") events.push(event);
        else others.push(event);
        known.add(key);
      }
      if (next !== undefined) cursor = next;
      look();
    },
    cursor: () => cursor,
    onState: (status) => {
      states.push(status);
      look();
    },
    clock: systemClock,
    log: silentLog,
    metrics: silentMetrics,
    random: () => 0,
    commands: [{ name: "status", description: "Show the session." }],
  });
  const spec: AccountSpec = { channel: channel.id, account: asId<AccountId>(account), enabled: true, config };
  const applyChecked = accountApplier(host);
  const apply = (specs: readonly AccountSpec[]): Promise<void> =>
    applyChecked(specs.map((each) => ({ ...each, config: checkAccount(each.channel, each.config).raw })));
  await apply([spec]);
  const until = (ready: () => boolean, what: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        looks.delete(check);
        clearInterval(poll);
        reject(
          new Error(
            `waited in vain for ${what}; states: ${states.map((s) => `${s.state}(${s.cause ?? ""})`).join(", ")}; ${events.length} events`,
          ),
        );
      }, 15_000);
      const check = (): void => {
        if (!ready()) return;
        clearTimeout(timer);
        clearInterval(poll);
        looks.delete(check);
        resolve();
      };
      // Conditions may also read the requests of a server, which has no change event.
      const poll = setInterval(check, 20);
      looks.add(check);
      check();
    });
  let parts = 0;
  const link = (): Link => {
    const found = host.link(channel.id, spec.account);
    if (!found) throw new Error("there is no live connection");
    return found;
  };
  return {
    host,
    apply,
    events,
    others,
    states,
    failures: failing,
    stalled: held,
    until,
    async state(wanted) {
      await until(() => host.status()[0]?.state === wanted, `state ${wanted}`);
      return host.status()[0]!;
    },
    link,
    send: (chat, text, signal = new AbortController().signal) => {
      const target = { channel: asId<ChannelId>(channel.id), account: spec.account, chat: { kind: chat.kind, id: asId<ChatId>(chat.id) } };
      const part: OutboundPart = { key: `part-${++parts}`, target, text };
      return link().send(part, signal);
    },
    close: () => host.close(),
  };
}
