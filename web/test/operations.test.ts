// The pages about all sessions, the health of the gateway and its log, and the ways to all pages.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertAccessible } from "./axe.ts";
import { hasText, sendMessage, startPageTest, untilIdle } from "./page-session.ts";
import type { BrowserProfile, BrowserUser } from "./browser.ts";
import type { PageTest } from "./page-session.ts";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

async function open(view: string, look: BrowserProfile = {}): Promise<BrowserUser> {
  const user = await stage.signedIn(look);
  await user.page.evaluate((hash) => void (location.hash = hash), `#${view}`);
  await user.page.locator(".panel").first().waitFor();
  return user;
}
const asked = (method: string): readonly Record<string, unknown>[] =>
  stage.gateway.calls.filter((call) => call.method === method).map(({ params }) => params);

function addSessions(): void {
  for (const name of ["Trains", "Weather مرحبا", "Old notes"]) {
    const session = stage.gateway.conversations.ensure(`agent:main:web-${name.slice(0, 3).toLowerCase()}`, name);
    session.label = name;
  }
}

describe("all sessions", () => {
  test("words find titles and messages, and a filter is part of the question", async () => {
    addSessions();
    const { page, errors } = await stage.signedIn();
    await sendMessage(page, "the lost garden");
    await untilIdle(page);
    await page.evaluate(() => void (location.hash = "#sessions"));
    await hasText(page, ".session-row", "Trains");
    await page.getByLabel("Words in titles and messages").fill("garden");
    await hasText(page, ".entry", "the lost garden");
    assert.equal(asked("sessions.search").at(-1)!["query"], "garden");
    await page.getByLabel("Words in titles and messages").fill("");
    await page.getByLabel("Show", { exact: true }).selectOption("archived");
    await hasText(page, ".panel-empty", "No session matches.");
    assert.equal(asked("sessions.list").at(-1)!["archived"], true);
    assert.deepEqual(errors, []);
  });

  test("several are archived, restored and deleted at once, and main ones are not offered", async () => {
    addSessions();
    const { page, errors } = await open("sessions");
    await page.getByLabel("Choose Trains").check();
    await page.getByLabel("Choose Old notes").check();
    assert.equal(await page.getByLabel("Choose Main").isDisabled(), true);
    await page.getByRole("button", { name: "Archive", exact: true }).click();
    await page.getByLabel("Choose Trains").waitFor({ state: "detached" });
    await page.getByLabel("Show", { exact: true }).selectOption("archived");
    await page.getByLabel("Choose Trains").check();
    await page.getByRole("button", { name: "Restore" }).click();
    await page.getByLabel("Choose Trains").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Choose all" }).click();
    await page.getByRole("main").getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await hasText(page, ".panel-empty", "No session matches.");
    assert.deepEqual(
      asked("sessions.delete").map(({ key }) => key),
      ["agent:main:web-old"],
    );
    assert.deepEqual(errors, []);
  });

  test("several are put into a group, pinned and marked as unread, and listed under their group", async () => {
    addSessions();
    const { page } = await open("sessions");
    await page.getByLabel("Choose Trains").check();
    await page.getByLabel("Choose Old notes").check();
    await page.getByLabel("Name of the group").fill("Travel");
    await page.getByRole("button", { name: "Put into the group" }).click();
    await hasText(page, ".session-group", /Travel\s*2/);
    await hasText(page, ".session-group", "Without a group");
    assert.deepEqual(asked("sessions.patch").at(-1)!["category"], "Travel");
    await page.getByLabel("Choose Trains").check();
    await page.getByRole("button", { name: "Mark as unread" }).click();
    await page.getByLabel("Show", { exact: true }).selectOption("unread");
    await hasText(page, "#sessions-title", "1 session");
    await page.getByLabel("Choose Trains").check();
    await page.getByRole("button", { name: "Pin", exact: true }).click();
    await page.getByRole("button", { name: "Pin", exact: true }).waitFor({ state: "detached" });
    assert.equal(asked("sessions.patch").at(-1)!["pinned"], true);
  });

  test("with the right to read alone nothing can be chosen", async () => {
    stage.gateway.limitScopes(["operator.read"]);
    addSessions();
    const { page } = await open("sessions");
    await hasText(page, ".session-row", "Trains");
    assert.equal(await page.locator(".session-row input").count(), 0);
    assert.equal(await page.getByRole("button", { name: "Archive", exact: true }).count(), 0);
  });
});

