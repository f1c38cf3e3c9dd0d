import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { GatewayError } from "../core/errors.ts";
import { CHAT_FIELDS, checkFields, RESPONSES_FIELDS, type FieldTable } from "./openai-fields.ts";
import { toInput } from "./openai-input.ts";
import { SentText } from "./openai-text.ts";

const problem = (run: () => unknown): string => {
  try {
    run();
  } catch (err) {
    assert.ok(err instanceof GatewayError, String(err));
    assert.equal(err.code, "INVALID_REQUEST");
    return err.message;
  }
  return "";
};

const REFUSED: readonly [string, FieldTable, Record<string, unknown>, RegExp][] = [
  [
    "an earlier response",
    RESPONSES_FIELDS,
    { previous_response_id: "resp_1" },
    /`previous_response_id` is not supported.*x-openclaw-session-key/,
  ],
  ["a conversation", RESPONSES_FIELDS, { conversation: "conv_1" }, /`conversation` is not supported/],
  ["a background run", RESPONSES_FIELDS, { background: true }, /`background` must be false/],
  ["a stored prompt", RESPONSES_FIELDS, { prompt: { id: "p" } }, /`prompt` is not supported/],
  ["another format of text", RESPONSES_FIELDS, { text: { format: { type: "json_schema" } } }, /`text` must have the format/],
  ["two answers", CHAT_FIELDS, { n: 2 }, /`n` must be 1/],
  ["log probabilities", CHAT_FIELDS, { logprobs: true }, /`logprobs` must be false/],
  ["audio", CHAT_FIELDS, { modalities: ["text", "audio"] }, /`modalities` must be/],
  ["JSON as the answer", CHAT_FIELDS, { response_format: { type: "json_object" } }, /`response_format` must be/],
  ["an unknown field", CHAT_FIELDS, { wibble: 1 }, /unsupported field: `wibble`/],
  ["a field of the other route", CHAT_FIELDS, { instructions: "x" }, /unsupported field: `instructions`/],
  ["a property of every object", CHAT_FIELDS, JSON.parse('{"__proto__":1}') as Record<string, unknown>, /unsupported field: `__proto__`/],
  ["a stream that is not a flag", CHAT_FIELDS, { stream: "true" }, /`stream` must be true or false/],
];

for (const [what, table, body, expected] of REFUSED)
  test(`${what} is refused with its name`, () =>
    assert.match(
      problem(() => checkFields(body, table)),
      expected,
    ));

test("what asks for nothing but what happens anyway, and null, is taken", () => {
  const chat = {
    n: 1,
    logprobs: false,
    modalities: ["text"],
    response_format: { type: "text" },
    stream: false,
    wibble: null,
    temperature: 1,
  };
  assert.equal(
    problem(() => checkFields(chat, CHAT_FIELDS)),
    "",
  );
  const response = { text: { format: { type: "text" }, verbosity: "low" }, background: false, previous_response_id: null, store: true };
  assert.equal(
    problem(() => checkFields(response, RESPONSES_FIELDS)),
    "",
  );
});

test("every field that is accepted without an effect is in docs/clients.md, and no field is in two lists", () => {
  const page = readFileSync(new URL("../../docs/clients.md", import.meta.url), "utf8");
  for (const table of [CHAT_FIELDS, RESPONSES_FIELDS]) {
    for (const field of table.ignored) assert.ok(page.includes(`\`${field}\``), field);
    const all = [...table.used, ...table.ignored, ...Object.keys(table.checked)];
    assert.equal(new Set(all).size, all.length);
  }
});

const PNG = "data:image/png;base64,AAAA";
const chat = (...messages: unknown[]) => toInput({ messages }, "messages");

test("pictures of earlier turns reach the agent, and their places are marked", () => {
  const picture = { type: "image_url", image_url: { url: PNG } };
  const earlier = { role: "user", content: [{ type: "text", text: "look" }, picture] };
  const input = chat(earlier, { role: "assistant", content: "seen" }, { role: "user", content: [{ type: "text", text: "and?" }, picture] });
  assert.equal(input.images.length, 2);
  assert.deepEqual(input.messages, [
    { role: "user", text: "look\n[image 1]" },
    { role: "assistant", text: "seen" },
    { role: "user", text: "and?" },
  ]);
});

test("every kind of message and item that clients keep from earlier turns is read", () => {
  const call = { id: "c", type: "function", function: { name: "f", arguments: '{"a":1}' } };
  const { messages } = chat(
    { role: "assistant", content: [{ type: "refusal", refusal: "no" }] },
    { role: "assistant", content: null, refusal: "never" },
    { role: "assistant", content: null, tool_calls: [call] },
    { role: "assistant", content: null, function_call: { name: "g", arguments: "{}" } },
    { role: "function", name: "g", content: "7" },
    { role: "tool", tool_call_id: "c", content: [{ type: "text", text: "8" }] },
    { role: "user", content: "so?" },
    { role: "developer", content: "be brief" },
  );
  assert.deepEqual(
    messages.map(({ role, text }) => `${role}: ${text}`),
    [
      "assistant: no",
      "assistant: never",
      'assistant: [called f({"a":1})]',
      "assistant: [called g({})]",
      "tool: 7",
      "tool: 8",
      "user: so?",
      "system: be brief",
    ],
  );
  const items = [
    { type: "reasoning", summary: [] },
    { type: "function_call", name: "f", arguments: "{}", call_id: "c" },
    { type: "function_call_output", call_id: "c", output: "9" },
    { type: "message", role: "user", content: [{ type: "input_text", text: "so?" }] },
  ];
  assert.deepEqual(
    toInput({ input: items, instructions: null }, "input").messages.map(({ text }) => text),
    ["[called f({})]", "9", "so?"],
  );
});

test("what cannot have its effect is refused: an answer to continue, unknown items and parts, pictures of others", () => {
  const user = { role: "user", content: "x" };
  for (const [run, expected] of [
    [() => chat(user, { role: "assistant", content: "The answer is" }), /cannot be continued from a message of role assistant/],
    [() => chat(user, { role: "tool", content: "7" }), /of role tool/],
    [() => chat({ role: "user", content: [{ type: "input_audio" }] }), /unsupported content part: "input_audio"/],
    [() => chat({ role: "assistant", content: [{ type: "image_url", image_url: { url: PNG } }] }, user), /assistant cannot have images/],
    [() => toInput({ input: [{ type: "item_reference", id: "x" }] }, "input"), /unsupported item: "item_reference"/],
    [() => toInput({ input: "x", instructions: 7 }, "input"), /`instructions` must be a text/],
  ] as const)
    assert.match(problem(run), expected);
});

test("text that was sent is never sent again: a repeated attempt goes on where it agrees", () => {
  const text = new SentText();
  assert.equal(text.add("half of "), "half of ");
  assert.deepEqual([text.replace(""), text.add("half"), text.add(" of it"), text.add(", and")], ["", "", "it", ", and"]);
  assert.equal(text.end("half of it, and the rest"), " the rest");
});

test("a repeated attempt that says something else ends the stream with an error", () => {
  for (const step of [(text: SentText) => text.add("other"), (text: SentText) => text.end("other"), (text: SentText) => text.end("ha")]) {
    const text = new SentText();
    text.add("half");
    text.replace("");
    assert.throws(() => step(text), /was restarted after a part of it had been sent/);
  }
});
