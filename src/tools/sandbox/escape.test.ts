import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, describe, test } from "node:test";
import { ESCAPE_CASES, type EscapeCase } from "../../../test/sandbox/escape-cases.ts";
import type { EscapeAnswer, EscapeGreeting, EscapeRequest } from "../../../test/sandbox/escape-host.ts";
import { findObstacle, needsOtherFileSystem, TEST_DIRECTORY } from "../../../test/sandbox/sandboxed-command.ts";

const HOST = join(import.meta.dirname, "../../../test/sandbox/escape-host.ts");
const ORDINARY_USER = 65_534;
/** Higher than those that Node marks as its own. */
const INHERITED_DESCRIPTOR = 40;
const isRoot = process.getuid?.() === 0;

type User = { title: string; isRoot: boolean; id: number; become: readonly string[]; cases: readonly EscapeCase[] };

const own = process.getuid?.() ?? -1;
const setUser = ["setpriv", `--reuid=${ORDINARY_USER}`, `--regid=${ORDINARY_USER}`, "--clear-groups"];
const ordinary = isRoot ? { id: ORDINARY_USER, become: setUser } : { id: own, become: [] };
const USERS: readonly User[] = [
  ...(isRoot ? [{ title: "root", isRoot, id: own, become: [], cases: ESCAPE_CASES }] : []),
  { title: "an ordinary user", isRoot: false, ...ordinary, cases: ESCAPE_CASES },
  // As in a rootless container; to the kernel, the ordinary user.
  {
    title: "root of a user namespace",
    isRoot: false,
    id: ordinary.id,
    become: [...ordinary.become, "unshare", "--map-root-user"],
    cases: [],
  },
];

/** The process of test/sandbox/escape-host.ts, as one user. */
class EscapeHost {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(user: User, directory: string) {
    const inherited = openSync(makeInherited(directory), constants.O_RDONLY | constants.O_DIRECTORY);
    const stdio = [
      "pipe" as const,
      "pipe" as const,
      "inherit" as const,
      ...Array<"ignore">(INHERITED_DESCRIPTOR - 3).fill("ignore"),
      inherited,
    ];
    const [program, ...args] = [...user.become, nodeFor(user, directory), HOST, directory];
    const env = { PATH: process.env["PATH"] ?? "", GATEWAY_SECRET: "canary" };
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

const mayRead = (user: User, path: string): boolean => {
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
function nodeFor(user: User, directory: string): string {
  if (mayRead(user, process.execPath)) return process.execPath;
  const path = join(directory, "node");
  try {
    linkSync(process.execPath, path);
  } catch {
    copyFileSync(process.execPath, path);
  }
  return path;
}

function whySkipped(user: User): string | false {
  const obstacle = findObstacle(user.become);
  if (obstacle !== false) return obstacle;
  return !mayRead(user, HOST) && `${user.title} may not read the sources`;
}

const runsOutside = ({ outside, needs }: EscapeCase, user: User): boolean =>
  (outside === "everyone" || (outside === "root" && user.isRoot)) && (needs === undefined || existsSync(needs));

for (const user of USERS) {
  const obstacle = whySkipped(user);
  describe(`as ${user.title}`, { skip: obstacle }, async () => {
    if (obstacle !== false) return;
    const directory = realpathSync(mkdtempSync(join(TEST_DIRECTORY, "openclaw-escape-")));
    chmodSync(directory, 0o755);
    chownSync(directory, user.id, user.id);
    const host = new EscapeHost(user, directory);
    const { sandbox, reason } = await host.greeting();
    after(async () => {
      await host.close();
      rmSync(directory, { recursive: true, force: true });
    });
    const skip = sandbox === null && needsOtherFileSystem(reason) && reason;
    test("there is a sandbox", { skip }, () => assert.match(sandbox ?? "", /^bubblewrap/, reason));
    for (const each of user.cases) {
      test(`a sandboxed command cannot: ${each.name}`, { skip }, async () => {
        const { found, output } = await host.run({ name: each.name, sandboxed: true });
        assert.deepEqual(found, [], output);
      });
      if (runsOutside(each, user))
        test(`without a sandbox a command can: ${each.name}`, async () => {
          const { found, output } = await host.run({ name: each.name, sandboxed: false });
          assert.notDeepEqual(found, [], output);
        });
    }
  });
}
