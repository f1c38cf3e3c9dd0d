import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { diffConfig } from "../config/diff.ts";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { REDACTED, redactText } from "../config/redact.ts";
import { GatewayError } from "../core/errors.ts";
import { silentMetrics } from "../core/metrics.ts";
import { callerOf, decodeAnswer } from "../../test/fakes/method-bench.ts";
import { assertMatchesResultSchema } from "../../test/result-schema.ts";
import { agentsMethods } from "./agents.ts";
import type { MethodParams } from "../protocol/method.ts";
import type { ConfigVersion } from "../store/config-versions.ts";
import { AnswerCache } from "./answer-cache.ts";
import { configMethods } from "./config.ts";
import { mirrorIdentity } from "./identity-file.ts";
import { modelsMethods, type KnownModel } from "./models.ts";

const root = mkdtempSync(join(tmpdir(), "config-methods-"));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

const MODEL: KnownModel = {
  provider: "mock",
  id: "mock-1",
  contextWindow: 128_000,
  reasoning: false,
  input: ["text"],
  thinkingLevels: ["off"],
  configured: true,
  available: true,
};

function rig(text: string | null = "{}") {
  const dir = join(root, String(made++));
  mkdirSync(dir);
  const path = join(dir, "openclaw.json");
  if (text !== null) writeFileSync(path, text);
  const env = { KEY: "from-environment" };
  const read = (): LoadedConfig => loadConfig({ path, env, home: dir });
  let loaded = read();
  let stamp: string | null = null;
  let reads = 0;
  const restarts: { reason: string; delayMs: number }[] = [];
  const workspaces: string[] = [];
  const forgotten: string[] = [];
  const authors = new Map<string, string>();
  const versions: (ConfigVersion & { text: string })[] = [];
  const deps = {
    now: () => 1_000,
    read: () => (reads++, read()),
    loaded: () => loaded,
    reload: async () => {
      const next = read();
      versions.unshift({
        id: versions.length + 1,
        at: 1_000,
        author: authors.get(next.hash) ?? null,
        changes: diffConfig(loaded.config, next.config),
        bytes: 1,
        text: redactText(next.raw ?? "")!,
      });
      loaded = next;
    },
    noteAuthor: (hash: string, author: string) => void authors.set(hash, author),
    versions: { list: () => versions, text: (id: number) => versions.find((each) => each.id === id)?.text },
    writeOptions: { env, home: dir },
    restart: (request: { reason: string; delayMs: number }) => restarts.push(request),
    fileStamp: () => stamp,
    answers: new AnswerCache(silentMetrics),
    configuration: () => loaded,
    stateDir: dir,
    home: dir,
    mirrorIdentity,
    ensureWorkspace: async (workspace: string) => {
      mkdirSync(workspace, { recursive: true });
      workspaces.push(workspace);
    },
    forgetNotes: async (agentId: string) => void forgotten.push(agentId),
    toolsOf: () => [],
    modelOf: () => "mock/mock-1",
    thinkingOf: () => ({ levels: ["off", "low"], default: "off" }),
    thinkingDefault: () => "off",
    models: () => [MODEL, { ...MODEL, provider: "other", id: "big", configured: false, available: false, contextWindow: 0 }],
  };
  const methods = configMethods(deps);
  return {
    dir,
    path,
    restarts,
    workspaces,
    forgotten,
    authors,
    config: {
      ...methods,
      "config.set": { run: (params: MethodParams<"config.set">) => methods["config.set"].run(params, callerOf()) },
      "config.apply": { run: (params: MethodParams<"config.apply">) => methods["config.apply"].run(params, callerOf()) },
      "config.patch": { run: (params: MethodParams<"config.patch">) => methods["config.patch"].run(params, callerOf()) },
    },
    agents: agentsMethods(deps),
    models: modelsMethods(deps),
    file: () => readFileSync(path, "utf8"),
    reads: () => reads,
    setStamp: (next: string | null) => void (stamp = next),
  };
}

type Answer = Record<string, unknown> & { hash: string; raw: string; changedPaths: string[] };
const get = (r: ReturnType<typeof rig>): Answer => decodeAnswer(r.config["config.get"].run()) as Answer;
const fails = (code: string, message: RegExp) => (err: unknown) =>
  err instanceof GatewayError && err.code === code && message.test(err.message);

const FILE = `{
  // the port of the house
  gateway: { port: 18789, auth: { mode: "token", token: "hunter2hunter2" } }, // token: "hunter2hunter2"
  models: { providers: { mock: { baseUrl: "http://127.0.0.1:1/v1", apiKey: "sk-secret-secret", models: [{ id: "mock-1" }] } } },
}
`;

