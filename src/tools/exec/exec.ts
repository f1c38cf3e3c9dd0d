import { sleep } from "../../core/async.ts";
import { systemClock, type Clock } from "../../core/clock.ts";
import { errnoOf } from "../../core/files.ts";
import { asNumber, asString, fieldsOf, type JsonObject } from "../../core/json.ts";
import type { Log } from "../../core/log.ts";
import { MARKER_VARIABLE } from "../../core/marked-processes.ts";
import { formatSeconds, type AgentCommand, type CommandInput } from "../agent-command.ts";
import { nodeError, type AgentNodes } from "../agent-nodes.ts";
import type { BackgroundCommands } from "../background-commands.ts";
import type { AllowedCommand, CommandGate, CommandHost } from "../command-gate.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { errorResult, fileError, textResult } from "../results.ts";
import type { TerminalProgram } from "../terminal-program.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { checkCallEnv } from "./call-env.ts";
import { frameWebContent } from "../untrusted-content.ts";
import { Updates } from "./updates.ts";
import { findWorkingDirectory } from "./working-directory.ts";
import type { ToolEntry } from "../tool-entry.ts";

export type ExecOptions = {
  /** Decides about every command, and what is started for it. */
  gate: CommandGate;
  /** Runs what is to run on a node. */
  nodes: AgentNodes;
  /** The environment of commands, to which calls and this tool add. Its HOME is `~` in paths. */
  env: Readonly<Record<string, string>>;
  home: string;
  /** Value of `OPENCLAW_RUNNER` in commands, by which processes that outlive their session are found. */
  marker: string;
  commands: BackgroundCommands;
  terminal: Pick<TerminalProgram, "find">;
  clock?: Pick<Clock, "after" | "monotonic">;
};

const NO_OUTPUT = "(no output)";
/** By which a command can see what runs it. */
const SHELL_VARIABLE = "OPENCLAW_SHELL";
/**
 * The input of a command in the background is a socket. At the lowest level, bash takes a socket for the connection of a remote shell
 * and runs ~/.bashrc, which no one has decided about.
 */
const BELOW_A_SHELL = { SHLVL: "1" };
/** What the terminal of a command understands, where the environment does not say. */
const TERMINAL_TYPE = "xterm-256color";

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    command: { type: "string" },
    workdir: { type: "string", description: "Default: the workspace" },
    env: { type: "object", additionalProperties: { type: "string" } },
    background: { type: "boolean", description: "Return at once; input by process" },
    yieldMs: { type: "integer", minimum: 1, maximum: TOOL_LIMITS.maxYieldMs, description: `Default ${TOOL_LIMITS.yieldMs}` },
    timeoutSeconds: { type: "number", description: `Then it is killed. Default ${TOOL_LIMITS.commandTimeoutSeconds}` },
    pty: { type: "boolean", description: "Run in a terminal" },
    host: { type: "string", enum: ["sandbox", "gateway", "node"] satisfies (CommandHost | "node")[] },
    node: { type: "string", description: "Of host node" },
  },
  required: ["command"],
};

/** Names by which models know parameters from other tools that run commands. */
const OTHER_PARAMETERS: Readonly<Record<string, string>> = { cmd: "command", cwd: "workdir", timeout: "timeoutSeconds" };

/**
 * Parameters of OpenClaw's `exec` that this gateway does not have, with what to do instead. They ask for other rights or another
 * machine, which only the configuration decides: a call that has one is refused. `title`, which names a call in its interface, changes
 * nothing and is dropped; so is the host `auto`, which is the default.
 */
const REFUSED_PARAMETERS: Readonly<Record<string, string>> = {
  elevated: "the configuration decides what commands may do",
  ask: "the configuration decides which commands people are asked about",
  security: "the configuration decides which commands may run",
};

