import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createPaths } from "../src/config/paths.ts";
import { GatewayError } from "../src/core/errors.ts";
import { paramsOf, refusedParams } from "../scripts/param-schemas.ts";
import { createBase } from "../src/gateway/base.ts";
import { Gateway } from "../src/gateway/gateway.ts";
import { openGatewayLog, readConfig } from "../src/gateway/settings.ts";
import { openStorage } from "../src/gateway/storage.ts";
import { SERVED_METHODS, type ServedMethod } from "../src/protocol/served-methods.ts";
import type { JsonSchema } from "../src/protocol/param-schemas.ts";
import { loadMethod } from "../src/protocol/lazy-methods.ts";
import type { Method } from "../src/protocol/method.ts";
import { PARAM_RULES } from "../src/protocol/served-params.ts";
import { checkParams } from "../src/protocol/validate.ts";
import { callerOf, openMethodBench } from "./fakes/method-bench.ts";

const notServed = (param: string) => (err: unknown) =>
  err instanceof GatewayError &&
  err.code === "INVALID_REQUEST" &&
  err.details?.["code"] === "PARAM_NOT_SERVED" &&
  err.details["param"] === param;

test("each parameter of each schema is served, ignored for a reason, or refused", () => {
  for (const method of SERVED_METHODS) {
    const { served, ignored = {} } = PARAM_RULES[method];
    const all = Object.keys(paramsOf(method).properties ?? {}).toSorted();
    assert.deepEqual([...served, ...Object.keys(ignored), ...refusedParams(method)].toSorted(), all, method);
    for (const { why } of Object.values(ignored)) assert.ok(why.length > 10, method);
  }
});

test("a parameter without an effect is refused by its name", () => {
  const session = { key: "agent:main:main" };
  for (const [param, value] of Object.entries({ execSecurity: "deny", execHost: "node", elevatedLevel: "on", inheritedToolDeny: ["bash"] }))
    assert.throws(() => checkParams("sessions.patch", { ...session, [param]: value }), notServed(param), param);
  assert.throws(() => checkParams("sessions.patch", { ...session, toolOverrides: { webSearch: false } }), notServed("toolOverrides"));
  assert.throws(() => checkParams("sessions.create", { incognito: true }), notServed("incognito"));
  assert.throws(() => checkParams("agent", { message: "hi", idempotencyKey: "k", cwd: "/tmp" }), notServed("cwd"));
  assert.throws(() => checkParams("send", { to: "a", idempotencyKey: "k", parseMode: "HTML" }), notServed("parseMode"));
  assert.throws(() => checkParams("sessions.search", { query: "x", scope: { workspaceDir: "/tmp" } }), notServed("workspaceDir"));
});

test("the values that change nothing are accepted, and the handler never sees them", () => {
  assert.deepEqual(checkParams("sessions.patch", { key: "main", execNode: null, fastMode: false }), { key: "main" });
  assert.deepEqual(checkParams("sessions.create", { incognito: false, toolOverrides: {}, succeedsParent: true }), {});
  assert.deepEqual(checkParams("health", { probe: true }), {});
});

test("a value that is retired in every form is refused in every form", () => {
  assert.throws(() => checkParams("sessions.patch", { key: "main", execAsk: null }), notServed("execAsk"));
});

type Recorded = { params: object; read: Set<string> };

/** Params that write down which of their names are read. Copying an object reads nothing: it hides what becomes of each name. */
function record(params: Readonly<Record<string, unknown>>): Recorded {
  const read = new Set<string>();
  let copied: PropertyKey | null = null;
  const proxy = new Proxy(params, {
    getOwnPropertyDescriptor: (target, name) => {
      copied = name;
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
    get: (target, name) => {
      if (name !== copied && typeof name === "string") read.add(name);
      copied = null;
      return Reflect.get(target, name) as unknown;
    },
  });
  return { params: proxy, read };
}

/** Values for names that need a certain one to get anywhere; every other gets one from its schema. */
const SAMPLES: Readonly<Record<string, unknown>> = {
  key: "main",
  sessionKey: "main",
  parentSessionKey: "main",
  agentId: "main",
  model: "fake/model",
  thinking: "high",
  thinkingLevel: "high",
  permissionMode: "read-only",
  verboseLevel: "on",
  shortId: "0123456789abcdef",
  attachments: [],
  keys: ["main"],
  sessionKeys: ["main"],
  channel: "irc",
  to: "alice",
  raw: "{}",
  path: "gateway",
  role: "operator",
  scopes: ["operator.read"],
  expectedMarkedUnreadAt: null,
};

let keys = 0;

function sampleOf(name: string, schema: JsonSchema): unknown {
  // A repeated key is answered by what the first one came to.
  if (name === "idempotencyKey") return `key-${++keys}`;
  if (Object.hasOwn(SAMPLES, name)) return SAMPLES[name];
  const one = schema.anyOf?.[0] ?? schema;
  if (one.const !== undefined) return one.const;
  if (one.enum) return one.enum[0];
  if (one.type === "boolean") return true;
  if (one.type === "integer" || one.type === "number") return one.minimum ?? 1;
  if (one.type === "array") return [sampleOf("item", one.items ?? {}), "b"];
  if (one.type !== "object") return "x".padEnd(one.minLength ?? 1, "x");
  return Object.fromEntries((one.required ?? []).map((each) => [each, sampleOf(each, one.properties?.[each] ?? {})]));
}

/** Requests that together should make a method read everything: the required params with each other one, and all of them. */
function requestsOf(method: ServedMethod): Record<string, unknown>[] {
  const { properties = {}, required = [] } = paramsOf(method);
  const pick = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, sampleOf(name, properties[name]!)]));
  const { served } = PARAM_RULES[method];
  const base = method === "chat.startup" ? ["sessionKey"] : required;
  return [
    ...served.map((name) => pick([...new Set([...base, name])])),
    pick(served),
    ...(MORE[method] ?? []).map((more) => ({ ...pick(base), ...more })),
  ];
}

