import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { assertMatchesResultSchema } from "../../test/result-schema.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type AgentId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { agentFileMethods } from "./agent-files.ts";

const fails = (code: string, message: RegExp) => (err: unknown) =>
  err instanceof GatewayError && err.code === code && message.test(err.message);

function rig(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "agent-files-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const workspace = join(root, "workspace");
  const methods = agentFileMethods({
    requireAgent: (agentId) => {
      if (agentId === "main") return asId<AgentId>("main");
      throw new GatewayError("NOT_FOUND", "unknown agent");
    },
    workspaceOf: () => workspace,
    ensureWorkspace: async (path) => void mkdirSync(path, { recursive: true }),
  });
  return {
    root,
    workspace,
    list: () => methods["agents.files.list"].run({ agentId: "main" }),
    get: (name: string, agentId = "main") => methods["agents.files.get"].run({ agentId, name }),
    set: (name: string, content: string) => methods["agents.files.set"].run({ agentId: "main", name, content }),
  };
}

test("the files of the system prompt are listed, read and written, also before the workspace exists", async (t) => {
  const it = rig(t);
  const before = await it.list();
  assertMatchesResultSchema("AgentsFilesListResult", before);
  assert.ok(before.files.every(({ missing }) => missing));
  const written = await it.set("SOUL.md", "calm\n");
  assertMatchesResultSchema("AgentsFilesSetResult", written);
  assert.equal(readFileSync(join(it.workspace, "SOUL.md"), "utf8"), "calm\n");
  const read = await it.get("SOUL.md");
  assertMatchesResultSchema("AgentsFilesGetResult", read);
  assert.deepEqual([read.file.content, read.file.size], ["calm\n", 5]);
  const missing = await it.get("USER.md");
  assert.deepEqual([missing.file.missing, missing.file.content], [true, ""]);
});

test("a name that is not of the list is refused, whatever path it is", async (t) => {
  const it = rig(t);
  writeFileSync(join(it.root, "secret"), "secret");
  for (const name of ["../secret", "secret", "/etc/passwd", "SOUL.md/../../secret", "soul.md", "toString"]) {
    await assert.rejects(it.get(name), fails("INVALID_REQUEST", /is not a file of the system prompt/), name);
    await assert.rejects(it.set(name, "x"), fails("INVALID_REQUEST", /is not a file of the system prompt/), name);
  }
  assert.equal(readFileSync(join(it.root, "secret"), "utf8"), "secret");
  await assert.rejects(it.get("SOUL.md", "other"), fails("NOT_FOUND", /unknown agent/));
});

test("a link out of the workspace is neither read nor written", async (t) => {
  const it = rig(t);
  mkdirSync(it.workspace);
  writeFileSync(join(it.root, "secret"), "secret");
  symlinkSync(join(it.root, "secret"), join(it.workspace, "SOUL.md"));
  await assert.rejects(it.get("SOUL.md"), fails("UNAVAILABLE", /a link to a file outside the workspace/));
  await assert.rejects(it.set("SOUL.md", "x"), fails("INVALID_REQUEST", /is a link or not a regular file/));
  assert.equal(readFileSync(join(it.root, "secret"), "utf8"), "secret");
});

test("a file that is too large is neither read nor written", async (t) => {
  const it = rig(t);
  await assert.rejects(it.set("SOUL.md", "x".repeat(LIMITS.agentFileBytes + 1)), fails("TOO_LARGE", /has more than/));
  assert.equal(existsSync(join(it.workspace, "SOUL.md")), false);
  mkdirSync(it.workspace, { recursive: true });
  writeFileSync(join(it.workspace, "SOUL.md"), "x".repeat(LIMITS.agentFileBytes + 1));
  await assert.rejects(it.get("SOUL.md"), fails("TOO_LARGE", /has more than/));
});
