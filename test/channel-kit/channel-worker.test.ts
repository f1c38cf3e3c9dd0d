// Isolated accounts in the whole process: the platform does not notice what happens to the main thread.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { channelIds } from "../../src/channels/registry.ts";
import { spoolPath } from "../../src/gateway/channel-worker-host.ts";
import { startModelServer } from "../model-server.ts";
import { settled } from "../until.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until } from "../wire/gateway-process.ts";
import { BLOCKED, RELEASED } from "./block-event-loop.ts";
import { ScenarioRun } from "./scenario-run.ts";
import { HARNESSES, selectedChannels } from "./harness-registry.ts";
import { withWorker, type PlatformHarness, type ScenarioPolicy, type ConnectionCounts, type HarnessModule } from "./platform-harness.ts";

const OPEN: ScenarioPolicy = { dmPolicy: "open", allowFrom: ["*"], room: { allowFrom: ["*"], requireMention: true } };
const BLOCK_MS = 30_000;
/** A busy machine is slow; what counts is that the main thread is still blocked when everything is acknowledged. */
const ACK_MS = 10_000;
const LINES = 5;

const blocker = fileURLToPath(new URL("./block-event-loop.ts", import.meta.url));

/** One gateway whose account is isolated, or not, and whose main thread can be blocked. */
async function open(id: string, platform: PlatformHarness, { isolate = true, blockMs = BLOCK_MS } = {}): Promise<ScenarioRun> {
  return ScenarioRun.open(id, withWorker(platform, isolate), OPEN, {
    queueMode: "followup",
    env: { NODE_OPTIONS: `--import=${blocker}`, BLOCK_MAIN_MS: String(blockMs) },
  });
}

async function block(run: ScenarioRun): Promise<void> {
  process.kill(run.gateway.pid, "SIGUSR2");
  await until("a blocked main thread", () => run.gateway.output().includes(BLOCKED));
}

const isBlocked = (run: ScenarioRun): boolean => !run.gateway.output().includes(RELEASED);

const seen = ({ platform }: ScenarioRun): ConnectionCounts => platform.connectionCounts?.() ?? { changes: 0, acknowledged: null };

/** Sends a line and waits until the platform has its acknowledgement. */
async function sayAndWait(run: ScenarioRun, text: string): Promise<void> {
  const { platform } = run;
  const before = seen(run).acknowledged;
  const said = Promise.resolve(platform.sendMessage(platform.users[0], "direct", text));
  if (before !== null) await until(`the acknowledgement of "${text}"`, () => seen(run).acknowledged! > before, ACK_MS);
  await said;
}

/** Events that the thread has stored and the gateway has not taken over. */
function spooled({ home, id }: ScenarioRun): number {
  const db = new DatabaseSync(spoolPath(join(stateDir(home), "gateway"), id, "default"), { readOnly: true });
  try {
    const rows = db.prepare("SELECT body FROM batch").all() as { body: string }[];
    return rows.reduce((total, { body }) => total + (JSON.parse(body) as { events: unknown[] }).events.length, 0);
  } finally {
    db.close();
  }
}

/** Why a channel cannot show it, or false. */
const skipped = (id: string, { skip }: HarnessModule): string | false => {
  if (!channelIds.some((known) => known === id)) return "it is not a channel";
  return skip || (id === "webhook" && "the platform calls the gateway's own port, which the main thread serves");
};

const modules = await Promise.all(selectedChannels().map(async (id) => ({ id, module: await HARNESSES[id]!() })));

