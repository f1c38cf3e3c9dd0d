import type { Store } from "./open.ts";

/**
 * Why a model was asked. `tool`: a tool asked it, such as one that looks at images; `summary`: to shorten a conversation; `flush`: to write
 * notes before that; `embedding`: to find notes by their meaning.
 */
export const USAGE_CAUSES = ["message", "cron", "heartbeat", "hook", "subagent", "tool", "summary", "flush", "embedding"] as const;
export type UsageCause = (typeof USAGE_CAUSES)[number];

/** For whom a model was asked. */
export type UsageSubject = {
  agentId: string;
  channel: string;
  /** As the platform names them; an operator is the program that was used. */
  sender: string;
  cause: UsageCause;
};

/** Tokens, and their cost in whole billionths of a US dollar. */
export type UsageAmounts = {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  inputCost: number;
  outputCost: number;
  cacheReadCost: number;
  cacheWriteCost: number;
};

export type UsageSums = UsageAmounts & {
  calls: number;
  errors: number;
  /** Requests to models whose price is not known; their cost counts as 0. */
  unpriced: number;
  durationMs: number;
};

/** One request to a model. */
export type UsageCall = UsageSubject &
  UsageAmounts & {
    at: number;
    sessionKey: string;
    sessionId: string;
    runId: string;
    provider: string;
    model: string;
    status: "ok" | "error" | "aborted";
    durationMs: number;
    firstTokenMs: number | null;
    isPriced: boolean;
  };

/** What a turn added to its conversation, beside its requests. */
export type UsageMessages = { user: number; assistant: number; toolResults: number; tools: readonly string[] };

export const USAGE_DIMENSIONS = ["agent", "channel", "sender", "cause", "provider", "model"] as const;
export type UsageDimension = (typeof USAGE_DIMENSIONS)[number];
export type UsageFilter = Partial<Record<UsageDimension, string>>;
/** Hours since 1970; `to` is not part of it. */
export type HourRange = { from: number; to: number };
/** The day of an hour is the whole part of (hour + offset) / 24, and at most `lastDay`. */
export type DayRule = { offset: number; lastDay: number };

export type UsageMessageCounts = { userMessages: number; assistantMessages: number; toolCalls: number; toolResults: number };
export type UsageGroup = UsageSums &
  UsageMessageCounts &
  Partial<Record<UsageDimension, string>> & { day?: number; firstTokenMs: number; firstTokens: number };
/** What was asked for one person and cause, in a part of a range. */
export type UsagePeople = UsageAmounts & Record<"agent" | "channel" | "sender" | "cause", string> & { calls: number; unpriced: number };
/** What a model did in one hour of a conversation. */
export type UsageSessionHour = UsageSums &
  UsageMessageCounts & {
    hour: number;
    sessionKey: string;
    sessionId: string;
    agentId: string;
    channel: string;
    provider: string;
    model: string;
    firstAt: number;
    lastAt: number;
  };
/** What a model did in a conversation in a whole range. */
export type UsageSessionSums = Omit<UsageSessionHour, "hour">;
export type UsedSession = { sessionKey: string; sessionId: string };
export type UsageCallRow = UsageCall & { seq: number };

export const HOUR_MS = 3_600_000;
const DAY_HOURS = 24;
/** Whole days of a range from which they are read instead of their hours. */
const LEAST_DAYS = 2;
/** A sum stays at this value; a larger one could not be read back exactly. */
const MOST = Number.MAX_SAFE_INTEGER;
const AMOUNTS = ["input", "output", "cache_read", "cache_write", "input_cost", "output_cost", "cache_read_cost", "cache_write_cost"];
const DIMENSION_COLUMNS: Readonly<Record<UsageDimension, string>> = {
  agent: "agent_id",
  channel: "channel",
  sender: "sender",
  cause: "cause",
  provider: "provider",
  model: "model",
};

