import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";

const holders: ChildProcess[] = [];

/**
 * A process that the command line takes for the gateway of a state directory, because it holds the store open. Returns its id; it
 * ends with the test file.
 */
export function startStoreHolder(state: string): number {
  if (holders.length === 0) after(() => holders.forEach((holder) => holder.kill("SIGKILL")));
  const store = openSync(join(state, "gateway/gateway.db"), "a+");
  const holder = spawn("sleep", ["600"], { stdio: [store, "ignore", "ignore"] });
  closeSync(store);
  holder.unref();
  holders.push(holder);
  return holder.pid!;
}