/** Requests for names that are read only together with others. */
const MORE: Partial<Record<ServedMethod, readonly Record<string, unknown>[]>> = {
  "agents.delete": [{ agentId: "work", deleteFiles: true }],
  "message.action": [{ action: "send", params: { to: "alice", message: "hi" }, reply: { replyToId: "1", source: "explicit" } }],
  send: [{ channel: "telegram", to: "1234", buffer: "aGk=", filename: "a.txt", contentType: "text/plain" }],
  agent: [{ deliver: true, channel: "irc", to: "alice", threadId: "t", accountId: "a" }],
  "chat.startup": [{ sessionKey: undefined, shortId: "0123456789abcdef", slugHint: "x", agentId: "main" }],
  "sessions.create": [
    { parentSessionKey: "main", fork: true, forkFrom: "last-completed", message: "hi", timeoutMs: 1, idempotencyKey: "c" },
  ],
  "sessions.patch": [
    { unread: false, expectedMarkedUnreadAt: null },
    { statusNote: "x", ttlMinutes: 5 },
  ],
  "sessions.resolve": [{ shortId: "0123456789abcdef", slugHint: "x" }],
};

/** The pairing request that the samples name. */
const PENDING =
  "INSERT OR REPLACE INTO pairing_requests (channel, account, sender, name, code, created_at, expires_at) VALUES ('irc', 'x', 'bob', NULL, 'x', 0, 9000000000000000)";

const CONFIG = {
  agents: { entries: { main: { default: true }, work: {} } },
  channels: { irc: { host: "irc.invalid", nick: "bot", enabled: false }, telegram: { botToken: "1:a", enabled: false } },
};

/** A session that is not the main one. */
const WORK = "work-1";

/** Params that a handler keeps as one object, by design: what a device says of itself is shown as it says it. */
const PASSED_ON: Readonly<Record<string, readonly string[]>> = { "system-event": PARAM_RULES["system-event"].served };

test("each method reads every parameter that it serves", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "served-params-"));
  const paths = createPaths({ OPENCLAW_STATE_DIR: dir, HOME: dir });
  mkdirSync(paths.gateway, { recursive: true });
  writeFileSync(paths.config, JSON.stringify(CONFIG));
  const loaded = readConfig(paths);
  const base = createBase(paths, openGatewayLog(paths, loaded.config, false));
  const options = { verbose: false } as never;
  const gateway = new Gateway({ base, storage: openStorage(base, false), loaded, options, restart: () => {} });
  const { methods, store, directory, running } = gateway.parts;
  await directory.prepareAccounts(running.config);
  const chats = openMethodBench();
  t.after(async () => {
    await gateway.stop("the test is over");
    chats.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const table = { ...methods, ...chats.table };
  for (const method of SERVED_METHODS) {
    const read = new Set<string>();
    const { run }: Method<never> = await loadMethod(table, method);
    for (const request of requestsOf(method)) {
      if (method in chats.table) await chats.call("sessions.create", { key: "main" });
      if (method === "channels.pairing.approve") await store.write(() => store.run(PENDING));
      if (method === "sessions.delete") await chats.call("sessions.create", { key: WORK });
      // The main session cannot be deleted.
      const recorded = record(method === "sessions.delete" ? { ...request, key: WORK } : request);
      const abort = AbortSignal.timeout(500);
      try {
        await Promise.race([
          run(recorded.params as never, callerOf({ signal: abort })),
          new Promise((resolve) => abort.addEventListener("abort", resolve)),
        ]);
      } catch (err) {
        // What the request comes to does not matter here.
        assert.ok(err instanceof Error);
      }
      recorded.read.forEach((name) => read.add(name));
    }
    const unread = PARAM_RULES[method].served.filter((name) => !read.has(name) && !PASSED_ON[method]?.includes(name));
    assert.deepEqual(unread, [], method);
  }
});
