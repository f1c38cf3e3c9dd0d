import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { until } from "../../test/until.ts";
import { silentLog } from "../core/log.ts";
import { silentMetrics } from "../core/metrics.ts";
import { createHealth } from "../observe/health.ts";
import { GatewaySecrets } from "./secrets.ts";

const root = mkdtempSync(join(tmpdir(), "gateway-secrets-"));
after(() => rmSync(root, { recursive: true, force: true }));

function bench(config: string) {
  const home = mkdtempSync(join(root, "home-"));
  const paths = { config: join(home, "openclaw.json"), gateway: join(home, "gateway"), lastGood: join(home, "last-good.json") };
  mkdirSync(paths.gateway);
  writeFileSync(paths.config, config.replaceAll("<home>", home));
  const clock = new FakeClock();
  const health = createHealth(clock);
  const secrets = new GatewaySecrets({ paths, env: { PATH: "/bin:/usr/bin" }, clock });
  const seen = { applied: 0 };
  const start = (): void => secrets.start({ health, metrics: silentMetrics, log: silentLog, apply: async () => void seen.applied++ });
  const part = () => health.readiness().parts.find(({ name }) => name === "secrets");
  return { home, clock, secrets, seen, start, part };
}

test("a configuration without such references sets no timer and reports nothing", async () => {
  const { secrets, start, clock, part } = bench("{}");
  assert.equal(await secrets.prepare(), false);
  start();
  assert.deepEqual([clock.pending(), part(), secrets.degraded], [[], undefined, []]);
  secrets.stop();
});

test("a program that fails at the start is asked again, and its value is then used without a restart", async () => {
  const { home, secrets, start, clock, part, seen } = bench(
    '{"secrets":{"providers":{"v":{"source":"exec","command":"<home>/get"}}},"gateway":{"auth":{"token":{"source":"exec","provider":"v","id":"t"}}}}',
  );
  await secrets.prepare();
  start();
  assert.deepEqual([part()?.state, secrets.degraded], ["degraded", ["secrets.providers.v"]]);
  assert.match(part()!.cause!, /secrets\.providers\.v: .*get cannot be used: it does not exist/);
  writeFileSync(join(home, "get"), `#!/bin/sh\ncat >/dev/null; echo '{"protocolVersion":1,"values":{"t":"canary"}}'\n`);
  chmodSync(join(home, "get"), 0o700);
  clock.advance(30_000);
  await until("the configuration is applied again", () => seen.applied === 1);
  assert.deepEqual([part()?.state, secrets.degraded], ["ready", []]);
  secrets.stop();
  assert.deepEqual(clock.pending(), []);
});
