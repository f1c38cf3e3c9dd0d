// Group: wire
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { checkConfigText, findExternalSecrets } from "../config/load.ts";
import { foregroundClock } from "../core/clock.ts";
import { programEnvironment, programProblem, runSecretProgram, type SecretOutput, type SecretProgram } from "./program.ts";
import { SecretSources } from "./sources.ts";

const home = mkdtempSync(join(tmpdir(), "secret-sources-"));
after(() => rmSync(home, { recursive: true, force: true }));

const exec = (id: string): object => ({ source: "exec", provider: "vault", id });
const config = (provider: object, providers: object = {}): string =>
  JSON.stringify({
    secrets: { providers: { vault: { source: "exec", command: "/opt/vault", ...provider } } },
    models: {
      providers: {
        a: { baseUrl: "http://127.0.0.1:1", apiKey: exec("team/a") },
        b: { baseUrl: "http://127.0.0.1:1", apiKey: exec("team/b") },
        ...providers,
      },
    },
  });

type Run = { program: SecretProgram; input: { protocolVersion: number; provider: string; ids: string[] } };

/** A program that answers with what `answer` says at the time. */
function bench(dir = mkdtempSync(join(home, "state-"))) {
  const clock = new FakeClock();
  const runs: Run[] = [];
  const vault = { answer: (): SecretOutput => values({ "team/a": "canary-a", "team/b": "canary-b" }) };
  const open = (): SecretSources =>
    new SecretSources({
      dir,
      env: { PATH: "/bin", HOME: "/h", OPENCLAW_GATEWAY_TOKEN: "canary-own", PASSED: "yes" },
      clock,
      run: async (program, input) => {
        runs.push({ program, input: JSON.parse(input) as Run["input"] });
        return vault.answer();
      },
    });
  return { clock, runs, vault, open, dir };
}
const values = (found: object, errors: object = {}): SecretOutput => ({
  text: JSON.stringify({ protocolVersion: 1, values: found, errors }),
});

function keysOf(sources: SecretSources, text: string) {
  const { config: read, issues } = checkConfigText(text, { path: join(home, "openclaw.json"), env: {}, external: sources.lookup });
  const { a, b } = read.models.providers as Record<string, { apiKey?: { reveal(): string } }>;
  return {
    a: a?.apiKey?.reveal(),
    b: b?.apiKey?.reveal(),
    issues: issues.filter(({ severity, path }) => severity !== "info" && path.endsWith("apiKey")).map(({ message }) => message),
  };
}
const wanted = (text: string) => findExternalSecrets(text, { path: join(home, "openclaw.json"), env: {} });

test("one run of a program gives all of its values, and it gets the ids and no credential of the gateway", async () => {
  const { open, runs } = bench();
  const sources = open();
  const text = config({ args: ["--x"], passEnv: ["PASSED"], env: { OWN: "1" } });
  assert.equal(await sources.read(wanted(text), false), true);
  assert.deepEqual(keysOf(sources, text), { a: "canary-a", b: "canary-b", issues: [] });
  assert.deepEqual(
    runs.map(({ input }) => input),
    [{ protocolVersion: 1, provider: "vault", ids: ["team/a", "team/b"] }],
  );
  assert.deepEqual(runs[0]!.program.env, { PATH: "/bin", HOME: "/h", PASSED: "yes", OWN: "1" });
  assert.equal(await sources.read(wanted(text), true), false, "the same values are no change");
});

test("a young value of an earlier process is used without running the program, and is encrypted meanwhile", async () => {
  const { open, runs, clock, dir } = bench();
  await open().read(wanted(config({})), false);
  for (const name of readdirSync(dir)) assert.doesNotMatch(readFileSync(join(dir, name), "latin1"), /canary/, name);
  clock.advance(299_000);
  const next = open();
  await next.read(wanted(config({})), false);
  assert.equal(keysOf(next, config({})).a, "canary-a");
  assert.equal(runs.length, 1);
  clock.advance(2_000);
  await open().read(wanted(config({})), false);
  assert.equal(runs.length, 2);
});

test("a clock that is set back keeps no value in use for longer than its lifetime", async () => {
  const { open, clock } = bench();
  const sources = open();
  await sources.read(wanted(config({})), false);
  const before = sources.nextReadMs(0)!;
  clock.jump(-86_400_000);
  assert.equal(sources.nextReadMs(0), before);
});

test("while the program fails, the last values stay in use, also after a restart, and that is reported", async () => {
  const { open, vault, clock, runs } = bench();
  await open().read(wanted(config({})), false);
  vault.answer = () => ({ problem: "/opt/vault ended with the exit code 2" });
  clock.advance(600_000);
  const next = open();
  await next.read(wanted(config({})), false);
  const { a, issues } = keysOf(next, config({}));
  assert.equal(a, "canary-a");
  assert.match(issues[0]!, /models\.providers\.a\.apiKey: the last value that could be read is in use, because .* exit code 2/);
  assert.deepEqual(
    next.reports.map(({ name, state }) => [name, state]),
    [["vault", "stale"]],
  );
  await next.read(wanted(config({})), false);
  assert.equal(runs.length, 2, "it is not asked again at once");
  assert.equal(next.nextReadMs(1), 30_000);
  vault.answer = () => values({ "team/a": "new-a", "team/b": "new-b" });
  clock.advance(30_000);
  assert.equal(await next.read(wanted(config({})), false), true);
  assert.deepEqual(keysOf(next, config({})), { a: "new-a", b: "new-b", issues: [] });
});

