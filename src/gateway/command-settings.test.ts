import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { AllowlistDocument } from "../approvals/allowlist.ts";
import { openApprovals } from "../../test/fakes/test-approvals.ts";
import { checkConfigValue } from "../config/load.ts";
import { asId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { openStore } from "../store/open.ts";
import type { ToolName } from "../tools/tool.ts";
import { AgentCatalog } from "./agent-catalog.ts";
import { commandSettings } from "./tool-permits.ts";

/** What holds for commands of the agent `main` with this configuration and this document. */
async function settingsOf(
  t: TestContext,
  { config: value, document }: { config: object; document?: AllowlistDocument },
  caller: { surface: "operator" | "channel"; tools?: readonly ToolName[] },
) {
  const dir = mkdtempSync(join(tmpdir(), "permits-"));
  const store = openStore({ dir, log: silentLog });
  t.after(() => {
    store.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const { config, issues } = checkConfigValue(value);
  const agents = new AgentCatalog(config, { stateDir: dir, env: {}, local: { servers: [] } });
  const { allowlist } = openApprovals(store);
  if (document) await store.write(() => allowlist.replace(document, undefined));
  return commandSettings({ agents, config, loaded: { issues } }, allowlist, { agentId: asId("main"), tools: ["write"], ...caller });
}

const shared = (exec: object): object => ({ tools: { exec } });
const own = (exec: object, rest: object = {}): object => ({ ...rest, agents: { entries: { main: { tools: { exec } } } } });
const OWN = "agents.entries.main.tools.exec";
const DOCUMENT = "the allowlist's document (openclaw approvals get)";

type Row = { name: string; config: object; document?: AllowlistDocument; operator: string[]; channel: string[] };
const ROWS: readonly Row[] = [
  {
    name: "nothing",
    config: {},
    operator: ["auto", 'the default mode "auto"', "auto", "the default"],
    channel: ["auto", 'the default mode "auto"', "sandbox", "people on channels are in the sandbox"],
  },
  {
    name: "the shared settings, which give people on channels nothing",
    config: shared({ mode: "full", host: "gateway" }),
    operator: ["full", 'tools.exec.mode "full"', "gateway", "tools.exec.host"],
    channel: ["auto", 'the default mode "auto"', "sandbox", "people on channels are in the sandbox"],
  },
  {
    name: "shared settings that are invalid: the strictest holds, and the rule says why",
    config: shared({ mode: "askk", host: "docker" }),
    operator: [
      "deny",
      "tools.exec.mode, whose value in the configuration is invalid",
      "sandbox",
      "tools.exec.host, whose value in the configuration is invalid",
    ],
    channel: ["deny", "tools.exec.mode, whose value in the configuration is invalid", "sandbox", "people on channels are in the sandbox"],
  },
  {
    name: "stricter shared settings, which people on channels have as well",
    config: shared({ mode: "deny" }),
    operator: ["deny", 'tools.exec.mode "deny"', "auto", "the default"],
    channel: ["deny", 'tools.exec.mode "deny"', "sandbox", "people on channels are in the sandbox"],
  },
  {
    name: "the agent's own settings",
    config: own({ mode: "full", host: "gateway" }),
    operator: ["full", `${OWN}.mode "full"`, "gateway", `${OWN}.host`],
    channel: ["full", `${OWN}.mode "full"`, "gateway", `${OWN}.host`],
  },
  {
    name: "the agent's own settings and stricter shared ones",
    config: own({ mode: "full", host: "gateway" }, shared({ mode: "ask" })),
    operator: ["full", `${OWN}.mode "full"`, "gateway", `${OWN}.host`],
    channel: ["ask", 'tools.exec.mode "ask"', "gateway", `${OWN}.host`],
  },
  {
    name: "a stricter document",
    config: own({ mode: "full", host: "gateway" }),
    document: { version: 1, agents: { "*": { security: "allowlist", ask: "on-miss" } } },
    operator: ["ask", DOCUMENT, "gateway", `${OWN}.host`],
    channel: ["ask", DOCUMENT, "gateway", `${OWN}.host`],
  },
];

for (const { name, config, document, operator, channel } of ROWS) {
  test(`when and where commands run with ${name}`, async (t) => {
    for (const [surface, expected] of Object.entries({ operator, channel })) {
      const settings = await settingsOf(t, { config, ...(document && { document }) }, { surface: surface as "operator" | "channel" });
      assert.deepEqual([settings.mode, settings.rule, settings.host, settings.hostRule], expected, surface);
    }
  });
}

test("who may not write files may not have commands write them", async (t) => {
  const readOnly = async (config: object, caller: { surface: "operator" | "channel"; tools?: readonly ToolName[] }): Promise<boolean> =>
    (await settingsOf(t, { config }, caller)).readOnly;
  assert.equal(await readOnly({}, { surface: "channel", tools: [] }), true);
  assert.equal(await readOnly({}, { surface: "operator", tools: [] }), false);
  assert.equal(await readOnly({ tools: { deny: ["edit"] } }, { surface: "operator" }), true);
});

const EGRESS = { egress: { allowedHostnames: ["a.example"] } };
const agents = (defaults: object, main: object): object => ({
  agents: { defaults: { sandbox: defaults }, entries: { main: { sandbox: main } } },
});
const REACHING: readonly ToolName[] = ["write", "web_fetch"];
const REACHES: readonly [title: string, config: object, operator: string | null, channel: string | null, tools?: readonly ToolName[]][] = [
  ["nothing without a setting", {}, null, null],
  ["the shared list, which gives people on channels nothing", agents(EGRESS, {}), "agents.defaults.sandbox.egress", null],
  ["the agent's own list", agents({}, EGRESS), "agents.entries.main.sandbox.egress", "agents.entries.main.sandbox.egress"],
  ["nothing with an own list that is empty", agents(EGRESS, { egress: { allowedHostnames: [] } }), null, null],
  ["nothing where fetching is denied", { ...agents(EGRESS, EGRESS), tools: { deny: ["web_search"] } }, null, null],
  ["nothing for people who may not fetch", agents({}, EGRESS), "agents.entries.main.sandbox.egress", null, ["write"]],
  ["nothing in containers", agents({ backend: "podman", ...EGRESS }, EGRESS), null, null],
];
for (const [title, config, operator, channel, tools = REACHING] of REACHES) {
  test(`what sandboxed commands reach of the network: ${title}`, async (t) => {
    const reach = async (surface: "operator" | "channel") => (await settingsOf(t, { config }, { surface, tools })).egress;
    assert.deepEqual([(await reach("operator"))?.rule ?? null, (await reach("channel"))?.rule ?? null], [operator, channel]);
  });
}

test("a document that says ask always is reported", async (t) => {
  const settings = await settingsOf(t, { config: {}, document: { version: 1, defaults: { ask: "always" } } }, { surface: "operator" });
  assert.deepEqual([settings.alwaysAsk, settings.mode], [true, "ask"]);
});
