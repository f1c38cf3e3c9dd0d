import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * What goes wrong with the next message: it is read late, as servers do with clients that write too fast; the connection is lost when
 * someone has written to the client, and every later one at once; it is lost behind a message of the client.
 */
export type ProxyFault = "slow" | "lost-before" | "lost-after";

const SLOW_MS = 300;

/** The way between one client and a real IRC server. It can fail, and say what only other servers say. */
export class IrcFaultProxy {
  readonly #nick: string;
  readonly #upstream: number;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((client) => this.#join(client));
  #client: Socket | null = null;
  #fault: { how: ProxyFault; left: number; begun: boolean } | null = null;

  private constructor(upstream: number, nick: string) {
    this.#upstream = upstream;
    this.#nick = nick;
  }

  /** `upstream`: port of the server; `nick`: that of the client. */
  static async open(upstream: number, nick: string): Promise<IrcFaultProxy> {
    const wire = new IrcFaultProxy(upstream, nick);
    await new Promise<void>((resolve) => void wire.#server.listen(0, "127.0.0.1", resolve));
    return wire;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Returns how often it has happened since. */
  fail(how: ProxyFault, times: number): () => number {
    const fault = { how, left: times, begun: false };
    this.#fault = fault;
    return () => times - fault.left;
  }

  /** A line that the client gets. */
  setUpstream(line: string): void {
    this.#client?.write(`${line}\r\n`);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #happens(how: ProxyFault): boolean {
    if (this.#fault?.how !== how || this.#fault.left === 0) return false;
    this.#fault.left--;
    this.#fault.begun = true;
    return true;
  }

  #join(client: Socket): void {
    if (this.#fault?.begun === true && this.#happens("lost-before")) return void client.destroy();
    const server = connect(this.#upstream, "127.0.0.1");
    this.#client = client;
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => this.#sockets.delete(socket));
    }
    const toClient = new RegExp(`^\\S+ PRIVMSG ${this.#nick} `);
    void pass(
      server,
      client,
      () => undefined,
      (line) => toClient.test(line) && this.#happens("lost-before"),
    );
    const slowly = (line: string) => (isMessage(line) && this.#happens("slow") ? sleep(SLOW_MS) : undefined);
    void pass(client, server, slowly, (line) => isMessage(line) && this.#happens("lost-after"));
  }
}

const isMessage = (line: string): boolean => line.startsWith("PRIVMSG ");

/** Passes lines on until either side ends, or `last` says so of one that was passed on. */
async function pass(
  from: Socket,
  to: Socket,
  before: (line: string) => Promise<unknown> | undefined,
  last: (line: string) => boolean,
): Promise<void> {
  let rest = "";
  try {
    for await (const chunk of from.setEncoding("latin1") as AsyncIterable<string>) {
      const lines = (rest + chunk).split("\r\n");
      rest = lines.pop()!;
      for (const line of lines) {
        await before(line);
        to.write(`${line}\r\n`, "latin1");
        if (last(line)) return;
      }
    }
  } catch {
    // The other side has closed the connection.
  } finally {
    // What was written is still read there.
    to.end();
    from.destroy();
  }
}
