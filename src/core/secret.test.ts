import assert from "node:assert/strict";
import { test } from "node:test";
import { format, inspect } from "node:util";
import { serialize } from "node:v8";
import { MessageChannel } from "node:worker_threads";
import { Secret } from "./secret.ts";

const TEXT = "s3cret-text-that-must-not-appear";
const secret = new Secret(TEXT);

test("reveal gives the text, and nothing else does", () => {
  assert.equal(secret.reveal(), TEXT);
  assert.deepEqual(Object.keys(secret), []);
  assert.deepEqual(Reflect.ownKeys(secret), []);
  assert.deepEqual({ ...secret }, {});
  assert.deepEqual([secret.isEmpty, new Secret("").isEmpty], [false, true]);
});

const ways: [string, () => unknown][] = [
  ["toString", () => secret.toString()],
  ["String()", () => String(secret)],
  ["a template", () => `${secret}`],
  ["concatenation", () => "token: " + secret],
  ["a property key", () => Object.keys({ [secret as unknown as string]: 1 })[0]],
  ["join", () => [secret, secret].join()],
  ["JSON.stringify", () => JSON.stringify({ token: secret, list: [secret] })],
  ["toJSON", () => secret.toJSON()],
  ["inspect", () => inspect({ a: { b: [secret] } }, { depth: null, showHidden: true, getters: true })],
  ["inspect without custom forms", () => inspect(secret, { customInspect: false, showHidden: true, depth: null })],
  ["format", () => format("%s %j %o %O %d", secret, secret, secret, secret, secret)],
  ["an error's message", () => new Error(`refused ${secret}`).stack],
  ["an error's cause", () => inspect(new Error("refused", { cause: secret }))],
  ["a Map and a Set", () => inspect([new Map([[secret, secret]]), new Set([secret])], { depth: null })],
  ["encodeURIComponent", () => encodeURIComponent(secret as unknown as string)],
  ["URLSearchParams", () => new URLSearchParams({ token: secret as unknown as string }).toString()],
  ["Buffer.from", () => Buffer.from(String(secret)).toString()],
  ["structuredClone", () => JSON.stringify(structuredClone({ secret })) + inspect(structuredClone({ secret }), { showHidden: true })],
  ["serialize", () => serialize({ secret }).toString("latin1")],
];
for (const [title, way] of ways)
  test(`${title} does not give the text`, () => {
    assert.ok(!String(way()).includes(TEXT));
  });

test("postMessage does not carry the text to another thread", async () => {
  const { port1, port2 } = new MessageChannel();
  const got = new Promise<unknown>((resolve) => port2.once("message", resolve));
  port1.postMessage({ secret });
  const there = (await got) as { secret: object };
  assert.ok(!inspect(there, { showHidden: true, depth: null }).includes(TEXT));
  assert.equal("reveal" in there.secret, false);
  port1.close();
});

test("console.log does not print the text", (t) => {
  const written: string[] = [];
  t.mock.method(process.stdout, "write", (chunk: string | Uint8Array) => written.push(String(chunk)) > 0);
  console.log("token", secret, { secret }, [secret], `${secret}`);
  console.dir(secret, { showHidden: true, depth: null });
  t.mock.restoreAll();
  assert.ok(!written.join("").includes(TEXT));
});
