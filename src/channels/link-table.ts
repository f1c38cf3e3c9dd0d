import type { Link } from "./channel.ts";

/** The live connections of the accounts: set by the supervisor of each account, looked up for each send. */
export class LinkTable {
  readonly #links = new Map<string, Link>();

  /** Null while the account has no connection. */
  readonly get = (channel: string, account: string): Link | null => this.#links.get(keyOf(channel, account)) ?? null;

  set(channel: string, account: string, link: Link | null): void {
    if (link) this.#links.set(keyOf(channel, account), link);
    else this.#links.delete(keyOf(channel, account));
  }
}

const keyOf = (channel: string, account: string): string => JSON.stringify([channel, account]);
