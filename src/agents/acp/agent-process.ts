import { randomBytes } from "node:crypto";
import type { JsonObject } from "../../core/json.ts";
import { killMarkedProcesses, MARKER_VARIABLE } from "../../core/marked-processes.ts";
import { clip } from "../../core/text.ts";
import { JsonRpcProcess, type JsonRpcProcessOptions } from "../../tools/json-rpc-process.ts";
import { ACP_LIMITS } from "./limits.ts";

export type AgentProcessOptions = JsonRpcProcessOptions & {
  onMessage: (message: JsonObject) => void;
  /** Called once, after the last message. */
  onEnd: () => void;
};

/** How a process has ended. */
export type AgentProcessEnd = {
  /** One sentence. */
  cause: string;
  exitCode: number | null;
  /** The end of its error output; empty for none. */
  stderr: string;
};

/** Of a shell that did not find the program, or may not run it. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** An agent as a child process. */
export class AgentProcess extends JsonRpcProcess {
  readonly #options: AgentProcessOptions;
  #end: AgentProcessEnd | null = null;
  #garbageInARow = 0;
  #firstGarbage: string | null = null;
  /** In the environment of this process and of all that it starts; empty where such a process is not looked for. */
  readonly #marker: string;

  constructor(options: AgentProcessOptions) {
    const whole = options.env[MARKER_VARIABLE] ?? "";
    const marker = whole === "" ? "" : `${whole}-acp-${randomBytes(4).toString("hex")}`;
    super(marker === "" ? options : { ...options, env: { ...options.env, [MARKER_VARIABLE]: marker } });
    this.#options = options;
    this.#marker = marker;
  }

  /** Null while it runs. */
  get end(): AgentProcessEnd | null {
    return this.#end;
  }

  /** The first line that was no message, or the beginning of one that has not ended; null: there was none. */
  get oddOutput(): string | null {
    if (this.#firstGarbage !== null) return this.#firstGarbage;
    return this.unfinishedLine === "" ? null : shown(this.unfinishedLine);
  }

  protected override onRecord(message: JsonObject): void {
    this.#garbageInARow = 0;
    this.#options.onMessage(message);
  }

  protected override onOtherLine(line: string): void {
    this.#firstGarbage ??= shown(line);
    this.#garbageInARow += 1;
    if (this.#garbageInARow > ACP_LIMITS.garbageLines) this.fail(`it wrote ${this.#garbageInARow} lines in a row that are no messages`);
  }

  protected override exitCause(exitCode: number | null): string {
    const [program] = this.#options.argv;
    if (exitCode === NOT_FOUND) return `its program ${program} was not found`;
    if (exitCode === NOT_EXECUTABLE) return `its program ${program} may not be run`;
    return `it ended with exit code ${exitCode ?? "unknown"}`;
  }

  protected override async onExit(exitCode: number | null): Promise<void> {
    if (this.#marker !== "") await killMarkedProcesses(this.#marker, this.#options.log);
    this.#end = { cause: this.cause!, exitCode, stderr: this.stderr };
    this.#options.onEnd();
  }
}

const shown = (text: string): string => JSON.stringify(clip(text.trim(), ACP_LIMITS.shownLineChars));
