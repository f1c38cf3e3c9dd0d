import type { Config } from "../config/schema.ts";
import { externalHosts, localHost } from "./addresses.ts";

/** Where the gateway listens. */
export class GatewayEndpoint {
  /** 0 until it listens. */
  #port = 0;
  #addresses: readonly string[] = [];
  #tlsFingerprint: string | null = null;
  /** Where Tailscale serves it; null while it does not. */
  tailnetUrl: string | null = null;

  /** `tlsFingerprint`: of the certificate when the port speaks TLS. */
  opened(addresses: readonly string[], port: number, tlsFingerprint: string | null): void {
    this.#addresses = addresses;
    this.#port = port;
    this.#tlsFingerprint = tlsFingerprint;
  }

  certificateSwapped(fingerprint: string): void {
    this.#tlsFingerprint = fingerprint;
  }

  get addresses(): readonly string[] {
    return this.#addresses;
  }

  get tlsFingerprint(): string | null {
    return this.#tlsFingerprint;
  }

  get #s(): "" | "s" {
    return this.#tlsFingerprint === null ? "" : "s";
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `ws${this.#s}://${localHost(this.#addresses)}:${this.#port}`;
  }

  /** Where other machines reach it; empty when it listens on loopback only. */
  get externalUrls(): string[] {
    return externalHosts(this.#addresses).map((host) => `ws${this.#s}://${host}:${this.#port}`);
  }

  /** As publicAddress, for another device: over Tailscale or the network where that is possible. */
  deviceAddress(config: Config): { url: string; source: string } {
    if (config.gateway.publicOrigin) return this.publicAddress(config);
    if (this.tailnetUrl !== null) return { url: this.tailnetUrl, source: "gateway.tailscale" };
    const [host] = externalHosts(this.#addresses);
    return host === undefined ? this.publicAddress(config) : { url: `http${this.#s}://${host}:${this.#port}`, source: "gateway.bind" };
  }

  /** The address to give to people on this machine, and the setting that it comes from. */
  publicAddress({ gateway: { publicOrigin } }: Config): { url: string; source: string } {
    if (publicOrigin) return { url: publicOrigin, source: "gateway.publicOrigin" };
    return { url: `http${this.#s}://${localHost(this.#addresses)}:${this.#port}`, source: "gateway.port" };
  }
}
