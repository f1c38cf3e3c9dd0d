import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { openClient } from "../client/client.ts";
import { ClientError } from "../client/errors.ts";
import { certificateProblemOf } from "../client/pinned-connection.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { findRunningGateway } from "../core/pid-file.ts";
import { formatFingerprint, parseFingerprint } from "../core/tls-pin.ts";
import type { CommandHandler } from "./command.ts";
import { toCliError, toClientOptions } from "./connect.ts";
import { configOf, pathsOf, resolveTarget, type GatewayTarget } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { sanitizeLine } from "./terminal-text.ts";

export type HopName = "bind" | "serve" | "tunnel" | "dns" | "listener" | "tls" | "handshake" | "auth" | "pairing";

/** One part of the way to the gateway. */
type Hop = { hop: HopName; ok: boolean; ms: number; detail: string; fix?: string };

/** Why a hop fails, and the command that helps. */
class HopFailure extends Error {
  readonly fix: string;
  constructor(message: string, fix: string) {
    super(message);
    this.fix = fix;
  }
}

/** `openclaw remote check`: walks the way to the gateway and stops at the first hop that does not work. */
export const remoteCheck: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const target = resolveTarget(invocation);
  const hops: Hop[] = [];
  const walk = async (hop: HopName, check: () => Promise<string> | string): Promise<boolean> => {
    const started = performance.now();
    const result = await run(check);
    hops.push({ hop, ms: Math.round(performance.now() - started), ...result });
    return result.ok;
  };
  await walkTo(invocation, target, walk);
  const failed = hops.find(({ ok }) => !ok);
  out.result({ ok: failed === undefined, url: target.url, urlFrom: target.urlFrom, hops, ...(failed && { failed: failed.hop }) }, () => {
    out.line(`${target.url} (${target.urlFrom})`);
    for (const { hop, ok, ms, detail } of hops)
      out.line(
        `${ok ? out.paint("green", "✓") : out.paint("red", "✗")} ${hop.padEnd(10)} ${String(ms).padStart(5)} ms  ${sanitizeLine(detail)}`,
      );
    if (failed?.fix) out.paragraph(`Fix: ${sanitizeLine(failed.fix)}`, "  ");
  });
  return failed === undefined ? EXIT.ok : EXIT.unavailable;
};

async function run(check: () => Promise<string> | string): Promise<Pick<Hop, "ok" | "detail" | "fix">> {
  try {
    return { ok: true, detail: await check() };
  } catch (err) {
    if (err instanceof HopFailure) return { ok: false, detail: err.message, fix: err.fix };
    if (err instanceof CliError)
      return { ok: false, detail: [err.message, err.why].filter(Boolean).join(": "), ...(err.fix && { fix: err.fix }) };
    throw err;
  }
}

type Walk = (hop: HopName, check: () => Promise<string> | string) => Promise<boolean>;

async function walkTo(invocation: Invocation, target: GatewayTarget, walk: Walk): Promise<void> {
  if (target.isLocal && !(await walk("bind", () => checkBind(invocation)))) return;
  // Opens the tunnel, if there is one: from here on `options.url` leads through it.
  const opened: { url: string } = { url: target.url };
  if (target.ssh !== null) {
    const isOpen = await walk("tunnel", async () => {
      opened.url = (await toClientOptions(invocation, target, { scopes: ["operator.read"] })).url;
      return `${target.urlFrom.replace("gateway.remote: ", "")} is open`;
    });
    if (!isOpen) return;
  }
  const through: GatewayTarget = { ...target, url: opened.url, ssh: null };
  const url = new URL(through.url);
  const host = url.hostname.replaceAll(/[[\]]/g, "");
  const port = Number(url.port || (url.protocol === "wss:" ? 443 : 80));
  if (isIP(host) === 0 && !(await walk("dns", () => checkName(host)))) return;
  if (!(await walk("listener", () => checkListener(host, port, target)))) return;
  if (url.protocol === "wss:" && !(await walk("tls", () => checkCertificate(host, port, target)))) return;
  if (!(await walkHandshake(invocation, through, walk))) return;
  if (target.isLocal && configOf(invocation).config.gateway.tailscale.mode !== "off")
    await walk("serve", () => checkServe(host, port, url.protocol));
}

/** What the running gateway listens on, and who reaches that. */
function checkBind(invocation: Invocation): string {
  const { gateway } = configOf(invocation).config;
  const owner = findRunningGateway(pathsOf(invocation).gateway);
  if (owner === null)
    throw new HopFailure(
      "no gateway of this state directory is running",
      "openclaw gateway starts it; openclaw logs --limit 20 shows why it ended.",
    );
  const others =
    gateway.bind === "loopback"
      ? gateway.tailscale.mode === "off"
        ? "other machines come through a tunnel: openclaw remote ssh"
        : `other machines come through Tailscale ${gateway.tailscale.mode}`
      : "other machines come to this port";
  return `${gateway.bind}, port ${owner.port}; ${others}`;
}

async function checkName(host: string): Promise<string> {
  try {
    const addresses = await lookup(host, { all: true });
    return addresses.map(({ address }) => address).join(", ");
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    throw new HopFailure(
      `the name ${host} is not known (${code})`,
      `check the name; nslookup ${host} shows what the DNS of this machine says.`,
    );
  }
}

