import { builtInTools } from "../../test/fakes/built-in-tools.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { textOf, toolContext } from "../../test/fakes/tool-context.ts";
import { settled } from "../../test/until.ts";
import type { JsonObject } from "../core/json.ts";
import { silentLog } from "../core/log.ts";
import { silentMetrics } from "../core/metrics.ts";
import { createToolExecutor } from "./executor.ts";
import { listedTools, MORE_TOOLS, TOOL_NAMES, TOOL_SOURCES } from "./tool.ts";
import { textResult } from "./results.ts";
import type { Tool } from "./tool.ts";

const parameters: JsonObject = { type: "object", properties: { text: { type: "string" } }, required: ["text"] };
const tool = (name: string, run: Tool["run"], rest: Partial<Tool> = {}): Tool => ({ name, description: name, parameters, run, ...rest });
const echo = tool("echo", async (args) => textResult(JSON.stringify(args)));
const call = (name: string, args: unknown): { id: string; name: string; args: unknown } => ({ id: "1", name, args });

test("calls are counted and timed, by tool and result", async (t) => {
  const seen: string[] = [];
  const metrics = {
    ...silentMetrics,
    count: (name: string, labels = {}) => void seen.push(`${name} ${JSON.stringify(labels)}`),
    observe: (name: string, value: number, labels = {}) => void seen.push(`${name} ${value} ${JSON.stringify(labels)}`),
  };
  const clock = new FakeClock();
  const slow = tool("slow", async () => (clock.advance(1_500), textResult("done")));
  const broken = tool("broken", () => Promise.reject(new Error("no")));
  const executor = createToolExecutor({ tools: [slow, broken], log: silentLog, metrics, clock });
  for (const each of [call("slow", { text: "" }), call("broken", { text: "" }), call("slow", {}), call("none", {})])
    await executor.run(each, toolContext(t));
  assert.deepEqual(seen, [
    'gateway_tools_calls_total {"tool":"slow","result":"ok"}',
    'gateway_tools_call_seconds 1.5 {"tool":"slow"}',
    'gateway_tools_calls_total {"tool":"broken","result":"error"}',
    'gateway_tools_call_seconds 0 {"tool":"broken"}',
    'gateway_tools_calls_total {"tool":"slow","result":"invalid"}',
    'gateway_tools_call_seconds 0 {"tool":"slow"}',
  ]);
});

test("only known fields reach a tool, and arguments that are not valid do not", async (t) => {
  const executor = createToolExecutor({ tools: [echo], log: silentLog });
  const context = toolContext(t);
  assert.equal(textOf(await executor.run(call("echo", { text: "a", more: 1 }), context)), '{"text":"a"}');
  const refused = await executor.run(call("echo", { more: 1 }), context);
  assert.deepEqual(
    [refused.isError, textOf(refused)],
    [true, "The arguments of echo are not valid; nothing was run. text is missing (string)."],
  );
  assert.match(textOf(await executor.run(call("echo", "text"), context)), /The arguments must be an object, not the text "text"/);
});

test("a tool may rewrite other forms of its arguments before they are checked", async (t) => {
  const rewriting = tool("echo", echo.run, { prepare: (args) => ({ text: args["old"] }) });
  const executor = createToolExecutor({ tools: [rewriting], log: silentLog });
  assert.equal(textOf(await executor.run(call("echo", { old: "a" }), toolContext(t))), '{"text":"a"}');
});

test("what a tool throws and an unknown name are results with an error", async (t) => {
  const failing = tool("fail", () => Promise.reject(new Error("line 1\nline 2")));
  const executor = createToolExecutor({ tools: [failing, echo], log: silentLog });
  const results = [await executor.run(call("fail", { text: "" }), toolContext(t)), await executor.run(call("none", {}), toolContext(t))];
  assert.deepEqual(
    results.map((result) => [result.isError, textOf(result)]),
    [
      [true, "line 1\nline 2"],
      [true, 'There is no tool "none". Tools: fail, echo.'],
    ],
  );
});

