// Secrets of every kind are planted in one real gateway; nothing that it writes, answers or hands to another program may have one.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openClient, type ProtocolClient } from "../../src/client/client.ts";
import { createDevice } from "../../src/client/device.ts";
import { Secret } from "../../src/core/secret.ts";
import { SERVED_METHODS } from "../../src/protocol/served-methods.ts";
import { CanarySearch, canary } from "../canaries.ts";
import { callCli } from "../cli-call.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import {
  descendants,
  dropHome,
  modelConfig,
  newHome,
  startGateway,
  stateDir,
  until,
  WARM_AGENTS,
  type GatewayUnderTest,
} from "./gateway-process.ts";
import { OtlpCollector } from "./otlp-collector.ts";

const NAMES = [
  "gateway-token",
  "model-exec",
  "model-literal",
  "model-env",
  "model-file",
  "model-header",
  "env-vars",
  "telegram",
  "irc",
  "webhook",
  "mcp-env",
  "mcp-header",
  "hook-token",
  "hook-signature",
  "otlp-header",
  "exec-env",
  "exec-error",
  "skill",
  "web",
  "remote",
  "slack",
  "passphrase",
  "comment",
  "unknown-key",
  "base-url",
  "a2a-in",
  "a2a-out",
  "peer-key",
  "peer-key-seed",
  "device-key",
  "device-key-seed",
  "device-token",
] as const;
const C = Object.fromEntries(NAMES.map((name) => [name, canary(name)])) as Record<(typeof NAMES)[number], string>;
// What a key of a URL and a token of a platform look like.
C["base-url"] = `cnry-base-url-${Math.random().toString(36).slice(2)}`;
C.telegram = `123456:cnry-telegram-${Math.random().toString(36).slice(2)}xxxxxxxxxxxxxxxx`;

// Private keys of this gateway for its links, and of its command line: the line of the file, and the seed in it.
const keys = { peer: createDevice(), device: createDevice() };
for (const [name, { privateKey }] of Object.entries(keys)) {
  const line = privateKey.reveal().split("\n")[1]!;
  C[`${name}-key` as keyof typeof C] = line;
  C[`${name}-key-seed` as keyof typeof C] = Buffer.from(line, "base64").subarray(-32).toString("base64url");
}

const home = newHome();
const state = stateDir(home);
const vault = { program: join(home, "vault"), answer: join(home, "vault-answer"), runs: join(home, "vault-runs") };
const search = new CanarySearch(C);
let model: ModelServer;
let collector: OtlpCollector;
let gateway: GatewayUnderTest;
let client: ProtocolClient;
/** Everything that left the gateway. */
const seen: { where: string; text: string }[] = [];
const note = (where: string, value: unknown): void =>
  void seen.push({ where, text: typeof value === "string" ? value : (JSON.stringify(value) ?? "") });

const VAULT = `#!/bin/sh
cat > /dev/null
echo run >> ${vault.runs}
echo "$EXEC_TOKEN ${C["exec-error"].replaceAll('"', '\\"')}" >&2
[ -f ${vault.answer} ] || exit 2
cat ${vault.answer}
`;

const ref = (source: string, provider: string, id: string): object => ({ source, provider, id });
/** It ends at once: what it has in its own environment belongs to it. */
const mcpServer = "process.exit(1)";

