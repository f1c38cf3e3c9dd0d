import { constants, homedir } from "node:os";
import { ACP_LIMITS } from "../agents/acp/limits.ts";
import type { AgentTerminal, OwnCall, TerminalCommand, TerminalExit, Workbench } from "../agents/acp/services.ts";
import { commandMarker, piDirs } from "../agents/pi/files.ts";
import { toCommandEnv } from "../core/command-env.ts";
import { MARKER_VARIABLE } from "../core/marked-processes.ts";
import { startCommand } from "../tools/command.ts";
import type { CommandGate } from "../tools/command-gate.ts";
import { checkCallEnv } from "../tools/exec/call-env.ts";
import { findWorkingDirectory } from "../tools/exec/working-directory.ts";
import { GroupWatcher } from "../tools/group-watcher.ts";
import { fileError } from "../tools/results.ts";
import type { ToolExecutor } from "../tools/tool.ts";
import { WorkspaceFiles } from "../tools/workspace-files.ts";
import type { GatewayBase } from "./base.ts";

export type AcpWorkbenchInput = Pick<GatewayBase, "paths" | "log" | "clock"> & { tools: ToolExecutor; gate: CommandGate };

/** What agents of other vendors do through the gateway: with the rights, and behind the gate, of its own tools. */
export function acpWorkbench({ paths, log, clock, tools, gate }: AcpWorkbenchInput): Workbench {
  const marker = commandMarker(paths.state);
  const env = { ...toCommandEnv(process.env, piDirs(paths.state).temp), [MARKER_VARIABLE]: marker };
  const home = process.env["HOME"] || homedir();
  const files = new WorkspaceFiles({ home });
  const watcher = new GroupWatcher({ clock, marker });
  return {
    readFile: (path, range, { permit }) => readText(files, path, range, permit),
    async writeFile(path, content, { callId, permit, signal }) {
      const context = { ...permit, signal, update: () => {}, log };
      const { isError, content: said } = await tools.run({ id: callId, name: "write", args: { path, content } }, context);
      if (isError) throw new Error(said.map((part) => (part.type === "text" ? part.text : "")).join("\n"));
    },
    async runCommand(command, call) {
      const cwd = await findWorkingDirectory(command.cwd ?? "", { ...call.permit, home });
      const own = checkCallEnv(command.env);
      const allowed = await gate.allow(
        {
          callId: call.callId,
          command: command.text,
          cwd,
          env: { ...env, ...own },
          ownVariables: Object.keys(own),
          input: "none",
          host: undefined,
        },
        call.permit,
        call.signal,
      );
      return await startTerminal(command, call, (options) => startCommand({ ...allowed, ...options, watcher, clock, log }));
    },
  };
}

async function readText(
  files: WorkspaceFiles,
  path: string,
  { line, limit }: { line: number | null; limit: number | null },
  permit: OwnCall["permit"],
): Promise<string> {
  let text: string;
  try {
    const handle = await files.openFile(path, permit);
    try {
      const { size } = await handle.stat();
      if (size > ACP_LIMITS.fileBytes) throw new Error(`it has ${size} bytes, more than the ${ACP_LIMITS.fileBytes} that are read`);
      text = (await handle.readFile()).toString("utf8");
    } finally {
      await handle.close();
    }
  } catch (err) {
    throw fileError("read", path, err);
  }
  if (line === null && limit === null) return text;
  const first = Math.max(0, (line ?? 1) - 1);
  return text
    .split(/(?<=\n)/)
    .slice(first, limit === null ? undefined : first + Math.max(0, limit))
    .join("");
}

type StartOptions = Pick<Parameters<typeof startCommand>[0], "timeoutMs" | "signal" | "onOutput">;

/** The end of its output is kept, in whole characters. */
async function startTerminal(
  { outputBytes }: TerminalCommand,
  { signal }: OwnCall,
  start: (options: StartOptions) => ReturnType<typeof startCommand>,
): Promise<AgentTerminal> {
  const stopping = new AbortController();
  let kept = Buffer.alloc(0);
  let isTruncated = false;
  const onOutput = (chunk: Buffer): void => {
    const all = Buffer.concat([kept, chunk]);
    isTruncated ||= all.length > outputBytes;
    kept = outputBytes === 0 ? Buffer.alloc(0) : all.subarray(-outputBytes);
  };
  const running = await start({ timeoutMs: undefined, signal: AbortSignal.any([signal, stopping.signal]), onOutput });
  let exit: TerminalExit | null = null;
  const ended = running.ended.then(({ exitCode }) => (exit = toExit(exitCode)));
  // Who waits for it learns of a failure.
  ended.catch(() => {});
  return {
    output: () => ({ text: wholeCharacters(kept, isTruncated), isTruncated }),
    exit: () => exit,
    ended,
    kill: () => stopping.abort(),
  };
}

/** What was cut off may have ended inside of a character. */
function wholeCharacters(bytes: Buffer, isCut: boolean): string {
  const start = isCut ? bytes.findIndex((byte) => (byte & 0xc0) !== 0x80) : 0;
  return bytes.subarray(Math.max(0, start)).toString("utf8");
}

/** Above 128 it is the number of the signal that ended the shell. */
function toExit(exitCode: number | null): TerminalExit {
  const [signal = null] = Object.entries(constants.signals).find(([, number]) => exitCode === 128 + number) ?? [];
  return signal === null ? { exitCode, signal } : { exitCode: null, signal };
}
