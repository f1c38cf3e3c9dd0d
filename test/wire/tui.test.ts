// The terminal interface as a person sees it: in tmux, against a real gateway and the scripted model.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openClient } from "../../src/client/client.ts";
import { createDevice } from "../../src/client/device.ts";
import { Secret } from "../../src/core/secret.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";
import { endTmux, noTmux, TuiInTmux, type TuiSize } from "./tui-in-tmux.ts";

const SMALL = { width: 80, height: 24 };
const LARGE = { width: 200, height: 60 };
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const home = newHome();
let model: ModelServer;
let gateway: GatewayUnderTest;

async function start(port?: number): Promise<GatewayUnderTest> {
  const base = modelConfig(model.url);
  const models = [
    { id: "echo", name: "Echo", contextWindow: 128_000, maxTokens: 4_096 },
    { id: "other", name: "Other", contextWindow: 32_000, maxTokens: 4_096 },
  ];
  const { test: provider } = (base["models"] as { providers: { test: object } }).providers;
  return await startGateway({
    home,
    ...(port !== undefined && { port }),
    config: {
      ...base,
      gateway: { nodes: { pairing: { autoApproveLocal: false } } },
      models: { providers: { test: { ...provider, models } } },
      agents: { defaults: { model: { primary: "test/echo" }, skipBootstrap: true }, entries: { main: {}, work: {} } },
      tools: { exec: { mode: "ask", host: "gateway" } },
    },
  });
}

before(async () => {
  if (noTmux !== false) return;
  model = await startModelServer();
  gateway = await start();
});
after(async () => {
  endTmux();
  if (noTmux !== false) return;
  await gateway.kill();
  await model.close();
  dropHome(home);
});

/** Runs `use` with the interface on a session of its own, and ends it. */
async function withTui(
  size: TuiSize,
  args: readonly string[],
  use: (tui: TuiInTmux) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  const tui = await TuiInTmux.start(home, size, args, env);
  try {
    await tui.shows("● connected");
    await use(tui);
  } finally {
    await tui.close();
  }
}

type Row = { role: string; content: string | { type: string; text?: string }[] };

async function ownMessages(sessionKey: string): Promise<string[]> {
  const client = await gateway.connect();
  try {
    const { messages } = await client.request<{ messages: Row[] }>("chat.history", { sessionKey, limit: 200 });
    const own = messages.filter(({ role }) => role === "user");
    return own.map(({ content }) => (typeof content === "string" ? content : content.map(({ text = "" }) => text).join("")));
  } finally {
    await client.close();
  }
}

for (const size of [SMALL, LARGE]) {
  const name = `${size.width}x${size.height}`;

  test(`${name}: an answer streams, and a tool call waits for its answer, streams, folds and opens`, { skip: noTmux }, async () => {
    await withTui(size, ["--session", `talk-${name}`], async (tui) => {
      await tui.say("slow:60 **bold** words");
      await tui.shows(/working|You said/);
      await tui.shows("You said: slow:60 bold words");
      await tui.say("tool:bash:for i in one two three; do echo $i; sleep 1; done");
      await tui.shows(/wants to run: for i in one.*F2/s);
      await tui.press("F2");
      const dialog = await tui.shows(/Question, 1 of 1/);
      assert.match(dialog, /for i in one two three; do echo \$i; sleep 1; done/, "all of it is shown");
      assert.match(dialog, /o allow once {3}.*d deny/s);
      // A key that comes with the question answers nothing, so it is pressed until it does.
      await until("the answer", async () => {
        await tui.press("o");
        return /allowed once/.test(await tui.screen());
      });
      await tui.shows(/▸ ● exec[^\n]*\n +one/);
      await tui.shows("Tool said: one");
      await tui.hides(/▸ ✓ exec[^\n]*\n +one/);
      await tui.press("C-o");
      await tui.shows(/▾ ✓ exec.*command: for i in.*output:\n +one\n +two\n +three/s);
    });
  });

  test(`${name}: pickers choose a model, an agent and a session, and a command is completed`, { skip: noTmux }, async () => {
    await withTui(size, ["--session", `pick-${name}`, "--message", "remember this place"], async (tui) => {
      await tui.shows("You said: remember this place");
      await tui.press("C-l");
      await tui.shows("Models of this session");
      await tui.type("other");
      await tui.hides(/default +what/);
      await tui.press("Enter");
      await tui.shows("test/other");
      await tui.press("C-g");
      await tui.shows("Agents");
      await tui.type("work");
      await tui.hides(/main +test/);
      await tui.press("Enter");
      await tui.shows(/work: Main/);
      await tui.press("C-p");
      await tui.shows("Sessions");
      await tui.type(`pick-${name}`);
      await tui.press("Enter");
      await tui.shows("You said: remember this place");
      await tui.type("/thi");
      await tui.shows(/→ \/think/);
      await tui.press("Tab");
      await tui.hides("→ /think");
      await tui.type("o");
      await tui.shows(/→ off/);
    });
  });
}