function config(): Record<string, unknown> {
  const base = modelConfig(model.url) as { models: { providers: { test: Record<string, unknown> } } };
  const idle = { baseUrl: "http://127.0.0.1:9/v1", api: "openai-completions", models: [{ id: "m", name: "M" }] };
  return {
    ...base,
    gateway: {
      auth: { token: ref("store", "default", "GATEWAY_TOKEN") },
      remote: { token: C.remote },
      http: { endpoints: { a2a: { enabled: true } } },
    },
    peers: {
      office: { url: "ws://127.0.0.1:9", send: { agents: ["*"] } },
      hermes: {
        transport: "a2a",
        url: "http://127.0.0.1:9/a2a/v1",
        token: C["a2a-in"],
        outboundToken: C["a2a-out"],
        send: { agents: ["*"] },
      },
    },
    logging: { level: "debug", consoleLevel: "debug" },
    env: { vars: { SHARED_VALUE: C["env-vars"] } },
    secrets: {
      providers: {
        vault: { source: "exec", command: vault.program, env: { EXEC_TOKEN: C["exec-env"] } },
        files: { source: "file", path: join(home, "file-secret"), mode: "singleValue" },
      },
    },
    models: {
      providers: {
        test: { ...base.models.providers.test, apiKey: ref("exec", "vault", "team/model"), headers: { "x-team": C["model-header"] } },
        literal: { ...idle, apiKey: C["model-literal"] },
        env: { ...idle, apiKey: "${MODEL_ENV}" },
        file: { ...idle, apiKey: ref("file", "files", "value") },
        url: { ...idle, baseUrl: `http://user:${C["base-url"]}@127.0.0.1:9/v1`, apiKey: "x-no-secret" },
      },
    },
    channels: {
      irc: { host: "127.0.0.1", port: 9, tls: false, nick: "n", password: C.irc },
      webhook: { secret: C.webhook, outboundUrl: "http://127.0.0.1:9/", dmPolicy: "allowlist", allowFrom: ["x"] },
      telegram: { enabled: false, botToken: C.telegram },
      slack: { enabled: false, botToken: C.slack },
    },
    mcp: {
      servers: {
        local: { command: process.execPath, args: ["-e", mcpServer], env: { API_TOKEN: C["mcp-env"] } },
        remote: { url: "http://127.0.0.1:9/mcp", headers: { authorization: C["mcp-header"] } },
      },
    },
    hooks: {
      enabled: true,
      token: C["hook-token"],
      signatures: { s: { type: "hmac-sha256", header: "x-sig", secret: C["hook-signature"] } },
    },
    skills: { entries: { weather: { apiKey: C.skill } } },
    tools: { ...(modelConfig(model.url)["tools"] as object), web: { search: { brave: { apiKey: C.web } } } },
    diagnostics: {
      otel: {
        enabled: true,
        endpoint: collector.url,
        protocol: "http/json",
        logs: true,
        flushIntervalMs: 1_000,
        headers: { "x-key": C["otlp-header"] },
      },
    },
    integrations: { pager: { apiToken: C["unknown-key"] } },
  };
}

const answerOf = (value: string): string => JSON.stringify({ protocolVersion: 1, values: { "team/model": value } });

before(async () => {
  model = await startModelServer();
  collector = await new OtlpCollector().start();
  mkdirSync(state, { recursive: true });
  writeFileSync(vault.program, VAULT, { mode: 0o700 });
  chmodSync(vault.program, 0o700);
  writeFileSync(vault.answer, answerOf(C["model-exec"]), { mode: 0o600 });
  writeFileSync(join(home, "file-secret"), C["model-file"], { mode: 0o600 });
  mkdirSync(join(state, "gateway"), { recursive: true });
  writeFileSync(join(state, "gateway", "peer-key.pem"), keys.peer.privateKey.reveal(), { mode: 0o600 });
  const device = { privateKey: keys.device.privateKey.reveal(), tokens: { "wss://far.example": C["device-token"] } };
  writeFileSync(join(state, "gateway", "cli-device.json"), JSON.stringify(device), { mode: 0o600 });
  const stored = await callCli(state, ["secrets", "store", "set", "GATEWAY_TOKEN", "--json"], { input: C["gateway-token"] });
  assert.equal(stored.code, 0, stored.err);
  note("secrets store set", stored);
  const text = `// old token: "${C.comment}"\n${JSON.stringify(config(), null, 2)}`;
  gateway = await startGateway({
    home,
    config: text,
    env: { ...WARM_AGENTS, MODEL_ENV: C["model-env"], OPENCLAW_SECRETS_PASSPHRASE: C.passphrase, OTEL_BSP_SCHEDULE_DELAY: "50" },
  });
  client = await openClient({
    url: gateway.url,
    credentials: { token: new Secret(C["gateway-token"]) },
    scopes: ["operator.admin", "operator.read", "operator.write", "operator.pairing", "operator.approvals"],
    onEvent: (event) => note(`event ${event.event}`, event),
  });
});
after(async () => {
  await client?.close();
  await gateway?.kill();
  await model.close();
  await collector.close();
  dropHome(home);
});

async function call(method: string, params: object = {}): Promise<unknown> {
  try {
    const answer = await client.request(method, params, { timeoutMs: 20_000 });
    note(method, answer);
    return answer;
  } catch (err) {
    note(`${method} (error)`, err instanceof Error ? `${err.message} ${err.stack} ${JSON.stringify(err)}` : String(err));
    return null;
  }
}

async function turn(message: string): Promise<void> {
  const runId = `run-${Math.random().toString(36).slice(2)}`;
  await call("chat.send", { sessionKey: "main", message, idempotencyKey: runId });
  await call("agent.wait", { runId, timeoutMs: 30_000 });
}

test("the values reach the programs that they are for", async () => {
  await turn("hello");
  assert.equal(model.requests().at(-1)?.headers["authorization"], `Bearer ${C["model-exec"]}`);
  assert.equal(model.requests().at(-1)?.headers["x-team"], C["model-header"]);
  const status = await callCli(state, ["status", "--json"]);
  assert.equal(status.code, 0, `the command line reads the token from the store: ${status.err}${status.out}`);
  note("status", status);
});

