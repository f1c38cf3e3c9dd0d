import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { until } from "../wire/gateway-process.ts";
import type { OfficialBench } from "./official-bench.ts";

const CLIENT = "Control UI";
const BROWSER = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];

/** Pages of the Control UI, and words that each shows. */
const PAGES: Readonly<Record<string, RegExp>> = {
  "/agents": /test\/echo/,
  "/activity": /hello from the page/,
  "/apps": /Pair your device/,
  "/automations": /No automations yet/,
  "/custodian": /System setup and care/,
  "/dashboard": /You said/,
  "/debug": /Last heartbeat/,
  "/logs": /client connected/,
  "/meetings": /transcripts/,
  "/memory-import": /Dreaming promotes/,
  "/plugins": /Plugins/,
  "/portals": /portals/,
  "/settings/about": /Identity embedded/,
  "/settings/advanced": /Wire format of the API/,
  "/settings/agents": /Primary Model\s+test\/echo/,
  "/settings/ai-agents": /How a conversation is shortened/,
  "/settings/appearance": /Choosing a different theme/,
  "/settings/approvals": /Standing grants/,
  "/settings/automation": /Custom slash commands/,
  "/settings/cloud-workers": /No cloud worker profiles/,
  "/settings/connection": /Connected to 127\.0\.0\.1/,
  "/settings/infrastructure": /Who may connect to the gateway's port/,
  "/settings/labs": /Code Mode/,
  "/settings/mcp": /openclaw mcp status/,
  "/settings/memory": /Search memories/,
  "/settings/model-providers": /Echo/,
  "/settings/notifications": /Browser support\s+Available/,
  "/settings/plugins": /No plugins are installed/,
  "/settings/profile": /@main/,
  "/settings/search": /check provider health/,
  "/settings/secrets": /write-only secrets/,
  "/settings/security": /Exec policy/,
  "/settings/skills": /Needs Setup/i,
  "/settings/talk": /Trigger words/i,
  "/settings/updates": /Gateway version/i,
  "/skills": /Skills/,
  "/skills/workshop": /Skill workshop/i,
  "/systems": /Select a machine/,
  "/tasks": /recent completed tasks/,
  "/usage": /Daily Token Usage/i,
  "/worktrees": /No managed worktrees/,
};