/** Runs shell commands: what the gate allows, exactly as it returns it. */
export function createExecTool(options: ExecOptions): Tool {
  const { commands, clock = systemClock } = options;

  async function run(args: JsonObject, context: ToolContext): Promise<ToolResult> {
    if (process.platform === "win32") return errorResult("exec does not run on Windows. Run the gateway in WSL, Linux or macOS to use it.");
    const wanted = readArguments(args);
    if (wanted.host === "node") return await runOnNode(options.nodes, wanted, context);
    if (wanted.isBackground) {
      const problem = commands.findProblem(context.caller);
      if (problem !== null) return errorResult(`${problem} Nothing was run.`);
    }
    const { allowed, input } = await prepareCommand(options, wanted, context);
    const { caller } = context;
    const updates = new Updates(clock, () => context.update([{ type: "text", text: command.output.tail(TOOL_LIMITS.updateChars).text }]));
    const command: AgentCommand = commands.create({
      caller,
      text: wanted.command,
      timeoutSeconds: wanted.timeoutSeconds,
      isTerminal: wanted.isTerminal,
      onOutput: () => updates.schedule(),
    });
    const stop = (): void => command.stop();
    context.signal.addEventListener("abort", stop, { once: true });
    try {
      if (context.signal.aborted) stop();
      await start(command, { allowed, input, context });
      if (wanted.isBackground) return await toBackground(commands, command, context.log);
      const isOver = await untilEndOrYield(command, wanted.yieldMs, clock);
      if (!isOver && commands.add(command, context.log)) return runningResult(command);
      await command.ended;
      return endResult(commands, command);
    } finally {
      context.signal.removeEventListener("abort", stop);
      updates.close();
    }
  }

  return {
    name: "exec",
    description: `Runs a shell command; returns stdout and stderr, of long output the last ${TOOL_LIMITS.commandOutputChars} characters. After yieldMs it goes on in the background: see process.`,
    parameters: PARAMETERS,
    prepare,
    run,
    endSession: (sessionKey) => commands.endSession(sessionKey),
    stop: () => commands.stop(),
  };
}

function prepare(args: JsonObject): JsonObject {
  for (const [name, reason] of Object.entries(REFUSED_PARAMETERS)) {
    if (args[name] === undefined || args[name] === null || args[name] === false) continue;
    throw new Error(`exec has no parameter ${name} here: ${reason}. Nothing was run. Leave it out.`);
  }
  const prepared: Record<string, unknown> = { ...args };
  for (const [other, name] of Object.entries(OTHER_PARAMETERS)) prepared[name] ??= prepared[other];
  if (prepared["host"] === "auto") delete prepared["host"];
  return prepared;
}

type Wanted = {
  command: string;
  workdir: string;
  env: Record<string, string>;
  /** The wait is then not used. */
  isBackground: boolean;
  yieldMs: number;
  timeoutSeconds: number;
  isTerminal: boolean;
  host: CommandHost | "node" | undefined;
  node: string;
};

/** Throws, with the reason, for what the types of the parameters do not exclude. */
function readArguments(args: JsonObject): Wanted {
  const command = asString(args["command"]);
  if (command.trim() === "") throw new Error("Nothing was run: the command is empty.");
  const timeoutSeconds = asNumber(args["timeoutSeconds"]) ?? TOOL_LIMITS.commandTimeoutSeconds;
  if (timeoutSeconds <= 0 || timeoutSeconds > TOOL_LIMITS.timeoutSeconds)
    throw new Error(`timeoutSeconds must be more than 0 and at most ${TOOL_LIMITS.timeoutSeconds}. Nothing was run.`);
  return {
    command,
    workdir: asString(args["workdir"]),
    env: checkCallEnv(fieldsOf(args["env"])),
    isBackground: args["background"] === true,
    yieldMs: asNumber(args["yieldMs"]) ?? TOOL_LIMITS.yieldMs,
    timeoutSeconds,
    isTerminal: args["pty"] === true,
    host: (args["host"] as CommandHost | "node" | undefined) ?? (asString(args["node"]) === "" ? undefined : "node"),
    node: asString(args["node"]),
  };
}

/** A command on another machine: what is asked, allowed and sent is its exact text. Its output is a quotation, as all from outside. */
async function runOnNode(nodes: AgentNodes, wanted: Wanted, context: ToolContext): Promise<ToolResult> {
  const { command, node, workdir, env, isBackground, isTerminal, timeoutSeconds } = wanted;
  if (node === "") return errorResult('Nothing was run: host "node" needs node. The tool nodes lists them.');
  if (isBackground || isTerminal) return errorResult("Nothing was run: background and pty are not there on nodes. Leave them out.");
  try {
    const result = await nodes.run({ node, command, cwd: workdir, env, timeoutMs: timeoutSeconds * 1_000 }, context);
    const { stdout, stderr, exitCode, error } = fieldsOf(result.payload);
    const output = [asString(stdout), asString(stderr)].filter((text) => text !== "").join("\n");
    const end = asString(error) !== "" ? asString(error) : exitCode === 0 ? "" : `Exit code ${String(exitCode)}.`;
    const notes = end === "" ? [] : [end.slice(0, 300).replaceAll(/[\r\n\]]+/g, " ")];
    const text = frameWebContent({ source: "Output of the command on the node", text: output || NO_OUTPUT, notes });
    return { ...textResult(text), isError: asString(error) !== "" };
  } catch (err) {
    return nodeError(err);
  }
}

