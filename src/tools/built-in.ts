import { homedir } from "node:os";
import { systemClock, type Clock } from "../core/clock.ts";
import { BackgroundCommands } from "./background-commands.ts";
import type { CommandGate } from "./command-gate.ts";
import { createEditTool } from "./edit/edit.ts";
import { createExecTool } from "./exec/exec.ts";
import { FileLocks } from "./file-changes.ts";
import { createFindTool } from "./find/find.ts";
import { createGrepTool } from "./grep/grep.ts";
import { createLsTool } from "./ls/ls.ts";
import { GroupWatcher } from "./group-watcher.ts";
import { createProcessTool } from "./process/process.ts";
import { createReadTool } from "./read/read.ts";
import { TerminalProgram } from "./terminal-program.ts";
import type { Tool, ToolCaller } from "./tool.ts";
import { createWriteTool } from "./write/write.ts";

export type BuiltInToolOptions = {
  /** The whole environment of commands. Its HOME is `~` in paths. */
  env: Readonly<Record<string, string>>;
  /** Value of `OPENCLAW_RUNNER` in commands. */
  marker: string;
  /** A private directory for output that is longer than a result. */
  tempDir: string;
  /** Decides about every command. */
  gate: CommandGate;
  /** A command in the background has ended by itself; the text is for the agent that started it. */
  onCommandEnded?: (caller: ToolCaller, text: string) => void;
  clock?: Pick<Clock, "after" | "monotonic">;
};

/** The registry of the tools that every agent may be granted. */
export function createBuiltInTools(options: BuiltInToolOptions): readonly Tool[] {
  const { env, marker, tempDir, gate, clock = systemClock } = options;
  const home = env["HOME"] || homedir();
  const locks = new FileLocks();
  const watcher = new GroupWatcher(clock);
  const commands = new BackgroundCommands({ outputDir: tempDir, watcher, clock, onEnded: options.onCommandEnded });
  const terminal = new TerminalProgram({ env, watcher, clock });
  return [
    createReadTool({ home }),
    createLsTool({ home }),
    createFindTool({ home }),
    createGrepTool({ home, env, marker, watcher }),
    createWriteTool({ home, locks }),
    createEditTool({ home, locks }),
    createExecTool({ gate, env, home, marker, commands, terminal, clock }),
    createProcessTool({ commands }),
  ];
}
