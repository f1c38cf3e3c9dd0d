// An installation of OpenClaw beside a fresh one of ours: the commands as processes, then the gateway on what they took.
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { WebhookPeer } from "../channel-kit/webhook-peer.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "./gateway-process.ts";
import { DAILY_JOB, fingerprint, KEY, MAIN_SESSION, writeOriginal } from "../fakes/original-home.ts";

type Item = { kind: string; name: string; taken: boolean; present?: boolean; detail: string };
type Report = { items: Item[]; messages: number; dryRun: boolean; settings: string[]; shadow: string | null };
const message = (text: string) => ({ type: "message", chat: { kind: "direct", id: "ann" }, sender: { id: "ann", name: "Ann" }, text });
type Shadow = { on: boolean; held: number };

const home = newHome();
const dir = join(home, "original");
const peer = new WebhookPeer();
let model: ModelServer;
let gateway: GatewayUnderTest | undefined;

before(async () => {
  model = await startModelServer();
  await peer.start();
  const webhook = { secret: peer.secret, outboundUrl: peer.url, dmPolicy: "open", allowFrom: ["*"] };
  writeOriginal(dir, {
    ...modelConfig(model.url),
    agents: { defaults: { model: { primary: "test/echo" } }, list: [{ id: "main", workspace: join(dir, "workspace") }, { id: "work" }] },
    channels: { webhook, whatsapp: { enabled: true } },
    meta: { lastTouchedVersion: "2026.9.6" },
  });
  chmodSync(join(dir, "agents"), 0o500);
});
after(async () => {
  await gateway?.kill();
  await model.close();
  await peer.close();
  chmodSync(join(dir, "agents"), 0o700);
  dropHome(home);
});

const adopt = (...args: string[]): Promise<Report> => openclawJson<Report>(home, "adopt", "--from", dir, ...args);
const lines = ({ items }: Report, wanted: (item: Item) => boolean): string[] =>
  items
    .filter(wanted)
    .map(({ kind, name }) => `${kind} ${name.replace(`${dir}/`, "")}`)
    .toSorted();

test("a dry run names what would be taken and what not, and writes nothing anywhere", async () => {
  const before = fingerprint(dir);
  const report = await adopt("--dry-run");
  assert.equal(fingerprint(dir), before);
  assert.equal(existsSync(stateDir(home)), false);
  assert.deepEqual(
    lines(report, ({ taken }) => !taken),
    [
      "channel channels.whatsapp",
      "config credentials/whatsapp",
      "config meta",
      "job watcher",
      "key openai:me (agents/main/agent/auth-profiles.json)",
      "person irc/default *",
      "session agent:main:lost",
      "session agents/main/sessions/old.jsonl",
    ].toSorted(),
  );
  assert.deepEqual([report.dryRun, report.messages], [true, 8]);
  const group = report.items.find(({ name }) => name === "agent:main:irc:group:#team");
  assert.equal(group?.detail, "2 messages; line 4 is not JSON");
});

test("adopt takes it, tells no secret, does not touch the original, and takes nothing twice", async () => {
  const before = fingerprint(dir);
  const first = await openclaw(home, "adopt", "--from", dir);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /taken {2}agent:main:main: 4 messages/);
  assert.match(first.stdout, /not taken {2}channels\.whatsapp: this gateway has no channel whatsapp/);
  for (const secret of [KEY, peer.secret]) assert.ok(!`${first.stdout}${first.stderr}`.includes(secret));
  const second = await adopt();
  assert.deepEqual([lines(second, ({ taken }) => taken), second.messages, second.settings], [[], 0, []]);
  assert.equal(second.items.find(({ kind, name }) => kind === "person" && name === "irc/default bob")?.present, true);
  assert.equal(fingerprint(dir), before);
  assert.equal(readFileSync(join(stateDir(home), "workspace", "AGENTS.md"), "utf8"), "Be kind.\n");
  assert.equal(existsSync(join(stateDir(home), "workspace", ".git")), false);
  assert.ok(!readFileSync(join(stateDir(home), "openclaw.json"), "utf8").includes(KEY));
});

