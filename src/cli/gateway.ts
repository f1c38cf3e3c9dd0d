import { EXIT, CliError } from "../core/errors.ts";
import { openClient } from "../client/client.ts";
import type { CommandHandler } from "./command.ts";
import { connectGateway, toCliError, toClientOptions, withGateway, type ConnectScope } from "./connect.ts";
import { readStdin } from "./stdin.ts";
import type { Invocation } from "./invocation.ts";
import { formatFingerprint } from "../core/tls-pin.ts";
import { findRunningGateway } from "../core/pid-file.ts";
import { pathsOf, resolveTarget } from "./gateway-target.ts";
import { formatDuration } from "./terminal-text.ts";

/** `openclaw gateway status` */
export const gatewayStatus: CommandHandler = async (invocation) => {
  const { out } = invocation;
  if (invocation.has("deep")) return await gatewayDeepStatus(invocation);
  const target = resolveTarget(invocation);
  const owner = target.isLocal ? findRunningGateway(pathsOf(invocation).gateway) : null;
  const { client } = await connectGateway(invocation, { scopes: ["operator.read"] });
  const { server, snapshot, auth, protocol } = client.hello;
  await client.close();
  const tls = owner?.tlsFingerprint ?? target.tlsFingerprint;
  const facts = {
    running: true,
    url: target.url,
    urlFrom: target.urlFrom,
    version: server.version,
    protocol,
    uptimeMs: snapshot.uptimeMs,
    scopes: auth.scopes,
    credentialFrom: target.credentialFrom,
    ...(tls && { tlsFingerprint: tls }),
    ...(owner && { pid: owner.pid, startedAt: owner.startedAt }),
  };
  out.result(facts, () => {
    out.line(`${out.paint("green", "●")} Gateway running at ${target.url}`);
    out.pairs([
      ["version", `${server.version}, protocol ${protocol}`],
      [
        "up",
        owner?.startedAt
          ? `${formatDuration(snapshot.uptimeMs)}, since ${new Date(owner.startedAt).toLocaleString()}`
          : formatDuration(snapshot.uptimeMs),
      ],
      ...(owner ? [["process", String(owner.pid)] as const] : []),
      ...(tls ? [["certificate", `SHA-256 ${formatFingerprint(tls)}`] as const] : []),
      ["found by", target.urlFrom],
      ["signed in with", target.credentialFrom ?? "nothing (no credential required)"],
      ["scopes", auth.scopes.join(", ") || "nothing"],
    ]);
  });
  return EXIT.ok;
};

/** With what the system says of the service, also while the gateway does not answer. */
async function gatewayDeepStatus(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const { deepStatus, showDeepStatus } = await import("./service.ts");
  const { service, others, warnings } = await deepStatus(invocation);
  const target = resolveTarget(invocation);
  const owner = target.isLocal ? findRunningGateway(pathsOf(invocation).gateway) : null;
  let failure: unknown;
  let rpc: { ok: boolean; version?: string; degraded?: string[]; error?: string } = { ok: false };
  try {
    const { client } = await connectGateway(invocation, { scopes: ["operator.read"] });
    const { ok = true, degraded = [] } = await client.request<{ ok?: boolean; degraded?: string[] }>("health");
    rpc = { ok, version: client.hello.server.version, degraded };
    await client.close();
  } catch (err) {
    failure = err;
    rpc = { ok: false, error: err instanceof Error ? err.message : String(err) };
  }
  const facts = { service, others, warnings, gateway: { url: target.url, urlFrom: target.urlFrom, pid: owner?.pid ?? null }, rpc };
  out.result(facts, () => {
    showDeepStatus({ service, others, warnings }, invocation);
    const degraded = rpc.degraded ?? [];
    out.line(
      rpc.error === undefined
        ? `${out.paint("green", "●")} The gateway answers at ${target.url} (version ${rpc.version})${degraded.length > 0 ? `; with problems: ${degraded.join(", ")}` : ""}`
        : `${out.paint("red", "●")} The gateway does not answer: ${rpc.error}`,
    );
  });
  if (failure === undefined) return rpc.ok ? EXIT.ok : EXIT.failure;
  return failure instanceof CliError ? failure.exit : EXIT.failure;
}

type Step = { step: string; ok: boolean; ms: number; detail: string };

/** `openclaw gateway probe` */
export const gatewayProbe: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const target = resolveTarget(invocation);
  const steps: Step[] = [];
  const measure = async <T>(step: string, work: () => Promise<T>, describe: (value: T) => string): Promise<T> => {
    const started = performance.now();
    try {
      const value = await work();
      steps.push({ step, ok: true, ms: Math.round(performance.now() - started), detail: describe(value) });
      return value;
    } catch (err) {
      steps.push({
        step,
        ok: false,
        ms: Math.round(performance.now() - started),
        detail: err instanceof Error ? err.message : String(err),
      });
      throw err;
    }
  };
  let failure: unknown;
  try {
    const options = await toClientOptions(invocation, target, { scopes: ["operator.read"] });
    const client = await measure(
      "connect",
      () => openClient(options),
      ({ hello }) => `${hello.server.version}, protocol ${hello.protocol}`,
    );
    await measure(
      "health",
      () => client.request<{ ok?: boolean }>("health"),
      (health) => (health.ok === false ? "answers, but reports problems" : "ok"),
    );
    await measure(
      "round trip",
      () => client.request("last-heartbeat"),
      () => "one small request",
    );
    await client.close();
  } catch (err) {
    failure = toCliError(err, target, invocation);
  }
  if (out.json) out.data({ ok: failure === undefined, url: target.url, urlFrom: target.urlFrom, steps });
  else {
    out.line(`${target.url} (${target.urlFrom})`);
    for (const { step, ok, ms, detail } of steps)
      out.line(`${ok ? out.paint("green", "✓") : out.paint("red", "✗")} ${step.padEnd(10)}  ${String(ms).padStart(5)} ms  ${detail}`);
  }
  if (failure === undefined) return EXIT.ok;
  if (out.json) return failure instanceof CliError ? failure.exit : EXIT.failure;
  throw failure;
};

/** A credential that holds fewer is granted what it holds; the gateway then says which one a method lacks. */
const ALL_SCOPES: readonly ConnectScope[] = ["operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing"];

/** `openclaw gateway call <method>` */
export const gatewayCall: CommandHandler = async (invocation) => {
  const params = await readParams(invocation);
  const scopes = invocation.has("scope") ? (invocation.list("scope") as ConnectScope[]) : ALL_SCOPES;
  const answer = await withGateway(invocation, { scopes }, ({ client }) =>
    client.request(invocation.arg(0), params, invocation.has("expect-final") ? { onAccepted: () => {} } : {}),
  );
  invocation.out.data(answer);
};

async function readParams(invocation: Invocation): Promise<unknown> {
  const given = invocation.text("params");
  if (given === undefined) return {};
  const text = given === "-" ? await readStdin(invocation, "Type the parameters as JSON") : given;
  try {
    return JSON.parse(text);
  } catch (err) {
    const why = err instanceof Error ? `${err.message}.` : "it cannot be read.";
    throw new CliError("--params is not JSON", {
      why,
      fix: `quote it for the shell: --params '{"limit":5}'`,
      exit: EXIT.usage,
      cause: err,
    });
  }
}
