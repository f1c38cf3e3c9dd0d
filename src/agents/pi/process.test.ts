import { testMarker } from "../../../test/fakes/test-marker.ts";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { silentLog } from "../../core/log.ts";
import { exitReason, PiProcess, type PiExit, type PiRecord } from "./process.ts";

/** A process that writes these lines and waits. */
function open(lines: readonly string[], more: { cwd?: string; onRecord?: (record: PiRecord) => void } = {}) {
  const exits: PiExit[] = [];
  const script = `process.stdout.write(${JSON.stringify(lines.map((line) => `${line}\n`).join(""))});process.stdin.on("end",()=>process.exit(0)).resume()`;
  const process_ = new PiProcess({
    args: ["-e", script],
    env: { PATH: process.env["PATH"]! },
    cwd: tmpdir(),
    keys: {},
    marker: testMarker(),
    log: silentLog,
    onRecord: () => {},
    onExit: (exit) => exits.push(exit),
    ...more,
  });
  return { process: process_, exits };
}

test("A process that cannot be started exits with the reason, after its owner has received it", async () => {
  const { process: started, exits } = open([], { cwd: "/nonexistent/directory" });
  assert.equal(exits.length, 0);
  started.kill("SIGKILL");
  started.closeInput();
  await assert.rejects(started.request({ type: "get_state" }), /has ended/);
  const exit = await started.exited;
  assert.match(exit.stderr, /ENOENT/);
  await started.end(10);
});

test("Lines that are not records are skipped, and later ones are read", async () => {
  const records = Promise.withResolvers<PiRecord>();
  const { process: started } = open(["null", "7", "[]", "{}", "{broken", '{"type":7}', '{"type":"good"}'], { onRecord: records.resolve });
  assert.deepEqual(await records.promise, { type: "good" });
  await started.end(500);
});

test("A record whose handling throws ends only its process", async () => {
  const { process: started } = open(['{"type":"bad"}'], {
    onRecord: () => {
      throw new Error("a bug");
    },
  });
  const exit = await started.exited;
  assert.deepEqual([exit.signal, exit.isExpected], ["SIGKILL", false]);
});

const url = (name: string): string => new URL(name, import.meta.url).href;

test("Without descriptors a start results in an exit, not in the end of the gateway", { skip: process.platform !== "linux" }, async () => {
  const script = `
    const { openSync } = await import("node:fs");
    const { PiProcess } = await import(${JSON.stringify(url("./process.ts"))});
    const { silentLog } = await import(${JSON.stringify(url("../../core/log.ts"))});
    for (let i = 0; i < 1000; i++) try { openSync("/dev/null"); } catch { break; }
    const started = new PiProcess({ args: ["-e", ""], env: {}, cwd: "/", keys: {}, marker: "m-" + process.pid, log: silentLog, onRecord: () => {},
      onExit: (exit) => console.log("exit", exit.stderr) });
    console.log("made", started.pid);
    await started.exited;
    await started.end(10);
    console.log("done");`;
  const { stdout } = await promisify(execFile)(
    "/bin/sh",
    ["-c", 'ulimit -n 64; exec "$@"', "sh", process.execPath, "--input-type=module", "-e", script],
    {
      cwd: fileURLToPath(new URL(".", import.meta.url)),
    },
  );
  assert.match(stdout, /^made -1\nexit .*E[MN]FILE.*\ndone\n$/);
});

const reasonOf = (stderr: string): string => exitReason({ code: 1, signal: null, isExpected: false, stderr });

test("The reason of an exit is the error in its stderr, else its last line, else its code or signal", () => {
  const thrown =
    "file:///x.js:1\nthrow new Error()\n^\n\nError: no such module\n    at run (x.js:1:1) {\n  code: 'X'\n}\n\nNode.js v24.21.0";
  assert.equal(reasonOf(thrown), "Error: no such module");
  assert.equal(reasonOf("FATAL ERROR: Reached heap limit\n----- Native stack trace -----"), "FATAL ERROR: Reached heap limit");
  assert.equal(reasonOf("killed by hand"), "killed by hand");
  assert.equal(reasonOf(""), "exit 1");
  assert.equal(exitReason({ code: null, signal: "SIGKILL", isExpected: false, stderr: "" }), "exit SIGKILL");
});
