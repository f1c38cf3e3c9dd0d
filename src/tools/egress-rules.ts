import { lookup } from "node:dns/promises";

export type Resolve = (host: string) => Promise<readonly string[]>;

/** Why a program may not reach a host, as the end of a sentence, and what changes that. */
export class RefusedError extends Error {
  readonly fix: string;

  constructor(message: string, fix: string) {
    super(message);
    this.fix = fix;
  }
}

export const systemResolve: Resolve = async (host) => (await lookup(host, { all: true })).map(({ address }) => address);

/** A name or an address as it is compared. Pure. */
export const normalizeHost = (host: string): string =>
  host
    .replace(/^\[(.*)\]$/, "$1")
    .toLowerCase()
    .replace(/\.$/, "");

/** Whether a list of names, with `*.` for all names below one, has a host. Pure. */
export const isListed = (host: string, list: readonly string[]): boolean =>
  list.map(normalizeHost).some((each) => (each.startsWith("*.") ? host.endsWith(each.slice(1)) : each === host));
