// Group: wire
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { until } from "../../test/until.ts";
import { Profiler } from "./profile.ts";

const dir = mkdtempSync(join(tmpdir(), "profile-"));
after(() => rmSync(dir, { recursive: true, force: true }));
const forever = new AbortController().signal;

for (const kind of ["cpu", "heap"] as const)
  test(`a ${kind} profile is a private file with the places of functions, and only the last ones stay`, async () => {
    const clock = new FakeClock();
    const own = join(dir, kind);
    const profiler = new Profiler(own, clock);
    for (let n = 0; n < 8; n++) {
      const recording = profiler.record(kind, 1_000, forever);
      await assert.rejects(profiler.record(kind, 1_000, forever), /a profile is being recorded/);
      await until("the recording", () => clock.pending().length > 0);
      clock.advance(1_000);
      const { file, bytes } = await recording;
      assert.deepEqual([statSync(file).mode & 0o777, statSync(file).size], [0o600, bytes]);
      const profile = JSON.parse(readFileSync(file, "utf8")) as { nodes?: unknown[]; head?: object };
      assert.ok(kind === "cpu" ? profile.nodes!.length > 0 : typeof profile.head === "object");
    }
    assert.equal(readdirSync(own).length, 6);
  });

test("a recording ends with its caller", async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  const recording = new Profiler(join(dir, "ended"), clock).record("cpu", 60_000, abort.signal);
  await until("the recording", () => clock.pending().length > 0);
  abort.abort();
  assert.ok((await recording).bytes > 0);
});
