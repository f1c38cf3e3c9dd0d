import type { Link, SendResult } from "./channel.ts";

type UpListener = (channel: string, account: string) => void;

/** The live connections of the accounts: set by the supervisor of each account, looked up for each send. */
export class LinkTable {
  readonly #links = new Map<string, Link>();
  readonly #upListeners: UpListener[] = [];
  readonly #isShadow: () => boolean;

  /** `isShadow`: this gateway receives and does not send, because another one answers. Asked for each send. */
  constructor(isShadow: () => boolean = () => false) {
    this.#isShadow = isShadow;
  }

  /** Null while the account has no connection. In shadow mode nothing of the connection can reach a person. */
  readonly get = (channel: string, account: string): Link | null => {
    const link = this.#links.get(keyOf(channel, account)) ?? null;
    return link !== null && this.#isShadow() ? receiveOnly(link) : link;
  };

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

/** What the rest of the gateway may do with a connection in shadow mode: fetch the files of received messages. */
const receiveOnly = (link: Link): Link => ({
  send: (): Promise<SendResult> => Promise.resolve({ state: "refused", retryable: false, reason: "shadow mode: nothing is sent" }),
  ...(link.download && { download: (ref, maxBytes, signal) => link.download!(ref, maxBytes, signal) }),
});

const keyOf = (channel: string, account: string): string => JSON.stringify([channel, account]);