/** Whole days: parameters are not whole numbers for SQLite, so that the division is none either. */
const DAY = "CAST(min((hour + ?) / 24, ?) AS INTEGER)";
const toCamel = (column: string): string => column.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
/** Sums of columns, each at most what can be read back. */
const sumsOf = (columns: readonly string[]): string =>
  columns.map((column) => `CAST(min(total(${column}), ${MOST}) AS INTEGER) AS ${toCamel(column)}`).join(", ");
const SUMS = ["calls", "errors", "unpriced", "duration_ms", ...AMOUNTS];
const SESSION_COUNTS = ["user_messages", "assistant_messages", "tool_calls", "tool_results"];

function upsert(table: string, keys: readonly string[], sums: readonly string[], others: Readonly<Record<string, string>> = {}): string {
  const columns = [...keys, ...Object.keys(others), ...sums];
  const changes = [
    ...sums.map((column) => `${column} = min(${column} + excluded.${column}, ${MOST})`),
    ...Object.entries(others).flatMap(([column, change]) => (change === "" ? [] : [`${column} = ${change}`])),
  ];
  const values = columns.map(() => "?").join(", ");
  return `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${values}) ON CONFLICT (${keys.join(", ")}) DO UPDATE SET ${changes.join(", ")}`;
}

const CALL_COLUMNS = [
  ..."at agent_id session_key session_id run_id channel sender cause provider model status duration_ms first_token_ms".split(" "),
  ...AMOUNTS,
  "unpriced",
];
const ADD_CALL = `INSERT INTO usage_calls (${CALL_COLUMNS.join(", ")}) VALUES (${CALL_COLUMNS.map(() => "?").join(", ")})`;
const HOUR_KEYS = "hour agent_id channel sender cause provider model".split(" ");
const HOUR_SUMS = ["calls", "errors", "unpriced", ...SESSION_COUNTS, "duration_ms", "first_token_ms", "first_tokens", ...AMOUNTS];
const ADD_HOUR = upsert("usage_hours", HOUR_KEYS, HOUR_SUMS);
const MODEL_KEYS = "hour agent_id provider model".split(" ");
const ADD_MODEL = upsert("usage_models", MODEL_KEYS, HOUR_SUMS);
const ADD_DAY = upsert("usage_days", ["day", ...HOUR_KEYS.slice(1)], HOUR_SUMS);
const SESSION_KEYS = ["session_key", "session_id", "provider", "model"];
const SESSION_SUMS = [...SUMS.slice(0, 3), ...SESSION_COUNTS, "duration_ms", ...AMOUNTS];
const SESSION_OTHERS = {
  agent_id: "",
  channel: "",
  first_at: "min(first_at, excluded.first_at)",
  last_at: "max(last_at, excluded.last_at)",
};
const ADD_SESSION = upsert("usage_sessions", ["hour", ...SESSION_KEYS], SESSION_SUMS, SESSION_OTHERS);
const ADD_SESSION_DAY = upsert("usage_session_days", ["day", ...SESSION_KEYS], SESSION_SUMS, SESSION_OTHERS);
const PEOPLE_SUMS = ["calls", "unpriced", ...AMOUNTS];
const ADD_PEOPLE = upsert("usage_people", ["agent_id", "channel", "sender", "cause", "day"], PEOPLE_SUMS);
const ADD_TOOL = upsert("usage_tools", ["hour", "session_key", "tool"], ["calls"], { agent_id: "" });
const ADD_TOOL_DAY = upsert("usage_tool_days", ["day", "session_key", "tool"], ["calls"]);
const ADD_AGENT_TOOL = upsert("usage_agent_tools", ["day", "agent_id", "tool"], ["calls"]);

const SESSION_HOUR = `hour, session_key AS sessionKey, session_id AS sessionId, agent_id AS agentId, channel, provider, model,
  first_at AS firstAt, last_at AS lastAt, ${[...SUMS, ...SESSION_COUNTS].map((column) => `${column} AS ${toCamel(column)}`).join(", ")}`;
