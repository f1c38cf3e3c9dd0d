// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../test/until.ts";
import { systemClock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import { GroupWatcher } from "../tools/group-watcher.ts";
import { StdioTransport } from "./stdio-transport.ts";

test("a message that cannot be handled ends the server, not the gateway", async () => {
  const transport = new StdioTransport({
    argv: ["/bin/sh", "-c", `echo '{"jsonrpc":"2.0","method":"x"}'; exec cat`],
    cwd: "/",
    env: { PATH: process.env["PATH"] ?? "" },
    watcher: new GroupWatcher(),
    clock: systemClock,
    log: silentLog,
  });
  let isClosed = false;
  Object.assign(transport, {
    onclose: () => (isClosed = true),
    onmessage: () => {
      throw new Error("a defect");
    },
  });
  await transport.start();
  await until("the end of the server", () => isClosed);
  assert.equal(transport.cause, "it wrote what could not be handled (a defect) and was ended");
});
