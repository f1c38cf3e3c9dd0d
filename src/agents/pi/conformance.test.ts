// Both kinds of host do the same: what the caller sees and what the model is asked is equal, turn by turn.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { ConformanceHost, PNG } from "../../../test/fakes/conformance-host.ts";
import { startModelServer, type ModelReply, type ModelServer, type RecordedRequest, type ReplyStep } from "../../../test/model-server.ts";
import { asId } from "../../core/ids.ts";
import type { ModelRef, Turn } from "../runtime.ts";

const root = mkdtempSync(join(tmpdir(), "pi-conformance-"));
let server: ModelServer;
let hosts: ConformanceHost[] = [];

before(async () => {
  server = await startModelServer();
  hosts = (["shared", "process"] as const).map((kind) => new ConformanceHost(kind, root, server));
});
afterEach(() => server.clear());
after(async () => {
  await Promise.all(hosts.map(({ runtime }) => runtime.stop()));
  await server.close();
  rmSync(root, { recursive: true, force: true });
});

type Scenario = (host: ConformanceHost, session: string) => Promise<unknown>;
let scenarios = 0;

/** Plays the scenario on both hosts at once and compares their records. */
function same(title: string, scenario: Scenario): void {
  const session = `c-${++scenarios}`;
  test(`Both hosts agree: ${title}`, { timeout: 120_000 }, async () => {
    server.setBehaviour((request) => hosts.find((host) => host.owns(request))?.answer(request));
    await Promise.all(hosts.map((host) => scenario(host, session)));
    const [shared, stock] = hosts.map((host) => host.take());
    assert.deepEqual(shared, stock);
  });
}

/** One turn with these replies, and another one that shows what has remained of it. */
const one =
  (text: string, replies: readonly ModelReply[] = [], more: Parameters<ConformanceHost["turnOf"]>[2] = {}): Scenario =>
  async (host, session) => {
    host.replies(...replies);
    const { end } = await host.play(host.turnOf(text, session, more));
    host.replies();
    await host.play(host.turnOf("and then", session, { checkpoint: end.checkpoint }));
  };

const steps = (...list: ReplyStep[]): ModelReply => ({ steps: list });
const delta = (content: unknown): ReplyStep => ({ delta: { content } });
const call = (tool: string, text: unknown): ReplyStep => ({ tool, args: { text } });
const ref = (provider: string, id = "test-model"): ModelRef => ({ provider, id });

same("a plain answer", one("hello there"));
same("a long answer", one("long:3000"));
same("an answer with thinking", one("think: of something"));
same(
  "several blocks of text",
  one("hi", [steps({ text: "first" }, { thinking: "hm" }, { text: "second" }, { thinking: "so" }, { text: "third" })]),
);
same("an image in", one("look", [], { images: [{ mimeType: "image/png", data: PNG }] }));
for (const text of ["/help me", "/compact", "/llama status", "!ls", "@file.txt", "  spaces  "]) same(`the text ${text}`, one(text));
same(
  "Unicode, control characters and half characters",
  one("\u0000 \u202e \ud83d\ude00 \ud83d", [steps(delta("\ud83d"), delta("\ude00 \ud83d"))]),
);
same("the setup guide", one("status", [], { models: [ref("guide", "setup-guide")] }));