test("the gateway then has the sessions, agents, channels, people, keys and jobs, and goes on with a conversation", async () => {
  gateway = await startGateway({ home });
  const client = await gateway.connect();
  const { sessions } = await client.request<{ sessions: { key: string; sessionId: string }[] }>("sessions.list", { limit: 50 });
  const keys = sessions.map(({ key }) => key).filter((key) => !key.includes(":cron:"));
  assert.deepEqual(keys.toSorted(), ["agent:main:irc:group:#team", "agent:main:main", "agent:work:main"]);
  assert.equal(sessions.find(({ key }) => key === "agent:main:main")?.sessionId, MAIN_SESSION);
  const { agents } = await client.request<{ agents: { id: string }[] }>("agents.list", {});
  assert.deepEqual(agents.map(({ id }) => id).toSorted(), ["main", "work"]);
  const { jobs } = await client.request<{ jobs: { id: string; enabled: boolean }[] }>("cron.list", {});
  assert.deepEqual(
    jobs.map(({ id, enabled }) => [id, enabled]),
    [[DAILY_JOB, true]],
  );
  const { providers } = await client.request<{ providers: { provider: string; keyFrom?: string }[] }>("models.authStatus", {});
  assert.match(providers.find(({ provider }) => provider === "anthropic")?.keyFrom ?? "", /apiKeyFile/);
  const run = await openclaw(home, "chat", "--session-key", "agent:main:main", "and now?");
  assert.match(run.stdout, /You said: and now\?/);
  const asked = model
    .requests()
    .at(-1)!
    .messages.map(({ content }) => JSON.stringify(content))
    .join("\n");
  assert.match(asked, /To the sea\./, "the agent reads the earlier messages");
  await client.close();
});

test("while its own gateway runs, and while that of the original does, adopt refuses with what to do", async () => {
  const own = await openclaw(home, "adopt", "--from", dir);
  assert.deepEqual([own.code, /openclaw gateway stop/.test(own.stderr)], [69, true]);
  const other = newHome();
  const lock = join(dir, "gateway.lock");
  writeFileSync(lock, JSON.stringify({ pid: process.pid, stateDir: dir }));
  try {
    const run = await openclaw(other, "adopt", "--from", dir);
    assert.deepEqual([run.code, /is running \(pid/.test(run.stderr), /--shadow/.test(run.stderr)], [69, true, true]);
    const beside = await openclawJson<Report>(other, "adopt", "--from", dir, "--shadow");
    assert.equal(beside.shadow, "begins");
    const [job] = beside.items.filter(({ name }) => name === "daily");
    assert.deepEqual([job?.taken, job?.detail], [true, "off while the original runs it"]);
    const config = JSON.parse(readFileSync(join(stateDir(other), "openclaw.json"), "utf8")) as Record<string, Record<string, unknown>>;
    assert.deepEqual([config["gateway"]!["shadow"], config["gateway"]!["port"]], [true, 19_789]);
  } finally {
    writeFileSync(lock, "");
  }
  const over = await openclawJson<Report>(other, "adopt", "--from", dir);
  assert.equal(over.shadow, "ends");
  const jobs = over.items.filter(({ name }) => name === "daily").map(({ taken, detail }) => [taken, detail]);
  assert.deepEqual(jobs, [[true, "turned on"]]);
  const config = JSON.parse(readFileSync(join(stateDir(other), "openclaw.json"), "utf8")) as Record<string, Record<string, unknown>>;
  assert.deepEqual([config["gateway"]!["shadow"], config["gateway"]!["port"]], [false, 18_789]);
  assert.equal((config["channels"]!["webhook"] as Record<string, unknown>)["enabled"], true);
  dropHome(other);
});

test("in shadow mode a message is answered, the answer is held and counted, and the end of it sends nothing of that", async () => {
  const client = await gateway!.connect();
  peer.door = `${gateway!.http}/channels/webhook`;
  const shadow = async (): Promise<Shadow> => (await client.request<{ shadow: Shadow }>("status", {})).shadow;
  const switchTo = async (on: boolean): Promise<void> => {
    assert.equal((await openclaw(home, "config", "set", "gateway.shadow", String(on))).code, 0);
    await until("shadow mode is switched", async () => (await shadow()).on === on);
  };
  await switchTo(true);
  await peer.push(message("first"));
  await until("the answer is held", async () => (await shadow()).held === 1);
  assert.match((await openclaw(home, "status")).stdout, /shadow mode\s+nothing is sent; 1 message held/);
  assert.match((await openclaw(home, "doctor")).stdout, /shadow mode is on/);
  const { shadow: shown } = await client.request<{ shadow?: { held: number } }>("gateway.overview", {});
  assert.equal(shown?.held, 1);
  await switchTo(false);
  await peer.push(message("second"));
  await until("the answer is sent", () => peer.messages.some(({ text }) => text.includes("second")));
  assert.deepEqual(
    peer.messages.map(({ text }) => text),
    ["You said: second"],
  );
  await client.close();
});
