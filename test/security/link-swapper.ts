import { Worker } from "node:worker_threads";

/** An entry of the workspace that becomes a link with the text `link`, and then again what it was: a file, or a directory of files. */
export type Swap = { path: string; link: string; files: Readonly<Record<string, string>> | string };

const CODE = `
const fs = require("node:fs");
const { join, dirname } = require("node:path");
const { swaps, shared } = require("node:worker_threads").workerData;
// The tools change the same entries at the same time: each step may find something else.
const attempt = (step) => { try { step(); } catch (err) { if (err.syscall === undefined) throw err; } };
const write = (path, content) => { fs.mkdirSync(dirname(path), { recursive: true }); fs.writeFileSync(path, content); };
const make = ({ path, files }) => {
  if (typeof files === "string") write(path, files);
  else for (const [name, content] of Object.entries(files)) write(join(path, name), content);
};
while (Atomics.load(shared, 0) === 0) {
  for (const swap of swaps) {
    const { path, link } = swap;
    attempt(() => fs.renameSync(path, path + "-away"));
    attempt(() => fs.symlinkSync(link, path));
    attempt(() => fs.rmSync(path, { recursive: true, force: true }));
    attempt(() => fs.renameSync(path + "-away", path));
    attempt(() => fs.lstatSync(path, { throwIfNoEntry: false }) ?? make(swap));
  }
  Atomics.add(shared, 1, 1);
}`;

/** Does that as fast as it can, in a thread of its own, until `stop`. */
export function startSwapping(swaps: readonly Swap[]): { stop: () => Promise<void>; rounds: () => number } {
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(CODE, { eval: true, workerData: { swaps, shared } });
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  worker.once("error", reject);
  worker.once("exit", () => resolve());
  ended.catch(() => {});
  return {
    stop: async () => {
      Atomics.store(shared, 0, 1);
      await ended;
    },
    rounds: () => Atomics.load(shared, 1),
  };
}