test("a message that is written while the gateway is away is answered once when it is back", { skip: noTmux }, async () => {
  await withTui(SMALL, ["--session", "away"], async (tui) => {
    await tui.say("before");
    await tui.shows("You said: before");
    const { port } = gateway;
    await gateway.kill("SIGKILL");
    await tui.shows(/trying again/);
    await tui.say("written meanwhile");
    await tui.shows(/written meanwhile\n▌ not sent yet/);
    gateway = await start(port);
    await tui.press("Enter");
    const screen = await tui.shows("You said: written meanwhile");
    assert.equal(screen.split("You said: before").length, 2, "nothing is shown twice");
    assert.deepEqual(await ownMessages("agent:main:away"), ["before", "written meanwhile"]);
  });
});

test("a turn that runs while the connection is lost is shown whole and once", { skip: noTmux }, async () => {
  await withTui(SMALL, ["--session", "lost"], async (tui) => {
    await tui.say("slow:150 one two three four five six seven eight nine ten");
    await tui.shows("You said: slow:150 one two");
    const { port } = gateway;
    await gateway.kill("SIGKILL");
    await tui.shows(/trying again/);
    gateway = await start(port);
    await tui.shows("● connected");
    await until("the end of the turn", async () => !/working/.test(await tui.screen()));
    assert.deepEqual(await ownMessages("agent:main:lost"), ["slow:150 one two three four five six seven eight nine ten"]);
  });
});

test("no text of a model, a tool or a person steers the terminal", { skip: noTmux }, async () => {
  const hostile =
    "a\u001b]0;pwned\u0007b\u001b[2Jc\u001b]52;c;cHduZWQ=\u0007d\u009b31me\u202ef &#27;[31m [x](https://e.org/\u001b]8;;)\u001b_Gx\u001b\\ end";
  await withTui(SMALL, ["--session", "hostile"], async (tui) => {
    const client = await gateway.connect();
    const before = tui.output().length;
    await client.request("chat.send", { sessionKey: "agent:main:hostile", message: hostile, idempotencyKey: "hostile-1" });
    await client.request("chat.send", {
      sessionKey: "agent:main:hostile",
      message: "tool:read:/no/such\u001b]0;pwned\u0007file",
      idempotencyKey: "hostile-2",
    });
    await tui.shows(/Tool said/);
    await tui.press("C-o");
    await tui.shows(/▾/);
    await client.close();
    const sent = tui.output().slice(before);
    for (const bad of ["\u001b]0;", "\u001b[2J", "\u001b]52;", "\u009b", "\u202e", "\u001b_G"])
      assert.equal(sent.includes(bad), false, JSON.stringify(bad));
    assert.match(await tui.screen(), /● connected/);
  });
});

test("a paste of 50 lines is one message, and neither it nor a line with ! is run here", { skip: noTmux }, async () => {
  await withTui(LARGE, ["--session", "paste"], async (tui) => {
    const lines = Array.from({ length: 50 }, (_, at) => `/quit line ${at + 1}`);
    await tui.paste(lines.join("\n"));
    await tui.shows("[paste #1 +50 lines]");
    await tui.press("Enter");
    await tui.shows("line 50");
    await until("the message", async () => (await ownMessages("agent:main:paste")).length > 0);
    assert.deepEqual(await ownMessages("agent:main:paste"), [lines.join("\n")]);
    await tui.say("!touch should-not-exist");
    await tui.shows("Nothing was run or sent");
    await tui.press("Enter");
    await tui.shows("You said: !touch should-not-exist");
  });
});