same("one tool call with updates", one("go", [steps(call("read", "x"))], { tools: ["read"] }));
same(
  "three tool calls in one message",
  one("go", [steps({ text: "Now:" }, call("read", "a"), call("edit", "b"), call("write", "c"))], { tools: ["read", "edit", "write"] }),
);
same("a tool that fails", one("go", [steps(call("write", "x"))], { tools: ["write"] }));
same("a tool that returns an image", one("go", [steps(call("edit", "x"))], { tools: ["edit"] }));
same(
  "a tool that the caller refuses",
  one("go", [steps(call("read", "x"))], { tools: ["read"], beforeTool: () => Promise.resolve({ allow: false, reason: "not today" }) }),
);
same(
  "a tool whose check fails",
  one("go", [steps(call("read", "x"))], { tools: ["read"], beforeTool: () => Promise.reject(new Error("disk full")) }),
);
same("a tool that does not exist", one("go", [steps(call("nothing", "x"))], { tools: ["read"] }));
same("a tool that was not granted", one("go", [steps(call("exec", "x"))], { tools: ["read"] }));
same("arguments of another type", one("go", [steps({ tool: "read", args: { words: 1 } })], { tools: ["read"] }));
same("a call whose arguments end in the middle, of which nothing is asked and nothing runs", async (host, session) => {
  const asked: unknown[] = [];
  const cut = { index: 0, id: "c", type: "function", function: { name: "read", arguments: '{"text": "a' } };
  const beforeTool: Turn["beforeTool"] = (given) => {
    asked.push(given);
    return Promise.resolve({ allow: false, reason: "not today" });
  };
  const reply = { ...steps({ delta: { tool_calls: [cut] } }), finish: "tool_calls" };
  await one("go", [reply], { tools: ["read"], beforeTool })(host, session);
  assert.deepEqual(asked, []);
});
for (const args of [{ text: "a" }, {}, ["a"]])
  same(`a call whose arguments are not a text but ${JSON.stringify(args)}`, async (host, session) => {
    const asked: unknown[] = [];
    const whole = { index: 0, id: "c", type: "function", function: { name: "read", arguments: args } };
    const beforeTool: Turn["beforeTool"] = (given) => {
      asked.push(given.args);
      return Promise.resolve({ allow: false, reason: "not today" });
    };
    const reply = { ...steps({ delta: { tool_calls: [whole] } }), finish: "tool_calls" };
    await one("go", [reply], { tools: ["read"], beforeTool })(host, session);
    // What does not match the schema is refused before anything is asked.
    assert.deepEqual(asked, "text" in args ? [args] : []);
  });
same("tools of one turn and not of the next", async (host, session) => {
  const first = await host.play(host.turnOf("with", session, { tools: ["read", "write"] }));
  const second = await host.play(host.turnOf("without", session, { checkpoint: first.end.checkpoint }));
  await host.play(host.turnOf("others", session, { checkpoint: second.end.checkpoint, tools: ["edit"] }));
});

same("a message that is steered into a stream", async (host, session) => {
  const turn = host.turnOf("slow:120 one two three four five six", session);
  let entered: Promise<boolean> | undefined;
  const message = { runId: asId<typeof turn.runId>("steered"), text: "/and this", images: [{ mimeType: "image/png", data: PNG }] };
  const { end } = await host.play(turn, {
    on: ({ type }) => type === "text" && (entered ??= host.runtime.steer(turn.sessionKey, message)),
  });
  host.note(await entered);
  await host.play(host.turnOf("after", session, { checkpoint: end.checkpoint }));
});
same("a message that is steered during a tool", async (host, session) => {
  host.replies(steps(call("exec", "x")));
  const turn = host.turnOf("go", session, { tools: ["exec"] });
  let entered: Promise<boolean> | undefined;
  const onEvent = (type: string): void => {
    if (type !== "tool" || entered) return;
    entered = host.runtime.steer(turn.sessionKey, { runId: asId("steered"), text: "and this", images: [] });
    setTimeout(() => host.releaseTools(), 300);
  };
  await host.play(turn, { on: ({ type }) => onEvent(type) });
  host.note(await entered);
});
same("a steered message that the abort of its turn hands back", async (host, session) => {
  const abort = new AbortController();
  const turn = host.turnOf("hang", session);
  let entered: Promise<boolean> | undefined;
  const onEvent = (type: string): void => {
    if (type !== "text" || entered) return;
    entered = host.runtime.steer(turn.sessionKey, { runId: asId("steered"), text: "lost?", images: [] });
    setTimeout(() => abort.abort(), 200);
  };
  const { end } = await host.play(turn, { signal: abort.signal, on: ({ type }) => onEvent(type) });
  host.note(await entered);
  await host.play(host.turnOf("after", session, { checkpoint: end.checkpoint }));
});
for (const [where, type, text] of [
  ["a text", "text", "hang"],
  ["a tool", "tool", "tool:bash:x"],
] as const)
  same(`an abort in ${where}`, async (host, session) => {
    if (type === "tool") host.replies(steps({ text: "Wait." }, call("exec", "x")));
    const abort = new AbortController();
    const turn = host.turnOf(text, session, { tools: ["exec"] });
    const { end } = await host.play(turn, { signal: abort.signal, on: (event) => event.type === type && abort.abort() });
    host.replies();
    await host.play(host.turnOf("after", session, { checkpoint: end.checkpoint }));
  });
