// Group: wire
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { textOf, toolContext, type TestToolContext } from "../../../test/fakes/tool-context.ts";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { until } from "../../../test/until.ts";
import { checkConfigValue } from "../../config/load.ts";
import { systemClock, type Clock } from "../../core/clock.ts";
import { silentLog, type Log } from "../../core/log.ts";
import { silentMetrics } from "../../core/metrics.ts";
import { PLUGIN_LIMITS } from "./limits.ts";
import type { PluginReport } from "./plugin-report.ts";
import type { PluginThreadLimits } from "./plugin-thread.ts";
import { ToolPlugins } from "./tool-plugins.ts";

type Bench = {
  plugins: ToolPlugins;
  context: TestToolContext;
  state: string;
  warnings: string[];
  write: (path: string, text: string) => void;
  set: (plugins: unknown) => void;
  call: (name: string, args?: object) => Promise<string>;
  report: (id: string) => Promise<PluginReport>;
};
type BenchOptions = { clock?: Pick<Clock, "after" | "monotonic">; limits?: Partial<PluginThreadLimits & { idleMs: number }> };

/** Plugins of a state directory; `files`: path below it -> text. */
function bench(t: TestContext, files: Record<string, string>, plugins: unknown, { clock = systemClock, limits }: BenchOptions = {}): Bench {
  const state = mkdtempSync(join(tmpdir(), "openclaw-plugins-"));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(state, path)), { recursive: true });
    writeFileSync(join(state, path), text);
  };
  for (const [path, text] of Object.entries(files)) write(path, text);
  let config = checkConfigValue({ plugins }).config.plugins;
  const warnings: string[] = [];
  const log: Log = {
    ...silentLog,
    warn: (message, fields) => void warnings.push(`${message} ${JSON.stringify(fields)}`),
    child: () => log,
  };
  const made = new ToolPlugins({
    config: () => config,
    stateDir: state,
    env: { PATH: "/bin" },
    log,
    metrics: silentMetrics,
    clock,
    ...(limits && { limits }),
  });
  t.after(async () => {
    await made.stop();
    rmSync(state, { recursive: true, force: true });
  });
  made.configure();
  const context = toolContext(t);
  return {
    plugins: made,
    context,
    state,
    warnings,
    write,
    set: (value) => {
      config = checkConfigValue({ plugins: value }).config.plugins;
      made.configure();
    },
    call: async (name, args = {}) => textOf(await made.run({ id: "1", name, args }, context)),
    report: async (id) => {
      await made.ready();
      return made.report().find((each) => each.id === id)!;
    },
  };
}

/** A plugin with one tool of its name; `run`: the body of its function. */
const plugin = (id: string, run: string, more = ""): string => `
import { defineToolPlugin } from "openclaw-gateway/tool";
export default defineToolPlugin({ id: "${id}", ${more}
  tools: [{ name: "${id}", description: "Does it.", effect: "read", parameters: { type: "object", properties: { n: { type: "integer" } } },
    async run(args, context) { ${run} } }],
});`;
const used = (...ids: string[]): object => ({ entries: Object.fromEntries(ids.map((id) => [id, {}])) });
const signal = (): AbortSignal => new AbortController().signal;

test("a plugin is loaded, lists its tools with its name, and runs them with checked arguments and its settings", async (t) => {
  const run = `context.update("working"); const { config, callId, agentId, surface, workspace } = context;
    return JSON.stringify({ args, config, callId, agentId, surface, workspace, env: Object.keys(process.env) });`;
  const settings = `config: { type: "object", properties: { token: { type: "string" }, deep: { type: "object", additionalProperties: { type: "string" } } }, required: ["token"] },`;
  const { plugins, call, context, report } = bench(
    t,
    { "tools/a.mjs": plugin("a", run, settings) },
    { entries: { a: { config: { token: "canary", deep: { password: "p" } } } } },
  );
  assert.deepEqual(
    (await plugins.list(signal())).map(({ description }) => description),
    ["Does it. (Of the plugin a.)"],
  );
  assert.deepEqual([plugins.has("a"), plugins.has("b"), plugins.effectOf("a"), plugins.effectOf("b")], [true, false, "read", null]);
  const answer = JSON.parse((await call("a", { n: "5", other: 1 })).split("\n")[1]!.slice(2)) as Record<string, unknown>;
  assert.deepEqual(answer, {
    args: { n: 5 },
    config: { token: "canary", deep: { password: "p" } },
    callId: "1",
    agentId: "main",
    surface: "operator",
    workspace: context.workspace,
    env: ["PATH"],
  });
  assert.deepEqual(context.updates, [[{ type: "text", text: "working" }]]);
  assert.match(await call("a", { n: "x" }), /^The arguments of a are not valid; nothing was run\. n must be an integer/);
  assert.equal((await report("a")).state, "ready");
  assert.match(await call("b"), /^No plugin has a tool "b"/);
});

