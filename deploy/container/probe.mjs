// Asks the gateway of this container for one of its health paths and ends with 0 when it answers 200 with JSON. The address is in the
// gateway's own file, so that a changed port or TLS needs no other probe.
//   node probe.mjs /readyz
import { readFileSync } from "node:fs";
import { request as plain } from "node:http";
import { request as secure } from "node:https";
import { join } from "node:path";

const LIMIT_MS = 4_000;
const path = process.argv[2] ?? "/healthz";
const state = process.env.OPENCLAW_STATE_DIR ?? join(process.env.HOME ?? "/", ".openclaw");

const fail = (why) => {
  process.stderr.write(`${path}: ${why}\n`);
  process.exit(1);
};

let owner;
try {
  owner = JSON.parse(readFileSync(join(state, "gateway", "owner.json"), "utf8"));
} catch (err) {
  fail(`no gateway listens yet (${err.code ?? err.message})`);
}
const isSecure = owner.url.startsWith("wss:");
// The certificate is the gateway's own, and the connection does not leave this machine.
const options = { host: "127.0.0.1", port: owner.port, path, timeout: LIMIT_MS, rejectUnauthorized: false };
const asked = (isSecure ? secure : plain)(options, (answer) => {
  let text = "";
  answer.on("data", (chunk) => (text += chunk));
  answer.on("end", () => {
    if (answer.statusCode !== 200) return fail(`status ${answer.statusCode}`);
    try {
      JSON.parse(text);
    } catch {
      // Another program that answers 200 to everything.
      fail("the answer is not JSON");
    }
  });
});
asked.on("timeout", () => asked.destroy(new Error(`no answer within ${LIMIT_MS} ms`)));
asked.on("error", (err) => fail(err.message));
asked.end();