const CALL_ROW = `seq, at, agent_id AS agentId, session_key AS sessionKey, session_id AS sessionId, run_id AS runId, channel, sender, cause,
  provider, model, status, duration_ms AS durationMs, first_token_ms AS firstTokenMs, input, output, cache_read AS cacheRead,
  cache_write AS cacheWrite, input_cost AS inputCost, output_cost AS outputCost, cache_read_cost AS cacheReadCost,
  cache_write_cost AS cacheWriteCost, 1 - unpriced AS isPriced`;

const NO_MESSAGES: UsageMessages = { user: 0, assistant: 0, toolResults: 0, tools: [] };
const amountsOf = (call: UsageAmounts): number[] => [
  call.input,
  call.output,
  call.cacheRead,
  call.cacheWrite,
  call.inputCost,
  call.outputCost,
  call.cacheReadCost,
  call.cacheWriteCost,
];

export type Usage = ReturnType<typeof createUsage>;

/** Requests to models, and their sums. Rows are added in the transaction of the messages that they led to. */
export const createUsage = (store: Store) => ({ ...usageWrites(store), ...usageSums(store), ...usageSessions(store), ...usageRows(store) });

function usageWrites(store: Store) {
  const addCall = (call: UsageCall, messages: UsageMessages): void => {
    const { at, agentId, sessionKey, sessionId, runId, channel, sender, cause, provider, model, status, durationMs, firstTokenMs } = call;
    const amounts = amountsOf(call);
    const unpriced = call.isPriced ? 0 : 1;
    const errors = status === "error" ? 1 : 0;
    const hour = Math.floor(at / HOUR_MS);
    const who = [agentId, sessionKey, sessionId, runId, channel, sender, cause];
    store.run(ADD_CALL, at, ...who, provider, model, status, durationMs, firstTokenMs, ...amounts, unpriced);
    const first = [firstTokenMs ?? 0, firstTokenMs === null ? 0 : 1];
    const counts = [1, errors, unpriced, messages.user, messages.assistant, messages.tools.length, messages.toolResults, durationMs];
    const sums = [...counts, ...first, ...amounts];
    const people = [agentId, channel, sender, cause, provider, model, ...sums];
    store.run(ADD_HOUR, hour, ...people);
    store.run(ADD_DAY, Math.floor(hour / DAY_HOURS), ...people);
    store.run(ADD_MODEL, hour, agentId, provider, model, ...sums);
    store.run(ADD_PEOPLE, agentId, channel, sender, cause, Math.floor(hour / DAY_HOURS), 1, unpriced, ...amounts);
    const session = [sessionKey, sessionId, provider, model, agentId, channel, at - durationMs, at, ...counts, ...amounts];
    store.run(ADD_SESSION, hour, ...session);
    store.run(ADD_SESSION_DAY, Math.floor(hour / DAY_HOURS), ...session);
  };
  return {
    /** The requests of one turn, or of a part of it. What it added to the conversation counts with the last of them. Inside a `store.write`. */
    add(calls: readonly UsageCall[], messages: UsageMessages = NO_MESSAGES): void {
      for (const [index, call] of calls.entries()) addCall(call, index === calls.length - 1 ? messages : NO_MESSAGES);
      const last = calls.at(-1);
      if (!last) return;
      const hour = Math.floor(last.at / HOUR_MS);
      const day = Math.floor(hour / DAY_HOURS);
      for (const tool of messages.tools) {
        store.run(ADD_TOOL, hour, last.sessionKey, tool, last.agentId, 1);
        store.run(ADD_TOOL_DAY, day, last.sessionKey, tool, 1);
        store.run(ADD_AGENT_TOOL, day, last.agentId, tool, 1);
      }
    },

    /** Removes at most `limit` rows of each table from before. True: more are left. */
    prune(before: number, limit: number): boolean {
      // Whole days, so that the sums of hours and of days agree.
      const hour = Math.floor(before / HOUR_MS / DAY_HOURS) * DAY_HOURS;
      // Sums are removed with the last of their rows, so that what is left of both agrees.
      const days = store.run("DELETE FROM usage_days WHERE day < ?", hour / DAY_HOURS);
      // Reads all of it: only when a day ends.
      if (days > 0) store.run("DELETE FROM usage_people WHERE day < ?", hour / DAY_HOURS);
      const removed = [
        store.run(
          "DELETE FROM usage_calls WHERE seq IN (SELECT seq FROM usage_calls WHERE seq < (SELECT min(seq) FROM usage_calls) + ?1 AND at < ?2)",
          limit,
          hour * HOUR_MS,
        ),
        store.run(
          "DELETE FROM usage_hours WHERE hour IN (SELECT DISTINCT hour FROM usage_hours WHERE hour < ? ORDER BY hour LIMIT 24)",
          hour,
        ),
        days,
        store.run("DELETE FROM usage_models WHERE hour < ?", hour),
        store.run("DELETE FROM usage_session_days WHERE day IN (SELECT min(day) FROM usage_session_days) AND day < ?", hour / DAY_HOURS),
        store.run("DELETE FROM usage_tool_days WHERE day IN (SELECT min(day) FROM usage_tool_days) AND day < ?", hour / DAY_HOURS),
        store.run("DELETE FROM usage_agent_tools WHERE day < ?", hour / DAY_HOURS),
        store.run(
          "DELETE FROM usage_sessions WHERE hour IN (SELECT DISTINCT hour FROM usage_sessions WHERE hour < ? ORDER BY hour LIMIT 24)",
          hour,
        ),
        store.run(
          "DELETE FROM usage_tools WHERE hour IN (SELECT DISTINCT hour FROM usage_tools WHERE hour < ? ORDER BY hour LIMIT 24)",
          hour,
        ),
      ];
      return removed[0]! >= limit || removed.slice(1).some((count) => count > 0);
    },
  };
}