const toolText = (name: string, effect: string, more = ""): string =>
  `{ name: "${name}", description: "Does it.", effect: "${effect}", ${more} parameters: { type: "object" }, run: () => "done" }`;

test("a person is asked where the configuration says so, else where the tool does", async (t) => {
  const text = `export default { id: "a", tools: [${toolText("look", "read")}, ${toolText("pay", "send", "asks: true,")}, ${toolText("note", "write")}, ${toolText("peek", "fetch", "asks: true,")}, ${toolText("odd", "read", "asks: 1,")}] };`;
  const { set, plugins, report } = bench(t, { "tools/a.mjs": text }, used("a"));
  const asked = async (): Promise<string[]> => {
    await report("a");
    return ["look", "pay", "note", "peek"].filter((name) => plugins.askOf(name)!.asks);
  };
  assert.deepEqual(await asked(), ["pay", "peek"]);
  for (const [ask, expected] of [
    ["never", []],
    ["acting", ["pay", "note", "peek"]],
    ["always", ["look", "pay", "note", "peek"]],
    ["sometimes", ["look", "pay", "note", "peek"]],
  ] as const) {
    set({ entries: { a: { ask } } });
    assert.deepEqual(await asked(), expected, ask);
  }
  assert.equal(plugins.askOf("odd"), null);
  assert.deepEqual((await report("a")).leftOut, [{ name: "odd", reason: "its asks must be true or false" }]);
});

const BROKEN: readonly [title: string, text: string, cause: RegExp][] = [
  ["throws while it is loaded", `throw new Error("not today");`, /^it could not be loaded: not today$/],
  ["has a syntax error", `export default {`, /^it could not be loaded: /],
  ["imports what there is not", `import "no-such-package";`, /^it could not be loaded: .*no-such-package/],
  ["rejects late", `Promise.reject(new Error("late")); await new Promise(() => setInterval(() => {}, 1000));`, /^its code crashed: late$/],
  ["ends its thread", `process.exit(3);`, /^its code ended its thread \(exit code 3\)$/],
  ["exports nothing", `export const a = 1;`, /^its default export is not an object/],
  ["exports an object that contains itself", `const a = {}; a.a = a; export default a;`, /circular structure/],
  ["has another id", plugin("other", ""), /^its id is "other", but the configuration calls it "a"/],
  ["blocks while it is loaded", `for (;;);`, /^it was not loaded within 10 s$/],
  ["never ends to load", `await new Promise(() => setInterval(() => {}, 1000));`, /^it (?:was not|could not be) loaded.* within 10 s$/],
  [
    "needs too much memory",
    `const all = []; for (;;) all.push(new Array(1e6).fill({}));`,
    /^it needed more than 256 MiB of memory$|^it was not loaded/,
  ],
  [
    "says what it is not to its thread's port",
    `import { parentPort } from "node:worker_threads"; parentPort.postMessage(5); await new Promise(() => setInterval(() => {}, 1000));`,
    /^its thread sent what cannot be read/,
  ],
];
for (const [title, text, cause] of BROKEN)
  test(`a plugin that ${title} is not used, and another one is`, async (t) => {
    const isLate = cause.source.includes("10 s");
    const clock = new FakeClock();
    const files = { "tools/a.mjs": text, "tools/b.mjs": plugin("b", `return "fine";`) };
    const { plugins, call, report, warnings } = bench(t, files, used("a", "b"), isLate ? { clock } : {});
    if (isLate) {
      await until("the other plugin", () => plugins.has("b"));
      clock.advance(PLUGIN_LIMITS.loadMs);
    }
    const { state, cause: said, fix } = await report("a");
    assert.equal(state, "failed");
    assert.match(said ?? "", cause);
    assert.match(fix ?? "", /docs\/tool-plugins\.md/);
    assert.equal(warnings.filter((line) => line.startsWith("a plugin is not used")).length, 1);
    assert.equal(plugins.has("a"), false);
    assert.match(await call("b"), /> fine$/);
  });