test(
  "a file is attached by its path, a picture also by a paste of its path, and both go with the next message",
  { skip: noTmux },
  async () => {
    await withTui(LARGE, ["--session", "files"], async (tui) => {
      const picture = join(home, "photo.png");
      writeFileSync(picture, Buffer.from(PIXEL, "base64"));
      writeFileSync(join(home, "notes.txt"), "the words in the file");
      await tui.say("/attach ~/none.txt");
      await tui.shows(/Not attached: .*none\.txt does not exist/s);
      await tui.type("/attach ~/no");
      await tui.shows("→ notes.txt");
      await tui.press("Tab");
      await tui.shows("/attach ~/notes.txt");
      await tui.press("Enter");
      await tui.shows(/\+ notes\.txt \(21 B\): with the next message/);
      await tui.paste(`${picture}\n`);
      await tui.shows(/notes\.txt \(21 B\), photo\.png/);
      await tui.say("look at these");
      await tui.shows(/▌ look at these.*image\/png.*You said/s);
      await tui.hides("with the next message");
      const sent = JSON.stringify(model.requests().at(-1)?.messages.at(-1)?.content);
      assert.match(sent, /look at these/);
      assert.match(sent, /the words in the file/);
      const own = await tui.screen();
      assert.match(own, /▌ ▸ notes\.txt \(text\/plain, 21 bytes\)\n▌ +\[image\/png/, "a file is its name and size");
      await tui.press("C-o");
      await tui.shows(/▌ ▾ notes\.txt[^\n]*\n▌ +the words in the file/);
    });
  },
);

test("a terminal with Kitty's protocol gets the picture, one with a light background its dark colors", { skip: noTmux }, async () => {
  const picture = join(home, "kitty.png");
  writeFileSync(picture, Buffer.from(PIXEL, "base64"));
  const kitty = { TMUX: "", TERM: "xterm-kitty", TERM_PROGRAM: "kitty", COLORFGBG: "0;15" };
  await withTui(
    SMALL,
    ["--session", "kitty"],
    async (tui) => {
      await tui.paste(`${picture}\n`);
      await tui.shows(/kitty\.png/);
      await tui.say("look at this");
      await tui.shows(/You said: look at this/);
      await until("the picture", () => tui.output().includes(`\u001b_G`) && tui.output().includes(PIXEL));
      assert.ok(tui.output().includes("\u001b[34m▌ "), "the blue that reads on light");
      assert.ok(!tui.output().includes("\u001b[96m"));
    },
    kitty,
  );
});

test("the screen follows the size of the terminal, and warnings of the program are shown after it", { skip: noTmux }, async () => {
  const noisy = { NODE_OPTIONS: `--import=data:text/javascript,setInterval(()=>process.emitWarning('noise-here'),200).unref()` };
  await withTui(
    LARGE,
    ["--session", "size"],
    async (tui) => {
      const words = Array.from({ length: 120 }, (_, at) => `word${at}`).join(" ");
      await tui.say(words);
      await tui.shows("You said: word0");
      for (const size of [SMALL, { width: 40, height: 12 }, { width: 120, height: 40 }]) {
        await tui.resize(size);
        const screen = await until(`${size.width} columns`, async () => {
          const shown = (await tui.screen()).split("\n");
          return shown.some((line) => line === "─".repeat(size.width)) && shown;
        });
        assert.ok(screen.every((line) => line.length <= size.width));
        await tui.shows("● connected");
      }
      assert.doesNotMatch(await tui.screen(), /noise-here/);
      await tui.press("C-c");
      await tui.shows("Press Ctrl-C again to leave");
      await tui.press("C-c");
      await tui.shows(/noise-here.*Session agent:main:size.*ended with 0/s);
    },
    noisy,
  );
});

test("Esc stops a turn, Ctrl-Q queues, /copy copies, the search finds, and without colors there are none", { skip: noTmux }, async () => {
  await withTui(
    SMALL,
    ["--session", "keys", "--no-mouse"],
    async (tui) => {
      await tui.say("hang");
      await tui.shows(/working/);
      await tui.type("after it");
      await tui.shows("after it");
      await tui.press("C-q");
      await tui.shows(/after it\n▌ waits for the running turn/);
      await tui.press("Escape");
      await tui.shows(/\(stopped\).*You said: after it/s);
      await tui.say("/copy");
      await tui.shows("Copied");
      assert.ok(tui.output().includes(`\u001b]52;c;${Buffer.from("You said: after it").toString("base64")}\u0007`));
      await tui.say("/search stopped");
      await tui.shows(/1.1/);
      await tui.press("Escape");
      // oxlint-disable-next-line no-control-regex
      assert.doesNotMatch(tui.output(), /\u001b\[(?:3|9)[0-7]m/);
      assert.ok(!tui.output().includes("\u001b[?1000h"));
    },
    { NO_COLOR: "1" },
  );
});

test("a device that asks for access is shown with what it asks for, and is approved with a key", { skip: noTmux }, async () => {
  await withTui(SMALL, ["--session", "devices"], async (tui) => {
    const device = createDevice();
    const credentials = { token: new Secret(gateway.token()) };
    const asked = {
      url: gateway.url,
      device,
      credentials,
      scopes: ["operator.read", "operator.write"],
      client: { displayName: "a laptop" },
    };
    await assert.rejects(openClient(asked), /pairing|approv/i);
    await tui.shows(/wants access: a laptop/);
    await tui.press("F2");
    await tui.shows(/asks for +operator: .*operator.write/);
    await until("the answer", async () => {
      await tui.press("a");
      return /approve: wants access: a laptop/.test(await tui.screen());
    });
    const client = await gateway.connect();
    const { paired } = await client.request<{ paired: { displayName?: string; scopes: string[] }[] }>("device.pair.list");
    assert.ok(paired.some(({ displayName, scopes }) => displayName === "a laptop" && scopes.includes("operator.write")));
    await client.close();
  });
});
