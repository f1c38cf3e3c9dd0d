import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { until } from "../wire/gateway-process.ts";
import { servePage } from "./page-server.ts";
import type { OfficialBench } from "./official-bench.ts";

const CLIENT = "Control UI";
const BROWSER = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];

/** A page of the Control UI and what it shows when the gateway gives it its data. */
const PAGES: readonly { path: string; shows: RegExp }[] = [
  { path: "/agents", shows: /test\/echo/ },
  { path: "/logs", shows: /client connected/ },
  { path: "/settings/agents", shows: /Primary Model\s+test\/echo/ },
  { path: "/settings/connection", shows: /ws:\/\/|Gateway/ },
  { path: "/settings/advanced", shows: /Wire format of the API/ },
  { path: "/automations", shows: /every hour|Every hour|No automations yet|calendar/ },
  { path: "/usage", shows: /TOKENS BY TYPE[^]*TOP MODELS\s+echo/i },
  { path: "/tasks", shows: /Background tasks/ },
  { path: "/settings/memory", shows: /Keyword search/i },
];

/** The built page of the release, in headless Chromium, with a profile of its own. */
export async function driveControlUi(stage: OfficialBench): Promise<void> {
  const server = await servePage(join(dirname(stage.official.program), "dist", "control-ui"), stage.pagePort, stage.gateway.port);
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
    const person = new Person(stage, page);
    await driveChat(person);
    await driveSessions(person);
    await driveSettings(person);
    await person.task("no error in its scripts", () => {
      if (errors.length > 0) throw new Error(errors[0]);
    });
  } finally {
    await context.close();
    server.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

class Person {
  readonly stage: OfficialBench;
  readonly page: Page;
  /** Ids of requests of the page that have no answer yet. */
  readonly #unanswered = new Set<string>();

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
    const frame = JSON.parse(payload.toString()) as { type: string; id: string };
    if (frame.type !== type) return;
    if (type === "req") this.#unanswered.add(frame.id);
    else this.#unanswered.delete(frame.id);
  }

  /** What the task returns is what was seen. */
  task(name: string, run: () => Promise<string | void> | string | void): Promise<void> {
    return this.stage.task(CLIENT, name, async () => (await run()) ?? "");
  }

  text(): Promise<string> {
    return this.page.locator("body").innerText();
  }

  shows(wanted: RegExp): Promise<boolean> {
    return until(`${String(wanted)} on the page`, async () => wanted.test(await this.text()), 30_000);
  }

  /** Opens a path and waits for its content; a part that the gateway does not serve is what was seen. */
  async open(path: string, wanted: RegExp): Promise<string> {
    await this.page.goto(`${this.stage.pageOrigin}${path}`);
    await this.shows(wanted);
    await until("answers to all requests of the page", () => this.#unanswered.size === 0, 30_000);
    const text = await this.text();
    if (/Panel failed to load|Something went wrong/i.test(text)) throw new Error("the panel failed to load");
    const unknown = /unknown method: [\w.]+/.exec(text);
    return unknown ? `one part says "${unknown[0]}"` : "";
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
  await person.task("signs in with the token and pairs", async () => {
    await page.goto(`${stage.pageOrigin}/#token=${stage.gateway.token()}`);
    await page.getByLabel("Chat composer").waitFor({ timeout: 90_000 });
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
  for (const { path, shows } of PAGES) await person.task(path, () => person.open(path, shows));
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