test("config.get shows the file and what came of it, and no secret", () => {
  const r = rig(FILE);
  const answer = get(r);
  const text = JSON.stringify(answer);
  for (const secret of ["hunter2", "sk-secret"]) assert.ok(!text.includes(secret), secret);
  assert.match(answer.raw, /the port of the house/);
  assert.match(answer.hash, /^hmac-sha256:v1:[\w-]{40,}$/);
  assert.equal(answer["appliedConfigHash"], answer.hash);
  assert.equal(answer["valid"], true);
  const resolved = answer["resolved"] as { gateway: { bind: string } };
  assert.equal(resolved.gateway.bind, "loopback");
  assert.equal((answer["config"] as { gateway: { bind?: string } }).gateway.bind, undefined);
});

test("config.get reads a file again only when it may have changed", () => {
  const r = rig(FILE);
  const looks = (stamp: string | null): number => {
    const before = r.reads();
    r.setStamp(stamp);
    get(r);
    get(r);
    return r.reads() - before;
  };
  assert.deepEqual([looks("one"), looks("two"), looks(null), looks("two")], [1, 1, 2, 0]);
});

test("a patch keeps comments and secrets, and says what it changed", async () => {
  const r = rig(FILE);
  const answer = (await r.config["config.patch"].run({ raw: '{"messages":{"responsePrefix":"x"}}', baseHash: get(r).hash })) as Answer;
  assert.match(r.file(), /the port of the house/);
  assert.match(r.file(), /hunter2hunter2/);
  assert.ok(!JSON.stringify(answer).includes("hunter2"));
  assert.equal(answer.hash, get(r).hash);
  assert.deepEqual(answer.changedPaths, ["messages.responsePrefix"]);
  const session = (await r.config["config.patch"].run({ raw: '{"session":{"dmScope":"per-peer"}}' })) as Answer;
  assert.deepEqual(session.changedPaths, ["session.dmScope"]);
  assert.deepEqual(r.restarts, []);
});

test("a patch with the placeholder of a secret keeps the secret", async () => {
  const r = rig(FILE);
  await r.config["config.patch"].run({ raw: '{"gateway":{"auth":{"token":"__OPENCLAW_REDACTED__"}},"session":{"mainKey":"home"}}' });
  assert.match(r.file(), /token: "hunter2hunter2"/);
  assert.match(r.file(), /home/);
  assert.ok(!r.file().includes("__OPENCLAW_REDACTED__"));
});

test("what config.get shows can be sent back whole", async () => {
  const r = rig(FILE);
  const { raw, hash } = get(r);
  await r.config["config.set"].run({ raw: raw.replace("18789", "18790"), baseHash: hash });
  assert.equal(r.file(), FILE.replace("18789", "18790"));
  assert.deepEqual(r.restarts, [], "config.set never restarts");
});

test("config.apply restarts the gateway when a key needs it, and only then", async () => {
  const r = rig(FILE);
  const apply = (raw: string) => r.config["config.apply"].run({ raw, baseHash: get(r).hash, restartDelayMs: 5 });
  await apply(get(r).raw.replace("}\n", "  session: { dmScope: 'per-peer' },\n}\n"));
  assert.deepEqual(r.restarts, []);
  await apply(get(r).raw.replace("18789", "18790"));
  assert.deepEqual(r.restarts, [{ reason: "config.apply", delayMs: 5 }]);
});

test("an edit on top of a file that has changed is refused, and the file stays", async () => {
  const r = rig(FILE);
  const { hash } = get(r);
  writeFileSync(r.path, FILE.replace("18789", "1234"));
  const stale = fails("INVALID_REQUEST", /^config changed since last load; re-run config.get and retry$/);
  await assert.rejects(() => r.config["config.patch"].run({ raw: "{}", baseHash: hash }), stale);
  await assert.rejects(() => r.config["config.set"].run({ raw: "{}", baseHash: hash }), stale);
  await assert.rejects(() => r.config["config.set"].run({ raw: "{}" }), fails("INVALID_REQUEST", /base hash required/));
  assert.equal(r.file(), FILE.replace("18789", "1234"));
});

test("a configuration with errors is refused with the places of the errors", async () => {
  const r = rig(FILE);
  await assert.rejects(
    () => r.config["config.patch"].run({ raw: '{"gateway":{"port":"many"}}' }),
    (err: unknown) => {
      assert.ok(err instanceof GatewayError && err.code === "INVALID_REQUEST");
      const issues = err.details?.["issues"] as { path: string }[];
      return issues[0]!.path === "gateway.port";
    },
  );
  await assert.rejects(() => r.config["config.patch"].run({ raw: "not json {" }), fails("INVALID_REQUEST", /the patch is not JSON/));
  assert.equal(r.file(), FILE);
});

