import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { TerminalError } from "./channel.ts";
import { isPluginChannelId } from "./registry.ts";
import { defineChannel, secretText } from "./sdk.ts";
import { Secret } from "../core/secret.ts";
import { validatePlugin, loadChannelPlugin } from "./plugin-loader.ts";

const stateDir = mkdtempSync(join(tmpdir(), "outside-"));
mkdirSync(join(stateDir, "channels"));
after(() => rmSync(stateDir, { recursive: true, force: true }));

const toy = () =>
  defineChannel({
    id: "toy",
    label: "Toy",
    capabilities: { chatKinds: ["direct"], maxText: { unit: "utf16", value: 100 } },
    parse: () => ({ account: {} }),
    identity: () => "one",
    parseChat: () => null,
    verify: async () => ({ name: "toy" }),
    run: async () => {},
  });

test("a defined channel has every ability named, and no fault", () => {
  assert.deepEqual(validatePlugin(toy(), "toy"), []);
  assert.equal(toy().capabilities.idempotency, "none");
});

const WRONG: readonly { name: string; value: unknown; fault: RegExp }[] = [
  { name: "nothing", value: undefined, fault: /default export is not an object/ },
  { name: "a function", value: () => {}, fault: /default export is not an object/ },
  { name: "another id", value: { ...toy(), id: "other" }, fault: /its id is "other"/ },
  { name: "no id", value: {}, fault: /its id is missing/ },
  { name: "no run", value: { ...toy(), run: undefined }, fault: /^run must be a function$/ },
  { name: "a wrong optional member", value: { ...toy(), handleWebhook: 1 }, fault: /^handleWebhook must be a function$/ },
  { name: "no abilities", value: { ...toy(), capabilities: null }, fault: /capabilities is missing/ },
  {
    name: "an unknown word",
    value: { ...toy(), capabilities: { ...toy().capabilities, ack: "maybe" } },
    fault: /capabilities\.ack must be one of/,
  },
  { name: "no limit", value: { ...toy(), capabilities: { ...toy().capabilities, maxText: {} } }, fault: /maxText\.unit.*maxText\.value/ },
  { name: "no chats", value: { ...toy(), capabilities: { ...toy().capabilities, chatKinds: [] } }, fault: /chatKinds must be/ },
];
for (const { name, value, fault } of WRONG) {
  test(`not a channel: ${name}`, () => assert.match(validatePlugin(value, "toy").join("; "), fault));
}

test("ids that may be taken", () => {
  for (const id of ["toy", "a", "x-1"]) assert.ok(isPluginChannelId(id), id);
  for (const id of ["irc", "telegram", "webchat", "defaults", "Toy", "1x", "../x", "a/b", "", "a".repeat(33), "constructor", "__proto__"])
    assert.ok(!isPluginChannelId(id), id);
});

async function refused(id: string, pkg?: unknown): Promise<TerminalError> {
  try {
    await loadChannelPlugin(id, { stateDir, ...(pkg !== undefined && { package: pkg }) });
  } catch (err) {
    assert.ok(err instanceof TerminalError);
    return err;
  }
  return assert.fail("it was loaded");
}

test("a file that throws, one that everybody can write, and names that are no packages are refused with a fix", async () => {
  const file = join(stateDir, "channels", "toy.mjs");
  writeFileSync(file, 'throw new Error("not today");');
  assert.match((await refused("toy")).message, /toy\.mjs could not be loaded: not today/);
  chmodSync(file, 0o666);
  assert.match((await refused("toy")).fix, /chmod o-w/);
  for (const name of [1, "", "../x", "/etc", "a/../b", "@x", "file:x"]) assert.match((await refused("toy", name)).message, /not the name/);
});

test("a credential is its text, hidden or not", () => {
  assert.deepEqual([secretText(new Secret("a")), secretText("b"), secretText(undefined), secretText(3)], ["a", "b", "", ""]);
});
