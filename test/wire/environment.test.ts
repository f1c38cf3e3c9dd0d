import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openClient } from "../../src/client/client.ts";
import { Secret } from "../../src/core/secret.ts";
import { freePort } from "../channel-kit/ngircd.ts";
import { MAIN, until } from "./gateway-process.ts";

type Env = Record<string, string | undefined>;
type Started = { port: number; output: () => string; child: ChildProcess; code: Promise<number | null>; dir: string };

const isRoot = process.getuid?.() === 0;
/** A user id that no list of users has. */
const NOBODY_LISTED = 54_321;
/** Whether another user may run this program at all: a clone in a private directory cannot. */
const hasOtherUser =
  isRoot && spawnSync(process.execPath, [MAIN, "--version"], { uid: NOBODY_LISTED, gid: NOBODY_LISTED, cwd: "/" }).status === 0;

function home(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "environment-"));
  t.after(() => {
    spawnSync("umount", ["-l", join(dir, "disk")]);
    rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });
  return dir;
}

/** Starts the real command with exactly this environment; `via` names the programs before it. */
async function start(
  t: TestContext,
  dir: string,
  env: Env,
  options: { uid?: number; via?: string[]; args?: string[] } = {},
): Promise<Started> {
  const port = await freePort();
  const command = [...(options.via ?? []), process.execPath, MAIN, "gateway", "--port", String(port), "--json", ...(options.args ?? [])];
  const base: Env = { PATH: process.env["PATH"], HOME: dir, OPENCLAW_DISCOVER_LOCAL_MODELS: "0" };
  const whole = Object.fromEntries(Object.entries({ ...base, ...env }).filter(([, value]) => value !== undefined)) as Record<
    string,
    string
  >;
  const child = spawn(command[0]!, command.slice(1), {
    env: whole,
    stdio: ["ignore", "pipe", "pipe"],
    cwd: "/",
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
  let text = "";
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.on("error", (err) => (text += String(err)));
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  t.after(async () => {
    // unshare does not pass SIGTERM on.
    child.kill(options.via ? "SIGKILL" : "SIGTERM");
    await code;
  });
  return { port, output: () => text, child, code, dir };
}

const listens = (started: Started): Promise<unknown> => {
  let ended: number | null | undefined;
  void started.code.then((code) => (ended = code));
  return until(
    "the gateway listens",
    () => {
      if (ended !== undefined) throw new Error(`it ended with ${ended}:\n${started.output()}`);
      return /"ok":true/.test(started.output().replaceAll(" ", ""));
    },
    60_000,
  );
};

type Ready = { ready: boolean; failing: string[]; degraded: string[]; parts: { name: string; state: string; cause: string | null }[] };
const readyz = async ({ port }: Started): Promise<Ready> => (await (await fetch(`http://127.0.0.1:${port}/readyz`)).json()) as Ready;

async function oneTurn({ port }: Started, stateDir: string): Promise<{ status: string; error?: string }> {
  const token = readFileSync(join(stateDir, "gateway", "token"), "utf8").trim();
  const client = await openClient({
    url: `ws://127.0.0.1:${port}`,
    credentials: { token: new Secret(token) },
    scopes: ["operator.admin", "operator.read", "operator.write"],
    caps: [],
  });
  try {
    await client.request("chat.send", { sessionKey: "main", message: "help", idempotencyKey: "one" });
    return await client.request("agent.wait", { runId: "one", timeoutMs: 60_000 }, { timeoutMs: 70_000 });
  } finally {
    await client.close();
  }
}

/** Odd values that cost nothing but what they are about, all at once. */
const ODD: Env = {
  TZ: "UTC+8",
  LANG: "xx_YY.nope",
  LC_ALL: "C.ISO-8859-77",
  TMPDIR: "/nonexistent/tmp",
  PATH: "",
  NO_PROXY: ",,,",
  XDG_CACHE_HOME: "/proc/cache",
  OPENCLAW_GATEWAY_TOKN: "secret-value-1",
  OPENCLAW_PORT: "99",
};

test("with odd values in the whole environment it answers, and says what is set and not used", async (t) => {
  const dir = home(t);
  const started = await start(t, dir, ODD);
  await listens(started);
  const { status, error } = await oneTurn(started, join(dir, ".openclaw"));
  assert.equal(status, "ok", error);
  assert.equal((await readyz(started)).ready, true);
  assert.match(started.output(), /TZ is .*UTC is used/);
  assert.match(started.output(), /OPENCLAW_GATEWAY_TOKN is set and not used.*Use OPENCLAW_GATEWAY_TOKEN/);
  assert.match(started.output(), /OPENCLAW_PORT is set and not used.*gateway\.port/);
  assert.doesNotMatch(started.output(), /secret-value-1/);
});

test(
  "without HOME and without an entry in the list of users it says what to set, or uses the state directory",
  { skip: !hasOtherUser },
  async (t) => {
    const dir = home(t);
    chownSync(dir, NOBODY_LISTED, NOBODY_LISTED);
    const lost = await start(t, dir, { HOME: undefined }, { uid: NOBODY_LISTED });
    assert.equal(await lost.code, 78);
    assert.match(lost.output(), /there is no home directory/);
    assert.match(lost.output(), /OPENCLAW_STATE_DIR/);
    const found = await start(t, dir, { HOME: undefined, OPENCLAW_STATE_DIR: join(dir, "state") }, { uid: NOBODY_LISTED });
    await listens(found);
    assert.equal((await readyz(found)).ready, true);
  },
);

for (const [what, where] of [
  ["a file", (dir: string) => (writeFileSync(join(dir, "file"), ""), join(dir, "file"))],
  ["below /proc", () => "/proc"],
  ["below /dev/null", () => "/dev/null"],
] as const) {
  test(`a home directory that is ${what} is refused with why and fix, and without a stack`, async (t) => {
    const dir = home(t);
    const started = await start(t, dir, { HOME: where(dir) });
    const code = await started.code;
    assert.ok(code === 69 || code === 77, `${code}: ${started.output()}`);
    assert.match(started.output(), /cannot be used/);
    assert.match(started.output(), /OPENCLAW_STATE_DIR|Make/);
    assert.doesNotMatch(started.output(), /\n {4}at /);
  });
}

test("a state directory of someone else is refused with a fix", { skip: !hasOtherUser }, async (t) => {
  const dir = home(t);
  chmodSync(dir, 0o755);
  mkdirSync(join(dir, "state", "gateway"), { recursive: true, mode: 0o755 });
  const foreign = await start(t, dir, { OPENCLAW_STATE_DIR: join(dir, "state") }, { uid: NOBODY_LISTED });
  assert.equal(await foreign.code, 77, foreign.output());
  assert.match(foreign.output(), /may not write there/);
});

test("a read-only state directory is refused with a fix", { skip: !isRoot }, async (t) => {
  const dir = home(t);
  if (!mounted(dir, "size=4m")) return t.skip("no file system can be mounted here");
  mkdirSync(join(dir, "disk", "state"));
  const first = await start(t, dir, { OPENCLAW_STATE_DIR: join(dir, "disk", "state") });
  await listens(first);
  first.child.kill("SIGTERM");
  await first.code;
  remount(dir, "ro");
  const second = await start(t, dir, { OPENCLAW_STATE_DIR: join(dir, "disk", "state") });
  assert.equal(await second.code, 77, second.output());
  assert.match(second.output(), /read-only/);
  assert.doesNotMatch(second.output(), /\n {4}at |defect/);
});

const mounted = (dir: string, options: string): boolean => {
  mkdirSync(join(dir, "disk"), { recursive: true });
  return spawnSync("mount", ["-t", "tmpfs", "-o", options, "none", join(dir, "disk")]).status === 0;
};
const remount = (dir: string, how: string): void => assert.equal(spawnSync("mount", ["-o", `remount,${how}`, join(dir, "disk")]).status, 0);

test("on a full disk it starts, says so, leaves nothing half written, and goes on when there is space", { skip: !isRoot }, async (t) => {
  const dir = home(t);
  if (!mounted(dir, "size=4m")) return t.skip("no file system can be mounted here");
  const state = join(dir, "disk", "state");
  mkdirSync(state);
  const first = await start(t, dir, { OPENCLAW_STATE_DIR: state });
  await listens(first);
  first.child.kill("SIGKILL");
  await first.code;
  fill(join(dir, "disk", "fill"));
  const second = await start(t, dir, { OPENCLAW_STATE_DIR: state });
  await listens(second);
  const full = await readyz(second);
  assert.deepEqual(full.failing, ["store"]);
  assert.match(full.parts.find((part) => part.name === "store")!.cause!, /disk is full.*Free some space/);
  const doctor = spawnSync(
    process.execPath,
    [MAIN, "doctor", "--json", "--url", `ws://127.0.0.1:${second.port}`, "--token-file", join(state, "gateway", "token")],
    {
      env: { PATH: process.env["PATH"]!, HOME: dir, OPENCLAW_STATE_DIR: state },
      encoding: "utf8",
    },
  );
  assert.match(doctor.stdout, /"part:store"/);
  rmSync(join(dir, "disk", "fill"));
  await until("the store accepts writes again", async () => (await readyz(second)).ready);
  await until("the note is written", () => existsSync(join(state, "gateway", "owner.json")));
  assert.deepEqual(
    readdirSync(join(state, "gateway")).filter((name) => name.endsWith(".tmp")),
    [],
  );
  assert.equal((await oneTurn(second, state)).status, "ok");
});

/** Writes until there is no space left. */
function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (;;) writeSync(file, Buffer.alloc(4_096, 1));
  } catch (err) {
    assert.equal((err as NodeJS.ErrnoException).code, "ENOSPC");
  } finally {
    closeSync(file);
  }
}