/** They end or replace the gateway, wait for something that does not come, or take long. */
const NOT_CALLED =
  /^(gateway\.restart|diagnostics\.|agent\.wait|web\.login|agents\.delete|sessions\.(delete|reset)|backup\.create|config\.(set|apply|patch)|gateway\.doctor|update\.)/;

test("no answer, event, error, log, metric, export or child process has a secret", async () => {
  // Commands of an agent, which see its environment and its arguments.
  for (const command of ["env", "cat /proc/self/environ /proc/$PPID/environ /proc/$PPID/cmdline", "set"])
    await turn(`tool:bash:${command}`);
  for (const method of SERVED_METHODS) if (!NOT_CALLED.test(method)) await call(method);
  const { raw } = await client.request<{ raw: string }>("config.get", {});
  for (const [method, params] of [
    ["peers.rotate", { name: "office" }],
    ["peers.rotate", { name: "hermes" }],
    ["peers.pair", { name: "hermes" }],
    ["peers.test", { name: "hermes" }],
    ["config.plan", { raw: raw.replace('"level": "debug"', '"level": "wrong"') }],
    ["config.set", { raw: raw.replace('"level": "debug"', '"level": "wrong"') }],
    ["config.set", { raw: "{ broken" }],
    ["config.schema.lookup", { path: "secrets.providers" }],
    ["channels.status", { probe: true }],
    ["models.probe", { provider: "test" }],
    ["models.probe", { provider: "literal" }],
    ["sessions.preview", { keys: ["main"] }],
    ["chat.history", { sessionKey: "main" }],
    ["logs.tail", { limit: 5_000, maxBytes: 1_000_000 }],
    ["mcp.status", {}],
  ] as const)
    await call(method, params);

  const bearer = { authorization: `Bearer ${C["gateway-token"]}` };
  for (const [path, headers] of [
    ["/metrics", bearer],
    ["/healthz", {}],
    ["/readyz", bearer],
    ["/v1/models", bearer],
    ["/v1/models", { authorization: `Bearer ${C["gateway-token"]}x` }],
    ["/hooks/agent", {}],
    [`/?token=${encodeURIComponent(C["gateway-token"])}`, {}],
  ] as const) {
    const response = await fetch(`${gateway.http}${path}`, { headers });
    note(`GET ${path.split("?")[0]}`, `${JSON.stringify([...response.headers])} ${await response.text()}`);
  }

  for (const words of COMMANDS) {
    const run = await callCli(state, [...words, "--json"]);
    note(`openclaw ${words.join(" ")}`, `${run.out}${run.err}`);
  }
  for (const words of [
    ["status", "--all"],
    ["config", "get"],
  ]) {
    const run = await callCli(state, words);
    note(`openclaw ${words.join(" ")} (text)`, `${run.out}${run.err}`);
  }
  const revealed = await callCli(state, ["secrets", "store", "get", "GATEWAY_TOKEN", "--reveal"]);
  assert.equal(revealed.code, 2, revealed.out);
  note("secrets store get --reveal", revealed);

  await until("telemetry", () => collector.spans().length > 0 && collector.logs().length > 0);
  note("OTLP", collector.text());
  note("output of the process", gateway.output());
  for (const pid of descendants(gateway.pid)) note(`process ${pid}`, processText(pid, ["cmdline", "environ"]));
  note("the gateway's own process", processText(gateway.pid, ["cmdline", "environ"]));

  const found = seen.flatMap(({ where, text }) => search.find(text).map((name) => `${where}: ${name}`));
  assert.deepEqual([...new Set(found)], []);
});

/** What a command prints is what people paste into a report. */
const COMMANDS: readonly (readonly string[])[] = [
  ["status", "--all"],
  ["health"],
  ["doctor", "--lint"],
  ["security", "audit", "--deep"],
  ["secrets", "audit", "--allow-exec"],
  ["secrets", "store", "list"],
  ["secrets", "store", "get", "GATEWAY_TOKEN"],
  ["secrets", "configure", "--dry-run"],
  ["secrets", "reload"],
  ["config", "get"],
  ["config", "get", "models"],
  ["config", "get", "gateway.auth.token"],
  ["config", "get", "mcp.servers.remote.headers"],
  ["config", "get", "env.vars.SHARED_VALUE"],
  ["config", "validate"],
  ["config", "history"],
  ["models", "list"],
  ["models", "status"],
  ["models", "test", "literal"],
  ["channels", "status", "--probe"],
  ["channels", "list"],
  ["mcp", "list"],
  ["mcp", "status"],
  ["logs", "--limit", "5000"],
  ["sessions", "list"],
  ["sessions", "export", "main"],
  ["sessions", "export", "agent:main:main"],
  ["gateway", "status", "--deep"],
  ["gateway", "probe"],
  ["gateway", "call", "config.get"],
  ["remote", "check"],
  ["audit"],
  ["backup", "list"],
  ["devices", "list"],
  ["tokens", "list"],
  ["peers", "list"],
  ["nodes", "list"],
  ["hooks", "list"],
  ["cron", "list"],
  ["plugins", "list"],
  ["skills", "list"],
  ["agents", "list"],
  ["tools", "list"],
  ["usage"],
  ["state", "size"],
  ["gateway", "diagnostics", "export", "--output", join(home, "diagnostics.zip")],
  ["backup", "create", "--no-secrets", "--output", join(home, "backup.zip")],
];