type Source = { table: string; params: (string | number)[] };

/** Dimensions that `usage_models` has. */
const MODEL_DIMENSIONS: readonly UsageDimension[] = ["agent", "provider", "model"];

/**
 * The rows of a range, from the sums that have the dimensions asked for: whole days of UTC from theirs, the hours before and after them from
 * theirs. `isByUtcDay`: nothing asks for the parts of such a day.
 */
function sourceOf({ from, to }: HourRange, by: readonly UsageDimension[], filter: UsageFilter, isByUtcDay: boolean): Source {
  const given = USAGE_DIMENSIONS.filter((name) => filter[name] !== undefined);
  const values = given.map((name) => filter[name]!);
  const conditions = given.map((name) => ` AND ${DIMENSION_COLUMNS[name]} = ?`).join("");
  const isAboutModels = [...by, ...given].every((name) => MODEL_DIMENSIONS.includes(name));
  const columns = [...(isAboutModels ? MODEL_KEYS : HOUR_KEYS).slice(1), ...HOUR_SUMS].join(", ");
  const hours = `SELECT hour, ${columns} FROM ${isAboutModels ? "usage_models" : "usage_hours"} WHERE hour >= ? AND hour < ?${conditions}`;
  const [firstDay, endDay] = [Math.ceil(from / DAY_HOURS), Math.floor(to / DAY_HOURS)];
  // Hours without people are fewer than days with them.
  if (isAboutModels || !isByUtcDay || endDay - firstDay < LEAST_DAYS) return { table: `(${hours})`, params: [from, to, ...values] };
  const days = `SELECT day * ${DAY_HOURS} AS hour, ${columns} FROM usage_days WHERE day >= ? AND day < ?${conditions}`;
  return {
    table: `(${hours} UNION ALL ${days} UNION ALL ${hours})`,
    params: [from, firstDay * DAY_HOURS, ...values, firstDay, endDay, ...values, endDay * DAY_HOURS, to, ...values],
  };
}

