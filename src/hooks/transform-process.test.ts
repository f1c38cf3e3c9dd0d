// Group: wire
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "../core/clock.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { until } from "../../test/until.ts";
import { runTransform, type TransformResult } from "./transform-process.ts";

const home = mkdtempSync(join(tmpdir(), "transform-"));
after(() => rmSync(home, { recursive: true, force: true }));
const root = join(home, "transforms");
mkdirSync(root);
writeFileSync(join(home, "outside.js"), "export default () => ({ message: 'outside' });");
symlinkSync(join(home, "outside.js"), join(root, "linked.js"));

const DATA = { payload: { kind: "smoke", level: 7 }, headers: { "x-a": "b" }, query: { k: "v" }, path: "alarm", now: "" };
let files = 0;

async function run(code: string, { extension = "js", name }: { extension?: string; name?: string } = {}): Promise<TransformResult> {
  const module = `t${files++}.${extension}`;
  writeFileSync(join(root, module), code);
  return runTransform({ module, export: name }, DATA, { clock: systemClock, root, directory: root });
}

const at = (module: string, directory = root): Promise<TransformResult> =>
  runTransform({ module }, DATA, { clock: systemClock, root, directory });
const errorOf = (result: TransformResult): string => ("error" in result ? result.error : `no error: ${JSON.stringify(result)}`);

test("a transform gets the request and returns changes, null to drop it, or nothing", async () => {
  const typed =
    "type Alarm = { kind: string; level: number }; export default ({ payload, headers, path, url }: { payload: Alarm; headers: Record<string, string>; path: string; url: string }) => ({ message: `${payload.kind} ${payload.level} ${headers['x-a']} ${path} ${url}` });";
  assert.deepEqual(await run(typed, { extension: "ts" }), { changes: { message: "smoke 7 b alarm /alarm?k=v" } });
  assert.deepEqual(await run("export const transform = async () => null;"), { changes: null });
  assert.deepEqual(await run("export function other() {}", { name: "other", extension: "mjs" }), { changes: undefined });
  const hash =
    'import { createHash } from "node:crypto"; export default () => ({ message: createHash("sha256").update("a").digest("hex").slice(0, 8) });';
  assert.deepEqual(await run(hash), { changes: { message: "ca978112" } });
});

test("a transform has no files, no network, no processes, no environment and no other modules", async () => {
  const attempts: readonly [string, RegExp][] = [
    ['import "node:fs"; export default () => ({});', /cannot import node:fs/],
    ['export default async () => { const { readFileSync } = await import("fs"); };', /cannot import fs/],
    ['import "node:net"; export default () => ({});', /cannot import node:net/],
    ['import "node:http"; export default () => ({});', /cannot import node:http/],
    ['import "node:child_process"; export default () => ({});', /cannot import node:child_process/],
    ['import "node:module"; export default () => ({});', /cannot import node:module/],
    ['import "./t0.js"; export default () => ({});', /./],
    ['import "undici"; export default () => ({});', /cannot import undici/],
    [
      "export default () => ({ message: typeof process + typeof fetch + typeof require + typeof WebSocket });",
      /undefinedundefinedundefinedundefined/,
    ],
    ['export default () => ({ message: String(Function("return this.process")()) });', /undefined/],
    ['export default () => fetch("http://127.0.0.1:9/");', /fetch is not defined/],
  ];
  for (const [code, why] of attempts) {
    const result = await run(code);
    assert.match("error" in result ? result.error : String(result.changes?.["message"]), why, code);
  }
});

test("files outside of the directory, links, other endings and large files are refused", async () => {
  for (const module of ["../outside.js", join(home, "outside.js"), "linked.js", "missing.js"])
    assert.match(errorOf(await at(module)), /cannot be read beneath/, module);
  assert.match(errorOf(await at("outside.js", home)), /cannot be read beneath/, "a directory outside");
  assert.match(errorOf(await at("a.json")), /is not a file that ends in/);
  assert.match(errorOf(await run(`// ${"x".repeat(300_000)}\nexport default () => ({});`)), /larger than 262144 bytes/);
});

test("a transform that fails, returns something else, or takes too much ends with its error only", async () => {
  for (const [code, why] of [
    ['export default () => { throw new Error("no luck"); };', /no luck/],
    ["export default 3;", /has no function/],
    ["this is not code", /./],
    ["export default () => 7;", /neither an object nor null/],
    ["export default () => ({ message: 'x'.repeat(3_000_000) });", /more than 1048576 bytes/],
    ["export default () => { const all = []; for (;;) all.push(new Array(100_000).fill(all.length)); };", /ended without a result/],
  ] as const)
    assert.match(errorOf(await run(code)), why, code);
});

test("a transform that does not end is ended", async () => {
  writeFileSync(join(root, "endless.js"), "export default () => { for (;;); };");
  const clock = new FakeClock();
  const running = runTransform({ module: "endless.js" }, DATA, { clock, root, directory: root });
  await until("the limit of its time", () => clock.pending().length > 0);
  clock.advance(5_000);
  assert.match(errorOf(await running), /did not end within 5 s/);
});
