import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { startServerBench } from "../../test/server-bench.ts";
import { portHolder, resolveBind } from "./listen.ts";

test("a port of another gateway is reported with its process", async () => {
  const room = await startServerBench();
  const holder = await portHolder("127.0.0.1", room.port);
  assert.equal(holder.ours, true);
  if (process.platform === "linux") assert.equal(holder.pid, process.pid);
  const second = await startServerBench();
  await assert.rejects(
    () => second.server.listen(["127.0.0.1"], room.port),
    (err: { code: string; details: Record<string, unknown>; message: string }) => {
      assert.equal(err.code, "CONFLICT");
      assert.equal(err.details["code"], "PORT_TAKEN");
      assert.equal(err.details["ours"], true);
      return true;
    },
  );
  await second.stop();
  await room.stop();
});

test("a port of another program is reported as such, even when it never answers", async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  const holder = await portHolder("127.0.0.1", port);
  assert.equal(holder.ours, false);
  if (process.platform === "linux") {
    assert.equal(holder.pid, process.pid);
    assert.match(holder.command!, /node/);
  }
  silent.close();
});

test("nothing but loopback is listened on without a credential", () => {
  assert.deepEqual(resolveBind({ mode: "loopback", host: null, authenticated: false }), ["127.0.0.1", "::1"]);
  assert.deepEqual(resolveBind({ mode: "custom", host: "127.0.0.2", authenticated: false }), ["127.0.0.2"]);
  const refused = { code: "INVALID_REQUEST", details: { code: "BIND_WITHOUT_AUTH" } };
  assert.throws(() => resolveBind({ mode: "lan", host: null, authenticated: false }), refused);
  assert.throws(() => resolveBind({ mode: "custom", host: "192.0.2.1", authenticated: false }), refused);
  assert.throws(() => resolveBind({ mode: "custom", host: "::", authenticated: false }), refused);
  assert.throws(() => resolveBind({ mode: "custom", host: "127.evil.com", authenticated: true }), { code: "INVALID_REQUEST" });
  assert.deepEqual(resolveBind({ mode: "lan", host: null, authenticated: true })[0], "0.0.0.0");
});
