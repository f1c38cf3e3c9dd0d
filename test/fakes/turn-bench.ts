import { createAudit } from "../../src/store/audit.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChannelCapabilities } from "../../src/channels/channel.ts";
import type { ToolName } from "../../src/agents/runtime.ts";
import { Bus } from "../../src/core/bus.ts";
import { systemClock, type Clock } from "../../src/core/clock.ts";
import { asId, type AgentId, type SessionKey } from "../../src/core/ids.ts";
import { silentLog, type Log } from "../../src/core/log.ts";
import { silentMetrics } from "../../src/core/metrics.ts";
import { createButtons } from "../../src/store/buttons.ts";
import { createInbox } from "../../src/store/inbox.ts";
import { MediaStore } from "../../src/store/media.ts";
import { createMessages } from "../../src/store/messages.ts";
import { openStore, type Store } from "../../src/store/open.ts";
import { createOutbox, type Outbox } from "../../src/store/outbox.ts";
import { createSessions } from "../../src/store/sessions.ts";
import { createUsage } from "../../src/store/usage.ts";
import type { Link } from "../../src/channels/channel.ts";
import { fetchInboundMedia, type InboundMediaDeps } from "../../src/turns/inbound-media.ts";
import { createTurns, type Turns, type TurnsDeps } from "../../src/turns/create-turns.ts";
import { Transcript } from "../../src/turns/transcript.ts";
import type { TurnEvents } from "../../src/turns/events.ts";
import type { FlushSettings } from "../../src/turns/memory-flush.ts";
import type { TurnIndicators } from "../../src/turns/turn-indicators.ts";
import type { ReplyToMode } from "../../src/turns/outbound.ts";
import type { TurnSkillSource } from "../../src/turns/skill-requests.ts";
import type { Usage } from "../../src/store/usage.ts";
import type { TurnBudgets } from "../../src/turns/turn-usage.ts";
import type { Payload, Submission } from "../../src/turns/submission.ts";
import { FakeRuntime, MODEL } from "./fake-runtime.ts";
import { placeStore } from "./store-template.ts";
import { testPermit } from "./tool-permit.ts";
import { openApprovals, type TestApprovals } from "./test-approvals.ts";

type BenchStores = Pick<
  TurnsDeps,
  "store" | "sessions" | "messages" | "inbox" | "audit" | "outbox" | "media" | "clock" | "log" | "running"
>;

export type TurnBench = BenchStores & {
  usage: Usage;
  dir: string;
  deliver: (conversation: string) => void;
  turns: Turns;
  approvals: TestApprovals;
  runtime: FakeRuntime;
  bus: Bus<TurnEvents>;
  events: { name: string; payload: never }[];
  close: () => void;
};

type SpendingOptions = {
  /** Prices of the configuration. Default: none. */
  priceOf?: TurnsDeps["priceOf"];
  /** What limits turns. Default: nothing. */
  budgets?: (bench: { store: Store; usage: Usage }) => TurnBudgets;
};

const testCommands = (resetTriggers: readonly string[] = []): TurnsDeps["commands"] => ({
  statusLines: (session) => [`session ${session.key}`],
  usageLines: (session) => [`usage of ${session.key}`],
  modelNames: () => ["fake/model", "fake/other"],
  modelAliases: () => new Map([["quick", "fake/other"]]),
  acp: { names: () => ["codex"], defaultName: () => null, processes: () => [], isDirectory: () => true },
  resetTriggers: () => resetTriggers,
  currentModel: (session) => session.model ?? "fake/model",
});

const spendingOf = ({ priceOf = () => null, budgets }: SpendingOptions, stores: { store: Store; usage: Usage }) => ({
  priceOf,
  ...(budgets && { budgets: budgets(stores) }),
});

type AgentOptions = {
  timeoutMs?: number;
  /** What the configuration gives to agents now; tasks have no more than that. Default: nothing. */
  agentTools?: (agentId: AgentId) => readonly ToolName[];
};

const toAgents = (workspace: string, { timeoutMs = 60_000, agentTools = () => [] }: AgentOptions) => ({
  settings: () => ({ models: [MODEL], thinking: "off" as const, workspace, timeoutMs }),
  ids: () => ["main", "ops"].map((id) => asId<AgentId>(id)),
  operatorTools: agentTools,
  channelTools: agentTools,
});

