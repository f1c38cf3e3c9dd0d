import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { BlockList, isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";

export const MDNS_GROUP = "224.0.0.251";
export const MDNS_PORT = 5353;

/** An interface with an IPv4 address, and all of its addresses. */
export type NetworkLink = { name: string; address: string; addresses: readonly string[] };

/** Interfaces over which other machines can be reached, or the ones of this machine when there is no other. Pure. */
export function networkLinks(interfaces = networkInterfaces()): NetworkLink[] {
  const links = Object.entries(interfaces).flatMap(([name, addresses = []]) => {
    const v4 = addresses.find(({ family }) => family === "IPv4");
    return v4 === undefined
      ? []
      : [{ name, isInternal: v4.internal, address: v4.address, addresses: addresses.map(({ address }) => address) }];
  });
  const outer = links.filter(({ isInternal }) => !isInternal);
  return (outer.length > 0 ? outer : links).map(({ name, address, addresses }) => ({ name, address, addresses }));
}

/** The IPv4 addresses that need no router. An answer to any other one would go to whom a sender far away names. Pure. */
export function localNetworks(interfaces = networkInterfaces()): (address: string) => boolean {
  const networks = new BlockList();
  networks.addSubnet("169.254.0.0", 16);
  for (const { family, cidr } of Object.values(interfaces).flatMap((each) => each ?? [])) {
    const [network = "", prefix] = cidr?.split("/") ?? [];
    if (family === "IPv4" && prefix !== undefined) networks.addSubnet(network, Number(prefix));
  }
  return (address) => isIPv4(address) && networks.check(address);
}

export type MulticastEvents = {
  onMessage: (packet: Buffer, from: RemoteInfo) => void;
  /** An interface can no longer be used; the others stay. */
  onError: (link: NetworkLink, err: Error) => void;
};

/**
 * The group of multicast DNS on some interfaces, one socket for each: a shared one would send an answer over the wrong interface. The first
 * receives for all of them. `port`: 5353, or 0 to ask without answering.
 */
export class MulticastGroup {
  readonly #sockets = new Map<string, { link: NetworkLink; socket: Socket; isReady: boolean }>();
  readonly #port: number;
  readonly #events: MulticastEvents;
  /** The port where the sockets could not be bound to the wanted one. */
  readonly #fallbackPort: number | null;

  constructor(port: number, events: MulticastEvents, fallbackPort: number | null = null) {
    this.#port = port;
    this.#events = events;
    this.#fallbackPort = fallbackPort;
  }

  get links(): NetworkLink[] {
    return [...this.#sockets.values()].filter(({ isReady }) => isReady).map(({ link }) => link);
  }

  /** Uses exactly these interfaces from now on; resolves when those that are new can be used or have failed. */
  async use(links: readonly NetworkLink[]): Promise<void> {
    const wanted = new Map(links.map((link) => [`${link.name} ${link.address}`, link]));
    for (const [key, entry] of this.#sockets) {
      if (wanted.has(key)) continue;
      this.#sockets.delete(key);
      close(entry.socket);
    }
    await Promise.all([...wanted].filter(([key]) => !this.#sockets.has(key)).map(([key, link]) => this.#open(key, link, this.#port)));
  }

  #open(key: string, link: NetworkLink, port: number): Promise<void> {
    const socket = createSocket({ type: "udp4", reuseAddr: true });
    const entry = { link, socket, isReady: false };
    this.#sockets.set(key, entry);
    return new Promise((resolve) => {
      const fail = (err: Error): void => {
        if (this.#sockets.get(key) === entry) this.#sockets.delete(key);
        close(socket);
        if (!entry.isReady && this.#fallbackPort !== null && port !== this.#fallbackPort)
          return resolve(this.#open(key, link, this.#fallbackPort));
        this.#events.onError(link, err);
        resolve();
      };
      socket.on("error", fail);
      socket.on("message", (packet, from) => {
        if (port !== MDNS_PORT || this.#receiver() === entry) this.#events.onMessage(packet, from);
      });
      socket.bind(port, () => {
        try {
          socket.setMulticastInterface(link.address);
          socket.setMulticastTTL(255);
          socket.setMulticastLoopback(true);
          socket.addMembership(MDNS_GROUP, link.address);
          entry.isReady = true;
          resolve();
        } catch (err) {
          fail(err as Error);
        }
      });
      socket.unref();
    });
  }

  #receiver(): unknown {
    return [...this.#sockets.values()].find(({ isReady }) => isReady);
  }

  /** Sends over every interface what `encode` makes for it. */
  send(encode: (link: NetworkLink) => Buffer): void {
    for (const { link, socket, isReady } of this.#sockets.values()) {
      if (!isReady) continue;
      socket.send(encode(link), MDNS_PORT, MDNS_GROUP, (err) => {
        if (err) this.#events.onError(link, err);
      });
    }
  }

  /** Answers a client that asked from another port than 5353. */
  sendTo(packet: Buffer, { address, port }: { address: string; port: number }): void {
    const first = [...this.#sockets.values()].find(({ isReady }) => isReady);
    first?.socket.send(packet, port, address, (err) => {
      if (err) this.#events.onError(first.link, err);
    });
  }

  /** Resolves when what was sent has left. */
  async close(): Promise<void> {
    const sockets = [...this.#sockets.values()];
    this.#sockets.clear();
    await Promise.all(sockets.map(({ socket }) => new Promise<void>((resolve) => setImmediate(() => close(socket, resolve)))));
  }
}

function close(socket: Socket, done?: () => void): void {
  try {
    socket.close(done);
  } catch (err) {
    // Closed already.
    if ((err as NodeJS.ErrnoException).code !== "ERR_SOCKET_DGRAM_NOT_RUNNING") throw err;
    done?.();
  }
}
