import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Writable } from "node:stream";
import { after, test } from "node:test";
import { startModelServer } from "../../../../test/model-server.ts";
import { Secret } from "../../../core/secret.ts";
import { toPiConfig } from "../files.ts";
import { GUIDE_PROVIDER } from "../../../core/guide-model.ts";
import { guideProvider } from "./guide-provider.ts";
import { HostOutput } from "./host-output.ts";
import { currentRun } from "./host-session.ts";
import { wrapFetch } from "./provider-fetch.ts";
import { loadSdk } from "./sdk.ts";
import { runDryTurn } from "./warm-up.ts";

const agentDir = mkdtempSync(join(tmpdir(), "pi-warm-up-"));
const plain = globalThis.fetch;
after(() => {
  globalThis.fetch = plain;
  rmSync(agentDir, { recursive: true, force: true });
});

test("a dry turn asks the library of the configured model, but sends no request and leaves no session", async () => {
  const server = await startModelServer();
  try {
    const table = { test: { baseUrl: `${server.url}/v1`, apiKey: new Secret("canary-key"), models: [{ id: "test-model" }] } };
    const config = toPiConfig(table, {});
    Object.assign(process.env, config.keys);
    writeFileSync(join(agentDir, "models.json"), config.models);
    const sdk = await loadSdk(join(dirname(import.meta.resolve("@earendil-works/pi-coding-agent/rpc-entry")), "index.js"));
    const models = await sdk.ModelRuntime.create({
      authPath: join(agentDir, "auth.json"),
      modelsPath: join(agentDir, "models.json"),
      allowModelNetwork: false,
    });
    models.registerProvider(
      GUIDE_PROVIDER,
      guideProvider(() => ({})),
    );
    const offline: boolean[] = [];
    wrapFetch([], {
      getStore() {
        offline.push(currentRun.getStore()?.isOffline === true);
        return currentRun.getStore();
      },
    });
    const before = readdirSync(agentDir);
    const visible = new HostOutput(new Writable({ write: () => assert.fail("a record of the dry turn was sent") }));
    await runDryTurn({ sdk, models, settings: JSON.parse(config.settings), agentDir, secrets: [], output: visible });
    assert.deepEqual(offline, [true]);
    assert.deepEqual(server.paths(), []);
    assert.deepEqual(readdirSync(agentDir), before);
  } finally {
    await server.close();
  }
});
