import assert from "node:assert/strict";
import { test } from "node:test";
import { redactUrls } from "./url-secrets.ts";
import { redactText, redactValue, REDACTED, unredact } from "./redact.ts";

const shown = (text: string, key = "baseUrl"): string => redactUrls(text, key, "*").text;

test("a password, a user, query values and fragments of an address are hidden, the rest is shown", () => {
  const rows: [string, string][] = [
    ["http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"],
    ["https://user:pass@host/v1", "https://*@host/v1"],
    ["https://token@host:8443/v1", "https://*@host:8443/v1"],
    ["https://a:b@c@host/v1", "https://*@host/v1"],
    ["http://host/v1?api_key=abc&x=&token", "http://host/v1?api_key=*&x=&*"],
    ["http://host?key=a=b", "http://host?key=*"],
    ["http://host/v1#access_token=abc", "http://host/v1#*"],
    ["http://user:pa/ss@host/v1", "http://*"],
    ["http://user:p?ss@host/v1", "http://*"],
    ["http://[::1]:8080/v1", "http://[::1]:8080/v1"],
    ["wss://u:p@host and https://host/?a=b", "wss://*@host and https://host/?a=*"],
    ["--proxy=socks5h://u:p@host:1080", "--proxy=socks5h://*@host:1080"],
    ["http://host/v1?key=${MODEL_KEY}", "http://host/v1?key=${MODEL_KEY}"],
    ["http://${HOST}:${PORT}/v1", "http://${HOST}:${PORT}/v1"],
    ["https://api.telegram.org/bot123456789:AAF-hZk3Lq9wXc7VbN2mTy8Rs4Pd6Ge1Ju0", "https://api.telegram.org/*"],
    ["https://host/openai/deployments/gpt-4o-mini-2024-07-18/chat", "https://host/openai/deployments/gpt-4o-mini-2024-07-18/chat"],
    ["mailto:someone@host", "mailto:someone@host"],
  ];
  for (const [text, expected] of rows) assert.equal(shown(text), expected, text);
});

test("the path of a URL is hidden if the URL itself is a credential", () => {
  for (const key of ["outboundUrl", "webhookUrl", "webhook_url", "callbackUrl", "notifyUrl", "webhook", "pushEndpoint"])
    assert.equal(shown("https://hooks.example/services/T0/B0/x", key), "https://hooks.example/*", key);
  for (const key of ["baseUrl", "url", "publicOrigin", "host"])
    assert.equal(shown("https://h.example/services/x", key), "https://h.example/services/x", key);
});

const RAW = `{
  // baseUrl: "http://old:canary-1@host/v1?key=canary-2"
  models: { providers: { q: { baseUrl: 'http://h:9/v1?api_key=canary-3', apiKey: "k" }, u: { baseUrl: "http://user:canary-4@h/v1" } } },
  channels: { webhook: { outboundUrl: "https://h/in/canary-5?token=canary-6" }, signal: { httpUrl: "http://s:canary-7@h" } },
  plugins: { entries: { x: { config: { webhookUrl: "https://h.example/services/canary-8", args: ["--proxy=http://u:canary-9@h"] } } } },
}`;

test("no part of a configured address that may be a credential is shown, and sending the text back keeps it", () => {
  const text = redactText(RAW)!;
  assert.doesNotMatch(text, /canary/);
  assert.match(text, /'http:\/\/h:9\/v1\?api_key=__OPENCLAW_REDACTED__'/);
  assert.equal(unredact(text, RAW), RAW);
  const value = redactValue({ models: { providers: { q: { baseUrl: "http://h/v1?k=canary" } } } }) as {
    models: { providers: { q: { baseUrl: string } } };
  };
  assert.equal(value.models.providers.q.baseUrl, `http://h/v1?k=${REDACTED}`);
});

test("an address that a client changed around its placeholder is refused, so that no credential goes to another host", () => {
  const text = redactText(RAW)!.replace("http://h:9/v1", "http://evil.example/v1");
  assert.throws(() => unredact(text, RAW), /there is no secret to keep/);
});

test("texts that are made to be slow are hidden as well", () => {
  // One that is not linear would not come to its end.
  const n = 50_000;
  for (const text of [
    "http://".repeat(n),
    "a".repeat(n * 7),
    `http://${"a:".repeat(n)}`,
    `http://h/?${"a=b&".repeat(n)}`,
    `x://${"/".repeat(n)}`,
  ])
    assert.ok(shown(text).length <= text.length);
});