function checkListener(host: string, port: number, target: GatewayTarget): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host, port, timeout: LIMITS.clientConnectMs });
    const fail = (why: string, fix: string): void => {
      socket.destroy();
      reject(new HopFailure(why, fix));
    };
    socket.once("connect", () => {
      resolve(`${socket.remoteAddress}, port ${socket.remotePort}`);
      socket.destroy();
    });
    const there = target.isLocal
      ? "openclaw gateway restart"
      : "on that machine: openclaw gateway status, and openclaw config get gateway.bind (loopback admits that machine only)";
    socket.once("timeout", () => fail(`${host} does not answer at port ${port}`, `a firewall may drop it; ${there}`));
    socket.once("error", (err: NodeJS.ErrnoException) =>
      fail(
        err.code === "ECONNREFUSED"
          ? `nothing listens at port ${port} of ${host}`
          : `${host} cannot be reached: ${err.code ?? err.message}`,
        there,
      ),
    );
  });
}

/** Shows the certificate; it must be the pinned one, or one that this system trusts. */
function checkCertificate(host: string, port: number, { tlsFingerprint }: GatewayTarget): Promise<string> {
  return new Promise((resolve, reject) => {
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const socket = connectTls({ host, port, ...servername, rejectUnauthorized: tlsFingerprint === null, timeout: LIMITS.clientConnectMs });
    const fail = (why: string, fix: string): void => {
      socket.destroy();
      reject(new HopFailure(why, fix));
    };
    socket.once("secureConnect", () => {
      const { fingerprint256 = "", valid_to: until } = socket.getPeerCertificate();
      const seen = parseFingerprint(fingerprint256) ?? "";
      if (tlsFingerprint !== null && seen !== tlsFingerprint)
        return fail(
          `the certificate is ${formatFingerprint(seen)}, not the pinned ${formatFingerprint(tlsFingerprint)}`,
          "compare with openclaw gateway status on the gateway's machine; only if it is the same: openclaw config set gateway.remote.tlsFingerprint " +
            seen,
        );
      socket.destroy();
      resolve(`${socket.getProtocol() ?? "TLS"}, ${tlsFingerprint === null ? "trusted by this system" : "pinned"}, valid until ${until}`);
    });
    socket.once("timeout", () => fail("the TLS handshake takes too long", "check what listens there."));
    socket.once("error", (err: NodeJS.ErrnoException) => {
      const problem = certificateProblemOf(err);
      if (problem === null) return fail(`TLS does not work: ${err.code ?? err.message}`, "a gateway without TLS is reached with ws://");
      fail(
        problem,
        "openclaw gateway status on the gateway's machine shows the fingerprint; then openclaw config set gateway.remote.tlsFingerprint <sha256>",
      );
    });
  });
}

const KIND_OF_HOP: Partial<Record<ClientError["kind"], HopName>> = { auth: "auth", pairing: "pairing" };
const REACHED: readonly HopName[] = ["handshake", "auth", "pairing"];

/** One connection shows three hops: how far it came. */
async function walkHandshake(invocation: Invocation, target: GatewayTarget, walk: Walk): Promise<boolean> {
  const details: Record<string, string> = {};
  let failedAt: HopName | null = null;
  let failure: unknown;
  const connect = async (): Promise<void> => {
    try {
      const client = await openClient(await toClientOptions(invocation, target, { scopes: ["operator.read"] }));
      const { server, auth, protocol } = client.hello;
      await client.close();
      details["handshake"] = `version ${server.version}, protocol ${protocol}`;
      details["auth"] = `${target.credentialFrom ?? "no credential"}, scopes ${auth.scopes.join(", ") || "none"}`;
      details["pairing"] = auth.deviceToken === undefined ? "not needed, or done before" : "this device is paired";
    } catch (err) {
      failure = toCliError(err, target, invocation);
      if (!(failure instanceof CliError)) throw err;
      failedAt = (err instanceof ClientError && KIND_OF_HOP[err.kind]) || "handshake";
    }
  };
  for (const hop of REACHED) {
    const isPassed = await walk(hop, async () => {
      if (hop === "handshake") await connect();
      if (hop === failedAt) throw failure;
      return details[hop] ?? "passed";
    });
    if (!isPassed) return false;
  }
  return true;
}

/** What the running gateway says about Tailscale; this machine may ask without a credential. */
async function checkServe(host: string, port: number, protocol: string): Promise<string> {
  const { get } = protocol === "wss:" ? await import("node:https") : await import("node:http");
  const text = await new Promise<string>((resolve, reject) => {
    get({ host, port, path: "/readyz", rejectUnauthorized: false, timeout: LIMITS.clientConnectMs }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      response.on("end", () => resolve(body));
    }).on("error", reject);
  });
  const { parts = [] } = JSON.parse(text) as { parts?: { name: string; state: string; cause?: string | null }[] };
  const part = parts.find(({ name }) => name === "tailscale");
  if (part?.state === "ready") return "the route of Tailscale leads to this gateway";
  throw new HopFailure(
    part?.cause ?? "the gateway was started without Tailscale",
    part ? "tailscale serve status --json shows the routes." : "openclaw gateway restart",
  );
}
