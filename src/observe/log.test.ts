import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";
import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { Secret } from "../core/secret.ts";
import { openLog, type LogOptions, type RootLog } from "./log.ts";

const root = mkdtempSync(join(tmpdir(), "log-test-"));
const opened: RootLog[] = [];
afterEach(async () => {
  for (const log of opened.splice(0)) await log.close();
});
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

type Line = { time: string; level: string; message: string } & Record<string, unknown>;
type Rig = { log: RootLog; dir: string; text: () => string; lines: () => Promise<Line[]> };

function open(options: Partial<LogOptions> = {}): Rig {
  const dir = join(root, `logs-${made++}`);
  const log = openLog({ dir, level: "debug", ...options });
  opened.push(log);
  const text = (): string => readFileSync(join(dir, "gateway.log"), "utf8");
  const lines = async (): Promise<Line[]> => {
    await log.flush();
    return text()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
  };
  return { log, dir, text, lines };
}

test("a line is one JSON object with time, level, message and fields", async () => {
  const { log, lines } = open({ clock: { now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6), monotonic: () => 0, after: () => () => {} } });
  log.child({ subsystem: "irc", account: "libera" }).info("joined", { room: "#a", users: 3, time: "mine" });
  assert.deepEqual(await lines(), [
    {
      time: "2026-01-02T03:04:05.006Z",
      level: "info",
      message: "joined",
      subsystem: "irc",
      account: "libera",
      room: "#a",
      users: 3,
      time_: "mine",
    },
  ]);
});

const SECRETS = {
  ours: "oct_9fQ2kLm3nB7vXz81",
  oursShort: "ocl_abcd1234",
  provider: "sk-live-7f8e9d0c1b2a",
  anthropic: "sk-ant-api03-Zm9vYmFyYmF6cXV4",
  github: "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
  slack: "xoxb-123456789012-abcdefGHIJKL",
  telegram: "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0",
  jwt: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1g",
  aws: "AKIAIOSFODNN7EXAMPLE",
  bearer: "mF_9.B5f-4.1JqM",
  url: "hunter2hunter2",
  plain: "correct horse battery",
  hex: "4b1d0e0f".repeat(6),
} as const;

test("planted credentials never reach the file, the terminal, the memory or a listener", async () => {
  const printed: string[] = [];
  const { log, dir } = open({ terminal: { stream: { write: (text: string) => printed.push(text) }, level: "debug" } });
  log.onLine((line) => printed.push(line));
  log.registerSecrets({ channels: { irc: [{ password: new Secret(SECRETS.plain) }] } });
  const s = SECRETS;
  for (const value of Object.values(s).filter((each) => each !== s.bearer && each !== s.url && each !== s.hex)) {
    log.info(`the value is ${value} here`, { note: `x ${value}`, list: [value], deep: { a: { b: value } }, err: new Error(value) });
    log.error("failed", { cause: new GatewayError("UNAVAILABLE", `could not use ${value}`) });
    log.info("pad", { long: `${"a".repeat(LIMITS.logValueChars - 8)} ${value}` });
  }
  for (const key of [
    "token",
    "password",
    "clientSecret",
    "apiKey",
    "Authorization",
    "botToken",
    "OPENAI_API_KEY",
    "x-api-key",
    "set-cookie",
  ])
    log.warn("config", { [key]: s.url, nested: { [key]: s.hex }, [`${key}s`]: [s.url] });
  log.info("header", { header: `Authorization: Bearer ${s.bearer}`, line: `curl -H "Bearer ${s.bearer}"` });
  log.info("link", { url: `https://me:${s.url}@host/x`, query: `http://h/#token=${s.url}`, json: `{"password":"${s.url}"}` });
  log.info("secret", { value: new Secret(s.url), inside: { x: new Secret(s.hex) }, key: s.hex, credential: s.hex });
  log.info(Buffer.from(s.plain).toString("base64"), { uri: encodeURIComponent(s.plain) });
  await log.flush();
  const everything =
    readdirSync(dir)
      .map((name) => readFileSync(join(dir, name), "utf8"))
      .join("") +
    printed.join("") +
    log.recent(500).join("");
  assert.match(everything, /\[secret\]/);
  for (const [name, value] of Object.entries(s)) {
    assert.ok(!everything.includes(value), `${name} is in the log`);
    assert.ok(!everything.includes(value.slice(-8)), `the end of ${name} is in the log`);
  }
  assert.ok(!everything.includes(encodeURIComponent(s.plain)));
});

