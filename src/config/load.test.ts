import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { inspect } from "node:util";
import { LIMITS } from "../core/limits.ts";
import { Secret } from "../core/secret.ts";
import { checkConfigValue, hashOf, loadConfig, saveLastGood } from "./load.ts";

const root = mkdtempSync(join(tmpdir(), "config-load-"));
after(() => rmSync(root, { recursive: true, force: true }));

let count = 0;
function newDirectory(): string {
  const directory = join(root, String(count++));
  mkdirSync(directory);
  return directory;
}

const bytes = (...values: number[]): Buffer => Buffer.from(values);
const GOOD = '{ gateway: { port: 19000 }, channels: { irc: { host: "h", nick: "n" } } }';

type Damage = { name: string; content: string | Buffer; source: "file" | "unusable"; issue: RegExp; line?: number };

const DAMAGED: readonly Damage[] = [
  {
    name: "cut off in the middle",
    content: "{\n  gateway: {\n    port: 190",
    source: "unusable",
    issue: /not JSON5: the text ends/,
    line: 3,
  },
  { name: "empty", content: "", source: "unusable", issue: /file is empty/ },
  { name: "only white space and a byte order mark", content: "\uFEFF \n\t", source: "unusable", issue: /file is empty/ },
  { name: "NUL bytes", content: `{ gateway: {} }${"\0".repeat(4096)}`, source: "unusable", issue: /NUL bytes/, line: 1 },
  { name: "binary", content: bytes(0x7f, 0x45, 0x4c, 0x46, 0xff, 0xfe, 0x80, 0x01), source: "unusable", issue: /not UTF-8/ },
  { name: "UTF-16", content: Buffer.from(`\uFEFF${GOOD}`, "utf16le"), source: "unusable", issue: /UTF-16/ },
  { name: "an array at the root", content: "[1, 2]", source: "unusable", issue: /must hold an object, but holds a list/, line: 1 },
  { name: "a number at the root", content: "18789", source: "unusable", issue: /must hold an object, but holds a number/, line: 1 },
  { name: "200,000 levels of nesting", content: "[".repeat(200_000), source: "unusable", issue: /nested deeper/, line: 1 },
  { name: "too large", content: " ".repeat(LIMITS.configFileBytes + 1), source: "unusable", issue: /at most \d+ are read/ },
  { name: "two values", content: "{}\n{}", source: "unusable", issue: /after the end/, line: 2 },
  { name: "a missing comma", content: "{\n  a: 1\n  b: 2\n}", source: "unusable", issue: /"," or "}" belongs/, line: 3 },
  {
    name: "an unknown top-level key",
    content: "{\n  gatway: { port: 1 } }",
    source: "file",
    issue: /gatway is not a known key; did you mean "gateway"/,
    line: 2,
  },
  {
    name: "an unknown nested key",
    content: '{ gateway: {\n bnd: "lan" } }',
    source: "file",
    issue: /gateway\.bnd is not a known key; did you mean "bind"/,
    line: 2,
  },
  {
    name: "a key of OpenClaw that is not served",
    content: "{ talk: { enabled: true } }",
    source: "file",
    issue: /talk belongs to OpenClaw/,
    line: 1,
  },
  {
    name: "a wrong type",
    content: '{ gateway: { port: "abc" } }',
    source: "file",
    issue: /gateway\.port must be a whole number, but is a text/,
    line: 1,
  },
  {
    name: "a port out of range",
    content: "{ gateway: {\n\n port: 99999 } }",
    source: "file",
    issue: /from 1 to 65535, but is 99999/,
    line: 3,
  },
  {
    name: "a wrong type of a whole section",
    content: '{ gateway: 5, agents: [], channels: "irc" }',
    source: "file",
    issue: /gateway must be an object, but is a number/,
    line: 1,
  },
  {
    name: "duplicate keys",
    content: "{ gateway: { port: 1 },\n gateway: { port: 2 } }",
    source: "file",
    issue: /gateway is there twice, in lines 1 and 2/,
    line: 2,
  },
  { name: "__proto__", content: '{ "__proto__": { polluted: true } }', source: "file", issue: /__proto__ is left out/, line: 1 },
  {
    name: "thousands of unknown keys",
    content: `{${Array.from({ length: 9_000 }, (_, i) => `k${i}:1`).join(",")}}`,
    source: "file",
    issue: /8800 more findings/,
  },
  {
    name: "a newer file with unknown sections",
    content: '{ meta: { lastTouchedVersion: "2099.1.1" }, quantum: {} }',
    source: "file",
    issue: /quantum is not a known key/,
    line: 1,
  },
];