function usageSums(store: Store) {
  const sumColumns = sumsOf([...SUMS, ...SESSION_COUNTS, "first_token_ms", "first_tokens"]);
  return {
    /** Sums by the named dimensions, and with a rule by day too. */
    sums(range: HourRange, by: readonly UsageDimension[], filter: UsageFilter = {}, days?: DayRule): UsageGroup[] {
      const { table, params } = sourceOf(range, by, filter, days === undefined || days.offset % DAY_HOURS === 0);
      const names = by.map((name) => `${DIMENSION_COLUMNS[name]} AS "${name}"`);
      const day = days === undefined ? [] : [`${DAY} AS day`];
      const groups = [...by.map((name) => DIMENSION_COLUMNS[name]), ...(days === undefined ? [] : ["day"])];
      return store.all<UsageGroup>(
        `SELECT ${[...day, ...names, sumColumns].join(", ")} FROM ${table}${groups.length > 0 ? ` GROUP BY ${groups.join(", ")}` : ""}`,
        ...(days === undefined ? [] : [days.offset, days.lastDay]),
        ...params,
      );
    },

    /** Requests and what they took, by agent, channel, sender and cause. Sums with fewer columns, as with many people each of them costs time. */
    people(range: HourRange, agent?: string): UsagePeople[] {
      const { hours, days } = partsOf(range);
      const read = (table: string, column: "hour" | "day", from: number, to: number): UsagePeople[] =>
        store.all<UsagePeople>(
          `SELECT agent_id AS agent, channel, sender, cause, ${sumsOf(PEOPLE_SUMS)} FROM ${table}
           WHERE ${column} >= ? AND ${column} < ?${agent === undefined ? "" : " AND agent_id = ?"} GROUP BY agent_id, channel, sender, cause`,
          from,
          to,
          ...(agent === undefined ? [] : [agent]),
        );
      return [
        ...(days.end > days.first ? read("usage_people", "day", days.first, days.end) : []),
        ...hours.flatMap(({ from, to }) => read("usage_hours", "hour", from, to)),
      ];
    },
  };
}

type Parts = {
  /** Hours that are not part of whole days. */ hours: HourRange[];
  /** Whole days; `end` is not part of it. */ days: { first: number; end: number };
};

/** A range as its whole days of UTC, and the hours before and after them. Pure. */
function partsOf({ from, to }: HourRange): Parts {
  const [first, end] = [Math.ceil(from / DAY_HOURS), Math.floor(to / DAY_HOURS)];
  if (end - first < LEAST_DAYS) return { hours: [{ from, to }], days: { first, end: first } };
  const around = [
    { from, to: first * DAY_HOURS },
    { from: end * DAY_HOURS, to },
  ];
  return { hours: around.filter((part) => part.from < part.to), days: { first, end } };
}

/** Rows of a range, in which each part of it is read from the table that has it; `condition` is about both tables. */
function unionOf(
  parts: Parts,
  tables: { hours: string; days: string; columns: string; condition?: string },
  values: (string | number)[],
): Source {
  const { hours, days, columns, condition = "" } = tables;
  const isDays = parts.days.end > parts.days.first;
  const selects = [
    ...parts.hours.map(() => `SELECT ${columns} FROM ${hours} WHERE hour >= ? AND hour < ?${condition}`),
    ...(isDays ? [`SELECT ${columns} FROM ${days} WHERE day >= ? AND day < ?${condition}`] : []),
  ];
  return {
    table: `(${selects.join(" UNION ALL ")})`,
    params: [
      ...parts.hours.flatMap(({ from, to }) => [from, to, ...values]),
      ...(isDays ? [parts.days.first, parts.days.end, ...values] : []),
    ],
  };
}