test("ordinary words and ids are not hidden", async () => {
  const { log, lines } = open();
  const device = "ab".repeat(32);
  log.info("exit code: 1234", { deviceId: device, sessionKey: "agent:main:main", totalTokens: 12, code: "NOT_FOUND", tokenSource: "file" });
  const [line] = await lines();
  assert.deepEqual(
    { ...line, time: "" },
    {
      time: "",
      level: "info",
      message: "exit code: 1234",
      deviceId: device,
      sessionKey: "agent:main:main",
      totalTokens: 12,
      code: "NOT_FOUND",
      tokenSource: "file",
    },
  );
});

test("untrusted text cannot forge a line, color the terminal or change its text direction", async () => {
  const printed: string[] = [];
  const evil =
    'x\r\n{"level":"info"}\u001b[31m\u001b]0;t\u0007\u009b2J\u202e\u2066\u2028\u2029\u200f\u0000\u{e0041}' + String.fromCharCode(0xd800);
  const { log, text, lines } = open({ terminal: { stream: { write: (chunk: string) => printed.push(chunk) }, level: "debug" } });
  log.info(evil, { [evil]: evil, list: [evil], nested: { [evil]: evil }, err: Object.assign(new Error(evil), { name: evil }) });
  assert.equal((await lines()).length, 1);
  for (const out of [text(), printed.join("")]) {
    assert.equal(out.split("\n").length, 2, "one line feed, at the end");
    assert.doesNotMatch(out.slice(0, -1), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  }
  assert.doesNotMatch(JSON.stringify(await lines()), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, "also after it is parsed");
});

test("truncated values and lines are marked", async () => {
  const { log, text, lines } = open();
  log.info("m".repeat(10_000_000), { method: "x".repeat(50_000) });
  log.info("\u{1F600}".repeat(5_000), Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`f${n}`, "y".repeat(2_000)])));
  log.info("wide", { list: Array.from({ length: 1_000 }, (_, n) => n), deep: { a: { b: { c: { d: { e: 1 } } } } } });
  const [first, second, third] = await lines();
  for (const line of text().trimEnd().split("\n")) assert.ok(Buffer.byteLength(line) < LIMITS.logLineBytes);
  assert.match(String(first?.["method"]), /\[cut, 50000 characters\]$/);
  assert.equal(second?.["cut"], true);
  assert.equal((third!["list"] as unknown[]).at(-1), "[968 more]");
  assert.match(JSON.stringify(third?.["deep"]), /\[deeper\]/);
});

test("matches of configured patterns are hidden, and an invalid pattern is ignored", async () => {
  const { log } = open({ file: { path: join(root, "elsewhere", "my.log") } });
  log.setPatterns(["customer-\\d+", "(", "x*"]);
  log.info("Customer-123 called", { note: "customer-45" });
  await log.flush();
  assert.equal(log.file, join(root, "elsewhere", "my.log"));
  const line = JSON.parse(readFileSync(log.file!, "utf8")) as Line;
  assert.deepEqual([line.message, line["note"]], ["[secret] called", "[secret]"]);
});

test("only an unexpected error shows its stack", async () => {
  const { log, lines } = open();
  log.error("a", { err: new TypeError("oops", { cause: new Error("root") }) });
  log.error("b", { err: new GatewayError("NOT_FOUND", "no such agent") });
  const [bug, expected] = await lines();
  const err = bug?.["err"] as { name: string; stack: string[]; cause: { message: string } };
  assert.equal(err.name, "TypeError");
  assert.match(err.stack[0]!, /^at /);
  assert.equal(err.cause.message, "root");
  assert.deepEqual(expected?.["err"], { code: "NOT_FOUND", message: "no such agent" });
});

test("unreadable values do not prevent the line", async () => {
  const { log, lines } = open();
  const ring: Record<string, unknown> = {};
  ring["self"] = ring;
  const trap = Object.defineProperty({}, "x", { enumerable: true, get: () => assert.fail("read") });
  log.info("odd", {
    ring,
    trap,
    big: 10n,
    not: Number.NaN,
    fn: () => 1,
    when: new Date(Number.NaN),
    bytes: new Uint8Array(9),
    map: new Map([["k", 1]]),
  });
  const [line] = await lines();
  assert.equal(line?.["trap"], "[unreadable]");
  assert.equal(line?.["big"], "10");
  assert.equal(line?.["bytes"], "[9 bytes]");
  assert.deepEqual(line?.["map"], { k: 1 });
});

test("file and terminal have separate levels, which can change", async () => {
  const printed: string[] = [];
  const { log, lines } = open({ level: "info", terminal: { stream: { write: (text: string) => printed.push(text) }, level: "warn" } });
  log.debug("1");
  log.info("2");
  log.warn("3");
  log.setLevel("error");
  log.warn("4");
  log.child({ a: 1 }).error("5");
  assert.deepEqual(
    (await lines()).map((line) => line.message),
    ["2", "3", "5"],
  );
  assert.equal(printed.length, 3);
  assert.match(printed[2]!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ERROR 5 a=1\n$/);
});