/** The turns module with a real store in a temporary directory and a scripted runtime. `dir`: an existing one, as after a crash. */
export function openTurnBench(
  options: {
    dir?: string;
    concurrency?: () => number;
    mark?: (point: string) => void;
    quietMs?: number;
    resetTriggers?: readonly string[];
    replyPrefix?: string;
    abilities?: ChannelCapabilities;
    replyToMode?: ReplyToMode;
    /** The connection that files are fetched over. */
    link?: () => Link | null;
    maxBytes?: number;
    deliver?: (conversation: string) => void;
    situation?: (payload: Payload) => string;
    /** Default: the test fails. */
    onBug?: (err: unknown) => void;
    /** Whether the conversation of a session is over when its next message comes. Default: never. */
    expired?: () => boolean;
    /** What the channel makes of an answer. */
    split?: (target: unknown, text: string) => readonly string[];
    clock?: Clock;
    log?: Log;
    /** The skills of turns. Default: none. */
    skills?: TurnSkillSource;
    /** How notes are written before a conversation is shortened. Default: not at all. */
    flush?: () => FlushSettings | null;
    live?: (bench: { store: Store; outbox: Outbox; media: MediaStore; bus: Bus<TurnEvents> }) => TurnIndicators;
  } & SpendingOptions &
    AgentOptions = {},
): TurnBench {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "turns-"));
  placeStore(dir);
  const store = openStore({ dir, log: silentLog, fullCheckBytes: 0 });
  const bus = new Bus<TurnEvents>(
    options.onBug ??
      ((err) =>
        void setImmediate(() => {
          throw err;
        })),
  );
  const events: TurnBench["events"] = [];
  for (const name of ["turn.started", "turn.text", "turn.tool", "turn.ended", "message.added", "session.changed"] as const)
    bus.on(name, (payload) => events.push({ name, payload: payload as never }));
  const runtime = new FakeRuntime();
  let ids = 0;
  const outbox = createOutbox(store);
  const media = new MediaStore(join(dir, "media"));
  const stamp = Math.random().toString(36).slice(2, 8);
  const stores = {
    store,
    sessions: createSessions(store),
    messages: createMessages(store),
    inbox: createInbox(store),
    audit: createAudit(store),
    usage: createUsage(store),
    outbox,
    media,
    clock: options.clock ?? systemClock,
    log: options.log ?? silentLog,
    running: { agents: toAgents(dir, options) },
  };
  const deliver = options.deliver ?? ((): void => {});
  const newId = (): string => `id-${stamp}-${++ids}`;
  const approvals = openApprovals(store);
  const transcript = new Transcript({ ...stores, bus, newId });
  const mediaDeps: InboundMediaDeps = {
    ...stores,
    transcript,
    clock: systemClock,
    log: silentLog,
    link: options.link ?? (() => null),
    maxBytes: () => options.maxBytes ?? 1_000_000,
  };
  const turns: Turns = createTurns({
    ...stores,
    buttons: createButtons(store),
    attachments: (row, signal) => fetchInboundMedia(mediaDeps, row, signal),
    bus,
    runtime,
    metrics: silentMetrics,
    newId,
    transcript,
    concurrency: options.concurrency ?? (() => 8),
    split: options.split ?? ((_target, text) => text.split("||")),
    ...spendingOf(options, stores),
    replyPrefix: () => options.replyPrefix ?? "",
    approvals: approvals.approvals,
    permitFor: (caller) => Promise.resolve({ ...testPermit("/"), caller }),
    ...(options.skills ? { skills: options.skills } : {}),
    ...(options.flush ? { flushOf: options.flush } : {}),
    directory: { capabilities: () => options.abilities ?? null },
    replyToMode: () => options.replyToMode ?? "off",
    ...(options.live ? { live: options.live({ store, outbox, media, bus }) } : {}),
    quietMs: () => options.quietMs ?? 0,
    deliver,
    expired: options.expired ?? (() => false),
    prompt: { takeSystemEvents: () => null, situation: (payload) => options.situation?.(payload) ?? "" },
    commands: testCommands(options.resetTriggers),
    crashPoint: options.mark ?? (() => {}),
  });
  return {
    ...stores,
    dir,
    deliver,
    turns,
    approvals,
    runtime,
    bus,
    events,
    close: () => {
      store.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export function message(text: string, eventId: string, more: Partial<Submission> = {}): Submission {
  return {
    channel: "rpc",
    account: "",
    eventId,
    runId: asId(eventId),
    agentId: asId<AgentId>("main"),
    sessionKey: asId<SessionKey>("agent:main:main"),
    chatKind: "direct",
    text,
    context: null,
    images: [],
    provenance: { channel: "webchat", senderIsOwner: true },
    target: null,
    tools: [],
    queueMode: "followup",
    model: null,
    thinking: null,
    timeoutMs: null,
    ...more,
  };
}

/** Waits until `check` gives something; looks once per turn of the event loop. */
export async function until<T>(check: () => T | undefined | null | false, limitMs = 5_000): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    const value = check();
    if (value) return value;
    if (Date.now() > end) throw new Error("waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
