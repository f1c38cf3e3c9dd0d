// CPU and memory of process trees, and the figures that are made of them.
import { readdirSync, readFileSync } from "node:fs";
import { descendants } from "../wire/gateway-process.ts";

/** `atLeast`: the budget is a lower limit. */
export type Budget = { limit: number; atLeast?: true };

/** One measured quantity with its samples. */
export type Figure = { name: string; unit: string; samples: number[]; budget?: Budget };

export class Figures {
  readonly list: Figure[] = [];

  record(name: string, unit: string, sample: number, budget?: number | Budget): void {
    let figure = this.list.find((each) => each.name === name);
    if (!figure) {
      const limit = typeof budget === "number" ? { limit: budget } : budget;
      this.list.push((figure = { name, unit, samples: [], ...(limit ? { budget: limit } : {}) }));
    }
    figure.samples.push(sample);
  }
}

/** CPU seconds of one process so far, all of its threads; 0 for one that has ended. */
export function cpuOf(pid: number): number {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`).map((task) => readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8"));
    return tasks.reduce((sum, text) => sum + Number(text.split(" ")[0]) / 1e9, 0);
  } catch (err) {
    if (isGone(err)) return 0;
    throw err;
  }
}

/** Proportional memory of one process in MiB; 0 for one that has ended. */
export const pssOf = (pid: number): number => memoryOf(pid, "Pss");

/**
 * Memory of one process in MiB without the files that it maps; 0 for one that has ended. Node's own file is 33 MiB, and the share of
 * it that `pssOf` counts depends on how many other processes run the same file.
 */
export const anonymousOf = (pid: number): number => memoryOf(pid, "Pss_Anon");

function memoryOf(pid: number, field: "Pss" | "Pss_Anon"): number {
  try {
    return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))![1]) / 1024;
  } catch (err) {
    if (isGone(err)) return 0;
    throw err;
  }
}

const isGone = (err: unknown): boolean => ["ENOENT", "ESRCH"].includes((err as NodeJS.ErrnoException).code ?? "");

/** Times that the main threads of a process tree have gone to sleep. */
export const wakesOf = (pid: number): number =>
  treeOf(pid).reduce((sum, each) => {
    const status = readFileSync(`/proc/${each}/status`, "utf8");
    return sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)![1]);
  }, 0);

const treeOf = (pid: number): number[] => [pid, ...descendants(pid)];
const sumOf = (pids: readonly number[], of: (pid: number) => number): number => pids.reduce((sum, pid) => sum + of(pid), 0);

/** CPU seconds of a gateway and of its agent processes. */
export const treeCpu = (pid: number): { own: number; agents: number } => ({ own: cpuOf(pid), agents: sumOf(descendants(pid), cpuOf) });

/** MiB of a gateway and of its agent processes. */
export const treePss = (pid: number): { own: number; agents: number } => ({ own: pssOf(pid), agents: sumOf(descendants(pid), pssOf) });

export type TreeCost = { own: number; agents: number; all: number; elapsedMs: number };

/** Milliseconds of CPU that a gateway and its agent processes spend on `work`. */
export async function costOf(pid: number, work: () => Promise<unknown>): Promise<TreeCost> {
  const before = treeCpu(pid);
  const startedAt = performance.now();
  await work();
  const elapsedMs = performance.now() - startedAt;
  const after = treeCpu(pid);
  const own = (after.own - before.own) * 1_000;
  const agents = (after.agents - before.agents) * 1_000;
  return { own, agents, all: own + agents, elapsedMs };
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until a process tree has used less than 1 % of a core for a second: startup work in the background has ended. */
export async function untilQuiet(pid: number): Promise<void> {
  for (let quiet = 0; quiet < 2;) {
    const { all } = await costOf(pid, () => sleep(500));
    quiet = all < 5 ? quiet + 1 : 0;
  }
}

export const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!;
