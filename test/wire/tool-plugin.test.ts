// The real process with tool plugins: the unchanged example of the guide, called by a scripted model, and broken ones beside it.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ProtocolClient, ServerEvent } from "../../src/client/client.ts";
import { MORE_TOOLS } from "../../src/tools/tool.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { assertMatchesResultSchema } from "../result-schema.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;
type ToolEvent = { phase: string; name: string; partialResult?: unknown };

const TOKEN = "weather-canary-0123456789";
const guide = readFileSync(new URL("../../docs/tool-plugins.md", import.meta.url), "utf8");
const home = newHome();
const folder = join(stateDir(home), "tools");
const ends = new Map<string, Wire>();
const toolEvents = new Map<string, ToolEvent[]>();
/** The sky that the service of the guide reports. */
let sky = "clear";
let asked = 0;
let model: ModelServer;
let gateway: GatewayUnderTest;
let operator: ProtocolClient;

const service = createServer((request, response) => {
  asked++;
  const city = new URL(request.url!, "http://localhost").searchParams.get("city");
  const status = request.headers.authorization !== `Bearer ${TOKEN}` ? 401 : city === "Atlantis" ? 404 : 200;
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ celsius: 20, sky }));
});

const FAULTY = `
import { defineToolPlugin } from "openclaw-gateway/tool";
const tool = (name, run) => ({ name, description: "Fails. Always.", effect: "run", parameters: { type: "object" }, run });
export default defineToolPlugin({ id: "faulty", tools: [
  tool("spin", () => { for (;;); }),
  tool("hang", () => new Promise(() => setInterval(() => {}, 1000))),
  tool("shapeless", () => 7),
  tool("leave", () => process.exit(1)),
  tool("read", () => "a built-in name was taken"),
  { ...tool("odd", () => "x"), parameters: { type: "object", oneOf: [] } },
] });`;

const PAYER = `
import { defineToolPlugin } from "openclaw-gateway/tool";
export default defineToolPlugin({ id: "payer", label: "Payer", tools: [{ name: "pay", description: "Pays.", effect: "send", asks: true,
  parameters: { type: "object", properties: { to: { type: "string" } } }, run: ({ to }) => "paid " + to }] });`;

/** A platform that pushes: what it was sent is the answer to a GET. */
const PUSHED = `
import { defineChannel } from "openclaw-gateway/channel";
const sent = [];
export default defineChannel({
  id: "pushed", label: "Pushed", capabilities: { chatKinds: ["direct"], maxText: { unit: "utf16", value: 4000 }, ack: "event" },
  parse: ({ label }) => ({ account: { label } }), identity: ({ label }) => label, parseChat: (id) => ({ kind: "direct", id }), verify: async () => ({ name: "p" }),
  run: (account, host, live, signal) => new Promise((resolve) => {
    live({ send: async (part) => ({ state: "sent", ids: [String(sent.push(part.text))] }) });
    signal.addEventListener("abort", resolve);
  }),
  async handleWebhook(account, { method, body }, host) {
    if (method === "GET") return { status: 200, body: JSON.stringify(sent) };
    const text = Buffer.from(body).toString();
    const common = { eventId: text, sentAt: Date.now(), origin: "live", message: text, media: [], mentionsSelf: true };
    await host.admit([{ ...common, kind: "message", chat: { kind: "direct", id: "p" }, sender: { id: "p", isBot: false, isSelf: false }, text }]);
    return { status: 200, body: "stored" };
  },
});`;

const config = (unit = "celsius"): Wire => ({
  ...modelConfig(model.url),
  agents: {
    defaults: { model: { primary: "test/echo" } },
    entries: { main: {}, narrow: { tools: { deny: ["web_fetch"] } }, open: { tools: { allow: ["weather"] } } },
  },
  channels: { pushed: { dmPolicy: "open", allowFrom: ["*"], accounts: { default: { label: "first" }, second: { label: "second" } } } },
  bindings: [{ agentId: "open", match: { channel: "pushed", accountId: "second" } }],
  plugins: {
    entries: {
      weather: { config: { url: `http://127.0.0.1:${(service.address() as AddressInfo).port}`, token: TOKEN, unit } },
      faulty: {},
      broken: {},
      stuck: {},
      payer: {},
      switched: { enabled: false },
      telegram: { enabled: true },
    },
  },
});

