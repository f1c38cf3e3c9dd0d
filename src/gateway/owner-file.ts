import { rmSync } from "node:fs";
import { join } from "node:path";
import { readPid } from "../core/pid-file.ts";
import { reasonOf } from "../core/errors.ts";
import { writeFileAtomicSync } from "../core/files.ts";
import { LIMITS } from "../core/limits.ts";
import type { Secret } from "../core/secret.ts";
import type { GatewayBase } from "./base.ts";
import type { GatewayEndpoint } from "./endpoint.ts";

type OwnerFileDeps = Pick<GatewayBase, "paths" | "log" | "clock" | "startedAt"> & {
  endpoint: GatewayEndpoint;
  identityKey: Secret;
  signal: AbortSignal;
};

const pathOf = ({ paths }: Pick<OwnerFileDeps, "paths">): string => join(paths.gateway, "owner.json");

/** Writes owner.json, by which the command line finds the gateway. It needs disk space, and nothing else depends on it. */
export function writeOwnerFile(deps: OwnerFileDeps, isRetry = false): void {
  const { log, clock, startedAt, endpoint, identityKey, signal } = deps;
  if (signal.aborted) return;
  const { port, url, tlsFingerprint } = endpoint;
  const owner = { pid: process.pid, port, url, startedAt, identityKey: identityKey.reveal(), ...(tlsFingerprint && { tlsFingerprint }) };
  try {
    writeFileAtomicSync(pathOf(deps), JSON.stringify(owner));
  } catch (err) {
    if (!isRetry)
      log.warn("owner.json could not be written; commands look for the gateway at its configured port", { cause: reasonOf(err) });
    clock.after(LIMITS.ownerFileRetryMs, () => writeOwnerFile(deps, true));
  }
}

/** Removes owner.json unless another gateway has the directory by now. */
export function removeOwnerFile(deps: Pick<OwnerFileDeps, "paths">): void {
  if (readPid(pathOf(deps)) === process.pid) rmSync(pathOf(deps), { force: true });
}
