// The tools exec and process as the gateway builds them, in a temporary workspace.
import { noConversations } from "./no-conversations.ts";
import { noJobs } from "./no-jobs.ts";
import { noTasks } from "./no-tasks.ts";
import { noNodes } from "./no-nodes.ts";
import { noMessages } from "./no-messages.ts";
import { noImageModels } from "./no-image-models.ts";
import { noNotes } from "./no-notes.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { systemClock } from "../../src/core/clock.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { silentLog } from "../../src/core/log.ts";
import { createBuiltInTools } from "../../src/tools/built-in.ts";
import type { CommandGate } from "../../src/tools/command-gate.ts";
import { createToolExecutor } from "../../src/tools/executor.ts";
import { openGate } from "./open-gate.ts";
import type { ToolCaller, ToolExecutor, ToolResult } from "../../src/tools/tool.ts";
import { testMarker } from "./test-marker.ts";
import { until } from "../until.ts";
import type { FakeClock } from "./fake-clock.ts";
import { textOf, toolContext, type TestToolContext } from "./tool-context.ts";

export type CommandTools = {
  executor: ToolExecutor;
  /** `OPENCLAW_RUNNER` of the commands: other files run at the same time, and what carries it is killed when these tools stop. */
  marker: string;
  context: TestToolContext;
  /** Where long output is kept. */
  outputDir: string;
  /** What was noted about commands that ended by themselves. */
  notes: { caller: ToolCaller; text: string }[];
  exec: (args: JsonObject, context?: TestToolContext) => Promise<ToolResult>;
  /** The text of the result of `process`, which must not be an error. */
  process: (action: string, args?: JsonObject, context?: TestToolContext) => Promise<string>;
  /** The text of the error of `process`. */
  refused: (action: string, args?: JsonObject, context?: TestToolContext) => Promise<string>;
  /** Starts a command in the background; resolves to its id. */
  background: (command: string, args?: JsonObject, context?: TestToolContext) => Promise<string>;
};

export type CommandToolsOptions = { clock?: FakeClock; gate?: CommandGate; env?: Readonly<Record<string, string>> };

export const testEnv = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", GIVEN: "yes" };

export function commandTools(t: TestContext, { clock, gate = openGate, env = testEnv }: CommandToolsOptions = {}): CommandTools {
  const context = toolContext(t);
  const outputDir = join(context.workspace, "output");
  const notes: CommandTools["notes"] = [];
  const marker = testMarker();
  const executor = createToolExecutor({
    tools: createBuiltInTools({
      config: () => ({}),
      variables: () => undefined,
      conversations: noConversations,
      notes: noNotes,
      messages: noMessages,
      images: noImageModels,
      jobs: noJobs,
      tasks: noTasks,
      nodes: noNodes,
      env,
      marker,
      tempDir: outputDir,
      gate,
      onCommandEnded: (caller, text) => void notes.push({ caller, text }),
      clock: clock ?? systemClock,
    }),
    log: silentLog,
  });
  t.after(() => executor.stop());
  const run = (name: string, args: JsonObject, given = context): Promise<ToolResult> => executor.run({ id: "call", name, args }, given);
  const control = async (isError: boolean, action: string, args: JsonObject, given = context): Promise<string> => {
    const result = await run("process", { action, ...args }, given);
    if (result.isError !== isError) throw new Error(`process ${action}: ${textOf(result)}`);
    return textOf(result);
  };
  return {
    executor,
    marker,
    context,
    outputDir,
    notes,
    exec: (args, given) => run("exec", args, given),
    process: (action, args = {}, given = context) => control(false, action, args, given),
    refused: (action, args = {}, given = context) => control(true, action, args, given),
    async background(command, args = {}, given = context) {
      const text = textOf(await run("exec", { command, background: true, ...args }, given));
      const id = /^Running in the background as (\S+) \(pid \d+\)/.exec(text)?.[1];
      if (id === undefined) throw new Error(`not started: ${text}`);
      return id;
    },
  };
}

/** Lets the time of a fake clock pass until the call has ended. */
export async function advanceUntilDone<T>(clock: FakeClock, call: Promise<T>): Promise<T> {
  let done = false;
  void call.finally(() => (done = true));
  await until("the call has ended", () => {
    clock.advance(10);
    return done;
  });
  return call;
}

/** A command that writes its process id to a file: whether that process still runs is asked later. */
export const sleeper = (file: string): string => `sh -c 'echo $$ > ${file}.new; mv ${file}.new ${file}; exec sleep 300'`;

/** The process id in a file, as soon as it has one. */
export async function pidIn(file: string): Promise<number> {
  return until(`a process id in ${file}`, () => {
    try {
      return Number(readFileSync(file, "utf8"));
    } catch {
      return null;
    }
  });
}

/** A zombie, which waits for its parent, does not run. */
export function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

export const untilEnded = (pid: number): Promise<boolean> => until(`the end of process ${pid}`, () => !isRunning(pid));