test("a broken file can be repaired over the wire", async () => {
  const r = rig("{ gateway: { port: 1 ");
  const broken = get(r);
  assert.equal(broken["valid"], false);
  assert.equal(broken.raw, null, "where its secrets are cannot be known");
  await r.config["config.set"].run({ raw: '{ "gateway": {} }', baseHash: broken.hash });
  assert.equal(get(r)["valid"], true);
});

test("the first edit makes the file", async () => {
  const r = rig(null);
  assert.equal(get(r)["exists"], false);
  await r.config["config.set"].run({ raw: '{ "session": {} }' });
  assert.equal(existsSync(r.path), true);
});

test("the schema is small, and each key can be looked up", () => {
  const r = rig();
  const schema = r.config["config.schema"].run();
  assertMatchesResultSchema("ConfigSchemaResponse", schema);
  assert.equal(r.config["config.schema"].run(), schema);
  assert.ok(JSON.stringify(schema).length < 500_000, `${JSON.stringify(schema).length} bytes`);
  const port = r.config["config.schema.lookup"].run({ path: "gateway.port" });
  assertMatchesResultSchema("ConfigSchemaLookupResult", port);
  assert.equal(port.reloadKind, "restart");
  assertMatchesResultSchema("ConfigSchemaLookupResult", r.config["config.schema.lookup"].run({ path: "gateway" }));
  assert.throws(() => r.config["config.schema.lookup"].run({ path: "no.such.key" }), fails("INVALID_REQUEST", /not found/));
});

test("without any entry there is one agent, and the first other one does not replace it", async () => {
  const r = rig("{}");
  const before = decodeAnswer(r.agents["agents.list"].run());
  assertMatchesResultSchema("AgentsListResult", before);
  assert.deepEqual(
    (before["agents"] as { id: string }[]).map((each) => each.id),
    ["main"],
  );
  const created = await r.agents["agents.create"].run({ name: "Night Owl", model: "mock/mock-1", emoji: "O" });
  assertMatchesResultSchema("AgentsCreateResult", created);
  assert.equal(created["agentId"], "night-owl");
  assert.equal(created["name"], "Night Owl");
  assert.deepEqual(r.workspaces, [created["workspace"]]);
  const list = decodeAnswer(r.agents["agents.list"].run());
  assertMatchesResultSchema("AgentsListResult", list);
  assert.equal(list["defaultId"], "main");
  assert.deepEqual(
    (list["agents"] as { id: string }[]).map((each) => each.id),
    ["main", "night-owl"],
  );
});

test("an agent is changed and deleted with its bindings, for every notation of the file", async () => {
  for (const agents of [
    '{ entries: { main: { default: true }, Work: { name: "W" } } }',
    '{ list: [{ id: "main", default: true }, { id: "Work", name: "W" }] }',
  ]) {
    const r = rig(
      `{ /* kept */ agents: ${agents}, bindings: [{ agentId: "work", match: { channel: "irc" } }, { agentId: "main", match: { channel: "irc" } }] }`,
    );
    const { agents: rows } = decodeAnswer(r.agents["agents.list"].run()) as { agents: { id: string; workspace: string }[] };
    const { workspace } = rows.find((row) => row.id === "work")!;
    mkdirSync(workspace, { recursive: true });
    writeFileSync(join(workspace, "IDENTITY.md"), "- Name: (choose one)\n");
    assertMatchesResultSchema(
      "AgentsUpdateResult",
      await r.agents["agents.update"].run({ agentId: "work", name: "Desk", model: "mock/mock-1", emoji: "D" }),
    );
    assert.equal(readFileSync(join(workspace, "IDENTITY.md"), "utf8"), "- Name: Desk\n- Emoji: D\n");
    assert.match(r.file(), /Desk/);
    const identity = r.agents["agent.identity.get"].run({ agentId: "work" });
    assertMatchesResultSchema("AgentIdentityResult", identity);
    assert.deepEqual([identity["name"], identity["avatar"]], ["Desk", "D"]);
    await r.agents["agents.update"].run({ agentId: "work", model: null, emoji: "" });
    assert.ok(!r.file().includes("mock-1"));
    const deleted = await r.agents["agents.delete"].run({ agentId: "work" });
    assertMatchesResultSchema("AgentsDeleteResult", deleted);
    assert.equal(deleted["removedBindings"], 1);
    assert.match(r.file(), /kept/);
    assert.deepEqual((decodeAnswer(r.agents["agents.list"].run())["agents"] as unknown[]).length, 1);
  }
});