/** The built page of the release, in headless Chromium, with a profile of its own. */
export async function driveControlUi(stage: OfficialBench): Promise<void> {
  const profile = mkdtempSync(join(tmpdir(), "official-page-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: "/usr/bin/chromium",
    args: BROWSER,
    viewport: { width: 1_280, height: 900 },
  });
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    const errors: string[] = [];
    page.on("pageerror", (err) => errors.push(err.message));
    page.on("console", (message) => {
      if (/Content Security Policy/.test(message.text())) errors.push(message.text());
    });
    const person = new Person(stage, page);
    await driveChat(person);
    await driveSessions(person);
    await driveSettings(person);
    await person.task("no error in its scripts, and nothing that its Content-Security-Policy refuses", () => {
      if (errors.length > 0) throw new Error(errors[0]);
    });
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

class Person {
  readonly stage: OfficialBench;
  readonly page: Page;
  /** Requests of the page that have no answer yet: id and method. */
  readonly #unanswered = new Map<string, string>();
  /** What the gateway refused since the last page was opened. */
  readonly #refused = new Set<string>();
  readonly #usual = new Set<string>();

  constructor(stage: OfficialBench, page: Page) {
    this.stage = stage;
    this.page = page;
    page.on("websocket", (socket) => {
      this.#unanswered.clear();
      socket.on("framesent", ({ payload }) => this.#follow(payload, "req"));
      socket.on("framereceived", ({ payload }) => this.#follow(payload, "res"));
    });
  }

  #follow(payload: string | Buffer, type: "req" | "res"): void {
    const frame = JSON.parse(payload.toString()) as { type: string; id: string; method: string; error?: { message: string } };
    if (frame.type !== type) return;
    if (type === "req") return void this.#unanswered.set(frame.id, frame.method);
    const method = this.#unanswered.get(frame.id) ?? "?";
    this.#unanswered.delete(frame.id);
    if (frame.error !== undefined)
      this.#refused.add(frame.error.message.startsWith("unknown method") ? method : `${method} (${frame.error.message})`);
  }

  /** What the task returns is what was seen. */
  task(name: string, run: () => Promise<string | void> | string | void): Promise<void> {
    return this.stage.task(CLIENT, name, async () => (await run()) ?? "");
  }

  /** Methods that the page has asked for and not got since it was opened; those that every page asks for are named once. */
  refusals(): string {
    const names = [...this.#refused].filter((name) => !this.#usual.has(name)).toSorted();
    return names.length === 0 ? "" : `not served: ${names.join(", ")}`;
  }

  /** What has been refused by now is asked for by every page. */
  rememberUsual(): void {
    for (const name of this.#refused) this.#usual.add(name);
  }

  text(): Promise<string> {
    return this.page.locator("body").innerText();
  }

  shows(wanted: RegExp): Promise<boolean> {
    return until(`${String(wanted)} on the page`, async () => wanted.test(await this.text()), 30_000);
  }

  /** Opens a path and waits for its content; a part that the gateway does not serve is what was seen. */
  async open(path: string, wanted: RegExp): Promise<string> {
    this.#refused.clear();
    await this.page.goto(`${this.stage.pageUrl}${path}`);
    await this.shows(wanted);
    await until("answers to all requests of the page", () => this.#unanswered.size === 0, 30_000);
    const text = await this.text();
    if (/Panel failed to load|Something went wrong/i.test(text)) throw new Error("the panel failed to load");
    return this.refusals();
  }

  async say(text: string): Promise<void> {
    const composer = this.page.getByLabel("Chat composer");
    await composer.fill(text);
    await composer.press("Enter");
  }

  /** Chooses an entry of the menu of the open session. */
  async chooseSessionAction(entry: RegExp): Promise<void> {
    await this.page
      .getByRole("button", { name: /^Actions for/ })
      .first()
      .click();
    await this.page.locator("wa-dropdown-item").filter({ hasText: entry }).first().click();
  }

  /** Waits until the row of the session on the gateway is as wanted. */
  async untilSession(key: string, what: string, isWanted: (row: Record<string, unknown> | undefined) => boolean): Promise<void> {
    const client = await this.stage.gateway.connect();
    try {
      await until(
        `the session ${what}`,
        async () =>
          isWanted((await client.request<{ session: Record<string, unknown> | null }>("sessions.describe", { key })).session ?? undefined),
        30_000,
      );
    } finally {
      client.close();
    }
  }
}

async function driveChat(person: Person): Promise<void> {
  const { page, stage } = person;
  await person.task("signs in with the link of openclaw dashboard --official", async () => {
    await page.goto(await stage.officialLink());
    await page.getByLabel("Chat composer").waitFor({ timeout: 90_000 });
  });
  await person.task("every page", async () => {
    const seen = await person.open("/agents", /test\/echo/);
    person.rememberUsual();
    await page.goto(`${stage.pageUrl}/chat`);
    await page.getByLabel("Chat composer").waitFor({ timeout: 90_000 });
    return seen;
  });
  await person.task("a message is answered", async () => {
    await person.say("hello from the page");
    await person.shows(/You said: hello from the page/);
  });
  await person.task("the answer streams and the stop button ends it", async () => {
    await person.say(`slow:250 ${"streamed ".repeat(200)}`);
    await person.shows(/You said: slow:250 (streamed ){3}/);
    await page.getByRole("button", { name: "Stop generating" }).click();
    await person.shows(/Interrupted/);
  });
  await person.task("the conversation is there after a reload", async () => {
    await page.reload();
    await person.shows(/You said: hello from the page/);
  });
}

async function driveSessions(person: Person): Promise<void> {
  const { page } = person;
  let key = "";
  await person.task("a new session, and its link after a reload", async () => {
    await person.open("/new?agent=main", /say what to do/);
    await page.getByLabel("What should this session work on?").fill("a second session");
    await page.getByRole("button", { name: "Start session" }).click();
    await person.shows(/You said: a second session/);
    key = await newestSessionKey(person.stage);
    await page.reload();
    await person.shows(/You said: a second session/);
  });
  await person.task("rename", async () => {
    await person.chooseSessionAction(/^\s*Rename/);
    const title = page.getByLabel("Session title");
    await title.fill("Garden plans");
    await title.press("Enter");
    await person.untilSession(key, "is renamed", (row) => row?.["label"] === "Garden plans");
  });
  await person.task("pin", async () => {
    await person.chooseSessionAction(/^\s*Pin session/);
    await page.getByRole("button", { name: "Unpin session" }).waitFor();
    await person.untilSession(key, "is pinned", (row) => row?.["pinned"] === true);
  });
  await person.task("archive", async () => {
    await person.chooseSessionAction(/^\s*Archive session/);
    await person.shows(/This session is archived/);
  });
  await person.task("/sessions lists active and archived ones", async () => {
    const seen = await person.open("/sessions", /agent:main:main/);
    await page.getByText("Archived", { exact: true }).first().click();
    await person.shows(/Garden plans/);
    return seen;
  });
  await person.task("delete", async () => {
    await page.getByRole("button", { name: "Open session menu" }).first().click();
    await page
      .locator("wa-dropdown-item")
      .filter({ hasText: /Delete/ })
      .first()
      .click();
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await person.untilSession(key, "is deleted", (row) => row === undefined);
  });
  await person.task("/sessions finds words in transcripts", async () => {
    await person.open("/sessions", /agent:main:main/);
    await page.getByLabel("Search session transcripts").fill("hello");
    await page.getByRole("button", { name: "Search", exact: true }).click();
    await person.shows(/hello from the page/);
  });
}

async function newestSessionKey({ gateway }: OfficialBench): Promise<string> {
  const client = await gateway.connect();
  try {
    const { sessions } = await client.request<{ sessions: { key: string }[] }>("sessions.list", { limit: 1 });
    return sessions[0]!.key;
  } finally {
    client.close();
  }
}

async function driveSettings(person: Person): Promise<void> {
  const { page } = person;
  for (const [path, shows] of Object.entries(PAGES)) await person.task(path, () => person.open(path, shows));
  await person.task("/settings/channels, the settings of a channel", async () => {
    const seen = await person.open("/settings/channels", /IRC/);
    await page.getByText("Open details").first().click();
    await person.shows(/Host name of the server/);
    return seen;
  });
  await person.task("/settings/devices lists this browser", () => person.open("/settings/devices", /1 of 1 connected|openclaw-control-ui/));
  await person.task("Pair device: a gateway on loopback is refused with a fix", async () => {
    await page.getByRole("button", { name: "Pair device" }).click();
    await page.getByRole("button", { name: "Create setup code" }).click();
    await person.shows(/another device cannot reach/i);
    return "";
  });
  await person.task("/settings/communications, a changed setting is saved", async () => {
    const seen = await person.open("/settings/communications", /Response prefix/);
    const field = page.getByLabel("Response prefix");
    await field.fill("[bot]");
    await field.press("Tab");
    await untilConfig(person.stage, /"?responsePrefix"?: "\[bot\]"/);
    return seen;
  });
}

async function untilConfig({ gateway }: OfficialBench, wanted: RegExp): Promise<void> {
  const client = await gateway.connect();
  try {
    await until(
      `${String(wanted)} in the configuration`,
      async () => wanted.test((await client.request<{ raw: string }>("config.get", {})).raw),
      30_000,
    );
  } finally {
    client.close();
  }
}