function processText(pid: number, files: readonly string[]): string {
  return files
    .map((name) => {
      try {
        return readFileSync(`/proc/${pid}/${name}`, "latin1");
      } catch {
        return ""; // It has ended, or it may not be looked at.
      }
    })
    .join("\n");
}

test("no file has a secret but the one where it was put, also in archives", async () => {
  const keyFiles = [".openclaw/gateway/peer-key.pem", ".openclaw/gateway/cli-device.json"];
  const own = new Set([...keyFiles, "vault", "vault-answer", "file-secret", ".openclaw/openclaw.json", ".openclaw/openclaw.json.bak"]);
  const lastGood = /^\.openclaw\/gateway\/(?:last-good|openclaw\.last-good|config\.last-good)[^/]*$/;
  assert.deepEqual(await search.findInFiles(home, (name) => own.has(name) || lastGood.test(name)), []);
});

test("a vault that is down leaves the last values in use, which is reported, and it recovers without a restart", async () => {
  rmSync(vault.answer);
  const down = await callCli(state, ["secrets", "reload", "--json"]);
  const { ok, warningCount, warnings } = JSON.parse(down.out) as { ok: boolean; warningCount: number; warnings: { state: string }[] };
  assert.deepEqual([down.code, ok, warningCount, warnings[0]?.state], [1, true, 1, "stale"]);
  await turn("still here");
  assert.equal(model.requests().at(-1)?.headers["authorization"], `Bearer ${C["model-exec"]}`);
  const ready = (await (await fetch(`${gateway.http}/readyz`, { headers: { authorization: `Bearer ${C["gateway-token"]}` } })).json()) as {
    ready: boolean;
    degraded: string[];
  };
  assert.equal(ready.ready, true);
  assert.ok(ready.degraded.includes("secrets"), JSON.stringify(ready));
  const metrics = await (await fetch(`${gateway.http}/metrics`, { headers: { authorization: `Bearer ${C["gateway-token"]}` } })).text();
  assert.match(metrics, /gateway_secrets_degraded_providers 1/);
  assert.deepEqual((await client.request<{ degradedSecretOwners: string[] }>("status", {})).degradedSecretOwners, [
    "secrets.providers.vault",
  ]);

  const next = canary("model-next");
  writeFileSync(vault.answer, answerOf(next), { mode: 0o600 });
  assert.equal((await callCli(state, ["secrets", "reload"])).code, 0);
  await turn("with a new key");
  assert.equal(model.requests().at(-1)?.headers["authorization"], `Bearer ${next}`);
  assert.deepEqual(new CanarySearch({ next }).find(gateway.output()), []);
});

test("a start while the vault is down runs it at most once and uses the last values", async () => {
  await client.close();
  await gateway.kill("SIGKILL");
  rmSync(vault.answer);
  writeFileSync(vault.runs, "");
  gateway = await startGateway({ home, env: { MODEL_ENV: C["model-env"] } });
  client = await openClient({
    url: gateway.url,
    credentials: { token: new Secret(C["gateway-token"]) },
    scopes: ["operator.admin", "operator.read", "operator.write"],
  });
  await turn("after the crash");
  assert.match(String(model.requests().at(-1)?.headers["authorization"]), /^Bearer cnry\.model-next/);
  assert.equal(readFileSync(vault.runs, "utf8"), "", "the values are young");
});

test("a start without any value disables what refers to it, and nothing else", async () => {
  await client.close();
  await gateway.kill();
  rmSync(join(state, "gateway", "secrets-cache.sealed"));
  gateway = await startGateway({ home, env: { MODEL_ENV: C["model-env"] } });
  assert.equal(readFileSync(vault.runs, "utf8"), "run\n", "one run at the start");
  client = await openClient({
    url: gateway.url,
    credentials: { token: new Secret(C["gateway-token"]) },
    scopes: ["operator.admin", "operator.read"],
  });
  const status = await client.request<{ degradedSecretOwners: string[] }>("status", {});
  assert.deepEqual(status.degradedSecretOwners, ["models.providers.test.apiKey", "secrets.providers.vault"]);
});
