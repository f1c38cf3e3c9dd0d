import { CliError, EXIT } from "../core/errors.ts";
import { toSentence } from "../core/text.ts";
import { formatSshTarget, type SshOptions } from "../remote/ssh/target.ts";
import type { TunnelState } from "../remote/ssh/tunnel.ts";
import type { CommandHandler } from "./command.ts";
import { editFile } from "./config-edit.ts";
import { openBrowser } from "./dashboard.ts";
import { openClient } from "../client/client.ts";
import { configOf, pathsOf, remoteCredentials } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { openTunnel, removeTunnelRecord, toSshOptions, writeTunnelRecord } from "./ssh-tunnel.ts";

/** `openclaw remote ssh <target>` */
export const remoteSsh: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const { remote } = configOf(invocation).config.gateway;
  const options = toSshOptions(invocation, invocation.arg(0) || remote.sshTarget, remote);
  const lost = Promise.withResolvers<CliError>();
  const onState = (state: TunnelState): void => {
    if (state.state === "up") return reportUp();
    const { failure, retryInMs } = state;
    if (retryInMs === null)
      return lost.resolve(
        new CliError(`The tunnel to ${name} is closed`, { why: toSentence(failure.reason), fix: failure.fix, exit: EXIT.unavailable }),
      );
    out.note(`The tunnel is down: ${failure.reason}. Next attempt in ${(retryInMs / 1_000).toFixed(1)} s.`);
  };
  const name = formatSshTarget(options.target);
  let isFirst = true;
  const reportUp = (): void => {
    if (!isFirst) out.note(`The tunnel to ${name} is up again, at the same address.`);
    isFirst = false;
  };
  const tunnel = await openTunnel(invocation, options, { localPort: invocation.number("local-port") ?? 0, onState });
  const { gateway } = pathsOf(invocation);
  writeTunnelRecord(gateway, options, tunnel.port);
  try {
    const address = `127.0.0.1:${tunnel.port}`;
    const secure = remote.tlsFingerprint === undefined ? "" : "s";
    if (invocation.has("save")) await save(invocation, options);
    const page = await signInLink(invocation, address, secure);
    const facts = { ok: true, target: name, url: `ws${secure}://${address}`, page: page.url, pid: process.pid, sshPid: tunnel.sshPid };
    if (out.json) out.data(facts);
    else {
      out.line(`The gateway at ${name} is reached at ${facts.url}`);
      out.line(`Page      ${page.url}`);
      out.line(
        `Commands  ${invocation.has("save") ? "openclaw status and all others use it" : `OPENCLAW_GATEWAY_URL=${facts.url} openclaw status`}`,
      );
      if (page.note) out.note(page.note);
      out.note("Ctrl-C closes the tunnel.");
    }
    if (!invocation.has("no-open") && !out.json && out.interactive) await openBrowser(page.url);
    const stopped = new Promise<null>((resolve) => host.signal.addEventListener("abort", () => resolve(null), { once: true }));
    const failure = host.signal.aborted ? null : await Promise.race([stopped, lost.promise]);
    if (failure) throw failure;
    return EXIT.ok;
  } finally {
    removeTunnelRecord(gateway);
    await tunnel.close();
  }
};

/** A one-time link to the page through the tunnel; without a credential, the address alone. */
async function signInLink(invocation: Invocation, address: string, secure: string): Promise<{ url: string; note: string | null }> {
  const { remote } = configOf(invocation).config.gateway;
  const plain = `http${secure}://${address}/`;
  const { credentials, credentialFrom } = remoteCredentials(invocation, remote);
  if (credentialFrom === null)
    return {
      url: plain,
      note: `The page asks for the token: on the gateway's machine, openclaw token prints it. With it in gateway.remote.token or OPENCLAW_GATEWAY_TOKEN the address is a sign-in link.`,
    };
  try {
    const client = await openClient({
      url: `ws${secure}://${address}`,
      credentials,
      scopes: ["operator.admin", "operator.pairing"],
      ...(remote.tlsFingerprint && { tlsFingerprint: remote.tlsFingerprint }),
      signal: invocation.host.signal,
    });
    try {
      const { joinUrl } = await client.request<{ joinUrl?: string }>("device.pair.setupCode", { includeQr: false, publicUrl: plain });
      return { url: joinUrl ?? plain, note: null };
    } finally {
      await client.close();
    }
  } catch (err) {
    return { url: plain, note: `No sign-in link: ${err instanceof Error ? toSentence(err.message) : "the gateway did not answer."}` };
  }
}

/** Makes the tunnel what every command of this user goes through. */
async function save(invocation: Invocation, { target, identity, remotePort }: SshOptions): Promise<void> {
  await editFile(invocation, (edit) => {
    edit.set("gateway.mode", "remote");
    edit.set("gateway.remote.transport", "ssh");
    edit.set("gateway.remote.sshTarget", formatSshTarget(target));
    edit.set("gateway.remote.remotePort", remotePort);
    if (identity !== null) edit.set("gateway.remote.sshIdentity", identity);
  });
}
