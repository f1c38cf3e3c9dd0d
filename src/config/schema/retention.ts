import { enumOf, object, string } from "../../core/config-schema.ts";
import { durationPattern } from "../quantity.ts";

const DURATION = {
  regex: durationPattern(["h", "d", "w"]),
  description: "a duration such as 30d, 12h or 4w; a bare number is days, 0 keeps it without end",
} as const;

const duration = <const T extends string>(doc: string, whenAbsent: T) =>
  string(doc, { pattern: DURATION, acceptsNumber: true, acceptsFalse: true, whenAbsent });

/** Under the names of OpenClaw. */
export const maintenance = object(
  "Which conversations are removed after some time. Pinned sessions, main sessions and whatever is not answered or not delivered yet always stay.",
  {
    mode: enumOf(
      "`enforce` removes what the other keys name; `warn` keeps everything, and `openclaw state clean --dry-run` shows what it would be.",
      ["warn", "enforce"],
      {
        default: "warn",
        onInvalid: "warn",
      },
    ),
    pruneAfter: duration("Sessions that were not used for so long are removed with their messages.", "kept"),
    resetArchiveRetention: duration(
      "Earlier conversations of a session, before `/new` or `/reset`, are removed so long after their last message.",
      "kept",
    ),
  },
  { unserved: ["maxEntries", "rotateBytes", "maxDiskBytes", "highWaterBytes", "pruneDays"] },
);

/** What else the gateway stores, and how long. */
export const store = object("The store.", {
  retention: object("How long rows are kept. They are removed in small steps while the gateway runs.", {
    archivedSessions: duration("Archived sessions are removed so long after they were archived and last used.", "kept"),
    audit: string("Events of the audit log.", { pattern: DURATION, acceptsNumber: true, default: "90d" }),
    usage: string("Figures about calls of models, from which costs and usage are added up.", {
      pattern: DURATION,
      acceptsNumber: true,
      default: "400d",
    }),
  }),
});
