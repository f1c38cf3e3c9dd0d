import { statfsSync } from "node:fs";
import { arch, availableParallelism, cpus, freemem, hostname, loadavg, platform, release, totalmem } from "node:os";
import type { MethodTable } from "../protocol/method.ts";

export type SystemDeps = {
  uptimeMs: () => number;
  /** Differs at every start. */
  bootId: string;
  /** Port of the gateway; 0 before it listens. */
  port: () => number;
  /** Directory whose disk is reported. */
  stateDir: string;
  /** By which other gateways and push relays know this one. */
  identity: () => Promise<{ id: string; publicKey: string }>;
};

/** system.info: the machine and the process. gateway.identity.get: its public key. question.list: what agents ask people. */
export function systemMethods(deps: SystemDeps) {
  return {
    "system.info": { scope: "operator.read", run: () => info(deps) },
    "gateway.identity.get": {
      scope: "operator.read",
      run: async () => {
        const { id, publicKey } = await deps.identity();
        return { deviceId: id, publicKey };
      },
    },
    // No tool of this gateway asks a question, so nothing can wait for an answer. Clients poll indefinitely where the method is unknown.
    "question.list": { scope: "operator.questions", run: () => ({ questions: [] }) },
  } satisfies MethodTable;
}

function info({ uptimeMs, bootId, port, stateDir }: SystemDeps): Record<string, unknown> {
  const host = hostname();
  const [cpu] = cpus();
  return {
    machineName: host,
    hostname: host,
    platform: platform(),
    release: release(),
    arch: arch(),
    osLabel: `${platform() === "linux" ? "Linux" : platform() === "darwin" ? "macOS" : platform()} ${release()}`,
    ...(port() > 0 && { port: port() }),
    nodeVersion: process.version,
    pid: process.pid,
    processInstanceId: bootId,
    uptimeMs: uptimeMs(),
    cpuCount: availableParallelism(),
    ...(cpu && { cpuModel: cpu.model }),
    loadAverage: loadavg(),
    memoryTotalBytes: totalmem(),
    memoryFreeBytes: freemem(),
    ...disk(stateDir),
  };
}

/** Space of the disk that holds the state; empty where the system does not say. */
function disk(path: string): Record<string, unknown> {
  try {
    const { bsize, blocks, bavail } = statfsSync(path);
    return { diskTotalBytes: blocks * bsize, diskAvailableBytes: bavail * bsize, diskPath: path };
  } catch (err) {
    // A directory that was removed, or a system without the call.
    if ((err as NodeJS.ErrnoException).code === undefined) throw err;
    return {};
  }
}
