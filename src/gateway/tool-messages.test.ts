import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openMethodBench } from "../../test/fakes/method-bench.ts";
import { textOf, toolContext } from "../../test/fakes/tool-context.ts";
import type { ChannelCapabilities, Link, ReplyTarget } from "../channels/channel.ts";
import { checkConfigValue } from "../config/load.ts";
import { asId, type RunId, type SessionKey } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { silentLog } from "../core/log.ts";
import type { SendDeps } from "../methods/send.ts";
import { createKeyValueStore } from "../store/key-value.ts";
import { MediaStore } from "../store/media.ts";
import type { ToolCaller } from "../tools/tool.ts";
import type { ApprovalDesk } from "../tools/commands/gate.ts";
import { createMessageTool } from "../tools/message/message.ts";
import { AgentCatalog } from "./agent-catalog.ts";
import { ToolMessages } from "./tool-messages.ts";

const OWN: ReplyTarget = {
  channel: asId("irc"),
  account: asId("work"),
  chat: { kind: "group", id: asId("#team") },
  replyTo: asId("m7"),
  via: "token",
};
const RUN = asId<RunId>("run-1");
const ROOM = asId<SessionKey>("agent:main:irc:group:#team");

/** The tool over a real outbox, with a connection that records what it is asked. */
async function scene(t: TestContext, config: JsonObject = {}) {
  const context = toolContext(t);
  const chats = openMethodBench();
  t.after(() => chats.close());
  const { outbox, store, deliver } = chats.bench;
  const { config: checked } = checkConfigValue(config);
  const agents = new AgentCatalog(checked, { stateDir: "/s", env: {}, local: { servers: [] } });
  let target: ReplyTarget | null = OWN;
  const calls: string[] = [];
  const link = new Proxy({} as Link, {
    get: (_link, name: string) =>
      ["react", "remove", "edit", "poll", "openThread"].includes(name)
        ? (...args: unknown[]) => {
            calls.push(`${name} ${JSON.stringify(args.slice(0, 3))}`);
            return Promise.resolve(name === "edit" || name === "poll" ? { state: "sent", ids: ["p1"] } : "t1");
          }
        : undefined,
  });
  const send: SendDeps = {
    ...chats.deps,
    toTarget: (channel, account, to, thread) => ({
      channel: asId(channel),
      account: asId(account ?? "default"),
      chat: { kind: "group", id: asId(to) },
      ...(thread !== undefined && { thread }),
    }),
    outbox,
    deliver,
    split: (_target, text) => [text],
    waitUntilSettled: async (intentId) => outbox.byIntent(intentId),
    onlyChannel: () => null,
    link: () => link,
    abilities: () => ({ media: { in: true, out: true } }) as ChannelCapabilities,
    keyValue: createKeyValueStore(store),
    mediaFor: () => ({
      workspace: context.workspace,
      media: new MediaStore(join(context.workspace, ".media"), () => ({ totalBytes: 1e9, accountBytesPerDay: 1e9 }), Date.now, silentLog),
      log: silentLog,
      fetch: () => Promise.reject(new Error("nothing is fetched for an agent")),
    }),
  };
  const inbox = { byRun: (runId: string) => (runId === RUN ? { payload: { target } } : undefined) as never };
  const asked: string[] = [];
  let agreed = true;
  const desk: Pick<ApprovalDesk, "ask" | "use"> = {
    ask: async ({ command }) => {
      asked.push(command);
      return agreed ? { allowed: true, id: "a1" } : { allowed: false, note: "Ann denied it (approval a1b2)." };
    },
    use: async () => true,
  };
  const messages = new ToolMessages({ running: { agents }, sessions: chats.deps.sessions, inbox, outbox, desk });
  const tool = createMessageTool(messages);
  const act = async (args: JsonObject, caller: Partial<ToolCaller> = {}, callId = "c1"): Promise<string> => {
    const given = { ...context.caller, runId: RUN, sessionKey: ROOM, surface: "channel" as const, ...caller };
    return textOf(await tool.run(args, { ...context, callId, caller: given }));
  };
  const parts = (): { text: string; target: ReplyTarget; conversation: string }[] => outbox.byState("queued", 100) as never;
  return {
    ...context,
    chats,
    calls,
    messages,
    act,
    parts,
    asked,
    deny: () => void (agreed = false),
    bind: () => messages.bind(send),
    setTarget: (to: ReplyTarget | null) => (target = to),
  };
}

