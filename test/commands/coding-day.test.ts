// Group: kit
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { asId } from "../../src/core/ids.ts";
import { silentLog } from "../../src/core/log.ts";
import type { AllowedProgram } from "../../src/tools/commands/decide.ts";
import { SettingsCommandGate } from "../../src/tools/commands/gate.ts";
import type { Sandbox } from "../../src/tools/sandbox.ts";
import { testPermit } from "../fakes/tool-permit.ts";

type RecordedCommand = { text: string; isOutside: boolean };

/** The commands of each turn of the day. */
const DAY: readonly (readonly RecordedCommand[])[] = readFileSync(fileURLToPath(new URL("./coding-day.txt", import.meta.url)), "utf8")
  .split("\n\n")
  .map((turn) => turn.split("\n").filter((line) => line !== "" && !line.startsWith("#")))
  .filter((turn) => turn.length > 0)
  .map((turn) => turn.map((line) => ({ text: unescape(line.replace(/^!/, "")), isOutside: line.startsWith("!") })));

function unescape(line: string): string {
  return line.replaceAll(/\\(n|\\)/g, (_, char: string) => (char === "n" ? "\n" : "\\"));
}

const isolated: Sandbox = { name: "test", guarantees: [], wrap: ({ argv, env, cwd }) => ({ argv, env, cwd, inputs: [] }) };

/** The questions of the day at the default settings, with a person who answers always wherever that is offered. */
async function questionsOf(t: TestContext, hasSandbox: boolean): Promise<string[]> {
  const workspace = realpathSync(mkdtempSync(join(tmpdir(), "coding-day-")));
  t.after(() => rmSync(workspace, { recursive: true, force: true }));
  for (const directory of ["src", "tests", "docs", "scripts"]) mkdirSync(join(workspace, directory));
  const asked: string[] = [];
  const allowlist: AllowedProgram[] = [];
  const gate = new SettingsCommandGate({
    settings: () => ({
      mode: "auto",
      rule: "default",
      host: "auto",
      hostRule: "default",
      alwaysAsk: false,
      readOnly: false,
      workspaceAccess: "rw",
      egress: null,
    }),
    sandbox: () => Promise.resolve(hasSandbox ? { sandbox: isolated } : { sandbox: null, reason: "bwrap is missing", fix: "Install it." }),
    desk: {
      ask: ({ command, patterns }) => {
        asked.push(command);
        allowlist.push(...patterns);
        return Promise.resolve({ allowed: true, id: String(asked.length) });
      },
      use: () => Promise.resolve(true),
      useGrant: () => Promise.resolve(false),
      allowlist: () => allowlist,
    },
    log: silentLog,
  });
  for (const [at, turn] of DAY.entries()) {
    const permit = testPermit(workspace);
    const caller = { ...permit.caller, runId: asId<never>(`turn-${at}`) };
    for (const { text, isOutside } of turn) {
      const host = isOutside && hasSandbox ? ("gateway" as const) : undefined;
      const request = {
        callId: "c",
        command: text,
        cwd: workspace,
        env: { PATH: "/usr/bin:/bin" },
        ownVariables: [],
        input: "none" as const,
        host,
      };
      await gate.allow(request, { ...permit, caller }, new AbortController().signal);
    }
  }
  return asked;
}

test("a day of a coding agent asks at most 15 questions at the default settings", async (t) => {
  assert.equal(DAY.flat().length, 300);
  const asked = await questionsOf(t, true);
  t.diagnostic(`${asked.length} questions about 300 commands: ${asked.join(" | ")}`);
  assert.ok(asked.length > 0 && asked.length <= 15, `${asked.length} questions`);
});

test("without a sandbox nothing but reading commands runs unasked, and repeats in a turn are not asked about again", async (t) => {
  const asked = await questionsOf(t, false);
  t.diagnostic(`${asked.length} questions about 300 commands without a sandbox`);
  assert.ok(asked.length < 300);
  for (const text of ["ls -la", "pwd", "date", "whoami"]) assert.ok(!asked.includes(text), text);
  for (const text of ["git status", "npm test", "rm -rf coverage"]) assert.ok(asked.includes(text), text);
});
