import { randomUUID } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { asArray, asNumber, asObjects, asString, fieldsOf, type JsonObject } from "../../core/json.ts";
import type { Turn } from "../runtime.ts";
import { refusal, unknownMethod } from "./connection.ts";
import { ACP_LIMITS } from "./limits.ts";
import { CANCELLED, offeredDecisions, readOptions, toOutcome, toQuestion, type PermissionOutcome } from "./permission.ts";
import type { AcpServices, AgentTerminal, OwnCall, TerminalExit, Workbench } from "./services.ts";
import type { TurnUpdates } from "./updates.ts";
import type { ToolPermit } from "../../tools/tool.ts";

/** The turn in which an agent asks for something. */
export type AskingTurn = { turn: Turn; permit: ToolPermit; updates: TurnUpdates; signal: AbortSignal };

/** Answers what one agent asks for: permission of a person, files, and terminals. Nothing is answered without a turn. */
export class ClientRequests {
  readonly #agent: string;
  readonly #services: AcpServices;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #terminals = new Map<string, AgentTerminal>();
  #asking: AskingTurn | null = null;
  #pending = 0;
  #permissions = 0;

  constructor(agent: string, services: AcpServices, clock: Pick<Clock, "monotonic">) {
    this.#agent = agent;
    this.#services = services;
    this.#clock = clock;
  }

  /** Requests that are not answered yet. */
  get pending(): number {
    return this.#pending;
  }

  begin(asking: AskingTurn): void {
    this.#asking = asking;
  }

  /** The turn is over: its terminals end with it. */
  end(): void {
    this.#asking = null;
    for (const terminal of this.#terminals.values()) terminal.kill();
    this.#terminals.clear();
  }

  async answer(method: string, params: JsonObject): Promise<unknown> {
    const asking = this.#asking;
    if (method === "session/request_permission") return asking ? await this.#counted(() => this.#askPermission(asking, params)) : CANCELLED;
    const workbench = this.#services.workbench;
    const run = workbench === null || !Object.hasOwn(REQUESTS, method) ? undefined : REQUESTS[method];
    if (run === undefined) throw unknownMethod(method);
    if (asking === null) throw refusal("no turn runs in this session");
    return await this.#counted(() => run(this.#context(asking, workbench!), params));
  }

  async #counted<T>(run: () => Promise<T>): Promise<T> {
    this.#pending += 1;
    try {
      return await run();
    } finally {
      this.#pending -= 1;
    }
  }

