import { hostname } from "node:os";
import { join } from "node:path";
import { reasonOf } from "../core/errors.ts";
import type { RemoteReport } from "../core/remote-report.ts";
import type { TlsPair } from "../remote/tls/pair.ts";
import type { GatewayBase } from "./base.ts";
import type { Auth } from "../auth/open.ts";
import type { Server } from "../server/server.ts";
import type { TailscaleServe } from "../remote/tailscale/serve.ts";
import type { TailscaleProgram } from "../remote/tailscale/program.ts";
import type { Advertiser } from "../remote/discovery/advertiser.ts";
import type { ServiceFacts } from "../remote/discovery/service.ts";
import type { ZoneFacts } from "../remote/discovery/zone.ts";
import type { ZoneWriter } from "../remote/discovery/zone-writer.ts";
import { tailnetAddresses } from "../server/listen.ts";
import type { GatewayOptions } from "../core/gateway-process.ts";
import type { GatewayEndpoint } from "./endpoint.ts";
import { externalHosts } from "./addresses.ts";
import type { RunningConfig } from "./running-config.ts";
import { tailscaleMode } from "./settings.ts";

export type RemoteAccessDeps = Pick<GatewayBase, "paths" | "clock" | "log" | "health" | "metrics"> & {
  running: RunningConfig;
  auth: Auth;
  endpoint: GatewayEndpoint;
  options: GatewayOptions;
};

/** A claim of Tailscale with its listener. */
type ServedOverTailscale = { key: string; serve: TailscaleServe; close: () => Promise<void> };

/** What reaches the gateway from other machines: TLS, Tailscale, discovery. Each part is loaded when it is configured. */
export class RemoteAccess {
  readonly #deps: RemoteAccessDeps;
  #pair: TlsPair | null = null;
  #server: Pick<Server, "listenForTailscale"> | null = null;
  #tailnetHost: string | null = null;
  #tailscale: ServedOverTailscale | null = null;
  /** Changes of the configuration are applied one after the other. */
  #applying: Promise<void> = Promise.resolve();
  #isStopped = false;
  #advertiser: { mode: string; service: Advertiser } | null = null;
  #zone: { domain: string; writer: ZoneWriter } | null = null;

  constructor(deps: RemoteAccessDeps) {
    this.#deps = deps;
    deps.metrics.sample("gateway_remote_tailscale_served", () =>
      this.#tailscale === null ? [] : [{ labels: {}, value: this.#tailnetHost === null ? 0 : 1 }],
    );
    deps.metrics.sample("gateway_remote_certificate_expiry_seconds", () =>
      this.#pair === null ? [] : [{ labels: {}, value: this.#pair.notAfter / 1_000 }],
    );
  }

  get hostNames(): readonly string[] {
    return this.#tailnetHost === null ? [] : [this.#tailnetHost];
  }

  report(): RemoteReport {
    const { running, endpoint, options } = this.#deps;
    const { discovery } = running.config;
    return {
      address: endpoint.deviceAddress(running.config).url,
      urls: endpoint.externalUrls,
      tls: this.#pair && { fingerprint: this.#pair.fingerprint, expiresAt: this.#pair.notAfter },
      tailscale: { mode: tailscaleMode(running.config, options), url: endpoint.tailnetUrl },
      mdns: process.env["OPENCLAW_DISABLE_BONJOUR"] === "1" ? "off" : discovery.mdns.mode,
      zone: this.#zone?.domain ?? null,
    };
  }

  /** The gateway listens: what is configured begins. */
  start(server: Pick<Server, "listenForTailscale">): void {
    this.#server = server;
    this.configure();
  }

