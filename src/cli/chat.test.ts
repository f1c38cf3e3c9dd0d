import assert from "node:assert/strict";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { dropHome, startGateway } from "../../test/wire/gateway-process.ts";
import { runCli } from "./run.ts";

const gateway = await startGateway();
after(async () => {
  await gateway.kill();
  dropHome(gateway.home);
});

async function chat(words: readonly string[], input: string): Promise<{ code: number; out: string }> {
  let out = "";
  const code = await runCli(["chat", ...words], {
    streams: { stdout: { write: (text: string) => (out += text) }, stderr: { write: () => true } },
    stdin: Readable.from(input === "" ? [] : [input]) as unknown as NodeJS.ReadableStream,
    env: { HOME: gateway.home, OPENCLAW_STATE_DIR: join(gateway.home, ".openclaw") },
    cwd: gateway.home,
    now: Date.now,
    signal: new AbortController().signal,
    useProfile: () => {},
    startGateway: () => Promise.reject(new Error("not here")),
    verifyChannel: () => Promise.reject(new Error("not here")),
  });
  return { code, out };
}

test("a message on the command line is answered and the command ends with an input that is empty", { timeout: 30_000 }, async () => {
  const { code, out } = await chat(["status"], "");
  assert.equal(code, 0);
  assert.match(out, /Gateway: running/);
});

test("the message on the command line comes first, then each line, one after the other", { timeout: 30_000 }, async () => {
  const { code, out } = await chat(["status"], "pair\nlogs\n");
  assert.equal(code, 0);
  const at = [/Gateway: running/, /No one is waiting/, /The log file is/].map((each) => out.search(each));
  assert.ok(at[0]! >= 0 && at[0]! < at[1]! && at[1]! < at[2]!, JSON.stringify(at));
});
