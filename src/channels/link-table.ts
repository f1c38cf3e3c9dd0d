import type { Link } from "./channel.ts";

type UpListener = (channel: string, account: string) => void;

/** The live connections of the accounts: set by the supervisor of each account, looked up for each send. */
export class LinkTable {
  readonly #links = new Map<string, Link>();
  readonly #upListeners: UpListener[] = [];

  /** Null while the account has no connection. */
  readonly get = (channel: string, account: string): Link | null => this.#links.get(keyOf(channel, account)) ?? null;

  /** Calls `listener` each time that an account can send, whatever its state says. It must not throw. */
  onUp(listener: UpListener): void {
    this.#upListeners.push(listener);
  }

  set(channel: string, account: string, link: Link | null): void {
    if (!link) return void this.#links.delete(keyOf(channel, account));
    this.#links.set(keyOf(channel, account), link);
    for (const listener of this.#upListeners) listener(channel, account);
  }
}

const keyOf = (channel: string, account: string): string => JSON.stringify([channel, account]);
