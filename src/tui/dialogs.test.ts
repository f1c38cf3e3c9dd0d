import assert from "node:assert/strict";
import { test } from "node:test";
import type { PendingApproval } from "../cli/approval-view.ts";
import { filterItems, Picker } from "./picker.ts";
import { toBackground, toPalette, type Palette } from "./palette.ts";
import { RequestDialog } from "./request-dialog.ts";
import { choicesOf, type Choice, type PendingRequest } from "./requests.ts";

const palette = Object.fromEntries(Object.keys(toPalette(false, "dark")).map((name) => [name, (text: string) => text])) as Palette;
const approval = (id: string, command: string): PendingRequest => ({
  kind: "approval",
  id,
  approval: {
    id,
    request: {
      command,
      cwd: "/w",
      host: "gateway",
      warnings: ["It is risky."],
      patterns: [],
      agentId: "main",
      sessionKey: "agent:main:main",
      allowedDecisions: ["allow-once", "deny"],
    },
    createdAtMs: 0,
    expiresAtMs: 60_000,
  } as PendingApproval,
});

function openDialog(
  pending: readonly PendingRequest[],
  rows = 40,
): { dialog: RequestDialog; answers: string[]; clock: { now: number }; screen: () => string } {
  const answers: string[] = [];
  const clock = { now: 10_000 };
  const answer = (request: PendingRequest, choice: Choice): void => void answers.push(`${request.id} ${choice.key}`);
  const dialog = new RequestDialog({
    palette: () => palette,
    rows: () => rows,
    now: () => clock.now,
    pending: () => pending,
    answer,
    close: () => answers.push("closed"),
  });
  return { dialog, answers, clock, screen: () => dialog.render(70).join("\n") };
}

test("a question is shown whole with its keys, and a key that comes with it answers nothing", () => {
  const { dialog, answers, clock, screen } = openDialog([approval("aaaa", "rm -rf\u202e x")]);
  assert.match(screen(), /rm -rf\\u\{202e\} x/);
  assert.match(screen(), /! It is risky\./);
  dialog.handleInput("o");
  assert.deepEqual(answers, []);
  assert.match(screen(), /too soon/);
  clock.now += 600;
  dialog.handleInput("o");
  dialog.handleInput("h");
  assert.deepEqual(answers, ["aaaa o"], "what is not offered has no key");
});

test("a request that does not fit is allowed only after its end was on the screen, and denied at once", () => {
  const command = Array.from({ length: 60 }, (_, at) => `line ${at}`).join("\n");
  const { dialog, answers, clock, screen } = openDialog([approval("aaaa", command)], 24);
  screen();
  clock.now += 600;
  dialog.handleInput("o");
  assert.match(screen(), /read it to the end first/);
  for (let page = 0; page < 10; page++) {
    dialog.handleInput("\u001b[6~");
    screen();
  }
  dialog.handleInput("o");
  assert.deepEqual(answers, ["aaaa o"]);
  const other = openDialog([approval("bbbb", command)], 24);
  other.screen();
  other.clock.now += 600;
  other.dialog.handleInput("d");
  assert.deepEqual(other.answers, ["bbbb d"]);
});

test("Tab leads to the next request, which has to be read before its answer", () => {
  const { dialog, answers, clock, screen } = openDialog([approval("aaaa", "one"), approval("bbbb", "two")]);
  assert.match(screen(), /Question, 1 of 2/);
  clock.now += 600;
  dialog.handleInput("\t");
  assert.match(screen(), /Question, 2 of 2/);
  dialog.handleInput("o");
  assert.deepEqual(answers, []);
  clock.now += 600;
  dialog.handleInput("o");
  dialog.handleInput("\u001b");
  assert.deepEqual(answers, ["bbbb o", "closed"]);
});

const calls = (request: PendingRequest): unknown => choicesOf(request).map(({ key, method, params }) => [key, method, params]);

test("the answers are calls of the protocol", () => {
  assert.deepEqual(calls(approval("aaaa", "x")), [
    ["o", "approval.resolve", { id: "aaaa", kind: "exec", decision: "allow-once" }],
    ["d", "approval.resolve", { id: "aaaa", kind: "exec", decision: "deny" }],
  ]);
  assert.deepEqual(calls({ kind: "device", id: "r1", row: { requestId: "r1" } }), [
    ["a", "device.pair.approve", { requestId: "r1" }],
    ["d", "device.pair.reject", { requestId: "r1" }],
  ]);
  const person = { channel: "irc", accountId: "default", requestId: "CODE" };
  assert.deepEqual(calls({ kind: "person", id: "p", row: person }), [
    ["a", "channels.pairing.approve", { ...person, notify: true }],
    ["d", "channels.pairing.dismiss", person],
  ]);
});

const ITEMS = ["main", "work", "garden plan"].map((label) => ({ value: label, label, detail: `about ${label}` }));

test("a picker filters by words, and picks what is marked", () => {
  assert.deepEqual(
    filterItems(ITEMS, "PLAN gar").map(({ value }) => value),
    ["garden plan"],
  );
  const picked: string[] = [];
  const picker = new Picker({
    title: "T",
    palette: () => palette,
    rows: () => 24,
    items: ITEMS,
    current: "work",
    onPick: ({ value }) => picked.push(value),
    onClose: () => picked.push("closed"),
  });
  assert.match(picker.render(60).join("\n"), /● work/);
  picker.handleInput("\u001b[B");
  picker.handleInput("\r");
  for (const key of "mai") picker.handleInput(key);
  picker.render(60);
  picker.handleInput("\r");
  picker.handleInput("\u001b");
  picker.handleInput("\u001b");
  assert.deepEqual(picked, ["garden plan", "main", "closed"], "the first Escape empties the filter");
});

test("colors follow the background, and there are none without", () => {
  assert.deepEqual(
    [toBackground({ r: 255, g: 255, b: 255 }, undefined), toBackground(undefined, "0;15"), toBackground(undefined, undefined)],
    ["light", "light", "dark"],
  );
  assert.notEqual(toPalette(true, "light").accent("x"), toPalette(true, "dark").accent("x"));
  assert.equal(toPalette(false, "dark").good("x"), "x");
});
