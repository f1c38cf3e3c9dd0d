import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import type { ProtocolClient } from "../../src/client/client.ts";
import { reasonOf } from "../../src/core/errors.ts";
import type { GatewayRun } from "./gateway-run.ts";

/** How long each question after the lost answer may take. */
const ANSWER_MS = 10_000;

/**
 * What can be learned of a gateway that lives and left a request without an answer: whether it answers on the same connection and on
 * another one, whether it computes, and what it logged last.
 */
export async function describeUnanswered(life: GatewayRun, client: ProtocolClient): Promise<string> {
  const before = cpuTicks(life.pid);
  const same = await outcome(() => client.request("health", {}, { timeoutMs: ANSWER_MS }));
  const other = await outcome(async () => {
    const fresh = await life.connect();
    if (!fresh) return null;
    const list = await fresh.request("sessions.list", { limit: 1_000 }, { timeoutMs: ANSWER_MS });
    await fresh.close();
    return list;
  });
  return [
    `health on the same connection: ${same}`,
    `sessions.list on another connection: ${other}`,
    `last heard of on this connection ${Math.round(client.silentMs)} ms ago; load average ${loadavg()[0]!.toFixed(1)}`,
    `ticks of CPU meanwhile: ${before} -> ${cpuTicks(life.pid)}; agent hosts: ${life.hosts().length}`,
    `its last output:\n${life.output.slice(-8_000)}`,
  ].join("\n");
}

async function outcome(ask: () => Promise<unknown>): Promise<string> {
  const began = Date.now();
  try {
    return `${JSON.stringify(await ask())?.slice(0, 2_000)} after ${Date.now() - began} ms`;
  } catch (err) {
    return `failed after ${Date.now() - began} ms: ${reasonOf(err)}`;
  }
}

/** User and system time of a process in clock ticks (proc_pid_stat(5), fields 14 and 15). */
function cpuTicks(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13)
      .join("+");
  } catch (err) {
    return reasonOf(err);
  }
}