describe("isolated accounts", { concurrency: 4 }, () => {
  for (const { id, module } of modules) {
    const skip = skipped(id, module);

    test(`scenario 35: ${id}: a main loop that is blocked for 30 s loses no connection`, { skip, timeout: 180_000 }, async () => {
      const run = await open(id, await module.open({ impatient: true }));
      try {
        await sayAndWait(run, "before it");
        await run.untilAnswered(/You said: before it/);
        await run.untilIdle();
        const { changes } = seen(run);
        await block(run);
        for (let line = 1; line <= LINES; line++) {
          await sayAndWait(run, `line ${line} of those`);
          await new Promise((resolve) => setTimeout(resolve, BLOCK_MS / (LINES + 3)));
        }
        assert.ok(isBlocked(run), "all of it was acknowledged while the main thread was blocked");
        await until("a main thread that goes on", () => !isBlocked(run), BLOCK_MS);
        await run.untilAnswered(new RegExp(`You said: line ${LINES} of those`));
        await run.untilIdle();
        assert.equal(seen(run).changes, changes, "the connection is the same");
        for (let line = 1; line <= LINES; line++)
          assert.equal(run.countAnswers(new RegExp(`said: line ${line} of those`)), 1, `line ${line}`);
      } finally {
        await run.close();
      }
    });

    test(`${id}: without isolate an acknowledgement waits for the main thread`, { skip, timeout: 180_000 }, async (context) => {
      const run = await open(id, await module.open(), { isolate: false, blockMs: 3_000 });
      const { platform } = run;
      try {
        await block(run);
        // What was acknowledged just before the block is read first.
        await settled();
        const before = seen(run).acknowledged;
        if (before === null) return context.skip("this platform asks for no acknowledgement");
        void platform.sendMessage(platform.users[0], "direct", "said meanwhile");
        await until("a main thread that goes on", async () => {
          const { acknowledged: taken } = seen(run);
          // The gateway writes that it goes on before it acknowledges; here the acknowledgement can be read first.
          await settled();
          return isBlocked(run) ? void assert.equal(taken, before) : true;
        });
        await run.untilAnswered(/You said: said meanwhile/);
      } finally {
        await run.close();
      }
    });

    test(`${id}: kill -9 with events that only the thread has stored: all are answered, once`, { skip, timeout: 180_000 }, async () => {
      const run = await open(id, await module.open());
      try {
        await block(run);
        for (let line = 1; line <= LINES; line++) await sayAndWait(run, `line ${line} of those`);
        await until("all of them in the spool", () => spooled(run) >= LINES, ACK_MS);
        assert.ok(isBlocked(run), "the main thread has not seen them");
        await run.kill();
        await run.start();
        await run.untilAnswered(new RegExp(`You said: line ${LINES} of those`));
        await run.untilIdle();
        for (let line = 1; line <= LINES; line++)
          assert.equal(run.countAnswers(new RegExp(`said: line ${line} of those`)), 1, `line ${line}`);
      } finally {
        await run.close();
      }
    });
  }
});

type Row = { state: string; isolated?: boolean; lastError?: string | null; reconnectAttempts: number };
type Sent = { messageId?: string };

test(
  "a channel of someone else that exits or crashes: the gateway lives on, and the channel comes back",
  { timeout: 120_000 },
  async () => {
    const home = newHome();
    mkdirSync(join(stateDir(home), "channels"), { recursive: true });
    copyFileSync(fileURLToPath(new URL("../fakes/scripted-channel.mjs", import.meta.url)), join(stateDir(home), "channels", "toy.mjs"));
    const model = await startModelServer();
    // Each message is sent while the account says that it is connected and cannot send yet.
    const toy = { isolate: true, secret: "s", linkAfterMs: 300 };
    const gateway = await startGateway({ home, config: { ...modelConfig(model.url), channels: { toy } } });
    const operator = await gateway.connect();
    const status = async (): Promise<Row> =>
      (await operator.request<{ channelAccounts: Record<string, Row[]> }>("channels.status", {})).channelAccounts["toy"]![0]!;
    const send = (message: string): Promise<Sent> =>
      operator.request<Sent>("send", { channel: "toy", to: "someone", message, idempotencyKey: message });
    const connected = (times: number): Promise<boolean> =>
      until(`connection ${times}`, async () => {
        const { state, reconnectAttempts } = await status();
        return (state === "ready" || state === "degraded") && reconnectAttempts === times;
      });
    try {
      await connected(0);
      assert.equal((await status()).isolated, true);
      for (const [times, deed] of ["exit", "crash", "reject"].entries()) {
        await assert.rejects(send(deed), /./, "the outcome is unknown");
        await connected(times + 1);
        assert.equal((await send(`say:after ${deed}`)).messageId, `after ${deed}`);
      }
      const { items } = await operator.request<{ items: { state: string }[] }>("deadletters.list", {});
      assert.deepEqual(items.map(({ state }) => state), ["unknown", "unknown", "unknown"]); // prettier-ignore
      assert.ok(!gateway.output().includes("a defect"), gateway.output());
    } finally {
      await operator.close();
      await gateway.kill();
      await model.close();
      dropHome(home);
    }
  },
);