same("an abort while the model has not answered", async (host, session) => {
  const abort = new AbortController();
  const { end } = await host.play(host.turnOf("stall", session), {
    signal: abort.signal,
    on: ({ type }) => type === "started" && abort.abort(),
  });
  await host.play(host.turnOf("after", session, { checkpoint: end.checkpoint }));
});

for (const status of [400, 401, 402, 403, 404, 413, 422]) same(`the error ${status} of a provider`, one(`error:${status}`));
for (const status of [429, 500, 503, 529])
  same(`a retry after the error ${status}`, one("again", [{ status, message: `scripted ${status}` }]));
same("a retry after a stream that was cut", one("again", [steps({ text: "half " }, { do: "cut" })]));
same("a wait that the provider asks for", one("wait", [{ status: 429, message: "slow down", headers: { "retry-after-ms": "30" } }]));
same("a wait that is too long", one("wait", [{ status: 429, message: "in an hour", headers: { "retry-after": "3600" } }]));
same("an error page", one("hi", [{ status: 403, body: "<!DOCTYPE html><title>Attention</title>", type: "text/html" }]));
same("a rejected key that the provider repeats", async (host, session) => {
  host.replies({ status: 401, message: `Incorrect API key provided: key-of-${host.kind}` });
  await host.play(host.turnOf("hi", session));
});
for (const status of [401, 429]) {
  const models = [ref("test"), ref("small", "small-model")];
  same(`a fallback after the error ${status}`, one("hello", [{ status, message: "no" }], { models }));
}
same("a model that Pi does not know", one("hello", [], { models: [ref("test", "no-such-model"), ref("test", "other-model")] }));
same("only a model that Pi does not know", one("hello", [], { models: [ref("nowhere")] }));
same("a model that stays silent", one("hello", [{ stall: true }], { models: [ref("brief"), ref("test")] }));
same("an overflow without anything to shorten", one("overflow:"));
same("an empty answer", one("empty:"));
same("a refusal", one("refuse:"));
same("lists of parts as deltas", one("hi", [steps(delta([{ type: "text", text: "all " }]), delta([{ type: "text", text: "of it" }]))]));
same("an object as a delta", one("hi", [steps(delta({ a: 1 }), { text: "ok" })]));
same("odd usage", one("hi", [{ ...steps({ text: "ok" }), usage: { prompt_tokens: 12.5, completion_tokens: -2, total_tokens: "7" } }]));
same("an unknown finish reason", one("hi", [{ ...steps({ text: "ok" }), finish: "eos" }]));
same("an empty finish reason", async (host, session) => {
  host.replies({ ...steps({ text: "all of it" }), finish: "" });
  const { end } = await host.play(host.turnOf("hi", session));
  assert.equal(end.reason, "stop");
});
same("an empty finish reason after a call", async (host, session) => {
  host.replies({ ...steps(call("read", "x")), finish: "" });
  const { end } = await host.play(host.turnOf("go", session, { tools: ["read"] }));
  assert.equal(end.reason, "stop");
});
same("an answer that ends at its length", one("hi", [{ ...steps({ text: "half of" }), finish: "length" }]));