const IN_KEYS = " AND session_key IN (SELECT value FROM json_each(?))";
const RECENT = `SELECT session_key AS sessionKey, session_id AS sessionId, max(last_at) AS lastAt`;

const ofAgent = (agent: string | undefined): { condition: string; values: string[] } =>
  agent === undefined ? { condition: "", values: [] } : { condition: " AND agent_id = ?", values: [agent] };

function usageSessions(store: Store) {
  return {
    /** Sessions, or with `byConversation` their conversations, the last used first. Reads the newest days, until enough are found. */
    recentSessions(range: HourRange, query: { agent?: string; byConversation: boolean; limit: number }): UsedSession[] {
      const { agent, byConversation, limit } = query;
      const { condition, values } = ofAgent(agent);
      const found = new Map<string, UsedSession>();
      const read = (table: string, column: "hour" | "day", { from, to }: HourRange): boolean => {
        const rows = store.all<UsedSession & { lastAt: number }>(
          `${RECENT} FROM ${table} WHERE ${column} >= ? AND ${column} < ?${condition} GROUP BY session_key, session_id ORDER BY lastAt DESC`,
          from,
          to,
          ...values,
        );
        for (const { sessionKey, sessionId } of rows) {
          const key = byConversation ? `${sessionKey}\n${sessionId}` : sessionKey;
          if (!found.has(key)) found.set(key, { sessionKey, sessionId });
          if (found.size >= limit) return true;
        }
        return false;
      };
      const { hours, days } = partsOf(range);
      const isBefore = (part: HourRange): boolean => part.to <= days.first * DAY_HOURS;
      const after = hours.filter((part) => !isBefore(part));
      const before = hours.filter(isBefore);
      if (after.some((part) => read("usage_sessions", "hour", part))) return [...found.values()];
      for (let day = days.end - 1; day >= days.first; day--)
        if (read("usage_session_days", "day", { from: day, to: day + 1 })) return [...found.values()];
      for (const part of before) read("usage_sessions", "hour", part);
      return [...found.values()];
    },

    /** The hours of one session, by conversation and model. */
    sessionHours: (range: HourRange, sessionKey: string): UsageSessionHour[] =>
      store.all<UsageSessionHour>(
        `SELECT ${SESSION_HOUR} FROM usage_sessions WHERE session_key = ? AND hour >= ? AND hour < ? ORDER BY hour`,
        sessionKey,
        range.from,
        range.to,
      ),

    /** The sums of sessions, by conversation and model; what was used last comes last. */
    sessionSums(range: HourRange, sessionKeys: readonly string[]): UsageSessionSums[] {
      if (sessionKeys.length === 0) return [];
      const columns = [...SESSION_KEYS, "agent_id", "channel", "first_at", "last_at", ...SUMS, ...SESSION_COUNTS].join(", ");
      const tables = { hours: "usage_sessions", days: "usage_session_days", columns, condition: IN_KEYS };
      const { table, params } = unionOf(partsOf(range), tables, [JSON.stringify(sessionKeys)]);
      return store.all<UsageSessionSums>(
        `SELECT session_key AS sessionKey, session_id AS sessionId, agent_id AS agentId, channel, provider, model,
           min(first_at) AS firstAt, max(last_at) AS lastAt, ${sumsOf([...SUMS, ...SESSION_COUNTS])}
         FROM ${table} GROUP BY ${SESSION_KEYS.join(", ")} ORDER BY lastAt`,
        ...params,
      );
    },

    /** How many sessions asked a model. */
    countSessions(range: HourRange, agent: string | undefined): number {
      const { condition, values } = ofAgent(agent);
      const tables = { hours: "usage_sessions", days: "usage_session_days", columns: "session_key", condition };
      const { table, params } = unionOf(partsOf(range), tables, values);
      return store.get<{ n: number }>(`SELECT count(*) AS n FROM (SELECT DISTINCT session_key FROM ${table})`, ...params)!.n;
    },

    /** Calls of tools by all sessions, or those of one agent; the most called first. */
    tools(range: HourRange, agent?: string): { name: string; count: number }[] {
      const { condition, values } = ofAgent(agent);
      const tables = { hours: "usage_tools", days: "usage_agent_tools", columns: "tool, calls", condition };
      const { table, params } = unionOf(partsOf(range), tables, values);
      return store.all(`SELECT tool AS name, sum(calls) AS count FROM ${table} GROUP BY tool ORDER BY count DESC, tool`, ...params);
    },

    /** Calls of tools in one hour, by agent. */
    toolsOfHour: (hour: number): { agentId: string; tool: string; calls: number }[] =>
      store.all("SELECT agent_id AS agentId, tool, sum(calls) AS calls FROM usage_tools WHERE hour = ? GROUP BY agent_id, tool", hour),

    /** Calls of tools by each of these sessions; the most called first. */
    sessionTools(range: HourRange, sessionKeys: readonly string[]): { sessionKey: string; name: string; count: number }[] {
      if (sessionKeys.length === 0) return [];
      const tables = { hours: "usage_tools", days: "usage_tool_days", columns: "session_key, tool, calls", condition: IN_KEYS };
      const { table, params } = unionOf(partsOf(range), tables, [JSON.stringify(sessionKeys)]);
      return store.all(
        `SELECT session_key AS sessionKey, tool AS name, sum(calls) AS count FROM ${table} GROUP BY session_key, tool ORDER BY count DESC, tool`,
        ...params,
      );
    },
  };
}