test("an update after the result is not shown", async (t) => {
  const updates: (() => void)[] = [];
  const updating = tool("update", async (_, { update }) => {
    updates.push(() => update([]));
    updates[0]?.();
    return textResult("");
  });
  const context = toolContext(t);
  await createToolExecutor({ tools: [updating], log: silentLog }).run(call("update", { text: "" }), context);
  updates[0]?.();
  assert.equal(context.updates.length, 1);
});

test("an intermediate result that cannot be shown does not affect the call", async (t) => {
  const updating = tool("update", async (_, { update }) => {
    update([]);
    return textResult("done");
  });
  const broken = { ...toolContext(t), update: () => assert.fail("the connection is gone") };
  assert.equal(textOf(await createToolExecutor({ tools: [updating], log: silentLog }).run(call("update", { text: "" }), broken)), "done");
});

test("stop aborts the running calls, waits for them, then stops the tools, and refuses further calls", async (t) => {
  const steps: string[] = [];
  const waiting = tool(
    "wait",
    (_, { signal }) =>
      new Promise((resolve) =>
        signal.addEventListener("abort", () => {
          steps.push("aborted");
          resolve(textResult(""));
        }),
      ),
    { stop: async () => void steps.push("tool stopped") },
  );
  const executor = createToolExecutor({ tools: [waiting], log: silentLog });
  const running = executor.run(call("wait", { text: "" }), toolContext(t));
  await executor.stop();
  await running;
  assert.deepEqual(steps, ["aborted", "tool stopped"]);
  assert.match(textOf(await executor.run(call("wait", { text: "" }), toolContext(t))), /stopping/);
});

test("tools that are stopped first are stopped before all others", async () => {
  const steps: string[] = [];
  const stopping = (name: string, rest: Partial<Tool> = {}): Tool =>
    tool(name, echo.run, { stop: async () => void steps.push(name), ...rest });
  const tools = [stopping("a"), stopping("b", { isStoppedFirst: true }), stopping("c")];
  await createToolExecutor({ tools, log: silentLog }).stop();
  assert.deepEqual(steps, ["b", "a", "c"]);
});

test("stop does not wait for a call that ignores its signal", async (t) => {
  const clock = new FakeClock();
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (message: string) => void warnings.push(message) };
  const stuck = tool("stuck", () => new Promise(() => {}));
  const executor = createToolExecutor({ tools: [stuck], log, clock });
  void executor.run(call("stuck", { text: "" }), toolContext(t));
  const stopped = executor.stop();
  await settled();
  clock.advance(1_500);
  await stopped;
  assert.deepEqual(warnings, ["tool calls did not stop in time"]);
});

test("the built-in tools are those of the policy, described in the order that is asked for, in few words", () => {
  const tools = builtInTools();
  assert.deepEqual(
    tools.map(({ name }) => name).toSorted(),
    [...TOOL_NAMES.filter((name) => !TOOL_SOURCES.includes(name)), MORE_TOOLS].toSorted(),
  );
  const executor = createToolExecutor({ tools, log: silentLog });
  assert.deepEqual(
    executor.describe(["exec", "none", "read"]).map(({ name }) => name),
    ["exec", "read"],
  );
  const descriptions = executor.describe(TOOL_NAMES);
  for (const each of descriptions) assert.deepEqual(Object.keys(each), ["name", "description", "parameters"]);
  for (const { name, description } of descriptions) assert.ok(description.length < (name === "apply_patch" ? 600 : 400), name);
  // What every request to a model carries: at most 12 tools and 12 KB of them, with room for more.
  const listed = executor.describe(listedTools(TOOL_NAMES));
  assert.equal(listed.length, 12);
  assert.ok(JSON.stringify(listed).length < 8_000, `${JSON.stringify(listed).length} characters`);
});

test("a stop of the gateway ends a running command", async (t) => {
  const context = toolContext(t);
  const tools = builtInTools({ env: { PATH: process.env["PATH"] ?? "" }, tempDir: context.workspace });
  const executor = createToolExecutor({ tools, log: silentLog });
  const running = executor.run(call("exec", { command: "echo began; sleep 300" }), context);
  await executor.stop();
  assert.match(textOf(await running), /The command was stopped\.$/);
});