test("without any value only the keys that refer to it are not set, and the message has no output of the program", async () => {
  const { open, vault } = bench();
  vault.answer = () => values({ "team/a": "canary-a" }, { "team/b": { code: "NOT_FOUND", message: "canary in a message" } });
  const sources = open();
  const text = config({}, { c: { baseUrl: "http://127.0.0.1:1", apiKey: "plain" } });
  await sources.read(wanted(text), false);
  assert.deepEqual(keysOf(sources, text), {
    a: "canary-a",
    b: undefined,
    issues: ['models.providers.b.apiKey: /opt/vault has no value for "team/b" (NOT_FOUND)'],
  });
  assert.deepEqual(
    sources.reports.map(({ state }) => state),
    ["failing"],
  );
});

test("values of one command are never used for another", async () => {
  const { open, vault } = bench();
  await open().read(wanted(config({})), false);
  vault.answer = () => ({ problem: "it fails" });
  const next = open();
  const text = config({ args: ["--other"] });
  await next.read(wanted(text), false);
  assert.equal(keysOf(next, text).a, undefined);
});

test("an answer that is not of the protocol is refused, unless the value itself may be printed", async () => {
  const { open, vault, runs } = bench();
  vault.answer = () => ({ text: "canary-plain\n" });
  const [strict, plain] = [open(), open()];
  await strict.read(wanted(config({})), true);
  assert.match(keysOf(strict, config({})).issues.join(), /did not print/);
  assert.doesNotMatch(keysOf(strict, config({})).issues.join(), /canary/);
  runs.length = 0;
  const text = config({ jsonOnly: false });
  await plain.read(wanted(text), true);
  assert.equal(keysOf(plain, text).b, "canary-plain");
  assert.deepEqual(
    runs.map(({ input }) => input.ids),
    [["team/a"], ["team/b"]],
  );
});

test("a configuration without such references reads nothing", () => {
  assert.deepEqual(wanted('{ "tools": { "exec": {} }, "x": { "source": "env", "id": "exec" } }').refs, []);
});

test("a program that others may change, a link, a relative path and a directory of others are refused", () => {
  const dir = join(home, "programs");
  mkdirSync(dir, { mode: 0o755 });
  const program = join(dir, "get");
  writeFileSync(program, "#!/bin/sh\necho x\n", { mode: 0o755 });
  chmodSync(program, 0o755);
  assert.equal(programProblem(program, []), null);
  assert.equal(programProblem(program, [dir]), null);
  assert.match(programProblem(program, ["/usr/bin"])!, /not in one of trustedDirs/);
  assert.match(programProblem("get", [])!, /not an absolute path/);
  assert.match(programProblem(join(dir, "absent"), [])!, /does not exist/);
  symlinkSync(program, join(dir, "link"));
  assert.match(programProblem(join(dir, "link"), [])!, /symbolic link/);
  chmodSync(program, 0o775);
  assert.match(programProblem(program, [])!, /can be changed by other users/);
  chmodSync(program, 0o755);
  chmodSync(dir, 0o777);
  assert.match(programProblem(program, [])!, /other users can replace/);
  chmodSync(dir, 0o755);
});

const runReal = (command: string, changes: Partial<SecretProgram> = {}): Promise<SecretOutput> =>
  runSecretProgram(
    {
      command,
      args: [],
      env: programEnvironment(process.env, [], {}),
      trustedDirs: [],
      timeoutMs: 60_000,
      noOutputTimeoutMs: null,
      maxOutputBytes: 1_000,
      ...changes,
    },
    "input",
    foregroundClock,
  );

test("a real program gets its arguments as they are, is stopped at its limits, and its error output is dropped", async () => {
  const dir = join(home, "real");
  mkdirSync(dir, { mode: 0o755 });
  const write = (name: string, text: string): string => {
    const path = join(dir, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  };
  const echo = write("echo", 'printf "%s|" "$@"; cat; echo canary >&2');
  assert.deepEqual(await runReal(echo, { args: ["$(id)", "a b;"] }), { text: "$(id)|a b;|input" });
  assert.deepEqual(await runReal(write("fail", "echo canary; echo canary >&2; exit 3")), {
    problem: `${join(dir, "fail")} ended with the exit code 3`,
  });
  const slow = write("slow", "sleep 600 & sleep 600");
  assert.match(JSON.stringify(await runReal(slow, { timeoutMs: 100 })), /did not answer within 100 ms/);
  assert.match(JSON.stringify(await runReal(slow, { noOutputTimeoutMs: 100 })), /printed nothing for 100 ms/);
  assert.match(JSON.stringify(await runReal(write("much", "yes"))), /printed more than 1000 bytes/);
});
