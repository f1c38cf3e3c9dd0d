// Loaded into a gateway under test with `--import`: on SIGUSR2 its main thread does nothing at all for BLOCK_MAIN_MS, as if a long
// calculation ran in it.
import { writeSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

export const BLOCKED = "the main thread is blocked";
export const RELEASED = "the main thread goes on";

const ms = Number(process.env["BLOCK_MAIN_MS"]);
if (isMainThread && ms > 0) {
  process.on("SIGUSR2", () => {
    writeSync(2, `${BLOCKED}\n`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    writeSync(2, `${RELEASED}\n`);
  });
}
