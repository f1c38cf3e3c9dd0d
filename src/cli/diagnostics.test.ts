import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { callCli } from "../../test/cli-call.ts";
import { ZipReader } from "../core/zip.ts";

const home = mkdtempSync(join(tmpdir(), "diagnostics-"));
after(() => rmSync(home, { recursive: true, force: true }));
const CANARIES = [
  "canary-provider-key-1",
  'canary-"quoted"-2',
  "canary-gateway-token-3",
  "canary-password-4",
  "canary-env-5",
  "4915112345678",
  "4915787654321",
  "ada!*@host.example",
  "-1001234567890",
  "@ada:example.org",
];

test("an export has no credential and no id of a person in any byte, and everything that a report needs", async () => {
  const [provider, quoted, token, password, env, phone, owner, nick, room, sender] = CANARIES as [string, ...string[]];
  mkdirSync(join(home, "gateway/logs"), { recursive: true });
  writeFileSync(
    join(home, "openclaw.json"),
    `{ // the token was ${password}\n${JSON.stringify({
      gateway: { port: 1, auth: { mode: "password", password } },
      commands: { ownerAllowFrom: [`signal:${owner}`] },
      channels: { irc: { allowFrom: [nick, "grace"] }, telegram: { groups: { [room!]: { requireMention: true } } } },
      models: {
        providers: { p: { apiKey: provider, baseUrl: "http://127.0.0.1:1" }, q: { apiKey: quoted, baseUrl: "http://127.0.0.1:1" } },
      },
    }).slice(1)}`,
    { mode: 0o600 },
  );
  writeFileSync(join(home, "gateway/token"), `${token}\n`, { mode: 0o600 });
  const lines = [provider, quoted, token, password, env].map((secret) =>
    JSON.stringify({ level: "error", message: `it was ${secret} here` }),
  );
  const about = JSON.stringify({ level: "info", message: "a turn", sessionKey: `agent:main:signal:direct:${phone}` });
  const refused = JSON.stringify({ level: "info", message: "an interaction was refused", sender });
  writeFileSync(join(home, "gateway/logs/gateway.log"), [...lines, about, refused, ""].join("\n"));
  const output = join(home, "out.zip");
  const { code, err } = await callCli(home, ["gateway", "diagnostics", "export", "--output", output], { env: { ACME_API_KEY: env! } });
  assert.equal(code, 0, err);
  assert.equal(statSync(output).mode & 0o777, 0o600);
  const zip = await ZipReader.open(output);
  for (const entry of zip.entries.values()) {
    const text = (await zip.readAll(entry, 10_000_000)).toString();
    for (const canary of [...CANARIES, "grace"])
      for (const form of [canary, JSON.stringify(canary).slice(1, -1)]) assert.ok(!text.includes(form), `${entry.name} has ${canary}`);
  }
  assert.deepEqual(
    [...zip.entries.keys()],
    [
      "summary.md",
      "diagnostics.json",
      "config/sanitized.json",
      "status/gateway-status.json",
      "health/gateway-health.json",
      "doctor.json",
      "logs/openclaw-sanitized.jsonl",
      "manifest.json",
    ],
  );
  await zip.close();
  assert.equal((await callCli(home, ["gateway", "diagnostics", "export", "--output", output])).code, 2, "it replaces no file");
});
