import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);

/** Runs `work` in processes that have no descriptors, one, and so on: the process goes on without any that it cannot get. What was seen of each. */
async function withoutDescriptors(imports: string, work: string): Promise<string[]> {
  const script = `
    import { closeSync, openSync } from "node:fs";
    import { systemClock } from ${url("./clock.ts")};
    import { silentLog } from ${url("./log.ts")};
    ${imports}
    await new Promise((next) => setImmediate(next));
    const work = async () => { ${work} };
    for (let free = 0; free < 8; free++) {
      const held = [];
      for (let i = 0; i < 1000; i++) try { held.push(openSync("/dev/null")); } catch { break; }
      for (let i = 0; i < free; i++) closeSync(held.pop());
      let seen;
      try { seen = "result " + (await work()); } catch (err) { seen = "rejected " + err.code + " " + err.message; }
      await new Promise((next) => setTimeout(next, 20));
      for (const each of held) closeSync(each);
      console.log(JSON.stringify(seen));
    }
    process.exit(0);`;
  const args = ["-c", 'ulimit -n 64; exec "$@"', "sh", process.execPath, "--no-warnings", "--input-type=module", "-e", script];
  const { stdout } = await run("/bin/sh", args);
  return stdout.trim().split("\n");
}

/** Parts that start a process, and what they do without descriptors. */
const PARTS: readonly (readonly [name: string, imports: string, work: string, failure: RegExp])[] = [
  [
    "a command of an agent",
    `import { runCommand } from ${url("../tools/command.ts")}; import { GroupWatcher } from ${url("../tools/group-watcher.ts")};`,
    `let released = 0;
     const options = { argv: ["true"], cwd: "/", env: {}, signal: new AbortController().signal, watcher: new GroupWatcher(), clock: systemClock, log: silentLog };
     const end = (more) => runCommand({ ...options, onOutput() {}, release: async () => void released++, ...more });
     return await end().catch((err) => { throw Object.assign(err, { message: "released " + released + ": " + err.message }); });`,
    /^"rejected EMFILE released 1: /,
  ],
  [
    "the watcher of commands",
    `import { GroupWatcher } from ${url("../tools/group-watcher.ts")};`,
    `await new GroupWatcher().add(99999999, silentLog);`,
    /^"rejected EMFILE no file descriptors are left to start \/bin\/sh"$/,
  ],
  [
    "a program that prints secrets",
    `import { runSecretProgram } from ${url("../secrets/program.ts")};`,
    `const program = { command: "/bin/true", args: [], env: {}, trustedDirs: [], timeoutMs: 1000, noOutputTimeoutMs: null, maxOutputBytes: 100 };
     return JSON.stringify(await runSecretProgram({ ...program, command: (await import("node:fs")).realpathSync("/bin/true") }, "", systemClock));`,
    /^"result .*could not be started: no file descriptors are left/,
  ],
  [
    "a backup",
    `import { packInProcess } from ${url("../backup/pack-process.ts")};`,
    `await packInProcess({}, AbortSignal.timeout(200));`,
    /^"rejected UNAVAILABLE the backup was not packed: no file descriptors are left/,
  ],
];
for (const [name, imports, work, failure] of PARTS)
  test(`without descriptors it fails and nothing else does: ${name}`, { skip: process.platform !== "linux" }, async () => {
    const seen = await withoutDescriptors(imports, work);
    assert.equal(seen.length, 8, seen.join("\n"));
    assert.match(seen[0]!, failure);
  });
