import { randomUUID } from "node:crypto";
import type { ToolName } from "../../src/agents/runtime.ts";
import type { ChannelCapabilities, ChannelEvent, InboundMessage, Link } from "../../src/channels/channel.ts";
import type { Clock } from "../../src/core/clock.ts";
import { asId } from "../../src/core/ids.ts";
import { silentLog, type Log } from "../../src/core/log.ts";
import { silentMetrics, type Metrics } from "../../src/core/metrics.ts";
import type { RoutingConfig } from "../../src/routing/types.ts";
import { createButtons, type Buttons } from "../../src/store/buttons.ts";
import { createChannelState } from "../../src/store/channel-state.ts";
import { createSessionNotes, type SessionNotes } from "../../src/store/session-notes.ts";
import { EventIngest } from "../../src/turns/ingest.ts";
import type { TurnSkillSource } from "../../src/turns/skill-requests.ts";
import { openTurnBench, type TurnBench } from "./turn-bench.ts";

export const irc = asId<never>("irc");
export const account = asId<never>("default");

export type IngestBench = TurnBench & { ingest: EventIngest; paired: Set<string>; buttons: Buttons; notes: SessionNotes };

/** Event ingest over a real store. `dir`: an existing one, as after a restart. */
export function openIngest(
  config: RoutingConfig,
  options: {
    dir?: string;
    link?: () => Link | null;
    maxBytes?: number;
    toolsFor?: () => ToolName[];
    concurrency?: () => number;
    reread?: (raw: string) => ChannelEvent | null;
    log?: Log;
    abilities?: ChannelCapabilities;
    clock?: Clock;
    mark?: (point: string) => void;
    metrics?: Metrics;
    skills?: TurnSkillSource;
  } = {},
): IngestBench {
  const bench = openTurnBench(options);
  const paired = new Set<string>();
  const asked = new Set<string>();
  const buttons = createButtons(bench.store);
  const notes = createSessionNotes(bench.store);
  const ingest = new EventIngest({
    ...bench,
    ...bench.turns,
    newId: randomUUID,
    crashPoint: options.mark ?? (() => {}),
    channelState: createChannelState(bench.store),
    config: () => config,
    running: { agents: { channelTools: options.toolsFor ?? (() => []), defaultAgent: () => asId("main") } },
    historyLimit: () => 3,
    directory: { capabilities: () => null, canonicalId: () => undefined, redecode: () => options.reread },
    pairings: {
      isPaired: (_channel, _account, sender) => paired.has(sender),
      request: (_channel, _account, sender) => (asked.has(sender) ? null : (asked.add(sender), "CODE1234")),
    },
    pairingText: (_channel, _account, _sender, code) => `your code: ${code}`,
    buttons,
    addSessionNote: (sessionKey, text) => notes.add(sessionKey, text, 1),
    log: options.log ?? silentLog,
    metrics: options.metrics ?? silentMetrics,
  });
  return { ...bench, ingest, paired, buttons, notes };
}

export const event = (id: string, text: string, more: Partial<InboundMessage> = {}): InboundMessage => ({
  kind: "message",
  eventId: id,
  account,
  chat: { kind: "direct", id: asId("alice") },
  sender: { id: asId("alice"), name: "Alice", isBot: false, isSelf: false },
  message: asId(id),
  text,
  media: [],
  mentionsSelf: false,
  sentAt: Date.now(),
  origin: "live",
  ...more,
});
export const inGroup = (id: string, text: string, more: Partial<InboundMessage> = {}): InboundMessage =>
  event(id, text, { chat: { kind: "group", id: asId("#room") }, ...more });
export const OPEN_POLICY: RoutingConfig = { channels: { irc: { dmPolicy: "open", allowFrom: ["*"], groupPolicy: "open" } } };
