import { boolean, enumOf, integer, object, string } from "../../core/config-schema.ts";
import { durationPattern } from "../quantity.ts";

const DURATION = {
  regex: durationPattern(["ms", "s", "m", "h", "d"]),
  description: "a duration such as 30m or 1h, or 0m for off",
} as const;
const CLOCK = { regex: "(?:[01]?\\d|2[0-3]):[0-5]\\d|24:00", description: "a time of day such as 08:00" } as const;
const modelName = { regex: "\\S+(/\\S.*)?", description: "a model like provider/model" } as const;

/** Keys of OpenClaw that have no effect here. */
const UNSERVED = ["lightContext", "includeReasoning", "skipWhenBusy", "suppressToolErrorWarnings"] as const;

const fields = {
  every: string("How often, such as `30m`, at least a minute; `0m`, or no value: off.", { pattern: DURATION }),
  activeHours: object(
    "The time of day in which heartbeats are due; all day when it is not set. What would be due before comes with its beginning.",
    {
      start: string("Beginning, such as `08:00`.", { required: true, pattern: CLOCK }),
      end: string("End, such as `22:00` or `24:00`; before the beginning: on the next day.", { required: true, pattern: CLOCK }),
      timezone: string("Its time zone, such as Europe/Berlin; that of `agents.defaults.userTimezone` when it is not set.", {
        format: "timezone",
      }),
    },
    { optional: true, strict: true },
  ),
  model: string("The model of heartbeats, as `provider/model`; the agent's when it is not set. A cheap one is enough.", {
    pattern: modelName,
  }),
  target: string(
    "Where an answer goes that has something to say: `last` (the chat in which the session talked last), `owner` (the first of `commands.ownerAllowFrom` who can be reached), `none` (it stays in the session), or a channel, with `to`. `last` when it is not set.",
    { pattern: { regex: "[a-z][a-z0-9-]{0,31}", description: "last, owner, none or a channel" } },
  ),
  to: string("Room or person on the channel of `target`.", { acceptsNumber: true, maxChars: 512 }),
  accountId: string("Account of the channel of `target`.", { maxChars: 64 }),
  directPolicy: enumOf("`block`: nothing is sent to direct conversations.", ["allow", "block"]),
  session: string("The session in which heartbeats run; the main session when it is not set.", { maxChars: 512 }),
  isolatedSession: boolean("Each heartbeat begins a conversation of its own: it costs less, and knows nothing of the main session."),
  prompt: string("What the agent is asked, instead of the default text. The content of HEARTBEAT.md follows it.", { maxChars: 32_000 }),
  timeoutSeconds: integer("Longest time of a heartbeat in seconds; the interval, at most 600, when it is not set.", {
    min: 1,
    max: 86_400,
  }),
  ackMaxChars: integer("An answer with HEARTBEAT_OK at its beginning or end and at most this many other characters says nothing.", {
    min: 0,
    max: 10_000,
  }),
  pauseAfterRuns: integer(
    "Heartbeats pause after this many runs in a row that did nothing: no tool, nothing to say. 0: never. This gateway's own key.",
    { min: 0, max: 100_000 },
  ),
};

/** Heartbeats of one agent. */
export const ownHeartbeat = object("Heartbeats of this agent, where they differ from those of `agents.defaults`.", fields, {
  optional: true,
  unserved: UNSERVED,
});

/** What holds for the heartbeats of agents. */
export const heartbeat = object(
  "Turns that no one asked for: an agent looks from time to time whether something needs attention (docs/heartbeat.md). Off until `every` is set. When an agent has `heartbeat` of its own, only such agents have heartbeats; otherwise the default agent.",
  {
    ...fields,
    agentId: string("The agent that has heartbeats when no agent has its own `heartbeat`; the default agent when it is not set.", {
      maxChars: 64,
    }),
  },
  { optional: true, unserved: UNSERVED },
);
