import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { callCli } from "../../test/cli-call.ts";
import { defaultPort } from "../core/profile.ts";

/** A home directory with the gateways of three profiles, none of which runs. */
function home(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "profiles-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const name of [".openclaw", ".openclaw-dev", ".openclaw-work", ".openclaw.bak"]) mkdirSync(join(directory, name));
  writeFileSync(join(directory, ".openclaw-work", "openclaw.json"), "{ gateway: { port: 1234 } }");
  return directory;
}

type Row = { profile: string | null; port: number; running: boolean; current: boolean; stateDir: string };

test("the gateways of this user are listed by profile, with their ports", async (t) => {
  const directory = home(t);
  const env = { OPENCLAW_STATE_DIR: "" };
  const { code, out } = await callCli(directory, ["gateway", "list", "--json"], { env });
  assert.equal(code, 0);
  const { gateways } = JSON.parse(out) as { gateways: Row[] };
  assert.deepEqual(
    gateways.map(({ profile, port, running, current }) => [profile, port, running, current]),
    [
      [null, 18_789, false, true],
      ["dev", defaultPort("dev"), false, false],
      ["work", 1234, false, false],
    ],
  );
  const shown = await callCli(directory, ["gateway", "list"], { env });
  assert.match(shown.out, /default \* +stopped/);
});

test("--profile and --dev select the gateway of a profile", async (t) => {
  const directory = home(t);
  const port = async (...words: string[]): Promise<string> =>
    (await callCli(directory, [...words, "config", "get", "gateway.port"])).out.trim();
  assert.equal(await port("--profile", "work"), "1234");
  assert.equal(await port("--dev"), String(defaultPort("dev")));
  const wrong = await callCli(directory, ["--profile", "../x", "config", "get", "gateway.port"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /not the name of a profile/);
});
