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
