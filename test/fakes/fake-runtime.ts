import type { AgentEvent, AgentRuntime, RuntimeStatus, Turn } from "../../src/agents/runtime.ts";

type Script = (turn: Turn, control: PromptControl) => AsyncGenerator<AgentEvent, void, void>;
export type PromptControl = {
  signal: AbortSignal;
  /** Resolves when the test calls `release(runId)`. */ gate: () => Promise<void>;
  steered: () => Promise<{ runId: string; text: string } | null>;
};

/** A runtime whose turns the test scripts; everything that it is asked is written down. */
export class FakeRuntime implements AgentRuntime {
  readonly prompts: Turn[] = [];
  readonly forgotten: string[] = [];
  acceptSteer = true;
  script: Script = echoScript;
  readonly #gates = new Map<string, () => void>();
  readonly #steers = new Map<string, { runId: string; text: string; taken: (taken: boolean) => void }[]>();

  start(): void {}

  release(runId: string): void {
    this.#gates.get(runId)?.();
  }

  async *prompt(turn: Turn, signal: AbortSignal): AsyncGenerator<AgentEvent, void, void> {
    this.prompts.push(turn);
    const control: PromptControl = {
      signal,
      gate: () =>
        new Promise((resolve) => {
          this.#gates.set(turn.runId, resolve);
          signal.addEventListener("abort", () => resolve(), { once: true });
        }),
      steered: async () => {
        const message = this.#steers.get(turn.sessionKey)?.shift();
        message?.taken(true);
        return message ?? null;
      },
    };
    yield* this.script(turn, control);
    for (const message of this.#steers.get(turn.sessionKey) ?? []) message.taken(false);
    this.#steers.delete(turn.sessionKey);
  }

  steer(sessionKey: string, message: { runId: string; text: string }): Promise<boolean> {
    if (!this.acceptSteer) return Promise.resolve(false);
    return new Promise((taken) => {
      const list = this.#steers.get(sessionKey) ?? [];
      this.#steers.set(sessionKey, [...list, { ...message, taken }]);
    });
  }

  compact(): Promise<{ checkpoint: string | null; tokensBefore: number; summary: string }> {
    return Promise.resolve({ checkpoint: "compacted", tokensBefore: 10, summary: "short" });
  }

  forget(_agentId: string, sessionId: string): Promise<void> {
    this.forgotten.push(sessionId);
    return Promise.resolve();
  }

  status(): RuntimeStatus {
    return { state: "ready", canRun: true, processes: 1, busy: 0, restarts: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

export const MODEL = { provider: "fake", id: "model" };
const usage = { input: 1, output: 1, cacheRead: 0, cacheWrite: 0, totalTokens: 2, costUsd: 0 };

export const textEvents = (text: string): AgentEvent => ({
  type: "message",
  blocks: [{ type: "text", text }],
  model: MODEL,
  usage,
  stopReason: "stop",
});

/** Answers `echo: <text>` at once. */
export async function* echoScript(turn: Turn): AsyncGenerator<AgentEvent, void, void> {
  yield { type: "started", model: MODEL, contextWindow: 1000 };
  yield { type: "text", delta: `echo: ${turn.text}` };
  yield textEvents(`echo: ${turn.text}`);
  yield { type: "end", reason: "stop", checkpoint: `after ${turn.runId}` };
}

/** Begins to answer, then waits for the test (or an abort). */
export async function* gatedScript(turn: Turn, control: PromptControl): AsyncGenerator<AgentEvent, void, void> {
  yield { type: "started", model: MODEL, contextWindow: 1000 };
  yield { type: "text", delta: "half " };
  await control.gate();
  if (control.signal.aborted) {
    yield { type: "end", reason: "aborted", checkpoint: "aborted" };
    return;
  }
  const steered = await control.steered();
  if (steered) yield { type: "steered", runId: steered.runId as never };
  const text = `half done: ${turn.text}${steered ? ` + ${steered.text}` : ""}`;
  yield textEvents(text);
  yield { type: "end", reason: "stop", checkpoint: `after ${turn.runId}` };
}
