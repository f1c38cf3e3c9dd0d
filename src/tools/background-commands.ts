import { randomInt } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import type { SessionKey } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import { AgentCommand, describeEnd, shortText, type AgentCommandOptions } from "./agent-command.ts";
import type { GroupWatcher } from "./group-watcher.ts";
import { TOOL_LIMITS } from "./limits.ts";
import type { ToolCaller } from "./tool.ts";

const FIRST_WORDS =
  "amber brave brisk calm clear cool crisp deep early fair fresh gentle golden green happy keen late light lively lucky mild misty neat proud quick quiet ready sharp silver smooth warm young";
const SECOND_WORDS =
  "anchor birch bridge brook cedar cloud comet coral crane delta falcon fern field forest garden harbor heron island lake lantern maple meadow otter pebble pine prairie reef river shore stone valley willow";

export type BackgroundCommandsOptions = {
  /** Where output that is longer than a result is kept. */
  outputDir: string;
  watcher: GroupWatcher;
  clock: Pick<Clock, "after" | "monotonic">;
  /** A command has ended by itself, and its agent has not seen that. */
  onEnded?: ((caller: ToolCaller, text: string) => void) | undefined;
};

/**
 * The commands of agents that run in the background, and for a while those that have ended, with their output. An agent sees those of
 * its session. They end with their session and with the gateway.
 */
export class BackgroundCommands {
  readonly #options: BackgroundCommandsOptions;
  /** By id, oldest first. */
  readonly #commands = new Map<string, AgentCommand>();
  /** What forgets the commands that have ended, in the order in which they did. */
  readonly #expiries = new Map<AgentCommand, () => void>();

  constructor(options: BackgroundCommandsOptions) {
    this.#options = options;
  }

  /** A command that is not started yet, and not in the background. */
  create(options: Pick<AgentCommandOptions, "caller" | "text" | "timeoutSeconds" | "isTerminal" | "onOutput">): AgentCommand {
    const { outputDir, watcher, clock } = this.#options;
    return new AgentCommand({ ...options, outputDir, watcher, clock });
  }

  /** Why no further command of this caller may run in the background; null when one may. */
  findProblem(caller: ToolCaller): string | null {
    const running = [...this.#commands.values()].filter((command) => command.end === null);
    if (running.length >= TOOL_LIMITS.backgroundCommandsTotal)
      return `All agents together have ${running.length} commands in the background, which is the limit. Wait until some have ended.`;
    const own = running.filter((command) => isOf(command, caller)).length;
    if (own < TOOL_LIMITS.backgroundCommands) return null;
    return `${own} commands of this session run in the background, which is the limit. End some: process list, then process kill.`;
  }

  /** Keeps a running command in the background, under an id. False at the limit. */
  add(command: AgentCommand, log: Pick<Log, "error">): boolean {
    if (this.findProblem(command.caller) !== null) return false;
    this.#name(command);
    const failed = (err: unknown): void => {
      log.error("the end of a command in the background was not seen", { id: command.id, reason: reasonOf(err) });
      this.forget(command);
    };
    command.ended.then(() => this.#onEnd(command)).catch(failed);
    return true;
  }

  /** Keeps a command that has ended, under an id, because its result has not all of its output. */
  addEnded(command: AgentCommand): void {
    this.#name(command);
    this.#keepEnded(command);
  }

  /** Those of the caller's session, oldest first. */
  list(caller: ToolCaller): readonly AgentCommand[] {
    return [...this.#commands.values()].filter((command) => isOf(command, caller));
  }

  /** The command with this id in the caller's session. */
  find(caller: ToolCaller, id: string): AgentCommand | null {
    const command = this.#commands.get(id.trim().toLowerCase());
    return command !== undefined && isOf(command, caller) ? command : null;
  }

  /** Forgets a command and its output, and ends it when it still runs. */
  forget(command: AgentCommand): void {
    if (command.id !== null) this.#commands.delete(command.id);
    this.#expiries.get(command)?.();
    this.#expiries.delete(command);
    command.stop();
    void command.ended.then(
      () => command.discard(),
      () => command.discard(),
    );
  }

  /** Ends and forgets the commands of a session. */
  endSession(sessionKey: SessionKey): void {
    for (const command of this.#commands.values()) if (command.caller.sessionKey === sessionKey) this.forget(command);
  }

  /** Ends everything. The files with output stay: results name them. */
  async stop(): Promise<void> {
    const commands = [...this.#commands.values()];
    for (const cancel of this.#expiries.values()) cancel();
    this.#expiries.clear();
    this.#commands.clear();
    this.#options.watcher.killAll();
    await Promise.allSettled(commands.map((command) => command.ended));
  }

  #name(command: AgentCommand): void {
    command.id = this.#newId();
    this.#commands.set(command.id, command);
  }

  #newId(): string {
    const name = `${pick(FIRST_WORDS)}-${pick(SECOND_WORDS)}`;
    let id = name;
    for (let number = 2; this.#commands.has(id); number += 1) id = `${name}-${number}`;
    return id;
  }

  #onEnd(command: AgentCommand): void {
    if (command.id === null || !this.#commands.has(command.id)) return;
    if (!command.isEndSeen && command.end?.reason !== "stopped")
      this.#options.onEnded?.(command.caller, `Background command ${command.id} (${shortText(command)}) ${describeEnd(command)}.`);
    this.#keepEnded(command);
  }

  #keepEnded(command: AgentCommand): void {
    command.output.shrink();
    const cancel = this.#options.clock.after(TOOL_LIMITS.endedCommandMs, () => this.forget(command));
    this.#expiries.set(command, cancel);
    const ended = [...this.#expiries.keys()];
    const own = ended.filter((each) => isOf(each, command.caller));
    if (own.length > TOOL_LIMITS.endedCommands) this.forget(own[0]!);
    else if (ended.length > TOOL_LIMITS.endedCommandsTotal) this.forget(ended[0]!);
  }
}

const isOf = ({ caller }: AgentCommand, { agentId, sessionKey }: ToolCaller): boolean =>
  caller.agentId === agentId && caller.sessionKey === sessionKey;

function pick(words: string): string {
  const all = words.split(" ");
  return all[randomInt(all.length)]!;
}
