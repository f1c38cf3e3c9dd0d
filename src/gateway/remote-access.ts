import { hostname } from "node:os";
import { reasonOf } from "../core/errors.ts";
import type { TlsPair } from "../remote/tls/pair.ts";
import type { GatewayBase } from "./base.ts";
import { externalHosts } from "./addresses.ts";
import type { RunningConfig } from "./running-config.ts";

export type RemoteAccessDeps = Pick<GatewayBase, "paths" | "clock" | "log" | "health" | "metrics"> & { running: RunningConfig };

/** What reaches the gateway from other machines: TLS, Tailscale, discovery. Each part is loaded when it is configured. */
export class RemoteAccess {
  readonly #deps: RemoteAccessDeps;
  #pair: TlsPair | null = null;

  constructor(deps: RemoteAccessDeps) {
    this.#deps = deps;
    deps.metrics.sample("gateway_remote_certificate_expiry_seconds", () => (this.#pair === null ? [] : this.#pair.notAfter / 1_000));
  }

  get hostNames(): readonly string[] {
    return [];
  }

  /**
   * The certificate of the port; null without TLS. `failed`: TLS is configured and there is no certificate that can be used. Then nothing
   * may be served to other machines, because they would send their credentials in the clear.
   */
  async openTls(signal: AbortSignal, onSwap: (pair: TlsPair) => void): Promise<{ pair: TlsPair | null; failed: boolean }> {
    const { running, paths, clock, health } = this.#deps;
    const { tls } = running.config.gateway;
    if (!tls.enabled) return { pair: null, failed: false };
    const log = this.#deps.log.child({ subsystem: "remote" });
    try {
      const [{ GatewayTls }, { tlsPaths }] = await Promise.all([import("../remote/tls/gateway-tls.ts"), import("../remote/tls/pair.ts")]);
      const served = new GatewayTls({
        paths: tlsPaths(tls, paths.gateway),
        autoGenerate: tls.autoGenerate,
        hosts: certificateHosts(),
        clock,
        log,
        health,
        signal,
        onSwap: (pair) => {
          this.#pair = pair;
          onSwap(pair);
        },
      });
      this.#pair = served.pair;
      return { pair: served.pair, failed: false };
    } catch (err) {
      const cause = `${reasonOf(err)}; until that is corrected the gateway listens on this machine only, without TLS`;
      log.error("TLS cannot be used", { cause: reasonOf(err), fix: (err as { fix?: string }).fix });
      health.report("tls", "degraded", cause);
      return { pair: null, failed: true };
    }
  }
}

/** Names and addresses of this machine. A host name that DNS could not have is left out. */
function certificateHosts(): string[] {
  const name = hostname().toLowerCase();
  const names = /^[a-z0-9][a-z0-9.-]{0,200}$/.test(name) ? [name, ...(name.includes(".") ? [] : [`${name}.local`])] : [];
  const addresses = externalHosts(["0.0.0.0", "::"]).map((host) => host.replaceAll(/[[\]]/g, ""));
  return ["localhost", ...names, "127.0.0.1", "::1", ...addresses.filter((address) => !address.includes("%"))];
}