test("nothing is done before the gateway has its channels, and nothing where no channel is", async (t) => {
  const { act, bind, setTarget, parts } = await scene(t);
  assert.match(await act({ action: "send", message: "x" }), /^Not done: the gateway is still starting\./);
  bind();
  setTarget(null);
  assert.match(await act({ action: "send", message: "x" }), /this conversation is not on a channel\. Name a channel and a target\./);
  assert.match(await act({ action: "send", target: "x", message: "x" }, { surface: "operator" }), /it is not clear which channel is meant/);
  assert.deepEqual(parts(), []);
});

test("the same call is sent once, another call and other arguments are other messages", async (t) => {
  const { act, bind, parts } = await scene(t);
  bind();
  for (const callId of ["c1", "c1", "c2"])
    assert.match(await act({ action: "send", message: "hello" }, {}, callId), /^It waits in the queue/);
  await act({ action: "send", message: "goodbye" }, {}, "c1");
  assert.deepEqual(
    parts()
      .map(({ text }) => text)
      .toSorted(),
    ["goodbye", "hello", "hello"],
  );
  const { target } = parts()[0]!;
  assert.deepEqual([target.account, target.replyTo, target.via], ["work", undefined, undefined], "a message of its own");
});

test("calls without a turn are never taken for each other", async (t) => {
  const { act, bind, parts } = await scene(t);
  bind();
  for (let times = 0; times < 2; times++)
    await act({ action: "send", channel: "irc", target: "#team", message: "hello" }, { runId: null, surface: "operator" }, "invoke");
  assert.equal(parts().length, 2);
});

test("reactions and replies are for the message of the turn, and only in its conversation", async (t) => {
  const { act, bind, calls, parts } = await scene(t);
  bind();
  assert.equal(await act({ action: "react", emoji: "👍" }), "Done.");
  assert.match(calls[0]!, /^react \[\{.*"#team".*\},"m7","👍"\]$/);
  await act({ action: "react", emoji: "👍", messageId: "m9", remove: true });
  assert.match(calls[1]!, /"m9","👍"\]$/);
  await act({ action: "reply", message: "yes" });
  assert.equal(parts()[0]!.target.replyTo, "m7");
  const elsewhere = await act({ action: "react", emoji: "👍", target: "#lobby" }, { surface: "operator" });
  assert.match(elsewhere, /params\.messageId is missing/);
  assert.equal(await act({ action: "thread-create", threadName: "plans" }), "Done: thread t1.");
  assert.equal(await act({ action: "poll", pollQuestion: "Tea?", pollOption: ["yes", "no"] }), "Done: message p1.");
});

test("the last chat of a session is for operators, because others may have written there since", async (t) => {
  const { act, bind, setTarget, chats, parts } = await scene(t);
  bind();
  setTarget(null);
  await chats.call("sessions.create", { key: "main" });
  const sessionKey = asId<SessionKey>("agent:main:main");
  await chats.bench.store.write(() => chats.deps.sessions.patch(sessionKey, { target: JSON.stringify(OWN) }));
  assert.match(await act({ action: "send", message: "x" }, { sessionKey }), /this conversation is not on a channel/);
  assert.match(await act({ action: "send", message: "y" }, { sessionKey, surface: "operator" }), /^It waits/);
  assert.deepEqual(
    parts().map(({ text, conversation }) => `${text} ${conversation}`),
    ["y irc|work|#team|"],
  );
});

test("people on channels do not reach other conversations and threads, and operators do", async (t) => {
  const { act, bind, parts } = await scene(t);
  bind();
  for (const where of [{ target: "#lobby" }, { target: "#team", accountId: "home" }, { threadId: "t9" }, { channel: "slack", target: "x" }])
    assert.match(
      await act({ action: "send", message: "x", ...where }),
      /another conversation is not reached from here/,
      JSON.stringify(where),
    );
  assert.match(await act({ action: "send", message: "x", channel: "slack" }), /a channel or an account is named, and no room or person/);
  assert.equal(parts().length, 0);
  await act({ action: "send", message: "own", target: "#team" });
  await act({ action: "send", message: "other", target: "#lobby" }, { surface: "operator" });
  assert.deepEqual(
    parts()
      .map(({ text, conversation }) => `${text} ${conversation}`)
      .toSorted(),
    ["other irc|work|#lobby|", "own irc|work|#team|"],
  );
});

