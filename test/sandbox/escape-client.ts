import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, copyFileSync, constants, linkSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { EscapeAnswer, EscapeGreeting, EscapeRequest } from "./escape-host.ts";

const HOST = join(import.meta.dirname, "escape-host.ts");
/** Higher than those that Node marks as its own. */
const INHERITED_DESCRIPTOR = 40;

/** Who runs the host: `become` is a command line in front that makes a program that user's. */
export type EscapeUser = { become: readonly string[]; backend?: "podman" };

/** The process of test/sandbox/escape-host.ts, as one user. */
export class EscapeHost {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(user: EscapeUser, directory: string) {
    const inherited = openSync(makeInherited(directory), constants.O_RDONLY | constants.O_DIRECTORY);
    const stdio = [
      "pipe" as const,
      "pipe" as const,
      "inherit" as const,
      ...Array<"ignore">(INHERITED_DESCRIPTOR - 3).fill("ignore"),
      inherited,
    ];
    const [program, ...args] = [...user.become, nodeFor(user, directory), HOST, directory];
    const env = { PATH: process.env["PATH"] ?? "", GATEWAY_SECRET: "canary", BACKEND: user.backend ?? "" };
    this.#child = spawn(program!, args, { stdio, env, cwd: "/" });
    closeSync(inherited);
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  async greeting(): Promise<EscapeGreeting> {
    return this.#read() as Promise<EscapeGreeting>;
  }

  async run(request: EscapeRequest): Promise<EscapeAnswer> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    return this.#read() as Promise<EscapeAnswer>;
  }

  async close(): Promise<void> {
    this.#child.stdin!.end();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
  }

  async #read(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("the host has ended");
    return JSON.parse(value) as unknown;
  }
}

const mayRead = (user: EscapeUser, path: string): boolean => {
  const [program, ...args] = [...user.become, "test", "-r", path];
  return spawnSync(program!, args).status === 0;
};

function makeInherited(directory: string): string {
  const inherited = join(directory, "inherited");
  mkdirSync(inherited);
  writeFileSync(join(inherited, "file"), "inherited");
  return inherited;
}

/** Node, where the user may run it. */
function nodeFor(user: EscapeUser, directory: string): string {
  if (mayRead(user, process.execPath)) return process.execPath;
  const path = join(directory, "node");
  try {
    linkSync(process.execPath, path);
  } catch {
    copyFileSync(process.execPath, path);
  }
  return path;
}

/** Whether the user may read the sources, and so run the host. */
export const mayRunHost = (user: EscapeUser): boolean => mayRead(user, HOST);
