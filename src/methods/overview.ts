import type { Clock } from "../core/clock.ts";
import type { Readiness } from "../core/health.ts";
import { LIMITS } from "../core/limits.ts";
import type { Overview, OverviewActivity, OverviewLink } from "../core/overview.ts";
import { clip } from "../core/text.ts";
import { EncodedJson } from "../protocol/frames.ts";
import type { MethodTable } from "../protocol/method.ts";
import type { Inbox, InboxRow } from "../store/inbox.ts";
import type { Outbox } from "../store/outbox.ts";
import type { Turns } from "../turns/create-turns.ts";
import type { Payload } from "../turns/submission.ts";
import type { Usage } from "../store/usage.ts";
import { toRoute, ToolWindow, TrafficWindow } from "./traffic.ts";

export type OverviewDeps = {
  clock: Pick<Clock, "now" | "monotonic">;
  inbox: Pick<Inbox, "listEnded" | "listNewest" | "counts" | "oldestOpenAt">;
  outbox: Pick<Outbox, "counts">;
  usage: Pick<Usage, "toolsOfHour">;
  lanes: Pick<Turns["lanes"], "load">;
  readiness: () => Readiness;
  configErrors: () => readonly string[];
  /** The gateway receives and does not send. */
  isShadow: () => boolean;
  agents: () => readonly { id: string; name: string }[];
  /** The links to other gateways. */
  links: () => Promise<readonly OverviewLink[]>;
};

/**
 * gateway.overview: what the page about everything shows. One answer serves all who ask within LIMITS.overviewCacheMs, however many there
 * are; it costs nothing while no one asks.
 */
export function overviewMethods(deps: OverviewDeps) {
  const windows = { traffic: new TrafficWindow(deps.inbox), tools: new ToolWindow(deps.usage) };
  let cached: { at: number; answer: Promise<EncodedJson> } | null = null;
  const answer = (): Promise<EncodedJson> => {
    const at = deps.clock.monotonic();
    if (cached !== null && at - cached.at < LIMITS.overviewCacheMs) return cached.answer;
    const made = makeOverview(deps, windows).then((overview) => EncodedJson.from(JSON.stringify(overview)));
    // What failed is not an answer for the next one.
    made.catch(() => (cached = null));
    cached = { at, answer: made };
    return made;
  };
  return { "gateway.overview": { scope: "operator.read", run: answer } } satisfies MethodTable;
}

type Windows = { traffic: TrafficWindow; tools: ToolWindow };

async function makeOverview(deps: OverviewDeps, windows: Windows): Promise<Overview> {
  const { clock, inbox, outbox, lanes, readiness, configErrors, agents } = deps;
  const now = clock.now();
  const [traffic, links] = await Promise.all([windows.traffic.read(now), deps.links()]);
  const inboxCounts = toCounts(inbox.counts());
  const outboxCounts = toCounts(outbox.counts());
  const { running, waiting } = lanes.load();
  const { parts } = readiness();
  return {
    ts: now,
    ...traffic,
    queue: {
      running,
      waiting,
      outgoing: (outboxCounts.get("queued") ?? 0) + (outboxCounts.get("attempting") ?? 0),
      oldestAt: inbox.oldestOpenAt(),
    },
    ...(deps.isShadow() && { shadow: { held: outboxCounts.get("held") ?? 0 } }),
    deadLetters: (inboxCounts.get("parked") ?? 0) + (outboxCounts.get("parked") ?? 0) + (outboxCounts.get("unknown") ?? 0),
    tools: windows.tools.read(now),
    recent: inbox.listNewest<Payload>(LIMITS.overviewRecent).map(toActivity),
    problems: parts
      .filter((part) => part.state !== "ready" && !/^(?:channel|link):/.test(part.name))
      .map(({ name, state, cause, since, vital }) => ({ part: name, cause: cause ?? state, since, vital })),
    configErrors: configErrors().slice(0, LIMITS.overviewRecent).map(String),
    agents: agents().map(({ id, name }) => ({ id, name })),
    ...(links.length > 0 && { links: links.map(toLink) }),
  };
}

const toLink = ({ name, transport, state, cause, queued, unanswered, oldestAt }: OverviewLink): OverviewLink => ({
  name,
  ...(transport === "a2a" && { transport }),
  state,
  cause,
  queued,
  unanswered,
  oldestAt,
});

const toCounts = (rows: readonly { state: string; n: number }[]): ReadonlyMap<string, number> =>
  new Map(rows.map(({ state, n }) => [state, n]));

function toActivity({
  runId,
  channel,
  account,
  agentId,
  sessionKey,
  state,
  receivedAt,
  endedAt,
  payload,
}: InboxRow<Payload>): OverviewActivity {
  const { senderName, senderId, channel: from } = payload?.provenance ?? {};
  const { rule = null, binding = null } = payload?.route ?? {};
  const sender = senderName ?? senderId;
  return {
    runId,
    channel: from ?? channel,
    account,
    ...toRoute(rule, binding),
    agentId,
    sessionKey,
    state: state === "parked" ? "dead-letter" : state,
    receivedAt,
    endedAt,
    ...(sender !== undefined && { sender }),
    text: clip(payload?.text ?? "", LIMITS.overviewTextChars),
  };
}
