// What must never leave, and who must never get in: the real process, with secrets planted wherever it takes them.
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { PUBLISHED_SCOPES } from "../../src/protocol/gen/scopes.js";
import { IrcClient } from "../channel-kit/irc-client.ts";
import { noNgircd, startNgircd, type Ngircd } from "../channel-kit/ngircd.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { connect, http, makeDevice, tryConnect, RawClient, type HttpResult, type Frame } from "../server-bench.ts";
import { openclaw } from "./cli.ts";
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

type Wire = Record<string, unknown>;

const home = newHome();
let model: ModelServer;
let irc: Ngircd | undefined;
let gateway: GatewayUnderTest;

/** Planted secrets by name; without a recognisable prefix, so that only knowledge of the value can hide it. */
const planted = new Map<string, string>();
const plant = (name: string): string => {
  const value = `cnry${randomBytes(12).toString("hex")}`;
  planted.set(name, value);
  return value;
};
/** Everything that anyone outside was shown, with where. */
const seen: { where: string; text: string }[] = [];
/** Secrets that were handed out on purpose, once, with the frame that did it. */
const issued = new Map<string, string>();

const raws: RawClient[] = [];
async function open(token: string, scopes: string[], overrides: Parameters<typeof connect>[1] = {}): Promise<RawClient> {
  const raw = await connect(gateway, { auth: { token }, scopes, ...overrides });
  raws.push(raw);
  return raw;
}
async function ask(method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<HttpResult> {
  const answer = await http(gateway.port, path, { method, headers, ...(body === undefined ? {} : { body }) });
  seen.push({ where: `${method} ${path}`, text: JSON.stringify(answer) });
  return answer;
}
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}`, "content-type": "application/json" });
const ADMIN = ["operator.admin", "operator.read", "operator.write", "operator.pairing"];
const payload = (frame: Frame): Wire => {
  assert.ok(frame.ok, JSON.stringify(frame.error));
  return frame.payload!;
};

before(async () => {
  const serverPassword = plant("irc server password");
  if (!noNgircd) irc = await startNgircd({ password: serverPassword });
  model = await startModelServer({
    behaviour: (request) => {
      const last = JSON.stringify(request.messages.at(-1)?.content ?? "");
      if (!last.includes("leak the key")) return undefined;
      // Some providers repeat the key that they refuse.
      return {
        status: 401,
        message: `Incorrect API key provided: ${planted.get("provider key")}. Header ${planted.get("provider header")}`,
      };
    },
  });
  const config = modelConfig(model.url) as { models: { providers: Record<string, Wire> } } & Wire;
  config.models.providers["test"]!["apiKey"] = plant("provider key");
  config.models.providers["test"]!["headers"] = { "x-extra-auth": plant("provider header") };
  config.models.providers["second"] = {
    baseUrl: `${model.url}/v1`,
    api: "openai-completions",
    apiKey: "${SECOND_KEY}",
    models: [{ id: "b", name: "B" }],
  };
  config.models.providers["third"] = {
    baseUrl: `${model.url}/v1`,
    api: "openai-completions",
    apiKey: { source: "env", provider: "default", id: "THIRD_KEY" },
    models: [{ id: "c", name: "C" }],
  };
  const secretFile = join(home, "irc-password");
  writeFileSync(secretFile, plant("password in a file"), { mode: 0o600 });
  mkdirSync(stateDir(home), { recursive: true, mode: 0o700 });
  const text = JSON.stringify({
    ...config,
    gateway: { auth: { mode: "token", token: plant("gateway token"), password: plant("gateway password") } },
    channels: {
      irc: {
        accounts: {
          good: {
            host: "127.0.0.1",
            port: irc?.port ?? 1,
            tls: false,
            nick: "claw",
            password: serverPassword,
            dmPolicy: "open",
            allowFrom: ["*"],
            nickserv: { password: plant("nickserv password") },
          },
          bad: {
            host: "127.0.0.1",
            port: irc?.port ?? 1,
            tls: false,
            nick: "clawbad",
            password: plant("wrong irc password"),
            sasl: { username: "claw", password: plant("sasl password") },
          },
        },
      },
    },
  });
  writeFileSync(join(stateDir(home), "openclaw.json"), text, { mode: 0o600 });
  const env = {
    ...WARM_AGENTS,
    SECOND_KEY: plant("key in the environment"),
    THIRD_KEY: plant("referenced key"),
    ANTHROPIC_API_KEY: plant("anthropic key"),
    OPENAI_API_KEY: plant("openai key"),
    UNRELATED_PASSWORD: plant("unrelated variable"),
  };
  gateway = await startGateway({ home, env, args: ["--verbose"] });
});

after(async () => {
  for (const raw of raws) raw.close();
  await gateway.kill();
  await irc?.close();
  await model.close();
  dropHome(home);
});

/** A frame that has come or will come. */
const frameOf = (raw: RawClient, what: string, match: (frame: Frame) => boolean): Promise<Frame> =>
  until(what, () => raw.frames.find(match));
const ENDS = ["final", "error", "aborted"];
const runOver = (raw: RawClient, runId: string): Promise<Frame> =>
  frameOf(
    raw,
    `the end of ${runId}`,
    ({ event, payload: chat }) => event === "chat" && chat!["runId"] === runId && ENDS.includes(String(chat!["state"])),
  );

async function driveChat(raw: RawClient): Promise<void> {
  await raw.call("sessions.subscribe");
  const texts = [
    "hello",
    "tool:bash:env; cat /proc/self/environ | tr '\\0' '\\n'; cat /proc/$PPID/cmdline",
    "leak the key",
    "/status",
    "/model",
  ];
  for (const message of texts) {
    const runId = randomUUID();
    payload(await raw.call("chat.send", { sessionKey: "main", message, idempotencyKey: runId }));
    await runOver(raw, runId);
  }
  await raw.call("agent", { message: "leak the key", idempotencyKey: randomUUID(), sessionKey: "agent:main:leak" });
  await frameOf(raw, "the second answer", (frame) => frame.type === "res" && frame.payload?.["status"] === "error");
}

async function driveMethods(raw: RawClient): Promise<void> {
  for (const [method, params] of [
    ["health", { probe: true }],
    ["status", {}],
    ["config.get", {}],
    ["config.schema.lookup", { path: "gateway.auth" }],
    ["models.list", { view: "all", includeDetails: true }],
    ["channels.status", { probe: true }],
    ["agents.list", {}],
    ["chat.history", { sessionKey: "main" }],
    ["chat.history", { sessionKey: "agent:main:leak" }],
    ["sessions.list", { includeLastMessage: true }],
    ["sessions.preview", { keys: ["main", "agent:main:leak"] }],
    ["logs.tail", { limit: 500 }],
    ["system-presence", {}],
    ["device.pair.list", {}],
    ["tokens.list", {}],
    ["deadletters.list", {}],
  ] as const) {
    payload(await raw.call(method, params));
  }
  const fresh = plant("secret set over the wire");
  const { hash } = payload(await raw.call("config.get")) as { hash: string };
  payload(
    await raw.call("config.patch", {
      raw: JSON.stringify({
        models: {
          providers: { fourth: { baseUrl: `${model.url}/v1`, api: "openai-completions", apiKey: fresh, models: [{ id: "d", name: "D" }] } },
        },
      }),
      baseHash: hash,
    }),
  );
  // Mistakes that quote what they refuse.
  await raw.call("config.patch", { raw: `{"gateway":{"auth":{"token":["${planted.get("gateway token")}"]}}}`, baseHash: hash });
  await raw.call("config.set", { raw: `{ "gateway": { "auth": { "password": "${planted.get("gateway password")}" `, baseHash: hash });
}

test("Device tokens, service tokens and link codes are shown once, to whom they are for", async () => {
  const admin = await open(planted.get("gateway token")!, ADMIN);
  const created = payload(await admin.call("tokens.create", { name: "reader", scopes: ["operator.read"] }));
  issued.set("service token", String(created["token"]));
  const setup = payload(await admin.call("device.pair.setupCode", { includeQr: false }));
  const code = /#k=([\w-]+)/.exec(JSON.stringify(setup))?.[1] ?? "";
  assert.ok(code.length > 16, JSON.stringify(setup));
  issued.set("link code", code);
  const device = makeDevice();
  const { raw, answer } = await tryConnect(gateway, {
    auth: { bootstrapToken: code },
    device,
    scopes: ["operator.read", "operator.write"],
  });
  raws.push(raw);
  const deviceToken = (payload(answer)["auth"] as Wire)["deviceToken"];
  assert.ok(typeof deviceToken === "string" && deviceToken.length > 20, "the device got its own token");
  issued.set("device token", deviceToken);
  const reuse = await tryConnect(gateway, { auth: { bootstrapToken: code }, device: makeDevice(), scopes: ["operator.read"] });
  assert.equal(reuse.answer.ok, false, "a link works once");
  const printed = /#k=([\w-]+)/.exec(gateway.output())?.[1] ?? "";
  if (printed) issued.set("link code of the start", printed);
});

test("No secret that was planted or handed out is found in what the gateway wrote, sent or started", async () => {
  const token = planted.get("gateway token")!;
  const raw = await open(token, ADMIN, { params: { caps: ["tool-events"] } });
  await driveChat(raw);
  await driveMethods(raw);
  for (const [method, path] of [
    ["GET", "/healthz"],
    ["GET", "/readyz"],
    ["GET", "/metrics"],
    ["GET", "/control-ui-config.json"],
    ["GET", "/v1/models"],
    ["GET", `/nothing?token=${token}`],
  ] as const)
    await ask(method, path, bearer(token));
  await ask(
    "POST",
    "/v1/chat/completions",
    bearer(token),
    JSON.stringify({ model: "openclaw", messages: [{ role: "user", content: "leak the key" }] }),
  );
  await ask("POST", "/v1/responses", bearer(token), JSON.stringify({ model: "openclaw", input: "leak the key", stream: true }));
  const guess = plant("a wrong token");
  raws.push((await tryConnect(gateway, { auth: { token: guess } })).raw, (await tryConnect(gateway, { auth: { password: guess } })).raw);
  await ask("GET", "/v1/models", bearer(guess));
  if (irc) {
    const peer = await IrcClient.join(irc.port, "ann", [], planted.get("irc server password")!);
    peer.say("claw", "leak the key");
    await peer.until(() => peer.said().some((each) => each.from === "claw"), "an answer");
    seen.push({ where: "irc", text: peer.lines.join("\n") });
    peer.close();
  }
  for (const args of [
    ["status", "--all"],
    ["doctor", "--json"],
    ["models", "status"],
    ["channels", "status"],
    ["config", "get"],
    ["logs", "--limit", "200"],
    ["config", "validate"],
    ["tokens", "list"],
    ["devices", "list"],
  ]) {
    const run = await openclaw(home, ...args);
    seen.push({ where: `openclaw ${args.join(" ")}`, text: run.stdout + run.stderr });
  }
  await until("the log to be on disk", () => filesUnder(stateDir(home)).some((file) => file.endsWith(".log")));
  assertNothingLeaked();
});

const filesUnder = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
  );
/** Files whose job it is to hold secrets: the owner's own file, and copies of it. */
const KEEPERS = /(^|\/)(openclaw\.json(\.bak)?|openclaw\.last-good\.json|token)$/;

function assertNothingLeaked(): void {
  const places: { where: string; text: string }[] = [...seen, { where: "standard output and error", text: gateway.output() }];
  for (const file of filesUnder(stateDir(home))) {
    const name = relative(stateDir(home), file);
    if (!KEEPERS.test(name)) places.push({ where: name, text: readFileSync(file).toString("latin1") });
  }
  for (const raw of raws)
    for (const frame of raw.frames) places.push({ where: `frame ${frame.event ?? JSON.stringify(frame.id)}`, text: JSON.stringify(frame) });
  for (const pid of [gateway.pid, ...descendants(gateway.pid)])
    places.push({ where: `command line of ${pid}`, text: readFileSync(`/proc/${pid}/cmdline`, "latin1") });
  assert.ok(planted.size >= 15 && places.length > 100, `${planted.size} secrets, ${places.length} places`);
  const leaks: string[] = [];
  for (const { where, text } of places) {
    for (const [name, value] of planted)
      for (const spelling of [value, Buffer.from(value).toString("base64").replaceAll("=", "")])
        if (text.includes(spelling)) leaks.push(`${name} in ${where}: ${around(text, spelling)}`);
  }
  for (const [name, value] of issued) {
    const found = places.filter(({ where, text }) => text.includes(value) && where !== "standard output and error");
    const own = name === "link code of the start" ? 0 : 1;
    if (found.length > own || found.some(({ where }) => !where.startsWith("frame")))
      leaks.push(`${name} in ${found.map(({ where }) => where).join(", ")}`);
  }
  assert.deepEqual([...new Set(leaks)], []);
}
const around = (text: string, value: string): string =>
  JSON.stringify(text.slice(Math.max(0, text.indexOf(value) - 80), text.indexOf(value)));

test("Every line of the log is one JSON object of at most 8 KiB, whatever was thrown at it", async () => {
  const raw = await open(planted.get("gateway token")!, ADMIN);
  for (const method of ["x".repeat(200), 'quote"\n{"level":"error"}', "\u001b[2J\u202e\u0000"]) await raw.call(method, {}, randomUUID());
  await raw.call("system-event", { text: `${"long ".repeat(1_600)}\n{"level":"fatal"}` });
  await ask("GET", `/${"y".repeat(4_000)}`);
  const logs = filesUnder(join(stateDir(home), "gateway", "logs"));
  await until("the lines", () => logs.some((file) => readFileSync(file, "utf8").length > 1_000));
  for (const file of logs) {
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    assert.ok(lines.length > 10);
    for (const line of lines) {
      assert.ok(Buffer.byteLength(line) <= 8_192, line.slice(0, 200));
      const record = JSON.parse(line) as Wire;
      assert.ok(record["time"] ?? record["ts"], line);
      assert.doesNotMatch(line, /[\p{Cc}\p{Bidi_Control}]/u);
    }
  }
});

test("What the gateway keeps can be read by its owner only", () => {
  const dir = join(stateDir(home), "gateway");
  for (const entry of [dir, ...readdirSync(dir, { recursive: true }).map((name) => join(dir, String(name)))]) {
    const { mode } = statSync(entry);
    assert.equal(mode & 0o077, 0, `${relative(dir, entry)} has the mode ${(mode & 0o777).toString(8)}`);
  }
  assert.equal(statSync(join(stateDir(home), "openclaw.json")).mode & 0o077, 0, "a file that was private stays private after an edit");
});

/** The scopes that hello-ok named. */
const grantedTo = (raw: RawClient): unknown =>
  (raw.frames.find((frame) => frame.payload?.["type"] === "hello-ok")!.payload!["auth"] as Wire)["scopes"];

test("Each method asks for the scope of the published table", async () => {
  const reader = await open(issued.get("service token")!, ADMIN);
  assert.deepEqual(grantedTo(reader), ["operator.read"], "asking for more than a token has gives what it has");
  const unscoped = await open(planted.get("gateway token")!, []);
  assert.deepEqual(grantedTo(unscoped), []);
  const dynamic: Readonly<Record<string, unknown>> = {
    "channels.pairing.approve": { channel: "irc", accountId: "good", requestId: "x" },
    "node.invoke": { nodeId: "attic", command: "system.which", idempotencyKey: "k" },
    "node.pair.approve": { requestId: "x" },
  };
  for (const [method, scope] of Object.entries(PUBLISHED_SCOPES)) {
    const params = dynamic[method] ?? {};
    for (const [who, raw] of [
      ["a client without scopes", unscoped],
      ["a reader", reader],
    ] as const) {
      if (who === "a reader" && scope === "operator.read") continue;
      const { ok, error } = await raw.call(method, params);
      assert.equal(ok, false, `${method} for ${who}`);
      if (scope === "node" || scope === "peer") {
        assert.equal(error!.message, "unauthorized role: operator", method);
        continue;
      }
      assert.equal(error!.code, "FORBIDDEN", `${method} for ${who}: ${JSON.stringify(error)}`);
      assert.equal(error!.details!["code"], "MISSING_SCOPE");
      if (scope !== "dynamic") assert.equal(error!.details!["missingScope"], scope, method);
    }
  }
});

test("A method before connect, or from a node, is refused", async () => {
  for (const method of ["health", "config.get", "chat.send"]) {
    const raw = new RawClient(gateway.url);
    await raw.next();
    raw.send({ type: "req", id: "1", method, params: {} });
    assert.equal((await raw.next((frame) => frame.id === "1")).ok, false);
    assert.equal((await raw.end()).code, 1008);
  }
  const node = await open(planted.get("gateway token")!, [], {
    role: "node",
    client: { id: "node-host", mode: "node" },
    device: makeDevice(),
  });
  const forOperators = Object.entries(PUBLISHED_SCOPES).filter(([, scope]) => scope !== "node");
  assert.ok(forOperators.length > 50);
  for (const [method] of forOperators) {
    const { ok, error } = await node.call(method, {});
    assert.deepEqual([ok, error!.message], [false, "unauthorized role: node"], method);
  }
});

test("Each HTTP route asks for what the table says", async () => {
  const open = ["/healthz", "/health", "/startupz", "/readyz", "/ready"];
  const read = ["/metrics", "/api/diagnostics/prometheus", "/control-ui-config.json", "/v1/models", "/v1/models/openclaw"];
  const write = ["/v1/chat/completions", "/v1/responses"];
  for (const path of open) assert.equal((await ask("GET", path)).status, 200, path);
  const body = JSON.stringify({ model: "openclaw", messages: [{ role: "user", content: "x" }], input: "x" });
  for (const path of read) {
    assert.equal((await ask("GET", path)).status, 401, path);
    assert.equal((await ask("GET", path, bearer("ocg_wrong-but-long-enough-to-be-one-0123456789"))).status, 401, path);
    assert.equal((await ask("GET", path, bearer(issued.get("service token")!))).status, 200, path);
  }
  for (const path of write) {
    assert.equal((await ask("POST", path, {}, body)).status, 401, path);
    assert.equal(
      (await ask("POST", path, bearer(issued.get("service token")!), body)).status,
      403,
      `${path} with a token that may read only`,
    );
  }
  const widened = { ...bearer(issued.get("service token")!), "x-openclaw-scopes": "operator.admin,operator.write" };
  assert.equal((await ask("POST", write[0]!, widened, body)).status, 403, "a header widens nothing");
});

test("A device whose token was rotated or revoked is out", async () => {
  const admin = await open(planted.get("gateway token")!, ADMIN);
  const device = makeDevice();
  const first = await tryConnect(gateway, { auth: { token: planted.get("gateway token")! }, device, scopes: ["operator.read"] });
  const token = String((payload(first.answer)["auth"] as Wire)["deviceToken"]);
  const again = await tryConnect(gateway, { auth: { token }, device, scopes: ["operator.read"] });
  assert.equal((payload(again.answer)["auth"] as Wire)["method"], "device-token");
  assert.equal(
    (await tryConnect(gateway, { auth: { token }, device: makeDevice(), scopes: ["operator.read"] })).answer.ok,
    false,
    "the token is bound to its device",
  );
  assert.equal((await tryConnect(gateway, { auth: { token }, scopes: ["operator.read"] })).answer.ok, false, "and needs its key");
  payload(await admin.call("device.token.revoke", { deviceId: device.id, role: "operator" }));
  assert.equal((await again.raw.end()).code, 4001);
  assert.equal((await tryConnect(gateway, { auth: { token }, device, scopes: ["operator.read"] })).answer.ok, false);
});

test("A token that was revoked or has expired ends at once, with its sockets", async () => {
  const admin = await open(planted.get("gateway token")!, ADMIN);
  const revoked = payload(await admin.call("tokens.create", { name: "to revoke", scopes: ["operator.read"] })) as {
    id: string;
    token: string;
  };
  const raw = await open(revoked.token, ["operator.read"]);
  assert.ok((await raw.call("health")).ok);
  payload(await admin.call("tokens.revoke", { id: revoked.id }));
  assert.equal((await raw.end()).code, 4001);
  assert.equal((await ask("GET", "/v1/models", bearer(revoked.token))).status, 401);
  assert.equal((await tryConnect(gateway, { auth: { token: revoked.token } })).answer.ok, false);

  const expired = payload(await admin.call("tokens.create", { name: "to expire", scopes: ["operator.read"], expiresInMs: 60_000 })) as {
    id: string;
    token: string;
  };
  assert.equal((await ask("GET", "/v1/models", bearer(expired.token))).status, 200);
  // The store has one owner: the expiry is changed while no gateway runs.
  await gateway.kill();
  const db = new DatabaseSync(join(stateDir(home), "gateway", "gateway.db"));
  db.prepare("UPDATE service_tokens SET expires_at = ? WHERE id = ?").run(Date.now() - 1, expired.id);
  db.close();
  gateway = await startGateway({ home });
  assert.equal((await ask("GET", "/v1/models", bearer(expired.token))).status, 401);
  assert.equal((await tryConnect(gateway, { auth: { token: expired.token } })).answer.ok, false);
});