for (const { name, content, source, issue, line } of DAMAGED) {
  test(`a file that is damaged by ${name} gives a configuration and a clear message, and stays as it is`, () => {
    const directory = newDirectory();
    const path = join(directory, "openclaw.json");
    const lastGoodPath = join(directory, "good.json");
    writeFileSync(path, content);
    const before = statSync(path);
    const without = loadConfig({ path, env: {} });
    assert.equal(without.source, source === "file" ? "file" : "defaults");
    assert.equal(without.config.gateway.bind, "loopback");
    assert.ok(Object.isFrozen(without.config) && Object.isFrozen(without.config.gateway));
    const found = without.issues.find((one) => issue.test(one.message));
    assert.ok(found, JSON.stringify(without.issues.slice(0, 3)));
    if (line !== undefined) assert.equal(found.line, line);
    writeFileSync(lastGoodPath, GOOD);
    const withCopy = loadConfig({ path, env: {}, lastGoodPath });
    assert.equal(withCopy.source, source === "file" ? "file" : "last-good");
    if (source !== "file") assert.equal(withCopy.config.gateway.port, 19_000);
    assert.deepStrictEqual(readFileSync(path), Buffer.from(content));
    assert.equal(statSync(path).mtimeMs, before.mtimeMs);
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  });
}

test("a directory, a pipe and a file without permission are named and do not block", { skip: process.platform === "win32" }, () => {
  const directory = newDirectory();
  mkdirSync(join(directory, "dir"));
  execFileSync("mkfifo", [join(directory, "fifo")]);
  assert.match(loadConfig({ path: join(directory, "dir"), env: {} }).issues[0]!.message, /is a directory/);
  assert.match(loadConfig({ path: join(directory, "fifo"), env: {} }).issues[0]!.message, /not a regular file/);
  const secret = join(directory, "secret");
  writeFileSync(secret, "{}", { mode: 0 });
  const loaded = loadConfig({ path: secret, env: {} });
  chmodSync(secret, 0o600);
  if (process.getuid?.() !== 0) assert.match(loaded.issues[0]!.message, /no permission/);
  assert.ok(loaded.exists);
});

test("no file at all means the defaults, without a complaint", () => {
  const loaded = loadConfig({ path: join(root, "nowhere", "openclaw.json"), env: {} });
  assert.deepStrictEqual([loaded.source, loaded.exists, loaded.raw, loaded.issues], ["missing", false, null, []]);
  assert.equal(loaded.config.gateway.port, 18_789);
  assert.equal(loaded.config.gateway.http.endpoints.chatCompletions.enabled, true);
});

test("the last good copy is the text itself, private, and is kept only of a file without errors", async () => {
  const directory = newDirectory();
  const path = join(directory, "openclaw.json");
  const copy = join(directory, "gateway", "good.json");
  const text = '{ gateway: { auth: { token: "${TOK}" } } } // comment\n';
  writeFileSync(path, text);
  assert.equal(await saveLastGood(loadConfig({ path, env: { TOK: "s3cret" } }), copy), true);
  assert.equal(readFileSync(copy, "utf8"), text);
  assert.equal(statSync(copy).mode & 0o777, 0o600);
  writeFileSync(path, "{ gateway: { port: 0 } }");
  assert.equal(await saveLastGood(loadConfig({ path, env: {} }), copy), false);
  writeFileSync(path, "{");
  assert.equal(await saveLastGood(loadConfig({ path, env: {}, lastGoodPath: copy }), copy), false);
  assert.equal(readFileSync(copy, "utf8"), text);
});

