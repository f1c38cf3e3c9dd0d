// A day without a user, with the time of the test: nothing asks a model, and nothing is scheduled.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createPaths } from "../../src/config/paths.ts";
import { createBase } from "../../src/gateway/base.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import { openGatewayLog, readConfig } from "../../src/gateway/settings.ts";
import { openStorage } from "../../src/gateway/storage.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { startModelServer } from "../model-server.ts";
import { settled } from "../until.ts";
import { modelConfig } from "./gateway-process.ts";

const HOUR = 3_600_000;

test("T10.5: a fresh installation asks no model in 24 hours without a user", async () => {
  const model = await startModelServer();
  const home = mkdtempSync(join(tmpdir(), "idle-day-"));
  const paths = createPaths({ OPENCLAW_STATE_DIR: home });
  mkdirSync(paths.gateway, { recursive: true });
  writeFileSync(paths.config, JSON.stringify(modelConfig(model.url)));
  const loaded = readConfig(paths);
  const log = openGatewayLog(paths, loaded.config, false);
  const clock = new FakeClock(Date.parse("2026-06-01T00:00:00Z"));
  const base = createBase(paths, log, clock);
  const gateway = new Gateway({
    base,
    storage: openStorage(base, false),
    loaded,
    options: { port: 0, verbose: false, force: false },
    restart: () => {},
  });
  try {
    await gateway.start();
    for (let hour = 0; hour < 24; hour++) {
      clock.advance(HOUR);
      await settled(5);
    }
    assert.equal(model.requests().length, 0);
    assert.equal(gateway.parts.schedule.rows.countJobs(), 0, "nothing is scheduled");
  } finally {
    await gateway.stop("the test is over");
    await model.close();
    rmSync(home, { recursive: true, force: true });
  }
});
