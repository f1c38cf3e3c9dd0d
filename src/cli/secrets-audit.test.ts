import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { callCli } from "../../test/cli-call.ts";

const home = mkdtempSync(join(tmpdir(), "secrets-"));
after(() => rmSync(home, { recursive: true, force: true }));

type Report = { status: string; findings: { code: string; jsonPath: string; line: number; fix: string }[] };

async function audit(text: string, env: Record<string, string> = {}): Promise<Report & { exit: number; all: string }> {
  writeFileSync(join(home, "openclaw.json"), text, { mode: 0o600 });
  const json = await callCli(home, ["secrets", "audit", "--json"], { env });
  const shown = await callCli(home, ["secrets", "audit"], { env });
  assert.equal(shown.code, json.code);
  return { ...(JSON.parse(json.out) as Report), exit: json.code, all: json.out + json.err + shown.out + shown.err };
}

test("credentials in the file, placeholders, missing references and shadowed variables are found, and no value is printed", async () => {
  const text = `{
  "gateway": { "auth": { "token": "canary-token-0123456789" } },
  "env": { "vars": { "SHARED": "canary-shared-value" } },
  "models": { "providers": {
    "a": { "baseUrl": "http://127.0.0.1:1", "apiKey": "\${PRESENT}" },
    "b": { "baseUrl": "http://127.0.0.1:1", "apiKey": "\${ABSENT}" },
    "c": { "baseUrl": "http://127.0.0.1:1", "apiKey": "changeme" } } }
}`;
  const { status, findings, exit, all } = await audit(text, { PRESENT: "canary-present", SHARED: "canary-other" });
  assert.deepEqual([status, exit], ["unresolved", 2]);
  assert.deepEqual(
    findings.map(({ code, jsonPath, line }) => `${code} ${jsonPath} ${line}`),
    [
      "PLAINTEXT_FOUND gateway.auth.token 2",
      "PLAINTEXT_FOUND env.vars.SHARED 3",
      "PLACEHOLDER_VALUE models.providers.c.apiKey 7",
      "REF_UNRESOLVED models.providers.b.apiKey 6",
      "REF_SHADOWED env.vars.SHARED 0",
    ],
  );
  assert.doesNotMatch(all, /canary/);
});

test("a configuration whose credentials are references is clean", async () => {
  const { status, findings, exit } = await audit(
    `{ "gateway": { "auth": { "token": { "source": "env", "provider": "default", "id": "TOKEN" } } } }`,
    { TOKEN: "canary" },
  );
  assert.deepEqual([status, findings, exit], ["clean", [], 0]);
});

test("findings that resolve end with 1", async () => {
  assert.equal((await audit(`{ "gateway": { "auth": { "password": "canary-password-0123456789" } } }`)).exit, 1);
});
