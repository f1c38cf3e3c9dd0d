// Group: wire
// What child/ uses of Pi's SDK. A new version of Pi that lacks any of it fails here first, with its name.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { GUIDE_MODEL, GUIDE_PROVIDER } from "../../../core/guide-model.ts";
import { guideProvider } from "./guide-provider.ts";
import { loadSdk, SDK_NAMES, type PiModelRuntime, type PiSdk, type PiSession } from "./sdk.ts";

const dir = mkdtempSync(join(tmpdir(), "pi-sdk-"));
const entry = fileURLToPath(import.meta.resolve("@earendil-works/pi-coding-agent/rpc-entry"));
const url = pathToFileURL(join(dirname(entry), "index.js")).href;
let sdk: PiSdk;
let models: PiModelRuntime;
let session: PiSession;
let api: Record<string, unknown> = {};

before(async () => {
  mkdirSync(join(dir, "agent"));
  writeFileSync(join(dir, "agent", "models.json"), "{}");
  sdk = await loadSdk(url);
  const agentDir = join(dir, "agent");
  models = await sdk.ModelRuntime.create({
    authPath: join(agentDir, "auth.json"),
    modelsPath: join(agentDir, "models.json"),
    allowModelNetwork: false,
  });
  requireMembers("ModelRuntime", models, { registerProvider: 2, getAvailableSnapshot: 0 });
  models.registerProvider(
    GUIDE_PROVIDER,
    guideProvider(() => ({})),
  );
  const settingsManager = sdk.SettingsManager.inMemory({ defaultProvider: GUIDE_PROVIDER, defaultModel: GUIDE_MODEL });
  const resourceLoader = new sdk.DefaultResourceLoader({
    cwd: dir,
    agentDir,
    settingsManager,
    extensionFactories: [(pi) => void (api = pi as unknown as Record<string, unknown>)],
    noExtensions: true,
    noSkills: true,
    noPromptTemplates: true,
    noThemes: true,
    noContextFiles: true,
    systemPrompt: "-",
    appendSystemPrompt: [],
  });
  requireMembers("DefaultResourceLoader", resourceLoader, { reload: 0 });
  await resourceLoader.reload();
  const sessionManager = sdk.SessionManager.open(join(dir, "session.jsonl"), undefined, dir);
  ({ session } = await sdk.createAgentSession({
    cwd: dir,
    agentDir,
    modelRuntime: models,
    settingsManager,
    resourceLoader,
    sessionManager,
    noTools: "builtin",
  }));
});
after(() => {
  session.dispose();
  rmSync(dir, { recursive: true, force: true });
});

/** Methods with the least number of parameters that they must take. */
function requireMembers(name: string, value: unknown, methods: Readonly<Record<string, number>>): void {
  const members = value as Record<string, unknown>;
  for (const [method, least] of Object.entries(methods)) {
    const found = members[method];
    assert.equal(typeof found, "function", `this version of Pi has no ${name}.${method}`);
    const { length } = found as (...args: unknown[]) => unknown;
    assert.ok(length >= least, `${name}.${method} of this version of Pi takes ${length} parameters instead of ${least}`);
  }
}

test("The SDK exports the names that the shared host uses", () => {
  for (const name of SDK_NAMES) assert.equal(typeof sdk[name], "function", `this version of Pi has no ${name}`);
  requireMembers("SessionManager", sdk.SessionManager, { open: 1 });
  requireMembers("SettingsManager", sdk.SettingsManager, { inMemory: 0 });
  requireMembers("ModelRuntime", sdk.ModelRuntime, { create: 0 });
});

test("An SDK that lacks a name is refused with the name", async () => {
  const path = join(dir, "empty.mjs");
  writeFileSync(path, "export class ModelRuntime {}\n");
  await assert.rejects(loadSdk(pathToFileURL(path).href), /This version of Pi has no createAgentSession, DefaultResourceLoader, Session/);
});

test("A session has the methods and properties that the shared host uses", () => {
  requireMembers("AgentSession", session, {
    subscribe: 1,
    bindExtensions: 1,
    prompt: 1,
    steer: 1,
    compact: 0,
    setModel: 1,
    setThinkingLevel: 1,
    abort: 0,
    abortRetry: 0,
    clearQueue: 0,
    dispose: 0,
  });
  requireMembers("AgentSession.agent", session.agent, { subscribe: 1 });
  requireMembers("AgentSession.extensionRunner", session.extensionRunner, { emitContext: 1, hasHandlers: 1 });
  const { isIdle, isStreaming, isCompacting, sessionFile, thinkingLevel, model } = session;
  assert.deepEqual({ isIdle, isStreaming, isCompacting }, { isIdle: true, isStreaming: false, isCompacting: false });
  assert.equal(sessionFile, join(dir, "session.jsonl"));
  assert.equal(thinkingLevel, "off");
  assert.deepEqual([model?.provider, model?.id, typeof model?.contextWindow], [GUIDE_PROVIDER, GUIDE_MODEL, "number"]);
});

test("Pi copies the messages of a request in the function that the shared host replaces", async () => {
  const messages = [{ role: "user", content: "hello", timestamp: 1 }] as never;
  const copied = await session.extensionRunner.emitContext(messages);
  assert.deepEqual(copied, messages);
  assert.notEqual(copied[0], messages[0], "this version of Pi does not copy: the replacement in host-session.ts can go");
  assert.deepEqual(
    ["context", "context_with_system"].map((event) => session.extensionRunner.hasHandlers(event)),
    [false, false],
  );
});

test("The models of a registered provider are available", () => {
  const found = models.getAvailableSnapshot().find(({ provider, id }) => provider === GUIDE_PROVIDER && id === GUIDE_MODEL);
  assert.ok(found, "this version of Pi does not list a registered provider");
});

test("Extensions get the functions that the gateway's extension uses", () => {
  requireMembers("ExtensionAPI", api, { on: 2, registerTool: 1, getActiveTools: 0, setActiveTools: 1, registerProvider: 2 });
});

test("A prompt is accepted, and its events are those that the gateway reads", async () => {
  const events: { type: string; assistantMessageEvent?: { type: string; delta?: string } }[] = [];
  const stop = session.subscribe((event) => events.push(event as never));
  await session.bindExtensions({ mode: "rpc" });
  let accepted = false;
  await session.prompt("hello", { source: "rpc", expandPromptTemplates: false, preflightResult: (ok) => void (accepted = ok) });
  stop();
  assert.equal(accepted, true);
  const types = new Set(events.map(({ type }) => type));
  for (const type of ["agent_start", "message_start", "message_update", "message_end", "agent_settled"])
    assert.ok(types.has(type), `this version of Pi has no event ${type}: ${[...types].join()}`);
  assert.ok(events.some(({ assistantMessageEvent: update }) => update?.type === "text_delta" && typeof update.delta === "string"));
});