test("the hash follows the text and cannot be computed outside of the process", () => {
  assert.equal(hashOf("a"), hashOf("a"));
  assert.notEqual(hashOf("a"), hashOf("b"));
  assert.notEqual(hashOf(null), hashOf(""));
  const own = new URL("./load.ts", import.meta.url).href;
  const other = execFileSync(process.execPath, ["-e", `import(${JSON.stringify(own)}).then((m) => console.log(m.hashOf("a")))`], {
    encoding: "utf8",
  });
  assert.match(other, /^hmac-sha256:v1:/);
  assert.notEqual(other.trim(), hashOf("a"));
});

const CANARY = "canary-3f9a77";

test("secrets are in no JSON and no inspection of the configuration, the issues or the result", () => {
  const directory = newDirectory();
  const path = join(directory, "openclaw.json");
  writeFileSync(join(directory, "pw"), `${CANARY}-file\n`);
  writeFileSync(
    path,
    `{ gateway: { auth: { token: "${CANARY}-a", passwordFile: "pw" }, remote: { token: 5, password: ["${CANARY}"] } },
       models: { providers: { p: { apiKey: "${CANARY}-b", headers: { "X-Key": "${CANARY}-c" }, models: [{ id: "m", headers: { A: "${CANARY}" } }] } } },
       channels: { irc: { password: "${CANARY}-d", nickserv: { password: "${CANARY}" }, accounts: { x: { sasl: { password: "${CANARY}" } } } },
                   telegram: { botToken: "${CANARY}-e", webhook: { secretKeys: ["${CANARY}"] } } },
       env: { vars: { FOO: "${CANARY}-f" } }, hooks: { token: "${CANARY}" } }`,
  );
  const loaded = loadConfig({ path, env: {} });
  for (const text of [
    JSON.stringify(loaded),
    inspect(loaded, { depth: 20 }),
    inspect(loaded, { depth: 20, showHidden: false, customInspect: false }),
    JSON.stringify({ ...loaded }),
  ]) {
    assert.ok(!text.includes(CANARY), text.slice(Math.max(0, text.indexOf(CANARY) - 80), text.indexOf(CANARY) + 20));
  }
  const { config } = loaded;
  assert.equal(config.gateway.auth.token?.reveal(), `${CANARY}-a`);
  assert.equal(config.gateway.auth.password?.reveal(), `${CANARY}-file`);
  assert.equal(config.models.providers["p"]!.headers["X-Key"]!.reveal(), `${CANARY}-c`);
  assert.ok((config.channels["telegram"] as Record<string, unknown>)["botToken"] instanceof Secret);
  assert.equal(loaded.raw?.includes(CANARY), true);
});

test("variables come from the environment, then from env.vars; a missing one costs the key and is named", () => {
  const value = {
    env: { vars: { A: "from-file", B: "from-file" } },
    gateway: {
      auth: { token: "x-${A}-${B}", password: "${NOPE}" },
      port: "${PORT}",
      customBindHost: "$${A}",
      controlUi: { enabled: "${ON}" },
    },
    messages: { responsePrefix: "${lower} $5" },
  };
  const { config, issues } = checkConfigValue(value, { A: "from-env", PORT: "19001", ON: "false" });
  assert.equal(config.gateway.auth.token?.reveal(), "x-from-env-from-file");
  assert.equal(config.gateway.auth.password, undefined);
  assert.equal(config.gateway.port, 19_001);
  assert.equal(config.gateway.controlUi.enabled, false);
  assert.equal(config.gateway.customBindHost, "${A}");
  assert.equal(config.messages.responsePrefix, "${lower} $5");
  assert.deepStrictEqual(
    issues.map((one) => [one.severity, one.path, one.message]),
    [["error", "gateway.auth.password", "gateway.auth.password: the environment variable NOPE is not set"]],
  );
});

