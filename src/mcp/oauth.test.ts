// Group: wire
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { mcpBench, mcpServer, type McpBench } from "../../test/fakes/mcp-bench.ts";
import { startMcpOAuthServer, type McpOAuthServer } from "../../test/fakes/mcp-oauth-server.ts";
import { textOf } from "../../test/fakes/tool-context.ts";

const REDIRECT = "http://127.0.0.1:5/callback";

async function open(t: TestContext): Promise<{ server: McpOAuthServer; bench: McpBench; signIn: () => Promise<void> }> {
  const server = await startMcpOAuthServer(t);
  const url = `${server.resource.origin}/mcp`;
  const bench = mcpBench(t, { docs: mcpServer({ url, auth: "oauth", header: { Authorization: "never sent" } }) });
  const signIn = async (): Promise<void> => {
    await bench.servers.finishLogin("docs", await server.agree(await bench.servers.startLogin("docs", REDIRECT)));
  };
  return { server, bench, signIn };
}
const greet = async (bench: McpBench): Promise<string> => textOf(await bench.call("docs__greet"));

test("a server that wants a sign-in is used after one, also after a restart, and until a logout", async (t) => {
  const { bench, signIn } = await open(t);
  assert.equal((await bench.servers.probe("docs")).cause, "it wants you to sign in: openclaw mcp login docs");
  assert.equal(await bench.servers.isSignedIn("docs"), false);
  await signIn();
  assert.equal(await bench.servers.isSignedIn("docs"), true);
  assert.match(await greet(bench), /> hello$/);
  const again = bench.restart();
  assert.match(await greet(again), /> hello$/);
  await again.servers.logout("docs");
  assert.equal(await again.servers.isSignedIn("docs"), false);
  assert.match(await greet(again), /it wants you to sign in/);
});

test("an expired token is refreshed, by one request however many calls need it", async (t) => {
  const { server, bench, signIn } = await open(t);
  await signIn();
  assert.match(await greet(bench), /> hello$/);
  const tokens = (): number => server.requests.filter((path) => path === "/token").length;
  assert.equal(tokens(), 1);
  server.expire();
  const session = (name: string) => ({ ...bench.context, caller: { ...bench.context.caller, sessionKey: name as never } });
  const answers = await Promise.all(["a", "b", "c", "d"].map((name) => bench.call("docs__greet", {}, session(name))));
  for (const answer of answers) assert.match(textOf(answer), /> hello$/);
  assert.equal(tokens(), 2);
});

test("a token that is about to expire is refreshed before it is used", async (t) => {
  const { server, bench, signIn } = await open(t);
  server.lifetime(10);
  await signIn();
  server.lifetime(3_600);
  assert.match(await greet(bench), /> hello$/);
  assert.equal(server.requests.filter((path) => path === "/token").length, 2);
});

test("a revoked sign-in asks for another one, and the server is usable after it", async (t) => {
  const { server, bench, signIn } = await open(t);
  await signIn();
  assert.match(await greet(bench), /> hello$/);
  server.revoke();
  assert.match(await greet(bench), /it wants you to sign in: openclaw mcp login docs/);
  assert.equal(await bench.servers.isSignedIn("docs"), false);
  await signIn();
  assert.match(await greet(bench), /> hello$/);
});

test("rights that are missing are asked for by the next sign-in", async (t) => {
  const { server, bench, signIn } = await open(t);
  await signIn();
  assert.match(await greet(bench), /> hello$/);
  server.want("tools write");
  assert.match(await greet(bench), /it wants more rights than the sign-in has: openclaw mcp login docs/);
  const url = await bench.servers.startLogin("docs", REDIRECT);
  assert.equal(new URL(url).searchParams.get("scope"), "tools write");
  await bench.servers.finishLogin("docs", await server.agree(url));
  assert.match(await greet(bench), /> hello$/);
});

test("an answer to another sign-in, of another issuer, or without a code is refused", async (t) => {
  const { server, bench } = await open(t);
  await assert.rejects(() => bench.servers.finishLogin("docs", "code"), /no sign-in at docs was begun/);
  const callback = new URL(await server.agree(await bench.servers.startLogin("docs", REDIRECT)));
  const changed = (name: string, value: string): string => {
    const other = new URL(callback);
    other.searchParams.set(name, value);
    return other.href;
  };
  const finish = (given: string): Promise<void> => bench.servers.finishLogin("docs", given);
  await assert.rejects(() => finish(changed("state", "other")), /belongs to another sign-in/);
  await assert.rejects(() => finish(changed("iss", "http://127.0.0.1:9")), /the sign-in at "docs" failed: .*iss/i);
  await assert.rejects(() => finish(`${REDIRECT}?error=access_denied`), /the sign-in was refused: access_denied/);
  await assert.rejects(() => finish(`${REDIRECT}?state=x`), /has no code/);
  assert.equal(await bench.servers.isSignedIn("docs"), false);
  assert.ok(!server.requests.includes("/token"), "no code was sent to anyone");
  await finish(callback.href);
  assert.equal(await bench.servers.isSignedIn("docs"), true);
});

test("metadata that names another issuer ends the sign-in before anything is sent", async (t) => {
  const { server, bench } = await open(t);
  server.metadata["issuer"] = "http://127.0.0.1:9";
  await assert.rejects(() => bench.servers.startLogin("docs", REDIRECT), /the sign-in at "docs" failed: /);
  assert.ok(!server.requests.includes("/register"));
});

test("a sign-in counts only for the address that it was made for, and only where one is configured", async (t) => {
  const { server, bench, signIn } = await open(t);
  await signIn();
  const other = await startMcpOAuthServer(t);
  bench.configure({
    docs: mcpServer({ url: `${other.resource.origin}/mcp`, auth: "oauth" }),
    plain: mcpServer({ url: `${server.resource.origin}/mcp` }),
  });
  assert.equal(await bench.servers.isSignedIn("docs"), false);
  assert.match(await greet(bench), /it wants you to sign in/);
  assert.deepEqual(other.resource.requests, []);
  assert.equal(await bench.servers.isSignedIn("plain"), null);
  await assert.rejects(() => bench.servers.startLogin("plain", REDIRECT), /the MCP server "plain" has no sign-in/);
  assert.match((await bench.servers.probe("plain")).cause!, /HTTP 401; it wants a credential/);
});
