// One runtime of the conformance test: plays turns against the scripted model and records what can be compared between hosts.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ProviderTable } from "../../src/agents/models.ts";
import { createPiRuntime } from "../../src/agents/pi/runtime.ts";
import type { AgentEvent, AgentRuntime, Turn } from "../../src/agents/runtime.ts";
import { systemClock } from "../../src/core/clock.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { asId } from "../../src/core/ids.ts";
import { silentLog } from "../../src/core/log.ts";
import { silentMetrics } from "../../src/core/metrics.ts";
import { Secret } from "../../src/core/secret.ts";
import type { ToolContent, ToolExecutor } from "../../src/tools/tool.ts";
import type { ModelReply, ModelServer, RecordedRequest } from "../model-server.ts";
import { seedPiCache } from "../wire/warm-start.ts";
import { testHosts } from "./pi-runtime-options.ts";
import { allowTools } from "./tool-permit.ts";

export type HostKind = "shared" | "process";
export const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const said = (text: string): ToolContent[] => [{ type: "text", text }];

/** Tools whose results are the same in every run. `hold` ends with its signal or when the scenario says so. */
function scriptedTools(released: () => Promise<unknown>): ToolExecutor {
  const parameters = { type: "object", properties: { text: { type: "string" } }, required: ["text"] };
  const description = "For the test.";
  return {
    describe: (names) => names.map((name) => ({ name: name as string, description, parameters })),
    async run({ name, args }, { signal, update }) {
      const { text } = args as { text: string };
      if (name === "write") return { content: said(`no room for ${text}`), isError: true };
      if (name === "edit") return { content: [...said("a picture"), { type: "image", mimeType: "image/png", data: PNG }], isError: false };
      if (name === "exec") {
        const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        await Promise.race([released(), aborted]);
        return { content: said("held"), isError: false };
      }
      for (const step of ["one", "two", "three"]) {
        update(said(`${text} ${step}`));
        await sleep(40);
      }
      return { content: said(`read ${text}`), isError: false };
    },
    endSession: () => {},
    stop: () => Promise.resolve(),
  };
}

export type Played = { events: AgentEvent[]; end: Extract<AgentEvent, { type: "end" }> };
export type PlayOptions = { signal?: AbortSignal; on?: (event: AgentEvent) => void };

/** A runtime with one kind of host, and the record of a scenario that it plays. */
export class ConformanceHost {
  readonly kind: HostKind;
  readonly runtime: AgentRuntime;
  readonly stateDir: string;
  readonly workspace: string;
  readonly #server: ModelServer;
  readonly #models: ProviderTable;
  #record: unknown[] = [];
  #released = Promise.withResolvers<void>();
  #script: ((request: RecordedRequest, asked: number) => ModelReply | undefined) | null = null;
  #asked = 0;
  #turns = 0;