test("color is used only on terminals that allow it", () => {
  for (const [isTTY, env, color] of [
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: "1" }, false],
    [true, { TERM: "dumb" }, false],
  ] as const) {
    const printed: string[] = [];
    const log = openLog({
      dir: null,
      level: "silent",
      terminal: { stream: { isTTY, write: (text) => printed.push(text) }, level: "info", env },
    });
    log.info("hello", { subsystem: "pi", note: "two words" });
    assert.equal(printed[0]!.includes("\u001b"), color);
    if (!color) assert.match(printed[0]!, /Z INFO {2}\[pi\] hello note="two words"\n$/);
  }
});

test("files rotate by size, the oldest is removed, and they are private", async () => {
  const { log, dir } = open({ file: { fileBytes: 2_000, files: 2 } });
  for (let n = 0; n < 60; n++) {
    log.info(`line ${n} ${"x".repeat(100)}`);
    await log.flush();
  }
  assert.deepEqual(readdirSync(dir).toSorted(), ["gateway.log", "gateway.log.1", "gateway.log.2"]);
  for (const name of readdirSync(dir)) {
    assert.ok(statSync(join(dir, name)).size < 2_300);
    assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600);
  }
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  assert.match(readFileSync(join(dir, "gateway.log"), "utf8"), /line 59 /);
});

test("an unfinished line of a killed process stays alone", async () => {
  const { log, dir, text } = open();
  log.info("first");
  await log.flush();
  await log.close();
  writeFileSync(join(dir, "gateway.log"), `${text()}{"time":"half`);
  const next = openLog({ dir, level: "info" });
  next.info("second");
  await next.close();
  const lines = text().trimEnd().split("\n");
  assert.equal(lines.length, 3);
  assert.equal((JSON.parse(lines[2]!) as Line).message, "second");
});

test("a disk error loses lines, which are counted, and never throws", async () => {
  const dir = join(root, `logs-${made++}`);
  writeFileSync(dir, "a file where the directory should be");
  const log = openLog({ dir, level: "info" });
  log.error("lost");
  log.info("lost too");
  await log.flush();
  assert.deepEqual(log.lostLines().lines, 2);
  assert.match(String(log.lostLines().cause), /EEXIST|ENOTDIR/);
  rmSync(dir);
  log.info("kept");
  await log.flush();
  log.info("next");
  await log.close();
  const messages = readFileSync(join(dir, "gateway.log"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  assert.deepEqual(
    messages.map((line) => line.message),
    ["kept", "log lines were lost", "next"],
  );
  assert.equal(messages[1]?.["lines"], 2);
});

test("a flood beyond the queue is dropped and counted, and the lines before it are kept in order", async () => {
  const { log, lines } = open({ file: { queueBytes: 20_000 } });
  for (let n = 0; n < 2_000; n++) log.info(`n${n}`);
  const kept = await lines();
  assert.deepEqual(
    kept.map((line) => line.message),
    Array.from({ length: kept.length }, (_, n) => `n${n}`),
  );
  assert.equal(log.lostLines().lines, 2_000 - kept.length);
  assert.ok(kept.length > 100);
});

test("lines logged before a crash are on disk", () => {
  for (const end of ["process.exit(3)", "throw new Error('boom')"]) {
    const dir = join(root, `logs-${made++}`);
    const code = `import { openLog } from ${JSON.stringify(join(import.meta.dirname, "log.ts"))};
      const log = openLog({ dir: ${JSON.stringify(dir)}, level: "info" });
      log.error("at once"); for (let n = 0; n < 50; n++) log.info("line " + n); ${end}`;
    const child = spawnSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" });
    assert.notEqual(child.status, 0);
    const lines = readFileSync(join(dir, "gateway.log"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
    assert.ok(lines.some((line) => line.message === "at once"));
    assert.deepEqual(
      lines.filter((line) => line.message.startsWith("line ")).map((line) => line.message),
      Array.from({ length: 50 }, (_, n) => `line ${n}`),
    );
  }
});

test("a listener that throws is removed and the others continue", async () => {
  const { log, lines } = open();
  const seen: string[] = [];
  log.onLine(() => {
    throw new Error("bad listener");
  });
  const stop = log.onLine((line) => seen.push(line));
  log.info("a");
  log.info("b");
  stop();
  log.info("c");
  assert.equal(seen.length, 2);
  assert.equal(log.recent(2).length, 2);
  assert.equal((await lines()).filter((line) => line.message === "a log listener failed").length, 1);
});
