import { randomBytes } from "node:crypto";
import { get } from "node:http";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { restoreBackup } from "../backup/restore.ts";
import { openClient } from "../client/client.ts";
import { mergePatch } from "../config/edit.ts";
import { sleep } from "../core/async.ts";
import { foregroundClock } from "../core/clock.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { isAbsent } from "../core/files.ts";
import { fieldsOf, tryParseJson } from "../core/json.ts";
import { Secret } from "../core/secret.ts";
import { UPDATE_LIMITS } from "./limits.ts";
import { startProgram, withOwnNode, type StartedProgram } from "./run-program.ts";

export type CanaryInput = {
  /** The staged version: its `bin/openclaw.js` is started. */
  readonly root: string;
  readonly version: string;
  /** The state that it gets a copy of. */
  readonly backup: string;
  /** Where the copy is put; removed at the end. */
  readonly dir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
};

export type CanaryReport = { readonly readyMs: number; readonly sessions: number };

/** Variables of the real gateway: the canary has a state, a configuration and a token of its own. */
const OWN_VARIABLES = /^(?:OPENCLAW_.*|NOTIFY_SOCKET|WATCHDOG_.*|LISTEN_.*)$/;

/**
 * Starts the staged version on a copy of the state, with no channel, no job and no link to other gateways, and checks that it becomes ready,
 * is the version that is meant, and answers with a conversation of the copy. Throws GatewayError when it does not.
 */
export async function runCanary(input: CanaryInput): Promise<CanaryReport> {
  const { root, dir, env, signal } = input;
  const state = join(dir, "state");
  const began = foregroundClock.monotonic();
  let child: StartedProgram | null = null;
  const output = { text: "" };
  try {
    await restoreBackup(input.backup, state, { keepQueue: false });
    const token = randomBytes(24).toString("base64url");
    const config = join(state, "openclaw.json");
    await writeFile(config, canaryConfig(await readIfThere(config)), { mode: 0o600 });
    const own = Object.fromEntries(Object.entries(withOwnNode(env)).filter(([name]) => !OWN_VARIABLES.test(name)));
    child = startProgram(process.execPath, [join(root, "bin", "openclaw.js"), "gateway", "--port", "0", "--bind", "loopback", "--json"], {
      cwd: state,
      env: {
        ...own,
        OPENCLAW_STATE_DIR: state,
        OPENCLAW_CONFIG_PATH: config,
        OPENCLAW_GATEWAY_TOKEN: token,
        OPENCLAW_DISCOVER_LOCAL_MODELS: "0",
        OPENCLAW_CANARY: "1",
      },
    });
    const keep = (chunk: Buffer): void => void (output.text = `${output.text}${chunk.toString()}`.slice(-UPDATE_LIMITS.outputBytes));
    child.stdout!.on("data", keep);
    child.stderr!.on("data", keep);
    const { url } = await listening(child, output, signal);
    await untilReady(url, child, output, signal);
    const readyMs = Math.round(foregroundClock.monotonic() - began);
    return { readyMs, sessions: await askCanary(url, token, input, output) };
  } finally {
    if (child !== null) await end(child);
    await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

const notGood = (why: string, output: { text: string }): GatewayError => {
  const said = output.text.trim().split("\n").slice(-3).join(" ").slice(-600);
  return new GatewayError(
    "UNAVAILABLE",
    `the new version does not work on a copy of your state: ${why}${said ? ` (it said: ${said})` : ""}`,
    {
      fix: "Nothing was changed. Report it with the output of openclaw update status --json.",
    },
  );
};

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (err) {
    if (isAbsent(err)) return "";
    throw err;
  }
}

/**
 * The configuration without anything that reaches out or that others reach: the second lock beside the mode of the canary, which a version
 * before that mode does not have. Pure.
 */
export function canaryConfig(raw: string): string {
  const patch = {
    channels: null,
    hooks: null,
    peers: null,
    discovery: null,
    plugins: null,
    mcp: null,
    budgets: null,
    cron: { enabled: false },
    backup: { enabled: false },
    update: { checkOnStart: false },
    diagnostics: { otel: { enabled: false } },
    logging: { file: null },
    gateway: { mode: "local", bind: "loopback", port: null, tls: null, tailscale: null, remote: null, auth: { mode: "token" } },
  };
  try {
    return mergePatch(raw, patch, ["gateway.auth"]);
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    // Not JSON5: the gateway starts on defaults.
    return mergePatch("", patch);
  }
}

/** The line with which the gateway says that it listens. */
async function listening(child: StartedProgram, output: { text: string }, signal: AbortSignal): Promise<{ url: string }> {
  const end = foregroundClock.monotonic() + UPDATE_LIMITS.canaryMs;
  while (foregroundClock.monotonic() < end) {
    signal.throwIfAborted();
    const { url } = fieldsOf(tryParseJson(output.text.slice(Math.max(0, output.text.indexOf("{")))));
    if (typeof url === "string") return { url };
    // It prints JSON over several lines, with warnings around it.
    const found = /"url"\s*:\s*"(ws:\/\/[^"]+)"/.exec(output.text);
    if (found) return { url: found[1]! };
    refuseEnded(child, output);
    await sleep(foregroundClock, UPDATE_LIMITS.pollMs);
  }
  throw notGood(`it did not listen within ${UPDATE_LIMITS.canaryMs / 1_000} s`, output);
}

