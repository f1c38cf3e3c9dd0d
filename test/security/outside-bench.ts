import { testMarker } from "../fakes/test-marker.ts";
import { noConversations } from "../fakes/no-conversations.ts";
import { noJobs } from "../fakes/no-jobs.ts";
import { noTasks } from "../fakes/no-tasks.ts";
import { noNodes } from "../fakes/no-nodes.ts";
import { noMessages } from "../fakes/no-messages.ts";
import { noImageModels } from "../fakes/no-image-models.ts";
import { noNotes } from "../fakes/no-notes.ts";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { silentLog } from "../../src/core/log.ts";
import type { HoldDirectory } from "../../src/core/held-directory.ts";
import { createBuiltInTools } from "../../src/tools/built-in.ts";
import { createToolExecutor } from "../../src/tools/executor.ts";
import type { ToolResult } from "../../src/tools/tool.ts";
import { testPermit } from "../fakes/tool-permit.ts";
import { openGate } from "../fakes/open-gate.ts";

/** In the content of every file outside, before its path, and in the name of one beside each, which no path names. */
export const CANARY = "canary-4711";
export const LISTED = `listed-${CANARY}`;
/** In the content of every file of the workspace. */
export const INSIDE = "belongs-here";

/** Where writing to the disk takes no time: thousands of files are written. */
const MEMORY = existsSync("/dev/shm") ? "/dev/shm" : null;

/** Files beside the workspace, relative to the directory above it. */
const OUTSIDE = ["outside/secret.txt", "outside/sub/secret.txt", "ws-evil/secret.txt", "home/secret.txt", "secret.txt"];
const FILES = ["inside.txt", "dir/inside.txt", "dir/deep/inside.txt", "mover.txt"];

export type OutsideBench = {
  /** Holds the workspace `ws` and everything that must not be reached. */
  base: string;
  workspace: string;
  /** A descriptor of a file outside, which this process has open. */
  descriptor: number;
  /** Makes the workspace as it was in the beginning. */
  reset: () => void;
  /** Throws when something outside has changed. */
  assertUnchanged: (after: string) => void;
  run: (tool: string, args: object, outside?: readonly string[]) => Promise<ToolResult>;
};

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** A workspace with `links` (name -> text) among files that tools of its agent must not reach. */
export function openOutsideBench(
  t: TestContext,
  links: Readonly<Record<string, string>>,
  hold?: HoldDirectory,
  moreOutside: readonly string[] = [],
): OutsideBench {
  const base = realpathSync(mkdtempSync(join(MEMORY ?? tmpdir(), "outside-")));
  const workspace = join(base, "ws");
  for (const path of [...OUTSIDE, ...moreOutside]) {
    write(join(base, path), `${CANARY} in ${path}\n`);
    write(join(base, dirname(path), LISTED), `${CANARY}\n`);
  }
  const descriptor = openSync(join(base, OUTSIDE[0]!), "r");
  const reset = (): void => {
    rmSync(workspace, { recursive: true, force: true });
    for (const path of FILES) write(join(workspace, path), `${INSIDE}\n`);
    for (const [name, text] of Object.entries(links))
      symlinkSync(text.replaceAll("{base}", base).replace("{descriptor}", String(descriptor)), join(workspace, name));
  };
  reset();
  const before = describe(base);
  const options = { env: { HOME: join(base, "home"), PATH: process.env["PATH"]! }, marker: testMarker(), tempDir: join(base, "tmp") };
  const executor = createToolExecutor({
    tools: createBuiltInTools({
      ...options,
      config: () => ({}),
      variables: () => undefined,
      conversations: noConversations,
      notes: noNotes,
      messages: noMessages,
      images: noImageModels,
      jobs: noJobs,
      tasks: noTasks,
      nodes: noNodes,
      gate: openGate,
      ...(hold && { hold }),
    }),
    log: silentLog,
  });
  t.after(async () => {
    await executor.stop();
    closeSync(descriptor);
    rmSync(base, { recursive: true, force: true });
  });
  const run: OutsideBench["run"] = (name, args, outside = []) =>
    executor.run(
      { id: "1", name, args },
      { ...testPermit(workspace), outside, signal: new AbortController().signal, update: () => {}, log: silentLog },
    );
  return {
    base,
    workspace,
    descriptor,
    reset,
    assertUnchanged: (after) => {
      const now = describe(base);
      if (now !== before) throw new Error(`${after} has changed something outside:\n${now}\nbefore:\n${before}`);
    },
    run,
  };
}

/** Every entry outside with its kind, mode, times and content, one a line. */
function describe(base: string): string {
  const lines: string[] = [];
  const visit = (path: string): void => {
    const stats = lstatSync(path);
    const content = stats.isFile() ? createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 12) : "";
    // The workspace is an entry of the base.
    const changed = path === base ? "" : stats.mtimeMs;
    lines.push([path.slice(base.length), stats.mode, stats.nlink > 1 && stats.isFile(), changed, content].join(" "));
    if (stats.isDirectory()) for (const name of readdirSync(path).toSorted()) if (name !== "ws" || path !== base) visit(join(path, name));
  };
  visit(base);
  return lines.join("\n");
}