  constructor(kind: HostKind, root: string, server: ModelServer) {
    this.kind = kind;
    this.stateDir = join(root, kind);
    this.workspace = join(root, "workspace");
    this.#server = server;
    this.#models = providers(server, kind);
    mkdirSync(this.workspace, { recursive: true });
    seedPiCache(this.stateDir);
    this.runtime = createPiRuntime({
      stateDir: this.stateDir,
      models: () => this.#models,
      env: process.env,
      guideFacts: () => ({ version: "9.9.9" }),
      tools: scriptedTools(() => this.#released.promise),
      ...testHosts(kind),
      log: silentLog,
      metrics: silentMetrics,
      clock: systemClock,
    });
    this.runtime.start();
  }

  owns(request: RecordedRequest): boolean {
    return request.headers.authorization === `Bearer key-of-${this.kind}`;
  }

  answer(request: RecordedRequest): ModelReply | undefined {
    return this.#script?.(request, this.#asked++);
  }

  /** The first requests of this scenario get these replies, the others what their text asks for. */
  replies(...list: ModelReply[]): void {
    this.#script = (_request, asked) => list[asked];
  }

  script(script: (request: RecordedRequest, asked: number) => ModelReply | undefined): void {
    this.#script = script;
  }

  releaseTools(): void {
    this.#released.resolve();
  }

  turnOf(text: string, sessionId: string, more: Partial<Turn> = {}): Turn {
    return {
      runId: asId(`run-${++this.#turns}`),
      sessionKey: asId(`agent:main:${sessionId}`),
      sessionId,
      agentId: asId("main"),
      text,
      images: [],
      models: [{ provider: "test", id: "test-model" }],
      thinking: "off",
      tools: [],
      workspace: this.workspace,
      conversationContext: `This is the session ${sessionId}.`,
      isPrivate: true,
      checkpoint: null,
      history: () => [],
      beforeTool: allowTools(this.workspace),
      ...more,
    };
  }

  async play(turn: Turn, { signal, on }: PlayOptions = {}): Promise<Played> {
    const events: AgentEvent[] = [];
    for await (const event of this.runtime.prompt(turn, signal ?? new AbortController().signal)) {
      events.push(event);
      on?.(event);
    }
    this.#record.push({ session: turn.sessionId, events: normalize(events) });
    return { events, end: events.at(-1) as Played["end"] };
  }

  async compact(turn: Turn): Promise<string | null> {
    try {
      const { checkpoint, call, ...result } = await this.runtime.compact(turn, undefined);
      this.#record.push({ compacted: { ...result, usage: call?.usage } });
      return checkpoint;
    } catch (err) {
      if (!(err instanceof GatewayError)) throw err;
      this.#record.push({ refused: { code: err.code, message: err.message } });
      return turn.checkpoint;
    }
  }

  note(fact: unknown): void {
    this.#record.push(fact);
  }

  removeSessionFile(sessionId: string): void {
    rmSync(join(this.stateDir, "gateway", "agents", "main", "sessions", `${sessionId}.jsonl`));
  }

  /** The record of the scenario: what the caller saw and what the model was asked, without what differs between any two runs. */
  take(): unknown {
    const requests = this.#server.requests().filter((request) => this.owns(request));
    const record = JSON.stringify({ turns: this.#record, requests: requests.map(({ body }) => body) });
    this.#record = [];
    this.#script = null;
    this.#asked = 0;
    this.#turns = 0;
    this.#released = Promise.withResolvers();
    return JSON.parse(record.replaceAll(this.stateDir, "<state>")) as unknown;
  }
}

function providers(server: ModelServer, kind: HostKind): ProviderTable {
  const endpoint = { baseUrl: `${server.url}/v1`, apiKey: new Secret(`key-of-${kind}`) };
  const compat = { supportsReasoningEffort: true };
  return {
    test: { ...endpoint, models: [{ id: "test-model", contextWindow: 100_000, input: ["text", "image"] }, { id: "other-model" }] },
    deep: { ...endpoint, compat, models: [{ id: "deep-model", reasoning: true }] },
    small: { ...endpoint, models: [{ id: "small-model", contextWindow: 32_000 }] },
    brief: { ...endpoint, timeoutSeconds: 1, models: [{ id: "test-model" }] },
  };
}

/** Adjacent deltas are joined, only the last of several intermediate results is kept, and times and checkpoints are dropped. */
export function normalize(events: readonly AgentEvent[]): unknown[] {
  const kept: Record<string, unknown>[] = [];
  for (const event of events) {
    const last = kept.at(-1);
    if ((event.type === "text" || event.type === "thinking") && last?.["type"] === event.type) {
      last["delta"] = String(last["delta"]) + event.delta;
      continue;
    }
    const isUpdate = event.type === "tool" && event.phase === "update";
    if (isUpdate) {
      const earlier = kept.findLast((each) => each["type"] === "tool" && each["phase"] === "update" && each["id"] === event.id);
      if (earlier) {
        earlier["partial"] = event.partial;
        continue;
      }
    }
    const { durationMs: _duration, forMs: _for, checkpoint, ...rest } = event as Record<string, unknown>;
    // Each run takes its own time.
    if (event.type === "call") Object.assign(rest, { call: { ...event.call, durationMs: 0, firstTokenMs: 0 } });
    kept.push({ ...rest, ...(event.type === "end" ? { checkpoint: checkpointKind(checkpoint) } : {}) });
  }
  return sortParallelCalls(kept);
}

/** Calls of one message run at the same time: their events follow each other in any order. */
function sortParallelCalls(events: readonly Record<string, unknown>[]): Record<string, unknown>[] {
  const sorted: Record<string, unknown>[] = [];
  for (let from = 0; from < events.length;) {
    let to = from + 1;
    while (events[from]!["type"] === "tool" && events[to]?.["type"] === "tool") to++;
    sorted.push(...events.slice(from, to).toSorted((a, b) => String(a["id"]).localeCompare(String(b["id"]))));
    from = to;
  }
  return sorted;
}

const checkpointKind = (checkpoint: unknown): string =>
  typeof checkpoint === "string" && /^1:\d+:/.test(checkpoint) ? "of the file" : String(checkpoint);