test("the gateway survives a lack of file descriptors, and recovers when there are some again", async (t) => {
  const dir = home(t);
  const started = await start(t, dir, {}, { via: ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"] });
  await listens(started);
  const sockets = Array.from({ length: 100 }, () => connect(started.port, "127.0.0.1").on("error", () => {}));
  await until("all of them are open or refused", () => sockets.every((socket) => !socket.connecting));
  for (const socket of sockets) socket.destroy();
  await until("it is ready after the flood", async () => (await readyz(started).catch(() => null))?.ready, 60_000);
  assert.equal(started.child.exitCode, null);
});

test("a configuration in a directory that does not exist is watched for by looking, and said", async (t) => {
  const dir = home(t);
  const started = await start(t, dir, { OPENCLAW_CONFIG_PATH: join(dir, "not", "there", "openclaw.json") });
  await listens(started);
  const { parts } = await until("the note about watching", async () => {
    const found = await readyz(started);
    return found.degraded.includes("config-watch") && found;
  });
  assert.match(parts.find((part) => part.name === "config-watch")!.cause!, /the file is checked every 30 s/);
});

test("--force does not touch a process that has the noted id by chance, and takes over from a real gateway", async (t) => {
  const dir = home(t);
  const gateway = join(dir, ".openclaw", "gateway");
  mkdirSync(gateway, { recursive: true, mode: 0o700 });
  const bystander = spawn("sleep", ["60"], { stdio: "ignore" });
  t.after(() => bystander.kill("SIGKILL"));
  writeFileSync(
    join(gateway, "owner.json"),
    JSON.stringify({ pid: bystander.pid, port: 1, url: "ws://127.0.0.1:1", startedAt: Date.now() }),
  );
  const first = await start(t, dir, {}, { args: ["--force"] });
  await listens(first);
  assert.equal(bystander.exitCode ?? bystander.signalCode, null);
  const second = await start(t, dir, {}, { args: ["--force"] });
  await listens(second);
  assert.equal(await first.code, 0);
});

test("as the first process of a container it starts again after kill -9, also with --force", { skip: !isRoot }, async (t) => {
  const dir = home(t);
  const via = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL"];
  if (spawnSync(via[0]!, [...via.slice(1), "true"]).status !== 0) return t.skip("no namespaces here");
  const first = await start(t, dir, {}, { via });
  await listens(first);
  first.child.kill("SIGKILL");
  await first.code;
  const second = await start(t, dir, {}, { via, args: ["--force"] });
  await listens(second);
  assert.equal((await readyz(second)).ready, true);
});

test("programs of the same user do not find the provider keys of a gateway in /proc", async (t) => {
  const started = await start(t, home(t), { ANTHROPIC_API_KEY: "sk-ant-0123456789abcdef" });
  await listens(started);
  assert.doesNotMatch(readFileSync(`/proc/${started.child.pid}/environ`, "latin1"), /[^\0]/);
});