test("the default agent and the last one cannot be deleted, and an unknown one is named", async () => {
  const r = rig("{ agents: { entries: { a: {}, b: {} } } }");
  await assert.rejects(() => r.agents["agents.delete"].run({ agentId: "a" }), fails("INVALID_REQUEST", /default agent/));
  await assert.rejects(() => r.agents["agents.delete"].run({ agentId: "zzz" }), fails("INVALID_REQUEST", /unknown agent id "zzz"/));
  await r.agents["agents.delete"].run({ agentId: "B" });
  await assert.rejects(() => r.agents["agents.delete"].run({ agentId: "a" }), fails("INVALID_REQUEST", /only agent/));
  await assert.rejects(() => r.agents["agents.create"].run({ name: "A" }), fails("CONFLICT", /already/));
  await assert.rejects(() => r.agents["agents.create"].run({ name: "c", model: "nonsense" }), fails("INVALID_REQUEST", /not a model/));
});

test("files of a deleted agent are moved away, not destroyed, and those of others stay", async () => {
  const r = rig("{ agents: { entries: { main: {}, own: {}, guest: { workspace: 'workspace' } } } }");
  const own = join(r.dir, "workspace-own");
  mkdirSync(own);
  writeFileSync(join(own, "MEMORY.md"), "remember");
  const deleted = await r.agents["agents.delete"].run({ agentId: "own", deleteFiles: true });
  assertMatchesResultSchema("AgentsDeleteResult", deleted);
  assert.deepEqual(deleted["removed"], [{ path: own, method: "trash" }]);
  assert.equal(readFileSync(join(`${own}.deleted-1000`, "MEMORY.md"), "utf8"), "remember");
  assert.deepEqual(r.forgotten, ["own"], "the index of its notes goes");
  mkdirSync(join(r.dir, "workspace"));
  const guest = await r.agents["agents.delete"].run({ agentId: "guest", deleteFiles: true });
  assert.deepEqual(guest["removed"], []);
  assert.ok(existsSync(join(r.dir, "workspace")));
});

const decodeModels = (payload: unknown) => decodeAnswer(payload) as { models: Record<string, unknown>[] };

test("models.list shows the configured ones, or all, the answering one first and labeled", async () => {
  const r = rig(FILE);
  const configured = decodeModels(await r.models["models.list"].run({ view: "configured", agentId: "main" }));
  assertMatchesResultSchema("ModelsListResult", configured);
  assert.deepEqual(
    configured.models.map((each) => [each["id"], each["tags"]]),
    [["mock-1", ["default", "configured"]]],
  );
  const all = decodeModels(await r.models["models.list"].run({ view: "all" }));
  assertMatchesResultSchema("ModelsListResult", all);
  assert.equal(all.models.length, 2);
  const other = decodeModels(await r.models["models.list"].run({ view: "all", provider: "Other" }));
  assert.deepEqual(
    other.models.map((each) => [each["id"], each["available"], each["unavailableReason"]]),
    [["big", false, "missing-auth"]],
  );
  await assert.rejects(
    () => Promise.resolve(r.models["models.list"].run({ agentId: "missing" })),
    fails("INVALID_REQUEST", /unknown agent id/),
  );
});

test("models.set keeps fallbacks and refuses an unknown model", async () => {
  const r = rig('{ agents: { defaults: { model: { primary: "mock/old", fallbacks: ["mock/spare"] } } } }');
  const answer = await r.models["models.set"].run({ model: "mock/mock-1" });
  assert.deepEqual([answer["model"], answer["known"]], ["mock/mock-1", true]);
  assert.match(r.file(), /mock\/spare/);
  await r.models["models.set"].run({ model: "other/new", agentId: "main" });
  assert.match(r.file(), /"?main"?/);
  await assert.rejects(() => r.models["models.set"].run({ model: "nothing" }), fails("INVALID_REQUEST", /is not a model/));
});

test("models.set for an agent of the older list changes its item there", async () => {
  const r = rig('{ agents: { list: [{ id: "main" }, { id: "Garden", model: "mock/old" }] } }');
  await r.models["models.set"].run({ model: "mock/mock-1", agentId: "garden" });
  assert.match(r.file(), /id: "Garden", model: \{[^}]*"?primary"?: "mock\/mock-1"/);
  assert.doesNotMatch(r.file(), /entries/);
});

const SECRETS = ["hunter2", "sk-secret"];