/** What may be started for a call. Waits for a decision, which people may have to make. */
async function prepareCommand(
  { gate, env, home, marker, terminal }: ExecOptions,
  wanted: Wanted,
  context: ToolContext,
): Promise<{ allowed: AllowedCommand; input: CommandInput }> {
  const cwd = await findWorkingDirectory(wanted.workdir, { ...context, home });
  const program = wanted.isTerminal ? await terminal.find(context.log, context.signal) : null;
  const allowed = await gate.allow(
    {
      callId: context.callId,
      command: wanted.command,
      cwd,
      env: {
        ...(program !== null && { TERM: TERMINAL_TYPE }),
        ...env,
        ...wanted.env,
        ...(wanted.isBackground && BELOW_A_SHELL),
        [SHELL_VARIABLE]: "exec",
        [MARKER_VARIABLE]: marker,
      },
      ownVariables: Object.keys(wanted.env),
      input: program !== null ? "terminal" : wanted.isBackground ? "pipe" : "none",
      host: wanted.host === "node" ? undefined : wanted.host,
    },
    context,
    context.signal,
  );
  if (program !== null) return { allowed, input: { kind: "terminal", program } };
  // A command in the foreground that reads would only wait: what could write to it is called after its result.
  return { allowed, input: { kind: wanted.isBackground ? "pipe" : "none" } };
}

async function start(
  command: AgentCommand,
  { allowed, input, context }: { allowed: AllowedCommand; input: CommandInput; context: ToolContext },
): Promise<void> {
  try {
    await command.start(allowed, input, context.log);
  } catch (err) {
    if (errnoOf(err) === "E2BIG")
      throw new Error("The command is too long for the system. Write it to a file with the write tool and run the file.", { cause: err });
    throw errnoOf(err) === "" ? err : fileError("start the command in", allowed.cwd, err);
  }
}

/** Resolves to whether the command has ended within the time. */
async function untilEndOrYield(command: AgentCommand, yieldMs: number, clock: Pick<Clock, "after">): Promise<boolean> {
  const over = new AbortController();
  const isOver = await Promise.race([command.ended.then(() => true), sleep(clock, yieldMs, over.signal).then(() => false)]);
  over.abort();
  return isOver;
}

/** The result of a command that was started in the background. */
async function toBackground(commands: BackgroundCommands, command: AgentCommand, log: Log): Promise<ToolResult> {
  if (commands.add(command, log))
    return textResult(`Running in the background as ${command.id} (pid ${command.pid}). Use process poll, log, write or kill.`);
  // Others have reached the limit while this one was prepared.
  command.stop();
  await command.ended;
  command.discard();
  return errorResult(`${commands.findProblem(command.caller) ?? "Too many commands run in the background."} The command was stopped.`);
}

function runningResult(command: AgentCommand): ToolResult {
  const { text, note } = command.takeTail(TOOL_LIMITS.updateChars);
  const output = `${text.replace(/\n$/, "") || NO_OUTPUT}${note === null ? "" : `\n\n[${note}]`}`;
  const after = formatSeconds(command.durationMs);
  return textResult(
    `Still running as ${command.id} (pid ${command.pid}) after ${after}. Output so far:\n${output}\n\nUse process poll, log or kill.`,
  );
}

/** The result of a command that has ended. Output that it does not have is kept for `process log`. */
function endResult(commands: BackgroundCommands, command: AgentCommand): ToolResult {
  const { text, note } = command.takeTail();
  if (note === null) command.discard();
  else commands.addEnded(command);
  const rest = note === null ? "" : `\n\n[${note} ${whereIsRest(command)}]`;
  const output = `${note === null ? text || NO_OUTPUT : text.replace(/\n$/, "")}${rest}`;
  const { reason, exitCode } = command.end!;
  if (reason === "stopped") return errorResult(`${output}\n\nThe command was stopped.`);
  if (reason === "timed out")
    return errorResult(`${output}\n\nThe command was killed: it ran longer than ${command.timeoutSeconds} seconds.`);
  if (exitCode === 0) return textResult(output);
  // What is not there is a likely reason, and cannot be seen from inside.
  return textResult(`${output}\n\nExit code ${exitCode}.${command.isolation === null ? "" : ` ${command.isolation}`}`);
}

function whereIsRest({ id, output }: AgentCommand): string {
  const file = output.path === null ? "" : `, or the file ${output.path}`;
  const minutes = TOOL_LIMITS.endedCommandMs / 60_000;
  return `The rest is kept for ${minutes} minutes: process log with sessionId ${id}${file}`;
}

export const execEntry: ToolEntry = {
  facts: { exec: { section: "runtime", effect: "run", profiles: ["coding"] } },
  create: (parts) => [createExecTool(parts)],
};
