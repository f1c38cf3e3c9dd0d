import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfigValue } from "../config/load.ts";
import { resolveSandbox } from "../config/sandbox.ts";
import { asId } from "../core/ids.ts";
import type { SandboxProbe } from "../tools/sandbox.ts";
import { sandboxMethods } from "./sandbox.ts";

const CONFIG = {
  agents: {
    defaults: { sandbox: { workspaceAccess: "ro" } },
    entries: { main: {}, helper: { sandbox: { backend: "podman", scope: "session", docker: { image: "own:1" } } } },
  },
};

const row = (name: string, agentId: string | null, sessionKey: string | null = null) => ({
  name,
  engine: "podman",
  image: "localhost/own:1",
  isRunning: false,
  createdAt: 1_000,
  endedAt: 2_000,
  commands: 0,
  owner: { scope: sessionKey === null ? "agent" : "session", agentId, sessionKey },
});

function open(probe: SandboxProbe = { sandbox: null, reason: "bwrap is not installed", fix: "Install it." }) {
  const { config } = checkConfigValue(CONFIG);
  const rows = [row("a", "main"), row("b", "helper", "agent:helper:x"), row("c", null)];
  return sandboxMethods({
    sandbox: {
      probe: () => Promise.resolve(probe),
      settings: (agentId) => resolveSandbox(config, agentId),
      list: () => Promise.resolve({ containers: rows, unreachable: [{ backend: "docker", reason: "it is off" }] }),
      remove: (isWanted) => Promise.resolve({ removed: rows.filter(isWanted).map(({ name }) => name), unreachable: [] }),
    },
    config: () => config,
    now: () => 5_000,
    resolveSession: (key, agentId = "main") =>
      key.startsWith("agent:")
        ? { key: asId(key), agentId: asId(key.split(":")[1]!) }
        : { key: asId(`agent:${agentId}:${key}`), agentId: asId(agentId) },
    commandSettings: () => ({
      mode: "auto",
      rule: "the default",
      host: "sandbox",
      hostRule: "the host's rule",
      alwaysAsk: false,
      readOnly: false,
      workspaceAccess: "ro",
      egress: null,
    }),
  });
}

test("the sandbox is described, or why there is none", async () => {
  const sandbox = { name: "bubblewrap 1.0", guarantees: ["one"], wrap: () => assert.fail("nothing is run") };
  const about = {
    agentId: "main",
    sessionKey: "agent:main:main",
    backend: "bubblewrap",
    mode: null,
    host: "sandbox",
    hostRule: "the host's rule",
    workspaceAccess: "ro",
    egress: null,
  };
  assert.deepEqual(await open({ sandbox })["sandbox.explain"].run({}), {
    ...about,
    available: true,
    name: "bubblewrap 1.0",
    guarantees: ["one"],
  });
  assert.deepEqual(await open()["sandbox.explain"].run({}), {
    ...about,
    available: false,
    reason: "bwrap is not installed",
    fix: "Install it.",
  });
});

test("an agent's own backend is described with its image and scope", async () => {
  const answer = await open()["sandbox.explain"].run({ sessionKey: "agent:helper:x" });
  const { backend, scope, image, workspaceAccess, prune } = answer as Record<string, unknown>;
  assert.deepEqual(
    { backend, scope, image, workspaceAccess, prune },
    { backend: "podman", scope: "session", image: "own:1", workspaceAccess: "ro", prune: { idleHours: 24, maxAgeDays: 7 } },
  );
  await assert.rejects(open()["sandbox.explain"].run({ agentId: "other" }), /unknown agent id "other"/);
});

test("containers are listed with their owner, and whether their image is the configured one", async () => {
  const { ts, containers, unreachable } = await open()["sandbox.list"].run();
  assert.deepEqual([ts, unreachable], [5_000, [{ backend: "docker", reason: "it is off" }]]);
  assert.deepEqual(
    containers.map(({ name, imageMatches, status, sessionKey }) => [name, imageMatches, status, sessionKey]),
    [
      ["a", false, "stopped", null],
      ["b", true, "stopped", "agent:helper:x"],
      ["c", null, "stopped", null],
    ],
  );
});

test("the containers of an agent, of a conversation or all of them are removed, and never without saying which", async () => {
  const { run } = open()["sandbox.recreate"];
  assert.deepEqual((await run({ all: true })).removed, ["a", "b", "c"]);
  assert.deepEqual((await run({ agentId: "helper" })).removed, ["b"]);
  assert.deepEqual((await run({ sessionKey: "agent:helper:x" })).removed, ["b"]);
  for (const params of [{}, { all: false }, { all: true, agentId: "main" }])
    await assert.rejects(async () => await run(params), /name one of all/);
});
