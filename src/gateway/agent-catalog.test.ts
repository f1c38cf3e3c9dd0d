import assert from "node:assert/strict";
import { test } from "node:test";
import type { LocalServer } from "../agents/models.ts";
import { checkConfigValue } from "../config/load.ts";
import { asId } from "../core/ids.ts";
import { AgentCatalog } from "./agent-catalog.ts";

test("an agent is resolved once for a configuration, and again when the local model servers change", () => {
  const { config } = checkConfigValue({ agents: { entries: { ops: { name: "Ops" }, main: {} } } });
  let reads = 0;
  const counted = {
    ...config,
    get messages() {
      reads++;
      return config.messages;
    },
  };
  const local: { servers: readonly LocalServer[] } = { servers: [] };
  const catalog = new AgentCatalog(counted, { stateDir: "/s", env: {}, local });
  const settings = catalog.settings("ops");
  const forOne = reads;
  assert.ok(forOne > 0);
  assert.equal(catalog.name("ops"), "Ops");
  assert.deepEqual(catalog.channelTools(asId("ops"), null), []);
  assert.equal(catalog.hostOf("ops").host, config.agents.defaults.pi.host);
  assert.equal(catalog.settings("ops"), settings);
  assert.equal(reads, forOne);
  const { version } = catalog;
  local.servers = [];
  assert.notEqual(catalog.settings("ops"), settings);
  assert.notEqual(catalog.version, version);
  assert.equal(reads, 2 * forOne);
});