before(async () => {
  await new Promise<void>((resolve) => void service.listen(0, "127.0.0.1", resolve));
  model = await startModelServer();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "weather.mjs"), /```js\n([\s\S]+?)\n```/.exec(guide)![1]!);
  writeFileSync(join(folder, "faulty.mjs"), FAULTY);
  mkdirSync(join(stateDir(home), "channels"), { recursive: true });
  writeFileSync(join(stateDir(home), "channels", "pushed.mjs"), PUSHED);
  writeFileSync(join(folder, "broken.mjs"), "export default {");
  writeFileSync(join(folder, "stuck.mjs"), "for (;;);");
  writeFileSync(join(folder, "payer.mjs"), PAYER);
  writeFileSync(
    join(folder, "switched.mjs"),
    `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(join(home, "ran"))}, "");`,
  );
  gateway = await startGateway({ home, config: config() });
  operator = await gateway.connect({ caps: ["tool-events"] });
  operator.on(({ event, payload }: ServerEvent) => {
    const { runId, state, stream, data } = payload as Wire & { runId: string; data?: ToolEvent };
    if (event === "chat" && ["final", "aborted", "error"].includes(String(state))) ends.set(runId, payload as Wire);
    if (event === "agent" && stream === "tool" && data) toolEvents.set(runId, [...(toolEvents.get(runId) ?? []), data]);
  });
  await operator.request("sessions.subscribe");
});

after(async () => {
  await operator?.close();
  await gateway?.kill();
  await model.close();
  service.close();
  dropHome(home);
});

async function start(sessionKey: string, message: string): Promise<string> {
  const runId = randomUUID();
  await operator.request("chat.send", { sessionKey, message, idempotencyKey: runId });
  return runId;
}
async function endOf(runId: string): Promise<string> {
  const end = await until(`the end of ${runId}`, () => ends.get(runId), 40_000);
  const content = (end["message"] as { content: { text: string }[] } | undefined)?.content ?? [];
  return content.map((part) => part.text).join("");
}
const say = async (sessionKey: string, message: string): Promise<string> => endOf(await start(sessionKey, message));
const call = (name: string, args: object = {}): string => `tool:${MORE_TOOLS}:${JSON.stringify({ name, arguments: args })}`;
const search = (query: string): string => `tool:${MORE_TOOLS}:${JSON.stringify({ query })}`;
const MAIN = "agent:main:main";

test("the gateway answers while a plugin blocks its own thread, and says what became of each", async () => {
  assert.equal((await operator.request<{ ok: boolean }>("health")).ok, true);
  type Row = { id: string; state: string; cause: string | null; tools: { name: string }[]; leftOut: { name: string; reason: string }[] };
  const { plugins } = await openclawJson<{ plugins: Row[] }>(home, "plugins", "list");
  const states = Object.fromEntries(plugins.map(({ id, state }) => [id, state]));
  assert.deepEqual(states, {
    weather: "ready",
    faulty: "ready",
    broken: "failed",
    stuck: "failed",
    payer: "ready",
    switched: "off",
    telegram: "missing",
  });
  const [weather, faulty, broken, stuck] = plugins as [Row, Row, Row, Row];
  assert.deepEqual(
    weather.tools.map(({ name }) => name),
    ["weather", "weather_change"],
  );
  assert.deepEqual(
    faulty.leftOut.map(({ name }) => name),
    ["read", "odd"],
  );
  assert.match(broken.cause ?? "", /^it could not be loaded: /);
  assert.match(stuck.cause ?? "", /^it was not loaded within 10 s$/);
  const list = await operator.request<{ plugins: Wire[]; diagnostics: Wire[] }>("plugins.list", {});
  assertMatchesResultSchema("PluginsListResult", list);
  assert.deepEqual(
    list.plugins.map(({ state }) => state),
    ["enabled", "enabled", "error", "error", "enabled", "disabled", "not-installed"],
  );
  assert.throws(() => readFileSync(join(home, "ran")), "a plugin that is switched off is not loaded");
  const doctor = await openclaw(home, "doctor");
  assert.match(doctor.stdout, /the plugin broken does not work as it should/);
  assert.match((await openclaw(home, "status", "--all")).stdout, /the plugin stuck: it was not loaded within 10 s/);
  assert.equal((await openclaw(home, "plugins", "inspect", "broken")).code, 1);
  assert.match(
    (await openclaw(home, "plugins", "inspect", "weather")).stdout,
    /settings +url \(string, required\), token \(string, required\), unit \(string\)/,
  );
});

