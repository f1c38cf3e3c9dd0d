import assert from "node:assert/strict";
import { test } from "node:test";
import { diffConfig } from "./diff.ts";
import { checkConfigValue } from "./load.ts";
import { redactValue } from "./redact.ts";

const check = (servers: unknown, env: Record<string, string> = {}) => checkConfigValue({ mcp: { servers } }, env);
const problems = (servers: unknown): string[] => check(servers).issues.map(({ severity, message }) => `${severity}: ${message}`);

test("a server has the keys of OpenClaw, with defaults", () => {
  const { config, issues } = checkConfigValue({
    mcp: { servers: { one: { command: "npx", workingDirectory: "/srv" }, "my.files-2_x": { url: "http://a/mcp" } } },
  });
  assert.deepEqual(issues, []);
  assert.equal(config.mcp.sessionIdleTtlMs, 600_000);
  const { command, args, workingDirectory, enabled, connectionTimeoutMs, requestTimeoutMs, supportsParallelToolCalls } =
    config.mcp.servers["one"]!;
  assert.deepEqual([command, args, workingDirectory, enabled], ["npx", [], "/srv", true]);
  assert.deepEqual([connectionTimeoutMs, requestTimeoutMs, supportsParallelToolCalls], [30_000, 60_000, false]);
  assert.deepEqual(Object.keys(checkConfigValue({}).config.mcp.servers), []);
});

test("variables and headers are secrets: taken from the environment, hidden from clients", () => {
  const server = { url: "https://example.org/mcp", headers: { Authorization: "Bearer ${MCP_KEY}" }, env: { TOKEN: "t-1" } };
  const { config, issues } = check({ one: server }, { MCP_KEY: "k-1" });
  assert.deepEqual(issues, []);
  const { headers, env } = config.mcp.servers["one"]!;
  assert.equal(headers["Authorization"]!.reveal(), "Bearer k-1");
  assert.equal(env["TOKEN"]!.reveal(), "t-1");
  assert.doesNotMatch(JSON.stringify([config, redactValue(config)]), /k-1|t-1/);
});

const CASES: readonly [title: string, server: unknown, expected: RegExp][] = [
  ["a key that is not served", { command: "a", codex: {} }, /^info: mcp\.servers\.one\.codex belongs to OpenClaw and has no effect here$/],
  ["nothing to use", {}, /^warning: mcp\.servers\.one has neither a command nor a url/],
  ["a command and a url", { command: "a", url: "http://b" }, /only the command is used$/],
  ["a command and a url with a transport", { command: "a", url: "http://b", transport: "sse" }, /only the url is used$/],
  [
    "a transport that needs a url",
    { command: "a", transport: "sse" },
    /^warning: mcp\.servers\.one\.transport is "sse", which needs a url$/,
  ],
  ["a transport that needs a command", { url: "http://a", transport: "stdio" }, /is "stdio", which needs a command$/],
  ["another transport", { url: "http://a", transport: "ws" }, /^error: mcp\.servers\.one\.transport/],
  ["a variable that is not set", { command: "a", env: { TOKEN: "${NOT_SET_ANYWHERE}" } }, /^error: .*NOT_SET_ANYWHERE is not set$/],
  [
    "a header with a line break in its name",
    { url: "http://a", headers: { "a\r\nb": "c" } },
    /^error: .*the name must be the name of an HTTP header$/,
  ],
];
for (const [title, server, expected] of CASES)
  test(`a server of the configuration: ${title}`, () => {
    const found = problems({ one: server });
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0]!, expected);
  });

test("a name is the part of a tool's name before two underscores", () => {
  for (const name of ["a b", "a__b", "_a", "a_", "", "../a", "a.", "é"])
    assert.match(problems({ [name]: { command: "a" } }).join(), /^error: .*the name must be letters and digits/, name);
  assert.deepEqual(Object.keys(check({ a__b: { command: "a" }, b: { command: "a" } }).config.mcp.servers), ["b"]);
});

test("an invalid switch means off, and an invalid filter gives agents nothing more", () => {
  const { config } = check({ one: { command: "a", enabled: "yes", toolFilter: { exclude: [7] } } });
  assert.equal(config.mcp.servers["one"]!.enabled, false);
  assert.deepEqual(config.mcp.servers["one"]!.toolFilter.exclude, ["*"]);
});

test("every change is applied while the gateway runs", () => {
  const before = check({ one: { command: "a", env: { T: "1" } }, two: { command: "b" } }).config;
  const after = check({ one: { command: "a", env: { T: "2" } }, three: { command: "c" } }).config;
  const changes = diffConfig(before, after);
  assert.ok(changes.length >= 3);
  assert.ok(changes.every(({ effect }) => effect === "applied"));
});
