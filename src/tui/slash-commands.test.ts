import assert from "node:assert/strict";
import { test } from "node:test";
import { CompletionProvider } from "./completion-provider.ts";
import { completionsOf, toSubmission } from "./slash-commands.ts";

const SOURCES = {
  commands: [
    {
      name: "think",
      description: "Show or set how much the model thinks.",
      textAliases: ["/think", "/t"],
      args: [{ name: "level", choices: [{ value: "off" }, { value: "high" }] }],
    },
    { name: "model", description: "The gateway's own." },
  ],
  models: ["test/echo", "test/other"],
  agents: ["main", "work"],
  sessions: ["agent:main:main", "agent:work:main"],
  paths: (typed: string) => ["dir/", "a file.png"].filter((path) => path.startsWith(typed)),
};
const values = (before: string): readonly string[] | undefined => completionsOf(before, SOURCES)?.items.map(({ value }) => value.trimEnd());

test("what is not a command of this program is sent as it is", () => {
  for (const text of ["hello", "/status", "/unknown x", "/model test/echo", "/help me", "a\nb", "!"])
    assert.deepEqual(toSubmission(`  ${text} `, null), { kind: "send", text });
  assert.deepEqual(toSubmission(" \n ", null), { kind: "empty" });
});

test("only a single line is a command: a paste that begins with a slash is a message", () => {
  assert.deepEqual(toSubmission("/quit", null), { kind: "local", name: "quit", rest: "" });
  assert.deepEqual(toSubmission("/exit", null), { kind: "local", name: "quit", rest: "" });
  assert.deepEqual(toSubmission("/quit\nplease", null), { kind: "send", text: "/quit\nplease" });
});

test("a line with ! is neither run nor sent before the person has said so", () => {
  assert.deepEqual(toSubmission("!ls", null), { kind: "ask-shell", text: "!ls" });
  assert.deepEqual(toSubmission("!ls", "!ls"), { kind: "send", text: "!ls" });
  assert.deepEqual(toSubmission("!rm x", "!ls"), { kind: "ask-shell", text: "!rm x" });
});

test("a message can say what a running turn does with it", () => {
  assert.deepEqual(toSubmission("/steer look there", null), { kind: "send", text: "look there", mode: "steer" });
  assert.deepEqual(toSubmission("/followup", null), { kind: "local", name: "followup", rest: "" });
});

test("commands complete by their names, and by other names only where the name does not fit", () => {
  assert.deepEqual(values("/mo"), ["/model"]);
  assert.deepEqual(values("/ex"), ["/exit"]);
  assert.deepEqual(values("/th"), ["/thoughts", "/think"]);
  assert.equal(values("/zzz"), undefined);
  assert.equal(values("hello /mo"), undefined);
});

test("a command that takes an argument is completed with a space for it", () => {
  assert.deepEqual(completionsOf("/he", SOURCES)?.items[0]?.value, "/help");
  assert.deepEqual(completionsOf("/thi", SOURCES)?.items[0]?.value, "/think ");
});

test("an argument completes from what the gateway offers, until it is complete", () => {
  assert.deepEqual(values("/think "), ["off", "high"]);
  assert.deepEqual(values("/t hi"), ["high"]);
  assert.equal(values("/think high"), undefined);
  assert.deepEqual(values("/model oth"), ["test/other"]);
  assert.deepEqual(values("/agent w"), ["work"]);
  assert.deepEqual(values("/session work"), ["agent:work:main"]);
  assert.deepEqual(values("/copy "), ["answer", "code", "all"]);
  assert.equal(values("/think off now"), undefined);
});

test("/attach completes paths, with spaces in them, until one is complete", () => {
  assert.deepEqual(values("/att"), ["/attach"]);
  assert.deepEqual(values("/attach "), ["dir/", "a file.png"]);
  assert.deepEqual(values("/attach a f"), ["a file.png"]);
  assert.equal(values("/attach a file.png"), undefined);
  assert.deepEqual(toSubmission("/attach a file.png", null), { kind: "local", name: "attach", rest: "a file.png" });
  assert.deepEqual(toSubmission("/detach", null), { kind: "local", name: "detach", rest: "" });
});

test("who types faster than the list of completions gets what was typed, not the item on top of it", () => {
  const provider = new CompletionProvider(() => SOURCES);
  const take = (typed: string, value: string, prefix: string): string =>
    provider.applyCompletion([typed], 0, typed.length, { value, label: value }, prefix).lines[0]!;
  assert.equal(take("/he", "/help", "/he"), "/help");
  assert.equal(take("/help", "/help", "/he"), "/help", "the list was made for /he");
  assert.equal(take("/hello", "/help", "/he"), "/hello");
  assert.equal(take("/help me", "/help", "/he"), "/help me");
});
