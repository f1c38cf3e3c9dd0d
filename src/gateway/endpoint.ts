import type { Config } from "../config/schema.ts";
import { externalHosts, localHost } from "./addresses.ts";

/** Where the gateway listens. */
export class GatewayEndpoint {
  /** 0 until it listens. */
  #port = 0;
  #addresses: readonly string[] = [];

  opened(addresses: readonly string[], port: number): void {
    this.#addresses = addresses;
    this.#port = port;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `ws://${localHost(this.#addresses)}:${this.#port}`;
  }

  /** Where other machines reach it; empty when it listens on loopback only. */
  get externalUrls(): string[] {
    return externalHosts(this.#addresses).map((host) => `ws://${host}:${this.#port}`);
  }

  /** The address to give to people, and the setting that it comes from. */
  publicAddress({ gateway: { publicOrigin } }: Config): { url: string; source: string } {
    if (publicOrigin) return { url: publicOrigin, source: "gateway.publicOrigin" };
    return { url: `http://${localHost(this.#addresses)}:${this.#port}`, source: "gateway.port" };
  }
}
