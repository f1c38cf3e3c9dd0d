import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { GatewayError } from "../core/errors.ts";
import { silentLog } from "../core/log.ts";
import { openSpool, removeSpool, type Spool } from "./spool.ts";

const dir = mkdtempSync(join(tmpdir(), "spool-"));
after(() => rmSync(dir, { recursive: true, force: true }));
let files = 0;
const newPath = (): string => join(dir, "isolated", `${++files}.db`);
const bodies = (spool: Spool): string[] => [...spool.pending()].map(({ body }) => body);

test("entries are kept in order until they are done, also after a restart", async () => {
  const path = newPath();
  const spool = openSpool(path, silentLog);
  const seqs = await Promise.all(["a", "b", "c"].map((body) => spool.append(body)));
  assert.deepEqual([bodies(spool), seqs], [["a", "b", "c"], seqs.toSorted((x, y) => x - y)]);
  spool.acknowledge([seqs[1]!]);
  spool.close();
  spool.close();
  const again = openSpool(path, silentLog);
  assert.deepEqual(bodies(again), ["a", "c"]);
  again.acknowledge(seqs);
  const later = await again.append("d");
  assert.ok(later > seqs[2]!, "a number is never used twice");
  again.close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await assert.rejects(again.append("e"), /closed/);
});

test("an entry that is appended while the spool closes is stored", async () => {
  const path = newPath();
  const spool = openSpool(path, silentLog);
  const appended = spool.append("a");
  spool.close();
  await appended;
  const again = openSpool(path, silentLog);
  assert.deepEqual(bodies(again), ["a"]);
  again.close();
});

test("a full spool rejects entries until it has space; its size is known after a restart", async () => {
  const path = newPath();
  const first = openSpool(path, silentLog, 10);
  await first.append("x".repeat(12));
  await assert.rejects(first.append("y"), (err: unknown) => err instanceof GatewayError && err.code === "UNAVAILABLE");
  first.close();
  const spool = openSpool(path, silentLog, 10);
  await assert.rejects(spool.append("y"), /the spool is full/);
  spool.acknowledge([1]);
  const settled = await Promise.allSettled(["12345", "67890", "x"].map((body) => spool.append(body)));
  assert.deepEqual(
    settled.map(({ status }) => status),
    ["fulfilled", "fulfilled", "rejected"],
  );
  assert.deepEqual(bodies(spool), ["12345", "67890"]);
  spool.close();
});

test("a foreign file and a truncated one are renamed", async () => {
  for (const damage of [(path: string) => writeFileSync(path, "nonsense ".repeat(1_000)), (path: string) => truncateSync(path, 5_000)]) {
    const path = newPath();
    const spool = openSpool(path, silentLog);
    await spool.append("x".repeat(50_000));
    spool.close();
    damage(path);
    const again = openSpool(path, silentLog);
    assert.deepEqual(bodies(again), []);
    await again.append("b");
    assert.deepEqual(bodies(again), ["b"]);
    again.close();
    const name = path.slice(path.lastIndexOf("/") + 1);
    assert.equal(readdirSync(join(dir, "isolated")).filter((each) => each.startsWith(`${name}.damaged-`)).length, 1);
  }
});

test("appended entries survive kill -9", async () => {
  const path = newPath();
  const code = `
    const { openSpool } = await import(${JSON.stringify(new URL("./spool.ts", import.meta.url).href)});
    const spool = openSpool(${JSON.stringify(path)}, console);
    for (let n = 0; ; n++) { await spool.append(String(n)); process.stdout.write(n + "\\n"); }`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  await new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk;
      if (said.split("\n").length > 20) child.kill("SIGKILL");
    });
    child.on("close", () => resolve());
  });
  const told = said.split("\n").slice(0, -1);
  const spool = openSpool(path, silentLog);
  const kept = bodies(spool);
  spool.close();
  assert.deepEqual(kept.slice(0, told.length), told);
  assert.ok(kept.length <= told.length + 2);
  removeSpool(path);
  assert.throws(() => readFileSync(path), { code: "ENOENT" });
});