  /** No answer, a stopped turn, and a failure are never an agreement. */
  async #askPermission({ updates, permit, signal }: AskingTurn, params: JsonObject): Promise<PermissionOutcome> {
    const options = readOptions(params["options"]);
    const known = updates.knownCall(asString(fieldsOf(params["toolCall"])["toolCallId"]));
    const question = toQuestion(this.#agent, params, known, options);
    if (question === null || offeredDecisions(options).length === 1) return toOutcome("deny", options);
    if (this.#permissions >= ACP_LIMITS.pendingPermissions || signal.aborted) return CANCELLED;
    this.#permissions += 1;
    try {
      const decision = await this.#services.ask({ ...question, callId: updates.callId(question.callId) }, permit, signal);
      return signal.aborted ? CANCELLED : toOutcome(decision, options);
    } finally {
      this.#permissions -= 1;
    }
  }

  #context(asking: AskingTurn, workbench: Workbench): RequestContext {
    return { workbench, terminals: this.#terminals, run: (call, work) => this.#runOwn(asking, call, work) };
  }

  /** A call that the gateway runs: shown and stored as one of its own tools, and allowed by the turn. */
  async #runOwn<T>(
    { turn, updates, signal }: AskingTurn,
    { name, args }: { name: string; args: JsonObject },
    work: (call: OwnCall) => Promise<{ value: T; result: string }>,
  ): Promise<T> {
    const id = updates.callId(randomUUID());
    const startedAt = this.#clock.monotonic();
    const end = (result: string, isError: boolean): void =>
      updates.endOwn({ id, name, result, isError, durationMs: Math.round(this.#clock.monotonic() - startedAt) });
    await updates.beginOwn({ id, name, args });
    try {
      const verdict = await turn.beforeTool({ id, name, args });
      if (!verdict.allow) throw new Error(verdict.reason);
      signal.throwIfAborted();
      const { value, result } = await work({ callId: id, permit: verdict.permit, signal });
      end(result, false);
      return value;
    } catch (err) {
      const reason = signal.aborted ? "the turn was stopped" : reasonOf(err);
      end(reason, true);
      throw refusal(reason);
    }
  }
}

type RequestContext = {
  workbench: Workbench;
  terminals: Map<string, AgentTerminal>;
  run: <T>(call: { name: string; args: JsonObject }, work: (call: OwnCall) => Promise<{ value: T; result: string }>) => Promise<T>;
};

const REQUESTS: Readonly<Record<string, (context: RequestContext, params: JsonObject) => Promise<unknown>>> = {
  "fs/read_text_file": ({ workbench, run }, params) => {
    const path = asString(params["path"]);
    const range = { line: asNumber(params["line"]), limit: asNumber(params["limit"]) };
    return run({ name: "read", args: { path, ...range } }, async (call) => {
      const content = await workbench.readFile(path, range, call);
      return { value: { content }, result: `${content.length} characters` };
    });
  },
  "fs/write_text_file": ({ workbench, run }, params) => {
    const { path, content } = { path: asString(params["path"]), content: asString(params["content"]) };
    return run({ name: "write", args: { path, content } }, async (call) => {
      await workbench.writeFile(path, content, call);
      return { value: {}, result: `Wrote ${content.length} characters.` };
    });
  },
  "terminal/create": ({ workbench, terminals, run }, params) => {
    if (terminals.size >= ACP_LIMITS.terminals) throw refusal(`${terminals.size} terminals are open: release one`);
    const text = [asString(params["command"]), ...asArray(params["args"]).map((arg) => quoteForShell(String(arg)))].join(" ");
    const cwd = asString(params["cwd"]) || null;
    const env = Object.fromEntries(asObjects(params["env"]).map((each) => [asString(each["name"]), asString(each["value"])]));
    const wanted = asNumber(params["outputByteLimit"]) ?? ACP_LIMITS.terminalBytes;
    const outputBytes = Math.min(Math.max(0, Math.trunc(wanted)), ACP_LIMITS.terminalBytes);
    const args = { command: text, ...(cwd !== null && { workdir: cwd }), ...(Object.keys(env).length > 0 && { env }) };
    return run({ name: "exec", args }, async (call) => {
      const terminal = await workbench.runCommand({ text, cwd, env, outputBytes }, call);
      const terminalId = randomUUID();
      terminals.set(terminalId, terminal);
      return { value: { terminalId }, result: "Started in a terminal of the agent." };
    });
  },
  "terminal/output": async (context, params) => {
    const terminal = terminalOf(context, params);
    const { text, isTruncated } = terminal.output();
    return { output: text, truncated: isTruncated, exitStatus: terminal.exit() };
  },
  "terminal/wait_for_exit": async (context, params): Promise<TerminalExit> => await terminalOf(context, params).ended,
  "terminal/kill": async (context, params) => {
    terminalOf(context, params).kill();
    return {};
  },
  "terminal/release": async (context, params) => {
    terminalOf(context, params).kill();
    context.terminals.delete(asString(params["terminalId"]));
    return {};
  },
};

function terminalOf({ terminals }: RequestContext, params: JsonObject): AgentTerminal {
  const terminal = terminals.get(asString(params["terminalId"]));
  if (terminal === undefined) throw refusal("the terminal does not exist, or was released");
  return terminal;
}

/** One word for a POSIX shell. Pure. */
export const quoteForShell = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
