// Fills the store of a stopped gateway through its own modules.
import { join } from "node:path";
import { rebuildSessionFile, sessionPath, toCheckpoint } from "../../src/agents/pi/session-file.ts";
import { asId, type AgentId, type SessionKey } from "../../src/core/ids.ts";
import { silentLog } from "../../src/core/log.ts";
import { createMessages, type MessageBody } from "../../src/store/messages.ts";
import { openStore } from "../../src/store/open.ts";
import { createSessions } from "../../src/store/sessions.ts";
import { stateDir } from "../wire/gateway-process.ts";

const AGENT = asId<AgentId>("main");
/** Rows of one transaction. */
const BATCH = 20_000;

const gatewayDir = (home: string): string => join(stateDir(home), "gateway");
export const keyOf = (name: string): SessionKey => asId<SessionKey>(`agent:main:${name}`);

/** Adds sessions `prefix0`, `prefix1`, ... without messages. */
export async function fillSessions(home: string, prefix: string, count: number): Promise<void> {
  const store = openStore({ dir: gatewayDir(home), log: silentLog });
  const sessions = createSessions(store);
  const now = Date.now();
  for (let from = 0; from < count; from += BATCH)
    await store.write(() => {
      for (let n = from; n < Math.min(count, from + BATCH); n++)
        sessions.ensure(keyOf(`${prefix}${n}`), {
          sessionId: `${prefix}-${n}`,
          agentId: AGENT,
          chatKind: "direct",
          channel: "webchat",
          now,
        });
    });
  store.close();
}

/** Adds a session with `count` messages, and the file in which Pi keeps them; the next turn continues from there. */
export async function fillHistory(home: string, name: string, count: number, workspace: string): Promise<void> {
  const key = keyOf(name);
  const sessionId = `history-${name}`;
  const at = Date.now();
  const history = Array.from({ length: count }, (_, n) => ({
    role: n % 2 === 0 ? ("user" as const) : ("assistant" as const),
    text: n % 2 === 0 ? `message ${n} of a longer conversation` : `You said: message ${n - 1} of a longer conversation`,
    at: at - (count - n) * 1_000,
  }));
  const file = sessionPath(join(gatewayDir(home), "agents"), AGENT, sessionId);
  const checkpoint = await rebuildSessionFile(file, { id: sessionId, cwd: workspace, startedAt: at }, history);
  const store = openStore({ dir: gatewayDir(home), log: silentLog });
  const sessions = createSessions(store);
  const messages = createMessages(store);
  await store.write(() => {
    sessions.ensure(key, { sessionId, agentId: AGENT, chatKind: "direct", channel: "webchat", now: at });
    sessions.patch(key, { checkpoint: toCheckpoint(checkpoint) });
    for (const [n, { role, text, at: written }] of history.entries())
      messages.add({
        id: `${name}-${n}`,
        sessionKey: key,
        sessionId,
        runId: null,
        idempotencyKey: null,
        at: written,
        body: bodyOf(role, text),
      });
  });
  store.close();
}

function bodyOf(role: "user" | "assistant", text: string): MessageBody {
  if (role === "user") return { role, content: text, provenance: { channel: "webchat", senderIsOwner: true } };
  return { role, content: [{ type: "text", text }], provider: "test", model: "echo", stopReason: "stop" };
}

/** Sessions among which the requests to models are divided. */
const USAGE_SESSIONS = 5_000;
const USAGE_SPAN_MS = 90 * 86_400_000;

/** Adds requests to models of the last 90 days, and their sums as the gateway keeps them. */
export async function fillUsage(dir: string, rows: number): Promise<void> {
  const store = openStore({ dir, log: silentLog });
  const amounts = "input, output, cache_read, cache_write, input_cost, output_cost, cache_read_cost, cache_write_cost";
  const sumOfAmounts = amounts.replaceAll(/\w+/g, (column) => `sum(${column})`);
  const counts = "calls, errors, unpriced, user_messages, assistant_messages, tool_calls, tool_results, duration_ms";
  const sums = "count(*), 0, sum(unpriced), count(*), count(*), count(*), count(*), sum(duration_ms)";
  const first = ["first_token_ms, first_tokens, ", "sum(first_token_ms), count(*), "] as const;
  const rollUp = (table: string, unit: string, ms: number, keys: string, more: readonly [string, string]): void =>
    void store.run(
      `INSERT INTO ${table} (${unit}, ${keys}, ${counts}, ${more[0]}${amounts})
       SELECT at / ${ms}, ${keys}, ${sums}, ${more[1]}${sumOfAmounts} FROM usage_calls GROUP BY at / ${ms}, ${keys}`,
    );
  const people = "agent_id, channel, sender, cause, provider, model";
  const session = "session_key, session_id, provider, model, agent_id, channel";
  const seen = ["first_at, last_at, ", "min(at), max(at), "] as const;
  await store.write(() => {
    // Each session is used for an hour, with ten requests, twenty times in eight days.
    store.run(
      `INSERT INTO usage_calls (at, agent_id, session_key, session_id, run_id, channel, sender, cause, provider, model, status, duration_ms,
         first_token_ms, ${amounts}, unpriced)
       WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < CAST(? AS INTEGER) - 1),
         calls AS (SELECT i, i % ${USAGE_SESSIONS} AS s, i / ${USAGE_SESSIONS} AS c FROM n)
       SELECT CAST(? + (s * 7193 % 1000) / 1000.0 * ? + (c / 10) * 34920000 + (c % 10) * 60000 AS INTEGER),
         'agent-' || (s % 5), 'agent:agent-' || (s % 5) || ':s' || s, 'id-' || s, 'run-' || i,
         CASE s % 3 WHEN 0 THEN 'telegram' WHEN 1 THEN 'webchat' ELSE 'irc' END, 'sender-' || (s % 500),
         CASE WHEN s % 9 = 0 THEN 'cron' ELSE 'message' END, 'p' || (s % 3), 'm' || (s % 3) || ((c / 10) % 2), 'ok', 1000, 200,
         1000 + i % 100, 100, 0, 0, 3000, 1500, 0, 0, 0 FROM calls`,
      rows,
      Date.now() - USAGE_SPAN_MS,
      USAGE_SPAN_MS - 9 * 86_400_000,
    );
    rollUp("usage_hours", "hour", 3_600_000, people, first);
    rollUp("usage_days", "day", 86_400_000, people, first);
    rollUp("usage_models", "hour", 3_600_000, "agent_id, provider, model", first);
    rollUp("usage_sessions", "hour", 3_600_000, session, seen);
    rollUp("usage_session_days", "day", 86_400_000, session, seen);
    store.run(
      `INSERT INTO usage_people (agent_id, channel, sender, cause, day, calls, unpriced, ${amounts})
       SELECT agent_id, channel, sender, cause, at / 86400000, count(*), sum(unpriced), ${sumOfAmounts} FROM usage_calls GROUP BY 1, 2, 3, 4, 5`,
    );
    store.run(
      `INSERT INTO usage_tools SELECT at / 3600000, session_key, agent_id, 'tool-' || (seq / ${USAGE_SESSIONS} % 3), count(*)
       FROM usage_calls GROUP BY 1, 2, 4`,
    );
    store.run("INSERT INTO usage_tool_days SELECT hour / 24, session_key, tool, sum(calls) FROM usage_tools GROUP BY 1, 2, 3");
    store.run("INSERT INTO usage_agent_tools SELECT hour / 24, agent_id, tool, sum(calls) FROM usage_tools GROUP BY 1, 2, 3");
  });
  store.close();
}
