import { array, enumOf, integer, number, object, string } from "../../core/config-schema.ts";

const NAME = { regex: "[A-Za-z0-9][A-Za-z0-9._-]{0,63}", description: "letters, digits, dots, dashes and underscores" } as const;

/** What a budget without a valid limit allows: nothing, until it is corrected. No valid budget has this limit. */
export const INVALID_LIMIT = -1;
const INVALID_BUDGET = { name: "invalid", per: "day", warnAtPercent: 80, tokens: INVALID_LIMIT } as const;

/** Limits of what models may be asked for, of this gateway: OpenClaw has no such key. */
export const budgets = array(
  "Limits of what models may cost (docs/usage.md). Each request has to fit into all budgets that are about it.",
  object(
    "One budget.",
    {
      name: string("Its name, for lists and messages.", { required: true, pattern: NAME, onInvalid: "invalid" }),
      agent: string("Only requests of this agent."),
      channel: string("Only requests of conversations on this channel; `webchat` is the page, the command line and programs."),
      sender: string("Only requests for this person, as `channel:id`, such as `telegram:4711`."),
      cause: enumOf("Only requests that were made for this.", [
        "message",
        "cron",
        "heartbeat",
        "hook",
        "subagent",
        "tool",
        "summary",
        "flush",
        "embedding",
      ]),
      each: enumOf("One budget for each of them, in place of one for all together.", ["agent", "channel", "sender", "cause"]),
      per: enumOf("When it begins again, in the time zone of the gateway.", ["day", "month"], { default: "day" }),
      tokens: integer("Tokens of all kinds, together.", { min: 1, onInvalid: INVALID_LIMIT }),
      usd: number("US dollars. A model whose price is not known is not asked then: give it one in `models.providers.*.models[].cost`.", {
        min: 0,
        onInvalid: INVALID_LIMIT,
      }),
      warnAtPercent: integer("The operator is notified once when this much is used.", { default: 80, min: 1, max: 100 }),
      callsPerMinute: integer("Requests within a minute; further ones are refused. It stops what asks a model in a loop.", {
        min: 1,
        onInvalid: INVALID_LIMIT,
      }),
      similarPerHour: integer(
        "Requests within an hour that say nearly the same; further ones are refused. It stops a loop that is slower than `callsPerMinute`. Texts of fewer than five words are not compared.",
        { min: 2, max: 1_000, onInvalid: INVALID_LIMIT },
      ),
    },
    // A wrong value never limits less than what was meant: a limit allows nothing, a condition is left out.
    { onInvalid: INVALID_BUDGET, unknownKeys: "error" },
  ),
  { default: [], onInvalid: [INVALID_BUDGET] },
);