describe("health and the log", () => {
  test("a part that does not work comes first, with its cause, since when, and the fix", async () => {
    stage.gateway.operations.breakStore();
    const { page, errors } = await open("health");
    await hasText(page, "#parts-title", "1 of 2 parts needs attention");
    assert.match((await page.locator(".entry").first().textContent())!, /Storage.*Does not work.*since \d+:\d\d.*the disk is full/);
    const checks = page.locator("section", { has: page.locator("#doctor-title") });
    await hasText(page, "section .hint", "1 problem, 0 warnings, 41 fine");
    assert.match((await checks.textContent())!, /The disk is full.*0 MB are free\..*How to fix: Delete files\./);
    const before = asked("gateway.doctor").length;
    await checks.getByRole("button", { name: "Run again" }).click();
    await page.waitForFunction(() => document.querySelector<HTMLButtonElement>("#doctor-title ~ button")?.disabled === false);
    assert.equal(asked("gateway.doctor").length, before + 1);
    await hasText(page, ".chart-name", "Delay of the event loop, p993.4 ms");
    await hasText(page, ".entry", "2 of 31 sessions run, 117 MB of memory");
    await hasText(page, ".figures-table tr", /usage\.report\s*4\s*100 ms\s*> 30 min/);
    // A line of the log marks its time in the charts, and a chart shows the log until its time.
    await page.locator(".log-then .log-line").first().hover();
    await page.locator(".chart line").nth(2).waitFor({ state: "attached" });
    await page.locator(".chart svg").first().hover();
    await hasText(page, "#log-then-title", /Log until \d/);
    await page.getByRole("main").getByRole("button", { name: "Logs" }).click();
    await hasText(page, ".log-line", "the provider refused the key");
    assert.deepEqual(errors, []);
  });

  test("the newest backup and the next one are shown, and why the last one failed", async () => {
    const { page, errors } = await open("health");
    const panel = page.locator("section", { has: page.locator("#backups-title") });
    await panel.waitFor();
    assert.match((await panel.textContent())!, /Newest40 min ago, 12 MB, scheduled.*Next.*Kept in\/home\/ann\/\.openclaw\/backups \(1\)/);
    assert.equal(await panel.locator(".warn").count(), 0);
    stage.gateway.operations.breakStore();
    await page.reload();
    await hasText(page, ".warn", "The last one failed 40 min ago: the disk is full");
    assert.deepEqual(errors, []);
  });

  test("remote access, telemetry and updates are shown, and a newer version with the command that installs it", async () => {
    const { page, errors } = await open("health");
    const panel = (id: string) => page.locator("section", { has: page.locator(`#${id}`) });
    await panel("remote-title").waitFor();
    assert.match(
      (await panel("remote-title").textContent())!,
      /wss:\/\/192\.168\.1\.20:18789.*AB:12:AB:12.*serve, https:\/\/desk\.tail1\.ts\.net.*minimal/,
    );
    assert.match((await panel("telemetry-title").textContent())!, /traces.*arrives.*metrics.*arrives/);
    await hasText(page, "section dd", "version 0.1.0, installed with npm");
    assert.match((await panel("updates-title").textContent())!, /Newest.*not asked.*Last update.*succeeded.*0\.0\.9 → 0\.1\.0/);
    assert.equal(await panel("updates-title").locator(".command").count(), 0);
    await page.getByRole("button", { name: "Look for a newer version" }).click();
    await hasText(page, "section dd", "version 0.2.0 (channel stable)");
    await hasText(page, ".command", "openclaw update");
    stage.gateway.operations.breakStore();
    await page.reload();
    await hasText(page, ".entry", "connect ECONNREFUSED");
    assert.deepEqual(errors, []);
  });

  test("lines are shown by level and words, as text, and new ones follow until it is paused", async () => {
    const { page, errors } = await open("logs");
    await hasText(page, ".log-line", "reconnecting to Slack <b>now</b>");
    assert.equal(await page.locator('.log-line[data-level="debug"]').count(), 0);
    await page.getByLabel("Level").selectOption("errors");
    await page.locator('.log-line[data-level="warn"]').first().waitFor({ state: "detached" });
    await page.getByLabel("Level").selectOption("debug and worse");
    await page.getByLabel("Words").fill("93752872");
    await page.locator('.log-line[data-level="info"]').first().waitFor({ state: "detached" });
    await page.getByLabel("Words").fill("");
    stage.gateway.operations.log("a new line");
    await hasText(page, ".log-line", "a new line");
    assert.ok(Number(asked("logs.tail").at(-1)!["cursor"]) >= 1_200, "only what is new is read");
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator(".log-line summary").filter({ hasText: "the provider refused" }).first().click();
    await page.getByRole("main").getByRole("button", { name: "Timeline" }).first().click();
    await hasText(page, ".trace-stage", "Delivery");
    assert.deepEqual(errors, []);
  });
});

describe("ways to the pages", () => {
  test("g and a letter, j and k, and the words of the search field", async () => {
    addSessions();
    const { page, errors } = await open("health");
    await page.keyboard.press("g");
    await page.keyboard.press("s");
    await hasText(page, ".session-row", "Trains");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("k");
    const focused = await page.evaluate(() => [...document.querySelectorAll(".view [data-row]")].indexOf(document.activeElement!));
    assert.equal(focused, 0);
    await page.keyboard.press("Control+k");
    await page.keyboard.type("log");
    await hasText(page, ".list section", "Go to");
    await page.keyboard.press("Enter");
    await hasText(page, ".log-line", "a turn ended");
    await page.keyboard.press("g");
    await page.keyboard.press("c");
    await page.locator("#composer").fill("go");
    assert.equal(await page.locator("#composer").inputValue(), "go", "letters that are typed into a field open nothing");
    assert.deepEqual(errors, []);
  });

  test("a phone has four places at the bottom", async () => {
    const { page } = await stage.signedIn({ width: 390, height: 844, touch: true });
    const bar = page.getByRole("navigation", { name: "Places" });
    await bar.getByRole("button", { name: "Home" }).click();
    await page.locator(".tiles").waitFor();
    await bar.getByRole("button", { name: "Inbox" }).click();
    await hasText(page, ".panel-empty", "Nothing waits.");
    await bar.getByRole("button", { name: "More" }).click();
    await page.getByRole("button", { name: "Logs" }).click();
    await page.locator(".log-line").first().waitFor();
    await bar.getByRole("button", { name: "Chat" }).click();
    await page.locator("#composer").waitFor();
    await assertAccessible(page);
  });
});
