import { randomUUID } from "node:crypto";
import type { ApprovalEvents } from "../approvals/approvals.ts";
import type { RevokedCredential } from "../auth/open.ts";
import type { AccountStatus } from "../channels/account-types.ts";
import type { StatePaths } from "../config/paths.ts";
import { Bus } from "../core/bus.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import { readProxySettings } from "../core/proxy.ts";
import { createLoopProbe } from "../observe/event-loop.ts";
import { createHealth, sampleHealth } from "../observe/health.ts";
import type { RootLog } from "../observe/log.ts";
import { createMetrics } from "../observe/metrics.ts";
import { sampleProcess } from "../observe/process-metrics.ts";
import type { ScheduleEvents } from "../schedule/events.ts";
import type { SubagentEvents } from "../subagents/task.ts";
import type { TurnEvents } from "../turns/events.ts";
import { GatewaySecrets } from "./secrets.ts";

/** What the parts of the gateway tell each other as it happens. */
export type GatewayEvents = TurnEvents &
  ScheduleEvents &
  SubagentEvents &
  ApprovalEvents & {
    /** Connections and requests that rest on it have to end. */
    "credential.revoked": RevokedCredential;
    /** A channel account has another state. */
    "account.status": AccountStatus;
    /** A channel account needs its owner; one sentence. */
    "owner.alert": { text: string };
  };

/** What every part of the gateway may use: where files are, the time, and how to report. */
export type GatewayBase = ReturnType<typeof createBase>;

export function createBase(
  paths: StatePaths,
  log: RootLog,
  clock: Clock = systemClock,
  secrets = new GatewaySecrets({ paths, env: process.env, clock }),
) {
  for (const { name, message, fix } of readProxySettings(process.env).problems) log.warn(`${name} ${message}`, { fix });
  const metrics = createMetrics();
  const health = createHealth(clock);
  const loop = createLoopProbe(clock);
  sampleHealth(metrics, health);
  sampleProcess(metrics, loop, log);
  const started = clock.monotonic();
  return {
    paths,
    log,
    clock,
    secrets,
    metrics,
    health,
    loop,
    bus: new Bus<GatewayEvents>((err, event) => log.error("a listener failed", { event, error: err })),
    crashPoint: createCrashPoint(process.env["OPENCLAW_GATEWAY_CRASH_AT"]),
    bootId: randomUUID(),
    startedAt: clock.now(),
    /** Not affected by changes of the wall clock. */
    uptimeMs: (): number => Math.round(clock.monotonic() - started),
  };
}

/** Kills the process at a marked point, for the crash tests: `OPENCLAW_GATEWAY_CRASH_AT=<point>[:<n>]`, when it is passed for the n-th time. */
function createCrashPoint(setting: string | undefined): (point: string) => void {
  if (!setting) return () => {};
  const [wanted, nth = "1"] = setting.split(":");
  let left = Number(nth);
  return (point) => {
    if (point === wanted && --left <= 0) process.kill(process.pid, "SIGKILL");
  };
}