const totalsOf = (table: string, calls: string): string =>
  `SELECT ${calls} AS calls, ${["unpriced", ...AMOUNTS].map((column) => `coalesce(sum(${column}), 0) AS ${column}`).join(", ")} FROM ${table}`;

function usageRows(store: Store) {
  type RawCall = Omit<UsageCallRow, "isPriced"> & { isPriced: number };
  const decode = (rows: readonly RawCall[]): UsageCallRow[] => rows.map((row) => ({ ...row, isPriced: row.isPriced === 1 }));
  return {
    /** The last requests of a conversation, the oldest first. */
    callsOf: (sessionKey: string, limit: number): UsageCallRow[] =>
      decode(
        store.all<RawCall>(`SELECT ${CALL_ROW} FROM usage_calls WHERE session_key = ? ORDER BY seq DESC LIMIT ?`, sessionKey, limit),
      ).toReversed(),

    /** Requests after a number, in their order. */
    callsAfter: (seq: number, limit: number): UsageCallRow[] =>
      decode(store.all<RawCall>(`SELECT ${CALL_ROW} FROM usage_calls WHERE seq > ? ORDER BY seq LIMIT ?`, seq, limit)),

    /** Whether the sums are those of the rows: null, or what differs. */
    difference(): string | null {
      const rows = store.get<Record<string, number>>(totalsOf("usage_calls", "count(*)"))!;
      for (const table of ["usage_hours", "usage_days", "usage_models", "usage_sessions", "usage_session_days", "usage_people"]) {
        const sums = store.get<Record<string, number>>(totalsOf(table, "coalesce(sum(calls), 0)"))!;
        const name = Object.keys(rows).find((column) => rows[column] !== sums[column]);
        if (name !== undefined) return `${table}.${name} is ${sums[name]}, and the rows add up to ${rows[name]}`;
      }
      const callsOf = (table: string): number => store.get<{ n: number }>(`SELECT coalesce(sum(calls), 0) AS n FROM ${table}`)!.n;
      const tools = callsOf("usage_tools");
      for (const table of ["usage_tool_days", "usage_agent_tools"])
        if (callsOf(table) !== tools) return `${table}.calls is ${callsOf(table)}, and the hours add up to ${tools}`;
      return null;
    },
  };
}
