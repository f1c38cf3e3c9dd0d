import type { ReplyTarget } from "../channels/channel.ts";
import { isConnected, type AccountStatus } from "../channels/account-types.ts";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { KeyValueStore } from "../store/key-value.ts";

export type OwnerAlertsDeps = {
  keyValue: KeyValueStore;
  write: <T>(change: () => T) => Promise<T>;
  now: () => number;
  /** `commands.ownerAllowFrom`: entries like `telegram:12345`. */
  owners: () => readonly string[];
  status: () => readonly AccountStatus[];
  /** Throws when the text is not a recipient there. */
  toPerson: (channel: string, account: string, to: string) => ReplyTarget;
  /** Writes the notice into the outbox, inside a `write`; delivery begins with `deliver`. */
  enqueueNotice: (id: string, target: ReplyTarget, text: string) => void;
  deliver: (target: ReplyTarget) => void;
  /** Notifies the clients that watch, at once. */
  publish: (text: string) => void;
  log: Log;
};

type SentAlert = { cause: string; at: number };

const nameOf = ({ channel, account }: AccountStatus): string => `${channel}/${account}`;
const alertKeyOf = (status: AccountStatus): string => `alarm:${nameOf(status)}`;

/**
 * Reports an account that only its owner can repair: one notice on another channel and one event for clients, for each cause. A
 * restart within LIMITS.ownerAlertIntervalMs does not repeat it. While no other channel is ready the notice waits.
 */
export class OwnerAlerts {
  readonly #deps: OwnerAlertsDeps;
  readonly #pending = new Map<string, AccountStatus>();

  constructor(deps: OwnerAlertsDeps) {
    this.#deps = deps;
  }

  /** To be called after every change of an account's state. Never throws. */
  onStatus(status: AccountStatus): void {
    try {
      this.#handleStatus(status);
    } catch (err) {
      this.#deps.log.warn("an owner alert about a channel failed", { cause: reasonOf(err) });
    }
  }

  #handleStatus(status: AccountStatus): void {
    const name = nameOf(status);
    if (status.state === "terminal") {
      if (this.#isNew(status)) this.#deps.publish(noticeOf(status));
      this.#pending.set(name, status);
    } else if (status.state !== "connecting") this.#pending.delete(name);
    if (status.state !== "terminal" && !isConnected(status.state)) return;
    for (const each of this.#pending.values()) {
      this.#notifyOwner(each).catch((err: unknown) =>
        this.#deps.log.warn("the owner could not be notified about a channel", { cause: reasonOf(err) }),
      );
    }
  }

  #isNew(status: AccountStatus): boolean {
    const sent = this.#deps.keyValue.get(alertKeyOf(status)) as SentAlert | null;
    // A clock that was set back must not silence an alert for as long.
    return sent?.cause !== (status.cause ?? "") || Math.abs(this.#deps.now() - sent.at) >= LIMITS.ownerAlertIntervalMs;
  }

  async #notifyOwner(status: AccountStatus): Promise<void> {
    const { deps, target } = { deps: this.#deps, target: this.#ownerTarget(status) };
    if (!target) return;
    this.#pending.delete(nameOf(status));
    const sent = await deps.write(() => {
      // Checked and recorded in one transaction: a notice is written once, also when two states change together.
      if (!this.#isNew(status)) return false;
      const at = deps.now();
      deps.keyValue.set(alertKeyOf(status), { cause: status.cause ?? "", at } satisfies SentAlert, at);
      deps.enqueueNotice(`alarm:${nameOf(status)}:${at}`, target, noticeOf(status));
      return true;
    });
    if (sent) deps.deliver(target);
  }

  /** The first owner who can be reached over a connected account other than the broken one. */
  #ownerTarget(broken: AccountStatus): ReplyTarget | null {
    const connected = this.#deps.status().filter((each) => isConnected(each.state) && nameOf(each) !== nameOf(broken));
    for (const entry of this.#deps.owners()) {
      const [, channel, id] = /^\s*([\w-]+):(.+?)\s*$/.exec(entry) ?? [];
      const account = connected.find((each) => each.channel === channel?.toLowerCase());
      if (!account || id === undefined || id === "*") continue;
      try {
        return this.#deps.toPerson(account.channel, account.account, id);
      } catch (err) {
        this.#deps.log.warn("no message can be sent to an entry of commands.ownerAllowFrom", {
          channel: account.channel,
          cause: reasonOf(err),
        });
      }
    }
    return null;
  }
}

function noticeOf(status: AccountStatus): string {
  const cause = status.cause ? `: ${status.cause}` : "";
  return `The channel ${nameOf(status)} has stopped and needs you${cause}.${status.fix ? ` To fix it: ${status.fix}` : ""}`;
}
