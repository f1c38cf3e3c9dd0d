// The page connects to the host that served it. Nothing in its address may name another one: it would get the credential.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const web = join(import.meta.dirname, "../../web/src");
const sources = globSync("**/*.{ts,tsx}", { cwd: web })
  .filter((file) => !file.includes(".test."))
  .map((file) => ({ file, text: readFileSync(join(web, file), "utf8") }));

test("the page's client is made once, with the host of the page", () => {
  const makers = sources.filter(({ text }) => text.includes("new GatewayClient("));
  assert.deepEqual(
    makers.map(({ file }) => file),
    ["boot.ts"],
  );
  const { text } = makers[0]!;
  const urls = [...text.matchAll(/\b(?:const|let) url = (.*);/g)].map((match) => match[1]);
  assert.deepEqual(urls, ['`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${basePath()}`']);
  assert.match(text, /new GatewayClient\(\{\s*url,/);
});

test("the page's sockets go to the address that the client was made with", () => {
  const opened = sources.flatMap(({ file, text }) => [...text.matchAll(/new WebSocket\(([^)]*)\)/g)].map((match) => `${file} ${match[1]}`));
  assert.deepEqual(opened, ["client.ts url"]);
  const { text } = sources.find(({ file }) => file === "client.ts")!;
  const calls = [...text.matchAll(/(?<!function )openBrowserSocket\(([^)]*)\)/g)].map((match) => match[1]);
  assert.deepEqual(calls, ["url, events"]);
  assert.match(text, /const \{[^}]*\burl\b[^}]*\} = this\.#options;/, "the only address is that of the options");
  assert.equal(text.match(/\burl =/g), null, "it is never set to another one");
});

/** Takes the answer to a sign-in at an MCP server out of the address; the gateway checks that it has begun this sign-in. */
const SIGN_IN = "mcp-sign-in.ts";

test("the page reads no query of its address but the answer to a sign-in, and of the fragment only a session, a view and a one-time code", () => {
  for (const { file, text } of sources) {
    if (file === SIGN_IN) {
      assert.deepEqual(text.match(/\bparams\.\w+\("\w+"\)/g), ['params.has("state")', 'params.has("code")', 'params.has("error")']);
      continue;
    }
    assert.doesNotMatch(text, /URLSearchParams|searchParams|gatewayUrl|document\.referrer|window\.name/, file);
    for (const [use] of text.matchAll(/.*location\.search.*/g))
      assert.match(use, /replaceState\(null, "", location\.pathname \+ location\.search\)/, file);
    assert.doesNotMatch(
      text,
      /(?<![\w.])addEventListener\("message"|window\.addEventListener\("message"/,
      `${file} takes messages of other pages`,
    );
  }
});