type Plan = {
  raw: string;
  parsed: Record<string, unknown> | null;
  valid: boolean;
  issues: { severity: string; path: string; message: string; line: number; fix?: string }[];
  changes: { path: string; effect: string }[];
  requiresRestart: boolean;
  restartsChannels: string[];
  stale: boolean;
};
const plan = (r: ReturnType<typeof rig>, params: MethodParams<"config.plan">): Plan => r.config["config.plan"].run(params) as Plan;

test("a plan says what a text would change and what restarts, and writes nothing", () => {
  const r = rig(FILE);
  const { raw, hash } = get(r);
  const next = plan(r, { raw: raw.replace("18789", "18790"), baseHash: hash });
  assert.deepEqual(next.changes, [{ path: "gateway.port", effect: "restart-gateway" }]);
  assert.deepEqual([next.valid, next.requiresRestart, next.stale], [true, true, false]);
  assert.equal(r.file(), FILE);
  const channel = plan(r, { raw, edits: [{ path: ["channels", "irc"], value: { enabled: true, server: "irc.example.org", nick: "a" } }] });
  assert.deepEqual(channel.restartsChannels, ["irc"]);
  for (const secret of SECRETS) assert.ok(!JSON.stringify([next, channel]).includes(secret), secret);
});

test("the edits of a form are made in the text, which keeps its comments and its placeholders", () => {
  const r = rig(FILE);
  const { raw } = get(r);
  const { raw: text, parsed } = plan(r, {
    raw,
    edits: [
      { path: ["session", "dmScope"], value: "per-peer" },
      { path: ["gateway", "port"], unset: true },
    ],
  });
  assert.match(text, /the port of the house/);
  assert.ok(text.includes(REDACTED));
  assert.doesNotMatch(text, /port: 18789/);
  assert.equal((parsed as { session: { dmScope: string } }).session.dmScope, "per-peer");
  assert.throws(() => plan(r, { raw, edits: [{ path: [], value: 1 }] }), fails("INVALID_REQUEST", /an edit is not valid/));
  assert.throws(() => plan(r, { raw, edits: [{ path: ["a"], value: 1, more: 2 }] }), fails("INVALID_REQUEST", /an edit is not valid/));
});

test("a plan names what is wrong with a text: its place, a placeholder without a secret, and a file that someone else has changed", async () => {
  const r = rig(FILE);
  const { raw, hash } = get(r);
  const broken = plan(r, { raw: "{ gateway: " });
  assert.deepEqual([broken.valid, broken.parsed, broken.issues[0]!.line], [false, null, 1]);
  const wrong = plan(r, { raw: raw.replace("18789", '"many"') });
  assert.deepEqual([wrong.valid, wrong.issues[0]!.path, wrong.issues[0]!.severity], [false, "gateway.port", "error"]);
  const lost = plan(r, { raw: `{ gateway: { remote: { token: "${REDACTED}" } } }` });
  assert.deepEqual([lost.valid, lost.issues[0]!.path], [false, "gateway.remote.token"]);
  await r.config["config.patch"].run({ raw: '{"messages":{"responsePrefix":"x"}}', baseHash: hash });
  assert.equal(plan(r, { raw, baseHash: hash }).stale, true);
});

test("every version has its author and its changes, and the text of an earlier one is applied without a secret in the history", async () => {
  const r = rig(FILE);
  await r.config["config.patch"].run({ raw: '{"gateway":{"port":18790}}', baseHash: get(r).hash });
  await r.config["config.patch"].run({ raw: '{"gateway":{"port":18791}}', baseHash: get(r).hash });
  const { versions } = r.config["config.history"].run({}) as { versions: (ConfigVersion & { current: boolean })[] };
  assert.deepEqual(
    versions.map(({ id, author, current, changes }) => [id, author, current, changes[0]!.path]),
    [
      [2, "config.patch, test", true, "gateway.port"],
      [1, "config.patch, test", false, "gateway.port"],
    ],
  );
  const { version } = r.config["config.history"].run({ id: 1 }) as { version: { text: string } };
  for (const secret of SECRETS) assert.ok(!version.text.includes(secret), secret);
  await r.config["config.apply"].run({ raw: version.text, baseHash: get(r).hash });
  assert.match(r.file(), /18790/);
  for (const secret of SECRETS) assert.ok(r.file().includes(secret), secret);
  assert.throws(() => r.config["config.history"].run({ id: 99 }), fails("NOT_FOUND", /no version 99/));
});

test("a secret that is written into a draft is hidden among its values", () => {
  const r = rig("{}");
  const { parsed } = plan(r, { raw: "{}", edits: [{ path: ["gateway", "auth", "token"], value: "fresh-secret-1" }] });
  assert.ok(!JSON.stringify(parsed).includes("fresh-secret"));
});
