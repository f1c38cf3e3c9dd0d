import { existsSync } from "node:fs";
import type { CommandGate } from "../../src/tools/command-gate.ts";

const findShell = (): string => (existsSync("/bin/bash") ? "/bin/bash" : "/bin/sh");

/** Lets every command run, as the gateway's user. */
export const openGate: CommandGate = {
  async allow({ command, cwd, env, host }) {
    if (host === "sandbox") throw new Error('There is no sandbox on this gateway; nothing was run. Leave host out, or use "gateway".');
    return { argv: [findShell(), "-c", command], cwd, env, host: "gateway" };
  },
};
