// What only Discord has, with the whole process.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../wire/gateway-process.ts";
import { ScenarioRun } from "./scenario-run.ts";
import { ALICE, BOT, DiscordServer, GUILD, ROOM, THREAD } from "./discord-server.ts";
import type { PlatformHarness } from "./platform-harness.ts";

async function open(more: object): Promise<{ server: DiscordServer; it: ScenarioRun }> {
  const server = await DiscordServer.start();
  const platform: PlatformHarness = {
    secrets: [],
    invalidSetting: { key: "token", value: "", message: /token/, isSecret: false },
    users: [
      { id: ALICE, name: "alice" },
      { id: "0", name: "unknown" },
    ],
    config: () => ({ ...server.config(), dmPolicy: "open", allowFrom: ["*"], guilds: { [GUILD]: {} }, ...more }),
    sendMessage: (_person, _where, text) => void server.push(`<@${BOT}> ${text}`),
    botMessages: () => server.sent().map(({ content }) => ({ where: "room", to: ROOM, text: content })),
    close: () => server.close(),
  };
  return { server, it: await ScenarioRun.open("discord", platform, { room: null }) };
}

test("a slash command is answered in its own place", async () => {
  const { server, it } = await open({});
  try {
    await until("the commands", () => server.commands.some(({ name }) => name === "status"));
    server.pushCommand("status", "");
    await until("the answer", () => server.sent().some(({ content }) => content !== ""));
    await it.untilIdle();
    const [answer, ...others] = server.sent();
    assert.equal(answer!["flags"], 0, "it is the answer to the command itself");
    assert.match(answer!.content, /model|session/i);
    assert.deepEqual(others, []);
  } finally {
    await it.close();
  }
});

test("an answer that is shown while it is written ends as one message, also through a lost connection", async () => {
  const { server, it } = await open({ streaming: { mode: "partial" } });
  try {
    await it.platform.sendMessage(it.platform.users[0], "room", "slow:300 one two three four five six seven eight");
    await until("the preview", () => server.sent().length === 1);
    server.drop("close");
    await it.untilAnswered(/seven eight/);
    await it.untilIdle();
    assert.equal(server.sent().length, 1);
  } finally {
    await it.close();
  }
});

test("the session ends while the gateway is dead: the gap is read, and each message is answered once, a thread's in the thread", async () => {
  const { server, it } = await open({});
  try {
    await it.platform.sendMessage(it.platform.users[0], "room", "before");
    await it.untilAnswered(/You said: .*before/);
    server.push(`<@${BOT}> known thread`, { channel_id: THREAD });
    await it.untilAnswered(/known thread/);
    await it.untilIdle();
    await it.kill();
    server.push(`<@${BOT}> in the gap`, { quiet: true });
    server.push(`<@${BOT}> in the thread's gap`, { quiet: true, channel_id: THREAD });
    server.endSessions("quietly");
    await it.start();
    await it.untilAnswered(/in the gap/);
    await it.untilAnswered(/in the thread's gap/);
    await it.untilIdle();
    assert.equal(server.sent().length, 4);
    assert.equal(server.sent().find(({ content }) => content.includes("thread's gap"))!.channel_id, THREAD);
  } finally {
    await it.close();
  }
});
