import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { assertMatchesResultSchema } from "../../test/result-schema.ts";
import { systemMethods } from "./system.ts";

const deps = {
  uptimeMs: () => 3_000,
  bootId: "b",
  port: () => 18_789,
  stateDir: tmpdir(),
  identity: async () => ({ id: "key", publicKey: "public" }),
};

test("system.info describes machine, process and disk as the protocol wants it", () => {
  const info = systemMethods(deps)["system.info"].run();
  assertMatchesResultSchema("SystemInfoResult", info);
  assert.deepEqual([info["uptimeMs"], info["port"], info["pid"], info["diskPath"]], [3_000, 18_789, process.pid, tmpdir()]);
  assert.ok(Number(info["diskAvailableBytes"]) > 0);
});

test("a state directory that is gone costs the figures of its disk only", () => {
  const info = systemMethods({ ...deps, stateDir: "/no/such/directory", port: () => 0 })["system.info"].run();
  assertMatchesResultSchema("SystemInfoResult", info);
  assert.deepEqual([info["diskPath"], info["port"]], [undefined, undefined]);
});

test("the gateway tells the public half of its key", async () => {
  assert.deepEqual(await systemMethods(deps)["gateway.identity.get"].run(), { deviceId: "key", publicKey: "public" });
});

test("no question waits, because no tool asks one", () => {
  const answer = systemMethods(deps)["question.list"].run();
  assertMatchesResultSchema("QuestionListResult", answer);
  assert.deepEqual(answer, { questions: [] });
});