test("a model finds the tools of the guide by words, with their plugin, and calls one", async () => {
  assert.match(
    await say(MAIN, search("weather of a city")),
    /weather: Tells the weather of a city\.[^\n]*\(Of the plugin weather\.\)\nParameters/,
  );
  const { tools, body } = model.requests().at(-1)!;
  assert.ok(tools.length <= 12 && !tools.includes("weather"), tools.join());
  assert.ok(JSON.stringify(body["tools"]).length <= 12_288);
  assert.match(
    await say(MAIN, call("weather", { city: "Paris" })),
    /\[Result of the tool weather of the plugin weather\.[^\n]*\]\n> Paris: 20 °C, clear/,
  );
  assert.match(
    await say(MAIN, call("weather", { city: "Atlantis" })),
    /\[Error of the tool weather[^\n]*\n> The service does not know the city Atlantis\./,
  );
  const before = asked;
  assert.match(
    await say(MAIN, call("weather", { town: "Paris" })),
    /The arguments of weather are not valid; nothing was run\. city is missing/,
  );
  assert.equal(asked, before);
});

test("intermediate results are shown, and a stop ends the call but not the plugin", async () => {
  sky = "clear";
  const changing = await start(MAIN, call("weather_change", { city: "Paris", everySeconds: 0.1 }));
  const partial = await until("an intermediate result", () => toolEvents.get(changing)?.find(({ phase }) => phase === "update"));
  assert.match(JSON.stringify(partial), /The sky over Paris is still clear\./);
  sky = "cloudy";
  assert.match(await endOf(changing), /> It was clear, and is cloudy\./);
  const stopped = await start(MAIN, call("weather_change", { city: "Paris", everySeconds: 0.1 }));
  await until("the call", () => toolEvents.get(stopped)?.find(({ phase }) => phase === "update"));
  await operator.request("chat.abort", { sessionKey: MAIN, runId: stopped });
  await until("the end", () => ends.get(stopped));
  assert.match(await say(MAIN, call("weather", { city: "Paris" })), /> Paris: 20 °C, cloudy/);
});

test("faults of a tool are errors of its call: it blocks, it ends its thread, it returns garbage", async () => {
  assert.match(
    await say(MAIN, call("spin")),
    /The tool spin has no result\. The plugin was ended: its code has blocked its thread for 5 s/,
  );
  assert.match(await say(MAIN, call("shapeless")), /has a fault: it returned number, not a text/);
  assert.match(await say(MAIN, call("leave")), /its code ended its thread \(exit code 1\)/);
  assert.match(await say(MAIN, call("read", { path: "none.txt" })), /Cannot read none\.txt/);
  assert.match(await say(MAIN, call("odd")), /There is no tool "odd"/);
  const hanging = await start(MAIN, call("hang"));
  await until("the call", () => toolEvents.get(hanging)?.length);
  await operator.request("chat.abort", { sessionKey: MAIN, runId: hanging });
  await until("the end", () => ends.get(hanging));
  assert.match(await say(MAIN, call("shapeless")), /has a fault/);
  assert.equal((await operator.request<{ ok: boolean }>("health")).ok, true);
});

test("a person is asked before a call of a tool that wants it, sees its arguments, and decides", async () => {
  type Question = { id: string; request: Wire };
  const waiting = () => until("the question", async () => (await operator.request<Question[]>("plugin.approval.list"))[0]);
  for (const decision of ["allow-once", "deny"]) {
    const answer = operator.request("tools.invoke", { name: "pay", args: { to: "ann" } }, { timeoutMs: 0 });
    const { id, request } = await waiting();
    assert.deepEqual([request["title"], request["pluginId"], request["toolName"]], ["Payer: pay", "payer", "pay"]);
    assert.match(String(request["description"]), /rights of the gateway \(send\)\. Arguments: \{"to":"ann"\}$/);
    assert.equal(request["detail"], '{\n  "to": "ann"\n}');
    assert.deepEqual(request["allowedDecisions"], ["allow-once", "deny"]);
    await operator.request("plugin.approval.resolve", { id, decision });
    assert.match(JSON.stringify(await answer), decision === "deny" ? /Not run: .* denied it at / : /paid ann/);
  }
  assert.match(
    (await openclaw(home, "plugins", "inspect", "payer")).stdout,
    /pay \(send, at most 60 s, a person is asked before each call\)/,
  );
});

test("the policy decides by name and by effect; who is not granted a tool does not find it", async () => {
  type Explained = { tools: { tool: string; isGranted: boolean; rule: string }[] };
  const explain = (...args: string[]): Promise<Explained> => openclawJson<Explained>(home, "tools", "explain", ...args);
  assert.deepEqual((await explain("main", "weather")).tools, [
    { tool: "weather", isGranted: true, rule: "operators have all tools that nothing denies" },
  ]);
  assert.deepEqual((await explain("narrow", "weather")).tools[0]!.rule, "tools.deny".replace(/^/, "agents.entries.narrow."));
  const [person] = (await explain("main", "weather", "--channel", "irc")).tools;
  assert.deepEqual([person!.isGranted, person!.rule], [false, "senders of channels have the tools that agents.entries.main.tools names"]);
  assert.doesNotMatch(await say("agent:narrow:main", search("weather of a city")), /Of the plugin weather/);
  const before = asked;
  assert.match(
    await say("agent:narrow:main", call("weather", { city: "Paris" })),
    /The tool weather is denied by agents\.entries\.narrow\.tools\.deny; nothing was run\./,
  );
  await operator
    .request("sessions.patch", { key: "agent:main:quiet", permissionMode: "read-only" })
    .catch(() => operator.request("sessions.create", { key: "agent:main:quiet" }));
  await operator.request("sessions.patch", { key: "agent:main:quiet", permissionMode: "read-only" });
  assert.match(await say("agent:main:quiet", call("weather", { city: "Paris" })), /the tool weather is not available/);
  assert.equal(asked, before);
});

/** What a person on the channel of the test is answered. */
async function answerOf(account: string, text: string): Promise<string> {
  const at = `${gateway.http}/channels/pushed/${account}`;
  const known = ((await (await fetch(at)).json()) as string[]).length;
  await fetch(at, { method: "POST", body: text });
  return await until("the answer", async () => ((await (await fetch(at)).json()) as string[])[known]);
}

test("people on a channel have a tool of a plugin only where the agent's own policy names it", async () => {
  await until("the accounts", async () => (await fetch(`${gateway.http}/channels/pushed/second`)).ok);
  const before = asked;
  assert.doesNotMatch(await answerOf("default", call("weather", { city: "Oslo" })), /Oslo: 20/);
  assert.equal(asked, before);
  assert.match(await answerOf("second", call("weather", { city: "Bern" })), /> Bern: 20 °C/);
  assert.match(await answerOf("second", call("spin")), /The tool spin is denied by agents\.entries\.open\.tools\.allow/);
});

test("lists name the plugin of a tool, a client can call it, and the audit has the call", async () => {
  const catalog = await operator.request<{ groups: { id: string; source: string; pluginId?: string; tools: { id: string }[] }[] }>(
    "tools.catalog",
    {},
  );
  assertMatchesResultSchema("ToolsCatalogResult", catalog);
  const group = catalog.groups.find(({ pluginId }) => pluginId === "weather")!;
  assert.deepEqual([group.id, group.source, group.tools.map(({ id }) => id)], ["plugin:weather", "plugin", ["weather", "weather_change"]]);
  const without = await operator.request<typeof catalog>("tools.catalog", { includePlugins: false });
  assert.ok(without.groups.every(({ source }) => source === "core"));
  const effective = await operator.request<{ groups: { id: string }[] }>("tools.effective", { sessionKey: MAIN });
  assertMatchesResultSchema("ToolsEffectiveResult", effective);
  assert.ok(effective.groups.some(({ id }) => id === "plugin"));
  type Answer = { ok: boolean; source: string; output?: unknown; error?: { code: string } };
  const invoked = await operator.request<Answer>("tools.invoke", { name: "weather", args: { city: "Rome" } });
  assert.deepEqual([invoked.ok, invoked.source], [true, "plugin"]);
  assert.match(JSON.stringify(invoked.output), /Rome: 20 °C/);
  const denied = await operator.request<Answer>("tools.invoke", {
    name: "weather",
    args: { city: "Rome" },
    agentId: "narrow",
    sessionKey: "agent:narrow:main",
  });
  assert.deepEqual([denied.ok, denied.error?.code], [false, "denied"]);
  assert.equal((await operator.request<Answer>("tools.invoke", { name: "no_such" })).error?.code, "unknown");
  const { stdout } = await openclaw(home, "audit", "--tools", "--limit", "20");
  assert.match(stdout, /weather +started +\S+ +\{"city":"Rome"\}/);
  const metrics = await (await fetch(`${gateway.http}/metrics`, { headers: { authorization: `Bearer ${gateway.token()}` } })).text();
  assert.match(metrics, /gateway_tools_calls_total\{tool="weather",result="ok"\} [1-9]/);
  assert.match(metrics, /gateway_tool_plugins\{state="failed"\} 2/);
});

test("settings are applied at once, wrong ones are reported, and a secret is printed nowhere", async () => {
  const file = join(stateDir(home), "openclaw.json");
  const stateOf = async (): Promise<{ state: string; cause: string | null }> =>
    (await operator.request<{ plugins: { id: string; state: string; cause: string | null }[] }>("plugins.status", { id: "weather" }))
      .plugins[0]!;
  writeFileSync(file, JSON.stringify(config("kelvin")));
  const wrong = await until("the fault", async () => ((await stateOf()).state === "failed" ? stateOf() : null));
  assert.match(wrong.cause ?? "", /plugins\.entries\.weather\.config is not valid: unit must be one of celsius, fahrenheit/);
  writeFileSync(file, JSON.stringify(config("fahrenheit")));
  await until("the plugin", async () => (await stateOf()).state === "ready");
  assert.match(await say(MAIN, call("weather", { city: "Paris" })), /> Paris: 68 °F/);
  assert.ok(!gateway.output().includes(TOKEN));
  assert.ok(!JSON.stringify(await operator.request("config.get", {})).includes(TOKEN));
  assert.ok(!readFileSync(join(stateDir(home), "gateway", "logs", "gateway.log"), "utf8").includes(TOKEN));
});

/** A configuration with one plugin. */
const withWeather = (enabled: boolean): Wire => ({ ...modelConfig(model.url), plugins: { entries: { weather: { enabled } } } });

test("nothing of plugins is loaded while none is used, and an entry loads them", async () => {
  const other = newHome();
  const modules = join(other, "modules");
  const hook = join(import.meta.dirname, "../fakes/record-modules.mjs");
  const isLoaded = (): boolean => /tool-plugins-|plugins\/tool-plugins|plugin-thread/.test(readFileSync(modules, "utf8"));
  writeFileSync(modules, "");
  const quiet = await startGateway({
    home: other,
    config: withWeather(false),
    env: { NODE_OPTIONS: `--import=${hook}`, RECORD_MODULES: modules },
  });
  try {
    const client = await quiet.connect();
    await client.request("plugins.status", {});
    await client.request("tools.catalog", {});
    assert.match(readFileSync(modules, "utf8"), /main\.(js|ts)/);
    assert.ok(!isLoaded());
    writeFileSync(join(stateDir(other), "openclaw.json"), JSON.stringify(withWeather(true)));
    await until("the plugins", isLoaded);
    await client.close();
  } finally {
    await quiet.kill();
    dropHome(other);
  }
});

test("a changed file is loaded when a model next looks for tools, and one that is gone is reported", async () => {
  const file = join(folder, "weather.mjs");
  writeFileSync(file, readFileSync(file, "utf8").replace("Tells the weather of a city.", "Tells how warm a city is."));
  await until("the new description", async () => (await say(MAIN, search("how warm is a city"))).includes("Tells how warm a city is."));
  rmSync(file);
  await until("the tool to go", async () => !(await say(MAIN, search("how warm is a city"))).includes("how warm"));
});
