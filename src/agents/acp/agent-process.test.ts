// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../../test/until.ts";
import { systemClock } from "../../core/clock.ts";
import { silentLog } from "../../core/log.ts";
import { GroupWatcher } from "../../tools/group-watcher.ts";
import { AgentProcess } from "./agent-process.ts";

test("a message that cannot be handled ends the agent, not the gateway", async () => {
  const agent = new AgentProcess({
    argv: ["/bin/sh", "-c", `echo '{"jsonrpc":"2.0","method":"x"}'; exec cat`],
    cwd: "/",
    env: { PATH: process.env["PATH"] ?? "" },
    watcher: new GroupWatcher(),
    clock: systemClock,
    log: silentLog,
    onMessage: () => {
      throw new Error("a defect");
    },
    onEnd: () => {},
  });
  await agent.start();
  await until("the end of the agent", () => agent.end !== null);
  assert.equal(agent.end?.cause, "it wrote what could not be handled (a defect) and was ended");
});
