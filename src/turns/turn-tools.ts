import type { AgentEvent, ToolCaller, ToolName, ToolPermit, Turn, TurnFailure } from "../agents/runtime.ts";
import { isCallable } from "../agents/runtime.ts";
import type { SessionRow, Sessions } from "../store/sessions.ts";
import { isFromOperator } from "./agent-text.ts";
import type { RunRef } from "./events.ts";
import { intersectGrants } from "./grant.ts";
import { refuseFlushCall } from "./memory-flush.ts";
import { isForOwner, permittedTools } from "./permissions.ts";
import type { RunningAgents } from "./settings.ts";
import type { RunRecorder } from "./stages.ts";
import { withoutWithdrawn } from "./task-tools.ts";
import { ToolCallLimits } from "./tool-calls.ts";
import type { Transcript } from "./transcript.ts";
import type { TurnAudit } from "./turn-audit.ts";
import type { TurnContext } from "./turn-context.ts";

export type CheckedCall = Parameters<Turn["beforeTool"]>[0];

type TurnToolsDeps = {
  sessions: Sessions;
  transcript: Pick<Transcript, "hasOtherThanOwner">;
  /** What a call of a tool may do now. `tools`: those of its turn. */
  permitFor: (caller: ToolCaller) => Promise<ToolPermit>;
  running: RunningAgents;
};

/** What the turn itself does for the calls of its tools. */
type TurnActions = {
  audit: TurnAudit;
  recorder: RunRecorder;
  /** Asks the budgets before a further request to the model; the reason of a refusal, or null. */
  reserveNext: (call: CheckedCall) => Promise<string | null>;
  /** Puts the call on disk. */
  store: (call: CheckedCall) => Promise<void>;
  /** Stops the turn; the text so far is kept. */
  stop: (failure: TurnFailure) => void;
};

/** What the tools of one turn may do: which are granted, and whether a call runs. */
export class TurnTools {
  readonly #deps: TurnToolsDeps;
  readonly #context: TurnContext;
  readonly #ref: RunRef;
  readonly #turn: TurnActions;
  readonly #limits = new ToolCallLimits();
  /** Looked up with the first call that asks: every message that the turn reads has the same grant. */
  #hasOtherThanOwner: boolean | null = null;

  constructor(deps: TurnToolsDeps, context: TurnContext, ref: RunRef, turn: TurnActions) {
    this.#deps = deps;
    this.#context = context;
    this.#ref = ref;
    this.#turn = turn;
  }

  /**
   * The tools that every message of this turn grants, also one that was handed in while the turn ran, as far as the session permits them
   * now: it may have become read-only since the turn began. A task never has more than the configuration gives now.
   */
  granted(session: SessionRow | undefined): readonly ToolName[] {
    const tools = permittedTools(session, intersectGrants(this.#context.active.grants).tools);
    const { sessions, running } = this.#deps;
    return withoutWithdrawn(tools, this.#context.row, running.agents, (key) => sessions.get(key)?.parent_key ?? null);
  }

  async beforeTool(call: CheckedCall): ReturnType<Turn["beforeTool"]> {
    const verdict = await this.#permitCall(call);
    if (!verdict.allow) this.#turn.audit.markRefused(call.id);
    if (!verdict.allow) this.#turn.recorder.refused(call.id, verdict.reason);
    return verdict;
  }

  /** The call is on disk before it runs: a crash from here on closes the turn instead of repeating the tool. */
  async #permitCall(call: CheckedCall): ReturnType<Turn["beforeTool"]> {
    const refused = { allow: false as const, reason: `the tool ${call.name} is not available in this conversation` };
    const isGranted = (): boolean => isCallable(call.name, this.granted(this.#session()));
    if (!isGranted()) return refused;
    const { agentId, payload } = this.#context.row;
    const notNotes = payload.flush ? refuseFlushCall(call, this.#deps.running.agents.settings(agentId).workspace) : null;
    if (notNotes !== null) return { allow: false, reason: notNotes };
    const reason = this.#check(call);
    if (reason !== null) return { allow: false, reason };
    // The model reads what the tool gives: a call that it may not be asked after does not run either.
    const refusal = await this.#turn.reserveNext(call);
    if (refusal !== null) return { allow: false, reason: refusal };
    await this.#turn.store(call);
    const permit = await this.#deps.permitFor(this.#toolCaller());
    if (!isGranted()) return refused;
    if (this.#context.active.abort.signal.aborted) return { allow: false, reason: "the turn was stopped" };
    return { allow: true, permit };
  }

  /**
   * An agent of another vendor has tools of its own, and reaches what a program of the gateway's user reaches: only who may run programs
   * here may ask it. Its start is on disk before its prompt: a crash from here on closes the turn instead of repeating what it did.
   */
  async beforeAgent(name: string): ReturnType<NonNullable<Turn["beforeAgent"]>> {
    const refused = {
      allow: false as const,
      reason: `The agent ${name} runs programs, and this conversation may not: the tool exec is not granted here.`,
    };
    const isGranted = (): boolean => !this.#context.row.payload.flush && isCallable("exec", this.granted(this.#session()));
    if (!isGranted()) return refused;
    await this.#turn.store({ id: this.#turn.audit.agentCallId, name: `acp/${name}`, args: {} });
    this.#turn.audit.beginAgent(`acp/${name}`);
    const permit = await this.#deps.permitFor(this.#toolCaller());
    if (!isGranted()) return refused;
    if (this.#context.active.abort.signal.aborted) return { allow: false, reason: "the turn was stopped" };
    return { allow: true, permit };
  }

  #toolCaller(): ToolCaller {
    const { runId, sessionKey } = this.#ref;
    const { agentId, payload } = this.#context.row;
    const session = this.#session();
    const { rooms } = intersectGrants(this.#context.active.grants);
    const tools = this.granted(session);
    const surface = isFromOperator(payload) ? "operator" : "channel";
    return { agentId, sessionKey, runId, surface, isPrivate: this.isPrivate(session), tools, ...(rooms.length > 0 && { rooms }) };
  }

  /** Only owners read the conversation, also where a message was handed in while the turn ran. */
  isPrivate(session: SessionRow | undefined): boolean {
    const { active, row } = this.#context;
    if (session === undefined || !isForOwner(session, intersectGrants(active.grants), row.payload)) return false;
    return !(this.#hasOtherThanOwner ??= this.#deps.transcript.hasOtherThanOwner(session));
  }

  /** A call that begins or has ended, also one that was not asked about. */
  onEvent(event: Extract<AgentEvent, { type: "tool" }>): void {
    if (event.phase === "start") this.#check(event);
    if (event.phase === "end") this.#limits.forget(event.id);
  }

  #check(call: CheckedCall): string | null {
    const { reason, stop } = this.#limits.check(call);
    if (stop) this.#turn.stop(stop);
    return reason;
  }

  #session(): SessionRow | undefined {
    return this.#deps.sessions.get(this.#ref.sessionKey);
  }
}