const words = (chars: number): string => "word ".repeat(chars / 5);
const small = { models: [ref("small", "small-model")] };
/** Short answers that fill the context as much as the long messages do. */
const short = (request: RecordedRequest): ModelReply => {
  const chars = JSON.stringify(request.messages).length;
  const used = Math.ceil(chars / 4);
  return { ...steps({ text: "ok" }), usage: { prompt_tokens: used, completion_tokens: 1, total_tokens: used + 1 } };
};
same("an automatic compaction", async (host, session) => {
  let checkpoint: string | null = null;
  host.script(short);
  for (const text of [words(60_000), words(60_000), "and now", "and then"])
    ({ checkpoint } = (await host.play(host.turnOf(text, session, { ...small, checkpoint }))).end);
});
test(
  "A shared host leaves less of the window free while notes must be written before a conversation is shortened",
  { timeout: 120_000 },
  async () => {
    const host = hosts[0]!;
    server.setBehaviour((request) => (host.owns(request) ? host.answer(request) : undefined));
    host.script(short);
    const compactions = async (session: string, defersCompaction: boolean): Promise<unknown[]> => {
      let checkpoint: string | null = null;
      const seen: unknown[] = [];
      for (const text of [words(40_000), words(40_000), words(26_000)]) {
        const { events, end } = await host.play(host.turnOf(text, session, { ...small, checkpoint, defersCompaction }));
        checkpoint = end.checkpoint;
        seen.push(...events.flatMap((event) => (event.type === "compaction" && event.phase === "end" ? [event.isDone] : [])));
      }
      return seen;
    };
    assert.deepEqual(await compactions("deferred", true), []);
    assert.deepEqual(await compactions("at-once", false), [true]);
    host.take();
  },
);
same("a compaction after an overflow", async (host, session) => {
  let checkpoint: string | null = null;
  host.script(short);
  for (const text of [words(40_000), words(30_000)])
    ({ checkpoint } = (await host.play(host.turnOf(text, session, { ...small, checkpoint }))).end);
  let overflows = 1;
  host.script((request) =>
    overflows-- > 0 ? { status: 400, message: "This model's maximum context length is 8192 tokens." } : short(request),
  );
  await host.play(host.turnOf("too much", session, { ...small, checkpoint }));
});
same("a compaction on request, and one of nothing", async (host, session) => {
  host.script(short);
  let { checkpoint } = (await host.play(host.turnOf("short", session, small))).end;
  checkpoint = await host.compact(host.turnOf("", session, { ...small, checkpoint }));
  for (const text of [words(40_000), words(40_000)])
    ({ checkpoint } = (await host.play(host.turnOf(text, session, { ...small, checkpoint }))).end);
  checkpoint = await host.compact(host.turnOf("", session, { ...small, checkpoint }));
  await host.play(host.turnOf("after", session, { ...small, checkpoint }));
});
same("a change of the thinking level", async (host, session) => {
  let checkpoint: string | null = null;
  for (const thinking of ["off", "low", "high", "medium", "off"] as const)
    ({ checkpoint } = (
      await host.play(host.turnOf(`think: ${thinking}`, session, { models: [ref("deep", "deep-model")], thinking, checkpoint }))
    ).end);
  await host.play(host.turnOf("without", session, { thinking: "high", checkpoint }));
});
same("a change of the model", async (host, session) => {
  let checkpoint: string | null = null;
  for (const model of [ref("test"), ref("small", "small-model"), ref("deep", "deep-model"), ref("guide", "setup-guide"), ref("test")])
    ({ checkpoint } = (await host.play(host.turnOf("hello", session, { models: [model], checkpoint }))).end);
});
same("a context that has run ahead", async (host, session) => {
  const { end } = await host.play(host.turnOf("one", session));
  await host.play(host.turnOf("two", session, { checkpoint: end.checkpoint }));
  await host.play(host.turnOf("three", session, { checkpoint: end.checkpoint }));
});
same("a context that is lost", async (host, session) => {
  const { end } = await host.play(host.turnOf("one", session));
  host.removeSessionFile(session);
  const history = [
    { role: "user" as const, text: "older", at: 1 },
    { role: "assistant" as const, text: "answer", at: 2 },
  ];
  await host.play(host.turnOf("next", session, { checkpoint: end.checkpoint, history: () => history }));
});
same("another workspace", async (host, session) => {
  const { end } = await host.play(host.turnOf("one", session));
  await host.play(host.turnOf("two", session, { checkpoint: end.checkpoint, workspace: join(root, "elsewhere") }));
});
