import { readFileSync } from "node:fs";
import { sleep } from "../core/async.ts";
import { foregroundClock } from "../core/clock.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { openClient, type ProtocolClient } from "../client/client.ts";
import { ClientError } from "../client/errors.ts";
import type { CommandHandler } from "./command.ts";
import { connectGateway, toCliError, toClientOptions, withGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { isProcessRunning, findRunningGateway } from "../core/pid-file.ts";
import { pathsOf, resolveTarget } from "./gateway-target.ts";
import { findService, serviceOf, waitUntilReady } from "./service.ts";
import type { ServiceManager } from "../service/manager.ts";
import { formatDuration } from "./terminal-text.ts";

/** `openclaw gateway stop` */
export const gatewayStop: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const paths = pathsOf(invocation);
  const owner = findRunningGateway(paths.gateway);
  if (!owner || !isGateway(owner.pid)) {
    // It starts by itself at the next start of the machine otherwise.
    if (invocation.has("disable")) await (await findService(invocation))?.manager.stop({ disable: true });
    out.result({ ok: true, stopped: false }, () => out.line(`No gateway is running for ${paths.state}.`));
    return EXIT.ok;
  }
  const started = host.now();
  const service = await serviceOf(invocation, owner.pid);
  const disable = invocation.has("disable");
  if (service !== null) {
    await service.stop({ disable });
    const took = host.now() - started;
    out.result({ ok: true, stopped: true, pid: owner.pid, tookMs: took, service: true, disabled: disable }, () =>
      out.line(
        `Stopped the service (${formatDuration(took)}); ${disable ? "it does not start by itself any more" : "it starts again with the machine"}.`,
      ),
    );
    return EXIT.ok;
  }
  try {
    process.kill(owner.pid, "SIGTERM");
  } catch (err) {
    throw new CliError(`the gateway (pid ${owner.pid}) cannot be stopped`, {
      why: "it belongs to another user.",
      fix: `run this as that user, or: sudo kill ${owner.pid}`,
      exit: EXIT.noPermission,
      cause: err,
    });
  }
  while (isProcessRunning(owner.pid)) {
    if (host.now() - started > LIMITS.cliStopMs) {
      throw new CliError(`the gateway (pid ${owner.pid}) has not stopped yet`, {
        why: `${formatDuration(LIMITS.cliStopMs)} have passed.`,
        fix: `check openclaw logs, or kill it: kill -9 ${owner.pid} (no acknowledged message is lost)`,
      });
    }
    await sleep(foregroundClock, 25);
  }
  const took = host.now() - started;
  out.result({ ok: true, stopped: true, pid: owner.pid, tookMs: took }, () =>
    out.line(`Stopped (pid ${owner.pid}, ${formatDuration(took)}).`),
  );
  return EXIT.ok;
};

/** A pid that was written down may belong to another program by now. Where the system does not tell, the file is believed. */
function isGateway(pid: number): boolean {
  if (process.platform !== "linux") return true;
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    return line.includes("gateway") || line.includes("openclaw");
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    if (code === "ENOENT") return false;
    if (code === "EACCES" || code === "ESRCH") return code === "EACCES";
    throw err;
  }
}

/** `openclaw gateway restart` */
export const gatewayRestart: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const started = host.now();
  const owner = resolveTarget(invocation).isLocal ? findRunningGateway(pathsOf(invocation).gateway) : null;
  const service = owner === null ? await stoppedService(invocation) : await serviceOf(invocation, owner.pid);
  if (service !== null) {
    // The new process runs the release that is installed now.
    await service.restart();
    const { version } = await waitUntilReady(invocation, service);
    const took = host.now() - started;
    out.result({ ok: true, version, tookMs: took, service: true }, () =>
      out.line(`Restarted the service in ${formatDuration(took)} (version ${version}).`),
    );
    return;
  }
  const before = await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client }) => {
    await client.request("gateway.restart.request", { reason: "openclaw gateway restart" });
    return client.hello.server.bootId;
  });
  const client = await waitForReplacement(invocation, before, started);
  const { version } = client.hello.server;
  await client.close();
  const took = host.now() - started;
  out.result({ ok: true, version, tookMs: took }, () => out.line(`Restarted in ${formatDuration(took)} (version ${version}).`));
};

/** The service of this machine's gateway, when that is meant and does not run. */
async function stoppedService(invocation: Invocation): Promise<ServiceManager | null> {
  if (!resolveTarget(invocation).isLocal) return null;
  const found = await findService(invocation);
  return found !== null && found.state.pid === null ? found.manager : null;
}

/** Connects until a gateway with another boot id answers. */
async function waitForReplacement(invocation: Invocation, before: string | undefined, started: number): Promise<ProtocolClient> {
  const target = resolveTarget(invocation);
  const options = await toClientOptions(invocation, target, { scopes: ["operator.read"] });
  while (invocation.host.now() - started < LIMITS.cliRestartMs) {
    try {
      const client = await openClient(options);
      const { server, snapshot } = client.hello;
      // A gateway that tells no boot id is another one when it is younger than the request.
      const isOther = server.bootId === undefined ? snapshot.uptimeMs < invocation.host.now() - started : server.bootId !== before;
      if (isOther) return client;
      await client.close();
    } catch (err) {
      if (!(err instanceof ClientError) || !err.retryable) throw toCliError(err, target, invocation);
    }
    await sleep(foregroundClock, 50);
  }
  const { client } = await connectGateway(invocation, { scopes: ["operator.read"] });
  await client.close();
  throw new CliError("the gateway has not restarted", {
    why: `the same process still answers after ${formatDuration(LIMITS.cliRestartMs)}.`,
    fix: "openclaw logs --limit 50 shows what it waits for.",
  });
}
