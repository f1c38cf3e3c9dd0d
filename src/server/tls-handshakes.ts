import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { LIMITS } from "../core/limits.ts";
import type { PreAuthConnection, PreAuthPool } from "./pre-auth-connections.ts";

/** A certificate with its key, in PEM form. */
export type TlsMaterial = { cert: Buffer; key: Buffer; ca: Buffer | null };

/** Options of Node for such a pair. Older versions of TLS than 1.3 are refused. */
export const secureContextOf = ({ cert, key, ca }: TlsMaterial) => ({ cert, key, ...(ca && { ca }), minVersion: "TLSv1.3" as const });

/** Sockets that have not finished their TLS handshake: each has a place among the pre-auth connections, and a deadline. */
export class TlsHandshakes {
  readonly #pool: PreAuthPool;
  readonly #running = new Map<string, PreAuthConnection>();

  constructor(pool: PreAuthPool) {
    this.#pool = pool;
  }

  begin(socket: Socket): void {
    const key = endsOf(socket);
    const connection: PreAuthConnection = {
      peer: socket.remoteAddress ?? "",
      deadlineMs: LIMITS.httpHeadMs,
      awaitingAnswer: false,
      drop: () => socket.destroy(),
    };
    this.#running.set(key, connection);
    this.#pool.add(connection);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#end(key, connection));
  }

  /** From here on the socket is one of HTTP, with a place of its own. */
  finish(socket: TLSSocket): void {
    const key = endsOf(socket);
    const connection = this.#running.get(key);
    if (connection) this.#end(key, connection);
  }

  #end(key: string, connection: PreAuthConnection): void {
    if (this.#running.get(key) === connection) this.#running.delete(key);
    this.#pool.remove(connection);
  }
}

/** The same for a socket and for the TLS on it, which Node does not link to each other. */
const endsOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