const ref = (source: string, provider: string, id: string) => ({ source, provider, id });

test("references to secrets are resolved by source, and what cannot be resolved is an issue", () => {
  const directory = newDirectory();
  writeFileSync(join(directory, "all.json"), JSON.stringify({ irc: { "a/b": "from-json" } }));
  writeFileSync(join(directory, "one"), "from-one\r\n");
  writeFileSync(join(directory, "big"), "x".repeat(LIMITS.secretFileBytes + 1));
  symlinkSync("/etc/hostname", join(directory, "link"));
  mkdirSync(join(directory, "mount", "..v1"), { recursive: true });
  writeFileSync(join(directory, "mount", "..v1", "token"), "from-mount\n");
  writeFileSync(join(directory, "mount", "..v1", "open"), "x");
  chmodSync(join(directory, "mount", "..v1", "open"), 0o666);
  symlinkSync("..v1", join(directory, "mount", "..data"));
  for (const name of ["token", "open"]) symlinkSync(`..data/${name}`, join(directory, "mount", name));
  symlinkSync("../one", join(directory, "mount", "outside"));
  const providers = {
    vault: { source: "file", path: join(directory, "all.json"), mode: "json" },
    single: { source: "file", path: join(directory, "one"), mode: "singleValue" },
    mounted: { source: "file", path: join(directory, "mount", "token"), mode: "singleValue" },
    few: { source: "env", allowlist: ["ALLOWED"] },
  };
  const cases: [unknown, string | RegExp][] = [
    [ref("env", "default", "ALLOWED"), "from-env"],
    [ref("env", "few", "ALLOWED"), "from-env"],
    [ref("env", "few", "OTHER"), /allowlist does not have OTHER/],
    [ref("env", "default", "UNSET"), /environment variable UNSET is not set/],
    [ref("file", "vault", "/irc/a~1b"), "from-json"],
    [ref("file", "vault", "/irc/none"), /has no text at/],
    [ref("file", "single", "value"), "from-one"],
    [ref("file", "mounted", "value"), "from-mount"],
    [ref("file", "nowhere", "x"), /does not name a file/],
    [ref("exec", "run", "x"), /does not name a program/],
    [ref("exec", "run", "../x"), /the id of a secret of the source "exec" has letters/],
    [ref("store", "keep", "boom"), /the id of a secret of the source "store" has capital letters/],
    [ref("store", "default", "BOOM"), /the gateway reads it, from its encrypted store/],
    [ref("env", "vault", "A"), /has the source "file", not "env"/],
    [{ source: "magic", id: "x" }, /needs "source"/],
    [5, /must be a text or a reference/],
  ];
  const env = { ALLOWED: "from-env", OTHER: "other" };
  for (const [token, expected] of cases) {
    const path = join(directory, "openclaw.json");
    writeFileSync(path, JSON.stringify({ secrets: { providers }, gateway: { auth: { token } } }));
    const { config, issues } = loadConfig({ path, env });
    if (typeof expected === "string") assert.equal(config.gateway.auth.token?.reveal(), expected, JSON.stringify(issues));
    else {
      assert.equal(config.gateway.auth.token, undefined);
      assert.match(issues.map((one) => one.message).join("\n"), expected);
    }
  }
  for (const [file, expected] of [
    ["link", /symbolic link/],
    ["mount/open", /symbolic link/],
    ["mount/outside", /symbolic link/],
    ["big", /larger than/],
    [".", /not a regular file/],
    ["none", /does not exist/],
  ] as const) {
    const { issues } = checkConfigValue({ gateway: { auth: { tokenFile: join(directory, file) } } });
    assert.match(issues[0]!.message, expected);
    assert.equal(issues[0]!.path, "gateway.auth.tokenFile");
  }
});