const FAULTS: readonly [title: string, run: string, result: RegExp, endsThread: boolean][] = [
  ["throws", `throw new Error("no");`, /^\[Error of the tool a of the plugin a\.[^]*\n> no$/, false],
  ["throws an object", `throw { a: 1 };`, /^\[Error of the tool a/, false],
  ["returns nothing", ``, /^The tool a of the plugin a has a fault: it returned undefined, not a text/, false],
  ["returns what cannot be sent", `return { content: [{ type: "text", text: () => {} }] };`, /The result has no text/, false],
  ["blocks its thread", `for (;;);`, /^The tool a has no result\. The plugin was ended: its code has blocked its thread for 0\.4 s/, true],
  ["ends its thread", `process.exit(4);`, /its code ended its thread \(exit code 4\)/, true],
  [
    "throws outside of its promise",
    `setTimeout(() => { throw new Error("outside"); }); return await new Promise(() => {});`,
    /its code crashed: outside/,
    true,
  ],
  [
    "needs too much memory",
    `const all = []; for (;;) { all.push(new Array(1e6).fill({})); await null; }`,
    /it needed more than 256 MiB|blocked/,
    true,
  ],
];
for (const [title, run, result, endsThread] of FAULTS)
  test(`a call of a tool that ${title} is an error, and the next call works`, async (t) => {
    const body = `if (args.n === 1) return "fine"; ${run}`;
    const limits = { pingMs: 100, stuckMs: 400 };
    const { call, report } = bench(t, { "tools/a.mjs": plugin("a", body) }, used("a"), { limits });
    await report("a");
    assert.match(await call("a"), result);
    const { lastFault, state } = await report("a");
    assert.equal(lastFault !== null, endsThread);
    assert.equal(state, "ready");
    assert.match(await call("a", { n: 1 }), /> fine$/);
    assert.equal((await report("a")).lastFault, null);
  });

test("a stop reaches the tool, and one that goes on is ended with its thread", async (t) => {
  const body = `if (args.n === 1) { context.signal.addEventListener("abort", () => context.log.warn("heard")); }
    context.update("running"); await new Promise(() => setInterval(() => {}, 1000));`;
  const { call, context, plugins, report } = bench(t, { "tools/a.mjs": plugin("a", body) }, used("a"), { limits: { graceMs: 50 } });
  await report("a");
  const running = call("a", { n: 1 });
  await until("the tool runs", () => context.updates.length > 0);
  context.stop();
  assert.match(await running, /The call was stopped\./);
  await until("the thread has ended", () => plugins.report()[0]!.hasThread === false);
});

test("a call that takes too long fails, and its thread ends when it goes on", async (t) => {
  const text = plugin("a", `context.update("running"); await new Promise(() => setInterval(() => {}, 1000));`).replace(
    "effect:",
    "timeoutSeconds: 30, effect:",
  );
  const clock = new FakeClock();
  const { call, context, plugins } = bench(t, { "tools/a.mjs": text }, used("a"), { clock, limits: { pingMs: 1e9 } });
  await plugins.ready();
  const running = call("a");
  await until("the tool runs", () => context.updates.length > 0);
  clock.advance(30_000);
  assert.match(await running, /> The tool a took longer than 30 s/);
  clock.advance(1_000);
  assert.equal(plugins.report()[0]!.hasThread, false);
});

test("an idle thread ends, and the next call starts another one", async (t) => {
  const clock = new FakeClock();
  const { call, plugins } = bench(
    t,
    { "tools/a.mjs": plugin("a", `globalThis.calls = (globalThis.calls ?? 0) + 1; return String(globalThis.calls);`) },
    used("a"),
    { clock },
  );
  await plugins.ready();
  assert.match(await call("a"), /> 1$/);
  assert.match(await call("a"), /> 2$/);
  clock.advance(300_000);
  assert.equal(plugins.report()[0]!.hasThread, false);
  assert.match(await call("a"), /> 1$/);
});

const CONFIGS: readonly [title: string, config: unknown, cause: RegExp][] = [
  ["a missing key", {}, /config is not valid: unit is missing \(string\)/],
  ["a wrong value", { unit: "kelvin" }, /unit must be one of c, f, not the text "kelvin"/],
  ["a key that there is not", { unit: "c", untis: 1 }, /config has unknown keys: untis/],
];
for (const [title, config, cause] of CONFIGS)
  test(`settings with ${title} are reported, and the plugin is used once they are right`, async (t) => {
    const schema = `config: { type: "object", properties: { unit: { type: "string", enum: ["c", "f"] } }, required: ["unit"] },`;
    const { set, report, plugins } = bench(t, { "tools/a.mjs": plugin("a", `return "x";`, schema) }, { entries: { a: { config } } });
    const { state, cause: said, hasThread } = await report("a");
    assert.deepEqual([state, hasThread], ["failed", false]);
    assert.match(said ?? "", cause);
    set({ entries: { a: { config: { unit: "c" } } } });
    assert.equal((await report("a")).state, "ready");
    assert.ok(plugins.has("a"));
  });

test("settings of a plugin without any are reported", async (t) => {
  const { report } = bench(t, { "tools/a.mjs": plugin("a", "") }, { entries: { a: { config: { a: 1 } } } });
  assert.equal((await report("a")).cause, "plugins.entries.a.config is set, but the plugin has no settings");
});

test("code is found as a file, a folder, a path and a package; a changed file is loaded again", async (t) => {
  const text = (id: string): string => plugin(id, `return "${id}";`);
  const { plugins, call, state, write, set, report } = bench(
    t,
    {
      "tools/file.mjs": text("file"),
      "tools/folder/index.mjs": text("folder"),
      "tools/main/package.json": `{"type":"module","main":"lib/x.js"}`,
      "tools/main/lib/x.js": text("main"),
      "elsewhere/path.mjs": text("path"),
      "node_modules/openclaw-pack/package.json": `{"name":"openclaw-pack","type":"module","exports":"./p.js"}`,
      "node_modules/openclaw-pack/p.js": text("pack"),
    },
    {},
  );
  const entries = {
    file: {},
    folder: {},
    main: {},
    path: {},
    pack: { package: "openclaw-pack" },
    none: {},
    odd: { package: "../x" },
    absent: { package: "absent" },
  };
  set({ load: { paths: [join(state, "elsewhere/path.mjs")] }, entries });
  await plugins.ready();
  for (const id of ["file", "folder", "main", "path", "pack"]) assert.match(await call(id), new RegExp(`> ${id}$`));
  assert.equal((await report("none")).state, "missing");
  assert.match((await report("odd")).cause ?? "", /package is not the name of an npm package/);
  assert.match((await report("absent")).fix ?? "", /^npm install --prefix /);
  write("tools/file.mjs", plugin("file", `return "changed";`));
  utimesSync(join(state, "tools/file.mjs"), 1, 1);
  await plugins.list(signal());
  assert.match(await call("file"), /> changed$/);
  chmodSync(join(state, "tools/file.mjs"), 0o666);
  utimesSync(join(state, "tools/file.mjs"), 2, 2);
  await plugins.list(signal());
  assert.match((await report("file")).cause ?? "", /can be written by every user/);
});

/** A plugin whose tool has the name of another one. */
const same = (id: string): string => plugin(id, `return "${id}";`).replace(`name: "${id}"`, `name: "same"`);

test("a name belongs to the first plugin of the configuration, and is free when that is gone", async (t) => {
  const { plugins, call, report, set } = bench(
    t,
    { "tools/a.mjs": `${same("a")}; await new Promise((r) => setTimeout(r, 20));`, "tools/b.mjs": same("b") },
    used("a", "b"),
  );
  assert.deepEqual((await report("b")).leftOut, [{ name: "same", reason: "the plugin a has a tool of this name" }]);
  assert.match(await call("same"), /> a$/);
  set({ entries: { a: { enabled: false }, b: {} } });
  await plugins.ready();
  assert.match(await call("same"), /> b$/);
});

const OFF: readonly [config: object, cause: string][] = [
  [{ enabled: false }, "plugins.enabled is false"],
  [{ deny: ["a"] }, "plugins.deny names it"],
  [{ deny: "a" }, "plugins.deny names it"],
  [{ allow: ["b"] }, "plugins.allow does not name it"],
];
for (const [config, cause] of OFF)
  test(`a plugin that the configuration switches off is not loaded: ${JSON.stringify(config)}`, async (t) => {
    const { report, plugins } = bench(t, { "tools/a.mjs": plugin("a", "") }, { ...config, ...used("a") });
    const { state, cause: said, hasThread } = await report("a");
    assert.deepEqual([state, said, hasThread, plugins.has("a")], ["off", cause, false, false]);
  });
