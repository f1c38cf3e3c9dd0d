import type { ProtocolClient, RequestOptions } from "./protocol-client.ts";
import { ClientError } from "./errors.ts";

/** The connection of the moment, for clients that connect again after a loss: what waits for one continues over the next. */
export class LiveConnection {
  readonly #signal: AbortSignal;
  #client: ProtocolClient | null = null;
  #next = Promise.withResolvers<ProtocolClient>();

  /** After `signal` nothing waits for another connection. */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Null while there is none. */
  get client(): ProtocolClient | null {
    return this.#client;
  }

  attach(client: ProtocolClient): void {
    this.#client = client;
    this.#next.resolve(client);
  }

  detach(): void {
    if (this.#client === null) return;
    this.#client = null;
    this.#next = Promise.withResolvers();
  }

  /**
   * Sends a request that carries an idempotency key. After a loss of the connection it is sent again with the same key, and the gateway
   * runs it once. Rejects with the gateway's own refusal, or with `closed` after the signal.
   */
  async requestOnce<T>(
    method: string,
    params: { readonly idempotencyKey: string } & Readonly<Record<string, unknown>>,
    options: RequestOptions = {},
  ): Promise<T> {
    for (;;) {
      const client = await this.#next.promise;
      try {
        return await client.request<T>(method, params, options);
      } catch (err) {
        if (!(err instanceof ClientError) || err.kind !== "closed" || this.#signal.aborted) throw err;
        if (this.#client === client) this.detach();
      }
    }
  }
}
