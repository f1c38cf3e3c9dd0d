// An idle gateway calls no model, however long it runs.
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
import { loadMethod } from "../../src/protocol/lazy-methods.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { callerOf, decodeAnswer } from "../fakes/method-bench.ts";
import { startModelServer } from "../model-server.ts";
import { modelConfig, until } from "./gateway-process.ts";

const HOUR_MS = 3_600_000;

test("a fresh gateway calls no model in 24 hours without a person, and none in the 24 hours after a conversation", async (t) => {
  const home = mkdtempSync(join(tmpdir(), "idle-gateway-"));
  const model = await startModelServer();
  const paths = createPaths({ OPENCLAW_STATE_DIR: home, HOME: home });
  mkdirSync(paths.gateway, { recursive: true });
  writeFileSync(paths.config, JSON.stringify({ ...modelConfig(model.url), gateway: { port: 0 } }));
  const loaded = readConfig(paths);
  const clock = new FakeClock(Date.UTC(2026, 10, 30, 12));
  const base = createBase(paths, openGatewayLog(paths, loaded.config, false), clock);
  const options = { verbose: false, port: 0 } as never;
  const gateway = new Gateway({ base, storage: openStorage(base, false), loaded, options, restart: () => {} });
  t.after(async () => {
    await gateway.stop("the test is over");
    await model.close();
    rmSync(home, { recursive: true, force: true });
  });
  const { methods, runtime } = gateway.parts;
  const letADayPass = async (): Promise<void> => {
    for (let hour = 0; hour < 24; hour++) await clock.advanceSettled(HOUR_MS);
  };
  await gateway.start();
  await clock.advanceSettled(HOUR_MS);
  await until("the agent process", () => runtime.status().processes > 0 && runtime.status().state === "ready");
  await letADayPass();
  assert.deepEqual(model.requests(), []);

  const { run: send } = await loadMethod(methods, "chat.send");
  const { run: read } = await loadMethod(methods, "chat.history");
  await send({ sessionKey: "main", message: "hello", idempotencyKey: "k1" } as never, callerOf());
  await until("the answer", async () => {
    await clock.advanceSettled(10);
    const history = decodeAnswer(await read({ sessionKey: "main" } as never, callerOf()));
    return JSON.stringify(history).includes("You said: hello");
  });
  await letADayPass();
  assert.equal(model.requests().length, 1);
});
