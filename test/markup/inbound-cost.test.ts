import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeDiscordEvent as decodeDiscord } from "../../src/channels/discord/inbound.ts";
import { stripFormatting } from "../../src/channels/irc/inbound.ts";
import { readSlackText as readSlack } from "../../src/channels/slack/inbound.ts";
import { asId, type AccountId } from "../../src/core/ids.ts";

const CHARS = 400_000;
/** CPU seconds that no linear reader comes near to at 400,000 characters, on any machine; a quadratic one needs 15 or more. */
const CPU_SECONDS = 5;
const UNITS = [
  "<@U1|",
  "<@",
  "<a|b>",
  "<",
  "<#C1|",
  "<!",
  "&amp;",
  "&",
  "<:a:1",
  "<@!1",
  "<a:",
  "\u000304,",
  "\u0002",
  " ",
  ",",
  ": ",
  "a",
];

const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  Slack: (text) => readSlack(text, { userId: "U0", botId: null, teamId: "T", name: "b" }),
  IRC: stripFormatting,
  Discord: (text) =>
    decodeDiscord(
      { seq: 1, type: "MESSAGE_CREATE", data: { id: "1", channel_id: "2", author: { id: "3" }, content: text, timestamp: "2026-01-01" } },
      { account: asId<AccountId>("d"), self: "9", place: { type: 0, guild: "5" }, session: "s", now: 1, origin: "live" } as never,
    ),
};

for (const [name, read] of Object.entries(READERS)) {
  test(`${name}: 400,000 characters of every unit of its markup are read in linear time`, () => {
    for (const unit of UNITS) {
      const text = unit.repeat(CHARS / unit.length);
      const before = process.cpuUsage();
      read(text);
      const { user, system } = process.cpuUsage(before);
      assert.ok((user + system) / 1e6 < CPU_SECONDS, `${JSON.stringify(unit)} took ${(user + system) / 1e6} s`);
    }
  });
}