  /** The configuration may be another one. */
  configure(): void {
    if (this.#server === null || this.#isStopped) return;
    const { log } = this.#deps;
    this.#applying = this.#applying
      .then(() => this.#applyTailscale())
      .then(() => this.#applyDiscovery())
      .then(() => this.#applyZone())
      .catch((err: unknown) => log.error("remote access could not be set up", { error: err }));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#applying;
    this.#zone?.writer.stop(false);
    await Promise.all([this.#endTailscale(), this.#endDiscovery()]);
  }

  async #applyDiscovery(): Promise<void> {
    const { running, clock, health } = this.#deps;
    const configured = running.config.discovery.mdns.mode;
    const mode = process.env["OPENCLAW_DISABLE_BONJOUR"] === "1" ? "off" : configured;
    if (this.#isStopped || (this.#advertiser?.mode ?? "off") === mode) return;
    await this.#endDiscovery();
    if (mode === "off") return;
    const { Advertiser: Service } = await import("../remote/discovery/advertiser.ts");
    const log = this.#deps.log.child({ subsystem: "remote" });
    const { toHostLabel } = await import("../remote/discovery/service.ts");
    const facts = (): ServiceFacts => this.#serviceFacts(toHostLabel(process.env["OPENCLAW_MDNS_HOSTNAME"] || undefined, hostname()));
    const service = new Service({ mode, facts, clock, random: Math.random, log, health });
    this.#advertiser = { mode, service };
    await service.start();
  }

  async #endDiscovery(): Promise<void> {
    const advertiser = this.#advertiser;
    this.#advertiser = null;
    await advertiser?.service.stop();
  }

  async #applyZone(): Promise<void> {
    const { running, paths, clock, health } = this.#deps;
    const domain = running.config.discovery.wideArea.domain?.replace(/\.$/, "") ?? null;
    if (this.#isStopped) return;
    if (this.#zone?.domain === domain) return this.#zone.writer.update();
    this.#zone?.writer.stop(true);
    this.#zone = null;
    if (domain === null) return;
    const [{ ZoneWriter: Writer }, { toHostLabel }] = await Promise.all([
      import("../remote/discovery/zone-writer.ts"),
      import("../remote/discovery/service.ts"),
    ]);
    const zone = (): ZoneFacts | null => {
      const { ipv4, ipv6 } = tailnetAddresses();
      if (ipv4 === null) return null;
      const facts = this.#serviceFacts(toHostLabel(process.env["OPENCLAW_MDNS_HOSTNAME"] || undefined, hostname()));
      return { domain, facts, ipv4, ipv6, isFull: running.config.discovery.mdns.mode === "full" };
    };
    const log = this.#deps.log.child({ subsystem: "remote" });
    const writer = new Writer({ path: join(paths.state, "dns", `${domain}.db`), zone, clock, log, health });
    this.#zone = { domain, writer };
    writer.start();
  }

  #serviceFacts(label: string): ServiceFacts {
    const { endpoint } = this.#deps;
    const sshPort = Number(process.env["OPENCLAW_SSH_PORT"] || 22);
    return {
      displayName: hostname().split(".")[0] || label,
      hostLabel: label,
      port: endpoint.port,
      tlsFingerprint: endpoint.tlsFingerprint,
      isReachable: endpoint.externalUrls.length > 0,
      tailnetHost: process.env["OPENCLAW_TAILNET_DNS"] || this.#tailnetHost,
      cliPath: process.env["OPENCLAW_CLI_PATH"] || (process.argv[1] ?? null),
      sshPort: Number.isInteger(sshPort) && sshPort > 0 && sshPort < 65_536 ? sshPort : 22,
    };
  }

  async #applyTailscale(): Promise<void> {
    const { running, options, auth, health } = this.#deps;
    const mode = tailscaleMode(running.config, options);
    const key = `${mode} ${auth.settings.mode}`;
    if (this.#isStopped || this.#tailscale?.key === key || (mode === "off" && this.#tailscale === null)) return;
    await this.#endTailscale();
    health.forget("tailscale");
    if (mode === "off") return;
    const { modeProblem } = await import("../remote/tailscale/requirements.ts");
    const problem = modeProblem(mode, auth.settings.mode);
    if (problem === null) this.#tailscale = await this.#serveOverTailscale(mode, key);
    else health.report("tailscale", "degraded", `${problem.why}. ${problem.fix}`);
  }

  async #endTailscale(): Promise<void> {
    const served = this.#tailscale;
    this.#tailscale = null;
    if (served === null) return;
    await served.serve.stop();
    this.#onServed(null);
    await served.close();
  }

  async #serveOverTailscale(mode: "serve" | "funnel", key: string): Promise<ServedOverTailscale> {
    const { clock, health, metrics, endpoint } = this.#deps;
    const [{ TailscaleServe: Serve }, { findTailscale }, { mayBeTailscale }] = await Promise.all([
      import("../remote/tailscale/serve.ts"),
      import("../remote/tailscale/program.ts"),
      import("../remote/tailscale/peer-process.ts"),
    ]);
    const listening = await this.#server!.listenForTailscale(mayBeTailscale);
    const { TailnetWhois } = await import("../remote/tailscale/whois.ts");
    const serve = new Serve({
      mode,
      findProgram: () => findTailscale(process.env),
      backendPort: listening.port,
      gatewayPort: endpoint.port,
      clock,
      random: Math.random,
      log: this.#deps.log.child({ subsystem: "remote" }),
      health,
      metrics,
      onServed: (served) => this.#onServed(served, (program) => new TailnetWhois(program, clock)),
    });
    serve.start();
    return { key, serve, close: listening.close };
  }

  #onServed(
    served: { host: string; program: TailscaleProgram } | null,
    whoisOf?: (program: TailscaleProgram) => { isLogin(address: string, login: string): Promise<boolean> },
  ): void {
    const { auth, endpoint } = this.#deps;
    this.#tailnetHost = served?.host ?? null;
    endpoint.tailnetUrl = served === null ? null : `https://${served.host}`;
    const whois = served === null ? null : (whoisOf?.(served.program) ?? null);
    auth.verifyTailnetUser = whois === null ? null : (address, login) => whois.isLogin(address, login);
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
          this.#advertiser?.service.update();
          this.#zone?.writer.update();
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