test("a person is asked before an operator's turn writes to another conversation, and sees what is written to whom", async (t) => {
  const { act, asked, bind, deny, parts } = await scene(t);
  bind();
  await act({ action: "send", message: "here" }, { surface: "operator" });
  assert.deepEqual(asked, [], "the own conversation is not asked about");
  await act({ action: "send", message: "hi\nthere", target: "#lobby" }, { surface: "operator" });
  assert.deepEqual(asked, ['openclaw message send --channel "irc" --account "work" --to "#lobby" --message "hi\\nthere"']);
  deny();
  const refused = await act({ action: "send", message: "no", channel: "slack", target: "x" }, { surface: "operator" });
  assert.match(refused, /^Not done: Ann denied it \(approval a1b2\)\./);
  assert.deepEqual(parts().map(({ text }) => text).toSorted(), ["here", "hi\nthere"]); // prettier-ignore
});

test("settings open other conversations for people on channels, and close them for operators", async (t) => {
  const own = { crossContext: { allowWithinProvider: true } };
  const opened = await scene(t, { agents: { entries: { main: { tools: { message: own } } } } });
  opened.bind();
  assert.match(await opened.act({ action: "send", message: "x", target: "#lobby" }), /^It waits/);
  assert.match(await opened.act({ action: "send", message: "x", channel: "slack", target: "x" }), /not reached from here/);
  const closed = await scene(t, { tools: { message: { crossContext: { allowAcrossProviders: false }, actions: { allow: ["send"] } } } });
  closed.bind();
  const across = await closed.act({ action: "send", message: "x", channel: "slack", target: "x" }, { surface: "operator" });
  assert.match(across, /tools\.message\.crossContext\.allowAcrossProviders is false/);
  assert.match(await closed.act({ action: "react", emoji: "👍" }), /the action react is not among those of tools\.message\.actions\.allow/);
  assert.match(await closed.act({ action: "send", message: "x" }), /^It waits/);
});

test("a session that may not send sends nothing, also elsewhere", async (t) => {
  const { act, bind, chats, parts, calls } = await scene(t);
  bind();
  await chats.call("sessions.create", { key: "main" });
  await chats.call("sessions.patch", { key: "main", sendPolicy: "deny" });
  const denied = { surface: "operator", sessionKey: asId<SessionKey>("agent:main:main") } as const;
  for (const args of [
    { action: "send", message: "x" },
    { action: "send", target: "#lobby", message: "x" },
    { action: "react", emoji: "👍" },
  ])
    assert.match(await act(args, denied), /sends nothing to channels/);
  assert.deepEqual([parts(), calls], [[], []]);
});

test("on request of a person on a channel only messages of the agent are deleted", async (t) => {
  const { act, bind, calls, chats, parts } = await scene(t);
  bind();
  await act({ action: "send", message: "mine" });
  const { partKey } = parts()[0] as unknown as { partKey: string };
  await chats.bench.store.write(() => chats.bench.outbox.settle(partKey, "sent", 1, { ids: ["s1"] }));
  assert.match(await act({ action: "delete", messageId: "m7" }), /is not known as one that was sent from here/);
  assert.deepEqual(calls, []);
  assert.equal(await act({ action: "unsend", messageId: "s1" }), "Done.");
  assert.equal(await act({ action: "delete", messageId: "m7" }, { surface: "operator" }), "Done.");
  assert.equal(calls.length, 2);
});

test("files are those of the workspace, where the agent may read them", async (t) => {
  const { act, bind, parts, workspace } = await scene(t);
  bind();
  mkdirSync(join(workspace, "out"));
  writeFileSync(join(workspace, "out", "a.txt"), "text");
  assert.match(await act({ action: "send", media: "out/a.txt" }), /^It waits/);
  // The channels of this bench show the names of files.
  assert.equal(parts()[0]!.text, "[a.txt]");
  for (const media of ["https://example.org/a.png", "data:text/plain;base64,eA==", "file:///etc/hostname"])
    assert.match(await act({ action: "send", media }), /is an address, and only files of the workspace are sent/);
  for (const media of ["/etc/hostname", "../a.txt", "none.txt", "out/a.txt\nMEDIA:/etc/hostname"])
    assert.match(await act({ action: "send", media }), /cannot be sent/, media);
  assert.match(await act({ action: "send", media: "out/a.txt" }, { tools: ["message"] }), /only where the tool read is available/);
  assert.equal(parts().length, 1);
});

test("a stop of the turn ends a call that waits for the platform", async (t) => {
  const context = toolContext(t);
  const running = createMessageTool({ act: () => new Promise(() => {}) }).run({ action: "send", message: "x" }, context);
  context.stop();
  assert.match(textOf(await running), /^The call was stopped; what it had begun may still be sent\./);
});