function refuseEnded(child: StartedProgram, output: { text: string }): void {
  if (child.exitCode !== null || child.signalCode !== null)
    throw notGood(`it ended with ${child.exitCode === null ? child.signalCode : `code ${child.exitCode}`} at its start`, output);
}

async function untilReady(url: string, child: StartedProgram, output: { text: string }, signal: AbortSignal): Promise<void> {
  const address = `${url.replace(/^ws/, "http")}/readyz`;
  const end = foregroundClock.monotonic() + UPDATE_LIMITS.canaryMs;
  let last = "it does not answer";
  while (foregroundClock.monotonic() < end) {
    signal.throwIfAborted();
    const { status, body } = await ask(address);
    if (status === 200) return;
    last = status === 0 ? `/readyz does not answer: ${body}` : `/readyz answers ${status}: ${body.slice(0, 300)}`;
    refuseEnded(child, output);
    await sleep(foregroundClock, UPDATE_LIMITS.pollMs);
  }
  throw notGood(last, output);
}

/** Status 0: nothing answered. */
function ask(address: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve) => {
    const request = get(address, { timeout: UPDATE_LIMITS.askMs, agent: false }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", (err) => resolve({ status: 0, body: reasonOf(err) }));
    });
    request.on("timeout", () => request.destroy(new Error("no answer in time")));
    request.on("error", (err) => resolve({ status: 0, body: reasonOf(err) }));
  });
}

/** Reads its list of sessions and the newest conversation. Resolves to the number of sessions. */
async function askCanary(url: string, token: string, { version, signal }: CanaryInput, output: { text: string }): Promise<number> {
  const client = await openClient({ url, credentials: { token: new Secret(token) }, scopes: ["operator.read"], signal });
  try {
    if (client.hello.server.version !== version)
      throw notGood(`it says that it is version ${client.hello.server.version}, and not ${version}`, output);
    await client.request("health");
    const { sessions = [], totalCount = 0 } = await client.request<{ sessions?: { key?: string }[]; totalCount?: number }>(
      "sessions.list",
      { limit: 1 },
    );
    const [newest] = sessions;
    if (newest?.key !== undefined) await client.request("chat.history", { sessionKey: newest.key, limit: 1 });
    return totalCount;
  } catch (err) {
    if (err instanceof GatewayError) throw err;
    throw notGood(`it did not answer: ${reasonOf(err)}`, output);
  } finally {
    await client.close();
  }
}

async function end(child: StartedProgram): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.kill("SIGTERM");
  const kill = foregroundClock.after(UPDATE_LIMITS.stopMs, () => child.kill("SIGKILL"));
  await ended;
  kill();
}
