import assert from "node:assert/strict";
import { test } from "node:test";
import JSON5 from "json5";
import { GatewayError } from "../core/errors.ts";
import { mergePatch, setAt, unsetAt } from "./edit.ts";
import { checkConfigValue } from "./load.ts";
import { REDACTED, redactText, redactValue, unredact } from "./redact.ts";

const CANARY = "canary-77aa01";

const RAW = `// token: ${CANARY}-0
{
  gateway: {
    auth: { mode: 'token', token: '${CANARY}-1', /* "password": "${CANARY}-2" */ password: "\${PW}" },
    remote: { url: "wss://user:${CANARY}-3@host", token: { source: "env", provider: "default", id: "REMOTE" }, password: 12345678 },
  },
  models: { providers: { p: { apiKey: "${CANARY}-4", headers: { "X-Any": "${CANARY}-5" }, models: [{ id: "m", name: "M", maxTokens: 100 }] } } },
  channels: {
    irc: { nick: "n", password: "${CANARY}-6", passwordFile: "/run/pw", nickserv: { password: "${CANARY}-7" }, accounts: { a: { sasl: { password: "${CANARY}-8" } } } },
    telegram: { botToken: "${CANARY}-9", accounts: { b: { botToken: "${CANARY}-10" } }, webhookSecret: "${CANARY}-11" },
  },
  hooks: { token: "${CANARY}-12", path: "/hooks" }, // was ${CANARY}-12 before
  env: { vars: { OPENAI_API_KEY: "${CANARY}-13", PLAIN: "${CANARY}-14" } },
  plugins: { entries: { x: { config: { apiKey: "${CANARY}-15", list: [{ secret: "${CANARY}-16" }] } } } },
}
`;

test("no secret is left in the text, in values, in comments or in parts that are not served", () => {
  const text = redactText(RAW)!;
  assert.ok(!text.includes(CANARY), text);
  assert.ok(!text.includes("12345678"));
  for (const kept of ["mode: 'token'", '"${PW}"', '"REMOTE"', '"/run/pw"', "maxTokens: 100", '"/hooks"', "// was"])
    assert.ok(text.includes(kept), kept);
  assert.ok(!JSON.stringify(redactValue(JSON5.parse(RAW))).includes(CANARY));
});

test("the text that a client sends back unchanged becomes the stored text, byte for byte", () => {
  assert.equal(unredact(redactText(RAW)!, RAW), RAW);
});

test("redacting twice is the same as redacting once", () => {
  assert.equal(redactText(redactText(RAW)!), redactText(RAW));
});

test("edits of a client keep every secret that it did not touch", () => {
  let text = redactText(RAW)!;
  text = setAt(text, "gateway.auth.token", "new-token");
  text = unsetAt(text, "channels.telegram");
  text = setAt(text, "gateway.port", 19_000);
  const back = JSON5.parse(unredact(text, RAW));
  const original = JSON5.parse(RAW);
  delete original.channels.telegram;
  original.gateway.port = 19_000;
  original.gateway.auth.token = "new-token";
  assert.deepStrictEqual(back, original);
});

test("a patch that carries placeholders keeps the secrets", () => {
  const patch = { models: { providers: { p: { apiKey: REDACTED, baseUrl: "http://h/v1" } } } };
  const back = JSON5.parse(unredact(mergePatch(RAW, patch), RAW));
  assert.equal(back.models.providers.p.apiKey, `${CANARY}-4`);
  assert.equal(back.models.providers.p.baseUrl, "http://h/v1");
});

test("items with an id are found by it, wherever they have moved", () => {
  const current = `{ models: { providers: { p: { models: [{ id: "a", headers: { K: "secret-a" } }, { id: "b", headers: { K: "secret-b" } }] } } } }`;
  const moved = `{ models: { providers: { p: { models: [{ id: "b", headers: { K: "${REDACTED}" } }, { id: "a", headers: { K: "${REDACTED}" } }] } } } }`;
  const models = JSON5.parse(unredact(moved, current)).models.providers.p.models;
  assert.deepEqual(
    models.map((model: { headers: { K: string } }) => model.headers.K),
    ["secret-b", "secret-a"],
  );
});

test("a placeholder without a stored secret is refused, so that it never becomes the secret", () => {
  const cases: [string, string | null][] = [
    [`{ gateway: { auth: { token: "${REDACTED}" } } }`, "{}"],
    [`{ gateway: { auth: { token: "${REDACTED}" } } }`, null],
    [`{ gateway: { auth: { password: "${REDACTED}" } } }`, '{ gateway: { auth: { token: "x" } } }'],
    [`{ gateway: { auth: { token: "Bearer ${REDACTED}" } } }`, '{ gateway: { auth: { token: "x" } } }'],
    [
      `{ models: { providers: { p: { models: [{ id: "c", headers: { K: "${REDACTED}" } }] } } } }`,
      '{ models: { providers: { p: { models: [{ id: "a", headers: { K: "s" } }] } } } }',
    ],
  ];
  for (const [next, current] of cases) {
    assert.throws(
      () => unredact(next, current),
      (err) => err instanceof GatewayError && err.code === "INVALID_REQUEST" && /no secret to keep/.test(err.message),
      next,
    );
  }
});

test("texts that are made to be slow are hidden in linear time", () => {
  const size = 60_000;
  for (const comment of ["a".repeat(size), "token".repeat(size / 5), "token ".repeat(size / 6), "=".repeat(size), '"'.repeat(size)]) {
    assert.ok(redactText(`// ${comment}\n{}`) !== null);
  }
  for (const value of ["wss://" + "a:".repeat(size / 2), "a/".repeat(size / 2) + "\n", "x".repeat(size)]) {
    assert.ok(redactText(JSON.stringify({ gateway: { remote: { url: value } }, agents: { defaults: { model: value } } })) !== null);
    assert.match(checkConfigValue({ agents: { defaults: { model: value } } }).issues[0]!.message, /longer than/);
  }
  const headers = Object.fromEntries(Array.from({ length: 4_000 }, (_, index) => [`h${index}`, `secret-${index}`]));
  const raw = `// about secret-7\n${JSON.stringify({ models: { providers: { p: { headers } } } })}`;
  const text = redactText(raw)!;
  assert.ok(!text.includes("secret-"));
  assert.equal(unredact(text, raw), raw);
});

test("a text that cannot be read is not shown at all", () => {
  assert.equal(redactText('{ gateway: { auth: { token: "x" '), null);
});

test("a configuration in use becomes plain JSON with placeholders", () => {
  const { config } = checkConfigValue(JSON5.parse(RAW.replace("${PW}", "pw-pw-pw")));
  const text = JSON.stringify(redactValue(config));
  assert.ok(!text.includes(CANARY));
  assert.ok(!text.includes("[secret]"));
  assert.equal(JSON.parse(text).gateway.auth.token, REDACTED);
});
