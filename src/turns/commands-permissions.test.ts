import assert from "node:assert/strict";
import { test } from "node:test";
import type { InboundMessage } from "../channels/channel.ts";
import { CHAT_COMMANDS } from "../core/chat-commands.ts";
import { asId } from "../core/ids.ts";
import type { RoutingConfig } from "../routing/types.ts";
import { gatedScript } from "../../test/fakes/fake-runtime.ts";
import { account, event, inGroup, irc, OPEN_POLICY, openIngest, type IngestBench } from "../../test/fakes/ingest-bench.ts";
import { until } from "../../test/fakes/turn-bench.ts";
import { commandEffect, parseCommand } from "./commands.ts";

const room = asId<never>("agent:main:irc:group:#room");
const OWNER: RoutingConfig = { ...OPEN_POLICY, commands: { ownerAllowFrom: ["irc:boss"] } };
const from = (id: string): Partial<InboundMessage> => ({
  sender: { id: asId(id), name: id, isBot: false, isSelf: false },
  mentionsSelf: true,
});

let events = 0;
/** What the gateway answers to a command in the room. */
async function answerTo(door: IngestBench, sender: string, text: string, place: typeof inGroup = inGroup): Promise<string> {
  const id = `c${++events}`;
  await door.ingest.admit(irc, account, [place(id, text, { ...from(sender), message: asId(id) })]);
  const row = await until(() => {
    const found = door.inbox.byEvent("irc", "default", id);
    return found?.outcome ? found : null;
  });
  return row.outcome!.text;
}

/** One use of each command that changes something. */
const CHANGES: Readonly<Record<string, string>> = {
  new: "/new",
  reset: "/reset@bot",
  model: "/model other",
  think: "/think: high",
  queue: "/queue interrupt",
  activation: "/activation always",
  verbose: "/verbose full",
  acp: "/acp spawn codex",
};

test("every command says what it changes, and the tests know all of those that change something", () => {
  const changing = CHAT_COMMANDS.filter(({ effect }) => effect === "settings" || effect === "conversation").map(({ name }) => name);
  assert.deepEqual(Object.keys(CHANGES).toSorted(), changing.toSorted());
  for (const [name, text] of Object.entries(CHANGES)) assert.notEqual(commandEffect(parseCommand(text)!), "none", name);
  for (const text of ["/model", "/queue", "/think", "/help", "/status"]) assert.equal(commandEffect(parseCommand(text)!), "none", text);
});

for (const [name, text] of Object.entries(CHANGES)) {
  test(`in a room /${name} changes something for an owner, and nothing for anyone else`, async () => {
    const door = openIngest(OWNER);
    assert.equal(await answerTo(door, "eve", "/status"), `session ${room}`, "what changes nothing is for all");
    const before = door.sessions.get(room)!;
    assert.match(await answerTo(door, "eve", text), /only an owner may use it here/);
    const after = door.sessions.get(room)!;
    const settings = ({ session_id, model, thinking, queue_mode, activation, verbose_level }: typeof before) => [
      verbose_level,
      session_id,
      model,
      thinking,
      queue_mode,
      activation,
    ];
    assert.deepEqual(settings(after), settings(before));
    assert.doesNotMatch(await answerTo(door, "boss", text), /only an owner/);
    assert.notDeepEqual(settings(door.sessions.get(room)!), settings(before));
    door.close();
  });
}

test("a configured list of people who may use commands includes those that change something", async () => {
  const door = openIngest({ ...OPEN_POLICY, commands: { allowFrom: { irc: ["carol"] } } });
  assert.match(await answerTo(door, "carol", "/queue collect"), /collect/);
  door.close();
});

test("in their own direct conversation everybody may change what is theirs", async () => {
  const door = openIngest(OWNER);
  assert.match(await answerTo(door, "alice", "/think high", event), /Thinking is high/);
  assert.match(await answerTo(door, "alice", "/new", event), /new conversation/);
  door.close();
});

test("in a room a stop ends the sender's own answer only, an owner's stop ends all", async () => {
  const door = openIngest(OWNER);
  door.runtime.script = gatedScript;
  const running = async (sender: string): Promise<string> => {
    const id = `r${++events}`;
    await door.ingest.admit(irc, account, [inGroup(id, "work", from(sender))]);
    const row = await until(() => door.turns.runs.inflight(room).find((each) => each.text));
    return row.runId;
  };
  const first = await running("alice");
  assert.match(await answerTo(door, "eve", "/stop"), /Only an owner may stop/);
  assert.equal(door.turns.runs.find(first)?.outcome, null);
  assert.equal(await answerTo(door, "alice", "/stop"), "Stopped.");
  await until(() => door.turns.runs.find(first)?.outcome?.status === "aborted" && door.turns.lanes.load().lanes === 0);
  const second = await running("alice");
  assert.equal(await answerTo(door, "boss", "/stop"), "Stopped.");
  await until(() => door.turns.runs.find(second)?.outcome?.status === "aborted");
  assert.equal(await answerTo(door, "eve", "/stop"), "Stopped.", "nothing runs");
  door.close();
});
