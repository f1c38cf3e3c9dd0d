import type { Clock } from "../core/clock.ts";
import { asNumber, asString, fieldsOf, tryParseJson, type JsonObject } from "../core/json.ts";
import { NODE_LIMITS } from "./limits.ts";
import type { LiveNode, NodeRegistry } from "./registry.ts";

/** What became of an event of a node. `reason`: what it did, or why it did nothing. */
export type EventOutcome = { handled: boolean; reason: string };

export type NodeEventDeps = {
  registry: NodeRegistry;
  /** Whether the gateway has asked this node for a command of this id or with this approval. */
  isOwnRun: (nodeId: string, runId: string) => boolean;
  /** An app says under what a push relay knows it. */
  registerPush: (nodeId: string, payload: unknown) => Promise<EventOutcome>;
  clock: Clock;
};

const NO_TURNS = "a node starts no turns on this gateway; the person writes to the agent in a channel or the page";

/** Events that clients of OpenClaw send and that have no effect here, with the reason that they get. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  "voice.transcript": NO_TURNS,
  "agent.request": NO_TURNS,
  "chat.subscribe": "conversations are not sent to nodes; a client with the role operator reads them",
  "chat.unsubscribe": "conversations are not sent to nodes",
  "notifications.changed": "notifications of a device reach no conversation",
  "node.desktop.availability": "this gateway shows no desktops of nodes",
};

const STATS = ["cpuCount", "memoryTotalBytes", "memoryFreeBytes", "diskTotalBytes", "diskAvailableBytes"] as const;
const ALIVE_REASONS: ReadonlySet<string> = new Set([
  "background",
  "silent_push",
  "bg_app_refresh",
  "significant_location",
  "manual",
  "connect",
]);

/** What nodes report of themselves. Nothing of it reaches an agent unasked. */
export class NodeEvents {
  readonly #deps: NodeEventDeps;
  readonly #counts = new WeakMap<LiveNode, { since: number; events: number }>();

  constructor(deps: NodeEventDeps) {
    this.#deps = deps;
  }

  handle(live: LiveNode, event: string, payload: unknown): EventOutcome | Promise<EventOutcome> {
    if (this.#isFlooding(live)) return { handled: false, reason: `more than ${NODE_LIMITS.eventsPerMinute} events in a minute` };
    const fields = fieldsOf(typeof payload === "string" ? tryParseJson(payload) : payload);
    const { registry } = this.#deps;
    registry.seen(live.nodeId, "event");
    switch (event) {
      case "node.host.stats":
        live.stats = toStats(fields);
        return { handled: true, reason: "updated" };
      case "node.presence.alive":
        return this.#onAlive(live, fields);
      case "node.presence.activity":
        return this.#onActivity(live, fields);
      case "exec.started":
      case "exec.finished":
      case "exec.denied":
        return this.#deps.isOwnRun(live.nodeId, asString(fields["runId"]))
          ? { handled: true, reason: "the result of the command has the same" }
          : { handled: false, reason: "this gateway did not ask for that command" };
      case "push.apns.register":
        return this.#deps.registerPush(live.nodeId, payload);
      default:
        return { handled: false, reason: Object.hasOwn(WITHOUT_EFFECT, event) ? WITHOUT_EFFECT[event]! : "unknown event" };
    }
  }

  #onAlive({ nodeId }: LiveNode, fields: JsonObject): EventOutcome {
    const trigger = asString(fields["trigger"]);
    if (!ALIVE_REASONS.has(trigger)) return { handled: false, reason: "unknown trigger" };
    this.#deps.registry.seen(nodeId, trigger, true);
    return { handled: true, reason: "persisted" };
  }

  #onActivity(live: LiveNode, fields: JsonObject): EventOutcome {
    const seconds = asNumber(fields["idleSeconds"]);
    const isCleared = fields["action"] === "clear";
    if (!isCleared && (seconds === null || seconds < 0 || seconds > 2_592_000)) return { handled: false, reason: "invalid idleSeconds" };
    live.idle = isCleared ? null : { seconds: seconds!, at: this.#deps.clock.now() };
    return { handled: true, reason: isCleared ? "cleared" : "updated" };
  }

  #isFlooding(live: LiveNode): boolean {
    const now = this.#deps.clock.monotonic();
    const count = this.#counts.get(live);
    if (!count || now - count.since > 60_000) {
      this.#counts.set(live, { since: now, events: 1 });
      return false;
    }
    return ++count.events > NODE_LIMITS.eventsPerMinute;
  }
}

function toStats(fields: JsonObject): JsonObject {
  const numbers = STATS.flatMap((name) => {
    const value = asNumber(fields[name]);
    return value === null ? [] : [[name, value] as const];
  });
  const load = Array.isArray(fields["loadAverage"]) ? fields["loadAverage"].filter((each) => typeof each === "number").slice(0, 3) : [];
  return { ...Object.fromEntries(numbers), ...(load.length > 0 && { loadAverage: load }) };
}
