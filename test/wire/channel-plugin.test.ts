// The real process with channel plugins: the unchanged example of the guide, and broken ones.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { openclaw } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "./gateway-process.ts";

const TOKEN = "desk-token-0123456789";
const guide = readFileSync(new URL("../../docs/channels/write-your-own.md", import.meta.url), "utf8");

/** The desk of the guide: events until a cursor, one message for each key. */
class Desk {
  readonly shown: { room: string; text: string }[] = [];
  readonly #events: Record<string, unknown>[] = [];
  readonly #keys = new Map<string, string>();
  readonly #waiting = new Set<() => void>();
  /** How many further messages are shown without the answer getting through. */
  lost = 0;
  readonly #server = createServer((request, response) => {
    this.#serve(request, response).catch(() => response.destroy());
  });

  async start(): Promise<this> {
    await new Promise<void>((resolve) => void this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  say(text: unknown, from = "ann"): void {
    this.#events.push({ id: `e${this.#events.length + 1}`, at: Date.now(), room: { id: from, private: true }, from: { id: from }, text });
    for (const wake of this.#waiting) wake();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = (status: number, body: unknown): void =>
      void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return answer(401, {});
    const url = new URL(request.url!, this.url);
    if (url.pathname === "/me") return answer(200, { name: "desk" });
    if (url.pathname === "/updates") return answer(200, await this.#after(Number(url.searchParams.get("after")), response));
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { key, room, text } = JSON.parse(Buffer.concat(chunks).toString()) as { key: string; room: string; text: string };
    if (!this.#keys.has(key)) this.#keys.set(key, `m${this.shown.push({ room, text })}`);
    if (this.lost > 0 && this.lost--) return void response.destroy();
    answer(200, { id: this.#keys.get(key) });
  }

  async #after(cursor: number, response: ServerResponse): Promise<unknown> {
    if (this.#events.length <= cursor) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
        response.on("close", resolve);
      });
    }
    return { events: this.#events.slice(cursor), cursor: String(this.#events.length) };
  }
}

let desk: Desk;
let model: ModelServer;
let gateway: GatewayUnderTest;
const home = newHome();
const folder = join(stateDir(home), "channels");

/** A platform that pushes and asks, in one file: what it was sent is the answer to a GET. */
const PUSHED = `
import { defineChannel } from "openclaw-gateway/channel";
const sent = [];
export default defineChannel({
  id: "pushed", label: "Pushed", capabilities: { chatKinds: ["direct"], maxText: { unit: "utf16", value: 100 }, ack: "event" },
  parse: () => ({ account: {} }), identity: () => "pushed", parseChat: (id) => ({ kind: "direct", id }), verify: async () => ({ name: "p" }),
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
});
`;

const config = (): unknown => ({
  ...modelConfig(model.url),
  channels: {
    desk: { url: desk.url, token: TOKEN, dmPolicy: "allowlist", allowFrom: ["ann"] },
    pushed: { dmPolicy: "open", allowFrom: ["*"] },
    broken: { token: "x" },
    shapeless: {},
    missing: {},
    irc: { host: "127.0.0.1", port: 1, tls: false, nick: "agent" },
    packed: { package: "channel-packed" },
    uninstalled: { package: "channel-uninstalled" },
    tlon: { enabled: true },
  },
});

before(async () => {
  desk = await new Desk().start();
  model = await startModelServer();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "desk.mjs"), /```js\n([\s\S]+?)\n```/.exec(guide)![1]!);
  writeFileSync(join(folder, "pushed.js"), PUSHED);
  writeFileSync(join(folder, "broken.mjs"), "export default {");
  writeFileSync(
    join(folder, "shapeless.ts"),
    'const id: string = "shapeless";\nexport default { id, label: "Shapeless", capabilities: {} };',
  );
  writeFileSync(join(folder, "irc.mjs"), 'throw new Error("a built-in id was taken");');
  const packed = join(stateDir(home), "node_modules", "channel-packed");
  mkdirSync(packed, { recursive: true });
  writeFileSync(
    join(packed, "package.json"),
    '{"name":"channel-packed","version":"1.0.0","type":"module","exports":{"import":"./index.js"}}',
  );
  writeFileSync(
    join(packed, "index.js"),
    `import { defineChannel, TerminalError } from "openclaw-gateway/channel";
     export default defineChannel({ id: "packed", label: "Packed", capabilities: { chatKinds: ["direct"], maxText: { unit: "utf8", value: 9 } },
       parse: () => ({ account: {} }), identity: () => "one", parseChat: () => null, verify: async () => ({ name: "packed" }),
       run: async () => { throw new TerminalError("as the package says", "and its fix"); } });`,
  );
  gateway = await startGateway({ home, config: config() });
});
after(async () => {
  await gateway?.kill();
  await model.close();
  await desk.close();
  dropHome(home);
});

type Row = { accountId: string; state: string; lastError?: string | null; fix?: string | null };

async function statusOf(channel: string): Promise<Row | undefined> {
  const client = await gateway.connect();
  try {
    const { channelAccounts } = (await client.request("channels.status", {})) as { channelAccounts: Record<string, Row[]> };
    return channelAccounts[channel]?.[0];
  } finally {
    await client.close();
  }
}

const shows = (text: string): Promise<boolean> =>
  until(`the answer ${JSON.stringify(text)}`, () => desk.shown.some((each) => each.text === text));
const settled = (channel: string): Promise<Row> =>
  until(`${channel} to settle`, async () => {
    const row = await statusOf(channel);
    return row?.state === "terminal" ? row : null;
  });

test("the channel of the guide takes a message and shows the answer", async () => {
  desk.say("hello");
  await shows("You said: hello");
  assert.deepEqual(desk.shown, [{ room: "ann", text: "You said: hello" }]);
  assert.ok(!gateway.output().includes(TOKEN), "the token is never printed");
});

test("an unknown sender is not answered, and what cannot be read does not stop the line", async () => {
  desk.say("let me in", "eve");
  desk.say(42);
  desk.say("and me?");
  await shows("You said: and me?");
  assert.ok(!desk.shown.some(({ text }) => text.includes("let me in")));
});

test("an answer whose receipt is lost is repeated with its key, and shown once", async () => {
  desk.lost = 1;
  desk.say("once");
  await shows("You said: once");
  // Said before, it could be handed into the turn of the first one, whose answer then has both.
  desk.say("twice");
  await shows("You said: twice");
  assert.equal(desk.shown.filter(({ text }) => text === "You said: once").length, 1);
});

test("killed, it goes on at its cursor", async () => {
  await gateway.kill("SIGKILL");
  desk.say("while away");
  gateway = await startGateway({ home, config: config() });
  await shows("You said: while away");
  assert.equal(desk.shown.filter(({ text }) => text === "You said: hello").length, 1);
});

test("a platform may push to it, and the command line knows it", async () => {
  const at = `${gateway.http}/channels/pushed`;
  assert.equal(await (await fetch(at, { method: "POST", body: "knock" })).text(), "stored");
  await until("the answer", async () => ((await (await fetch(at)).json()) as string[]).includes("You said: knock"));
  const status = await openclaw(home, "channels", "status");
  assert.match(status.stdout, /pushed/);
  const said = await openclaw(home, "message", "send", "--channel", "desk", "--to", "ann", "--message", "by hand");
  assert.equal(said.code, 0, said.stdout + said.stderr);
  await shows("by hand");
});

test("a broken file is its own channel's matter, with cause and fix", async () => {
  const broken = await settled("broken");
  assert.match(String(broken.lastError), /broken\.mjs could not be loaded/);
  assert.match(String(broken.fix), /channels start broken/);
  assert.match(
    String((await settled("shapeless")).lastError),
    /capabilities\.chatKinds must be .*; .*run must be a function|run must be a function.*capabilities\.chatKinds/,
  );
  assert.match(String((await settled("missing")).fix), /missing\.mjs/);
  assert.match(String((await settled("uninstalled")).fix), /npm install --prefix/);
  assert.equal(await statusOf("tlon"), undefined, "a channel of OpenClaw without a plugin is not started");
});

test("a package is found in the state directory, and its TerminalError is ours", async () => {
  const { lastError, fix } = await settled("packed");
  assert.deepEqual([lastError, fix], ["as the package says", "and its fix"]);
});

test("the id of a built-in channel cannot be taken", async () => {
  const irc = await until("irc to try", () => statusOf("irc"));
  assert.doesNotMatch(String(irc.lastError), /was taken/);
  assert.notEqual(irc.state, "terminal");
});

test("a corrected file is loaded at the next start of the channel", async () => {
  writeFileSync(
    join(folder, "broken.mjs"),
    readFileSync(join(folder, "desk.mjs"), "utf8").replace('id: "desk"', 'id: "broken"').replace('label: "Desk"', 'label: "Corrected"'),
  );
  const client = await gateway.connect();
  await client.request("channels.start", { channel: "broken", accountId: "default" });
  await client.close();
  const row = await until("the new cause", async () => {
    const found = await statusOf("broken");
    return found && /url/.test(String(found.lastError)) ? found : null;
  });
  assert.match(String(row.fix), /url/);
});
