import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const SECRET = "key-of-a-provider-0123456789";
const module = new URL("./own-environment.ts", import.meta.url).href;
/** Prints what the process itself and a program that it starts still know, then waits. */
const program = `
import { execFileSync } from "node:child_process";
import { hideEnvironment } from ${JSON.stringify(module)};
hideEnvironment();
process.env.LATER = "set later";
const child = execFileSync("/bin/sh", ["-c", "echo $PROVIDER_KEY,$LATER,$EMPTY."], { encoding: "utf8" }).trim();
console.log(JSON.stringify({ own: process.env.PROVIDER_KEY, path: process.env.PATH, child }));
setInterval(() => {}, 1e6);`;

test("other processes do not see the environment of the gateway, which keeps it", { skip: process.platform !== "linux" }, async (t) => {
  const env = { ...process.env, PROVIDER_KEY: SECRET, EMPTY: "" };
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { env, stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  assert.deepEqual(JSON.parse(line.toString()), { own: SECRET, path: process.env["PATH"], child: `${SECRET},set later,.` });
  const seen = readFileSync(`/proc/${child.pid}/environ`, "latin1");
  assert.ok(seen.length > 0 && !/[^\0]/.test(seen), seen.replaceAll("\0", "|").slice(0, 200));
});
