import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, beforeEach, describe, test } from "node:test";
import { until } from "../../test/until.ts";
import { hasText, sendMessage, untilIdle, startPageTest } from "./page-session.ts";
import type { BrowserProfile, BrowserUser } from "./browser.ts";
import type { PageTest } from "./page-session.ts";
import type { Locator, Page } from "playwright-core";

/** `PAGE_PICTURES=<folder>` keeps a picture of every look. */
const pictures = process.env["PAGE_PICTURES"];
const picture = async (page: Page, name: string): Promise<void> => {
  if (pictures === undefined) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: `${pictures}/${name}.png` });
};

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

const OTHER = "agent:main:web-other";
const TOUCH = [{ pattern: "/usr/bin/touch", argPattern: 'words:["{path}"]' }];

async function openApprovals(look: BrowserProfile = {}): Promise<BrowserUser> {
  const user = await stage.signedIn(look);
  if (look.touch === true) await user.page.getByRole("button", { name: "Sessions" }).click();
  await user.page.getByRole("button", { name: "Inbox" }).click();
  await user.page.getByRole("heading", { name: "Inbox", exact: true }).waitFor();
  return user;
}

const card = (page: Page, command: string): Locator => page.locator(".question", { hasText: command });
const button = (place: Locator, name: string): Locator => place.getByRole("button", { name, exact: true });
const lastAnswer = (): unknown => stage.gateway.calls.findLast((call) => call.method === "approval.resolve")?.params;

describe("the approvals on the page", () => {
  test("a question shows everything that matters, and is answered once", async () => {
    const { approvals } = stage.gateway;
    const id = approvals.ask({
      command: "touch notes.md\nls",
      cwd: "/srv/notes",
      host: "gateway",
      warnings: ["It runs outside of the sandbox, with the rights of the gateway."],
      patterns: TOUCH,
      at: Date.now() - 4 * 60_000,
    });
    const { page, errors } = await openApprovals();
    const shown = card(page, "touch notes.md");
    assert.equal(await page.locator(".to-view .count").first().getAttribute("aria-label"), "1 waiting for an answer");
    assert.match(await page.title(), /^\(1\) Inbox/);
    const text = await shown.innerText();
    for (const part of [
      `main asked 4 min ago · 25 min left · ${id.slice(0, 4)}`,
      "Runs on the machine of the gateway, in /srv/notes, for Main",
      "with the rights of the gateway",
    ])
      assert.ok(text.includes(part), `${part} is missing in ${text}`);
    assert.match(text, /“Always” lets main run this .+ any files of its workspace in place of \{path\}:\s+\/usr\/bin\/touch \{path\}/s);
    assert.equal(await shown.locator(".question-command").innerText(), "touch notes.md\nls");
    await picture(page, "approvals-light");
    await button(shown, "Allow once").click();
    await shown.getByText("Allowed once by you").waitFor();
    assert.deepEqual(lastAnswer(), { id, kind: "exec", decision: "allow-once" });
    assert.equal(await shown.getByRole("button").count(), 0);
    assert.equal(await page.locator(".to-view .count").count(), 0);
    assert.deepEqual(errors, []);
  });

  test("the answer of someone else is shown at once, and the others keep their places", async () => {
    const { approvals } = stage.gateway;
    const first = approvals.ask({ command: "make first" });
    approvals.ask({ command: "make second" });
    const { page } = await openApprovals();
    const second = card(page, "make second");
    const before = await second.boundingBox();
    approvals.end(first, { status: "denied", decision: "deny", by: "irc:ann" });
    await card(page, "make first").getByText("Denied by irc:ann").waitFor();
    assert.deepEqual(await second.boundingBox(), before);
    await page.getByRole("button", { name: "Hide answered" }).click();
    await page.locator(".entry", { hasText: "make first" }).getByText("Denied by irc:ann").waitFor();
    assert.equal(await card(page, "make first").count(), 0);
  });

  test("an answer that comes second shows the first one", async () => {
    const { approvals } = stage.gateway;
    const id = approvals.ask({ command: "make it" });
    const { page } = await openApprovals();
    await button(card(page, "make it"), "Deny").waitFor();
    // The event about the first answer is lost.
    stage.gateway.muteEvents(true);
    approvals.end(id, { status: "allowed", decision: "allow-once", by: "irc:ann" });
    stage.gateway.muteEvents(false);
    await button(card(page, "make it"), "Deny").click();
    await card(page, "make it").getByText("Allowed once by irc:ann").waitFor();
  });

  test("a question whose command cannot be stored does not offer always", async () => {
    stage.gateway.approvals.ask({ command: "sh -c 'echo $HOME'" });
    const { page } = await openApprovals();
    const shown = card(page, "echo $HOME");
    await button(shown, "Deny").waitFor();
    assert.deepEqual(await shown.getByRole("button").allInnerTexts(), ["Allow once", "Deny"]);
  });

  test("the keyboard reaches command and answers in their order, and keeps its place after an answer", async () => {
    stage.gateway.approvals.ask({ command: "make it", patterns: TOUCH });
    const { page } = await openApprovals();
    await page.locator(".question-answers button:enabled").first().waitFor();
    await page.locator("#view-content").focus();
    const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.textContent ?? "");
    const order: string[] = [];
    for (let at = 0; at < 5; at += 1) {
      await page.keyboard.press("Tab");
      order.push(await focused());
    }
    assert.deepEqual(order, ["make it", "Main", "Allow once", "Always", "Deny"]);
    await page.keyboard.press("Enter");
    await page.getByText("Denied by you").waitFor();
    assert.equal(await focused(), "Denied by you");
  });

  test("characters that could hide a part of the command are named", async () => {
    stage.gateway.approvals.ask({ command: "echo \u202Etxt" });
    const { page } = await openApprovals();
    assert.equal(await page.locator(".question-command").innerText(), "echo ⟨U+202E⟩txt");
  });

  test("questions come back after a lost connection, and those that ended meanwhile do not", async () => {
    const { approvals } = stage.gateway;
    const first = approvals.ask({ command: "make first" });
    approvals.ask({ command: "make second" });
    const { page } = await openApprovals();
    await card(page, "make first").waitFor();
    await stage.gateway.down();
    approvals.end(first, { status: "expired", reason: "timeout" });
    approvals.ask({ command: "make third" });
    await stage.gateway.up();
    await card(page, "make third").waitFor();
    await card(page, "make second").waitFor();
    assert.equal(await card(page, "make first").count(), 0);
    await page.locator(".entry", { hasText: "make first" }).getByText("No answer in time").waitFor();
  });
});

describe("records of approvals on the page", () => {
  test("the history is read in parts, and a row opens to the whole command", async () => {
    const { approvals } = stage.gateway;
    for (let at = 1; at <= 45; at += 1) {
      const id = approvals.ask({ command: `make step-${at}-end\nmake more`, host: "sandbox" });
      approvals.end(id, { status: "allowed", decision: "allow-once", by: "irc:ann", at: Date.now() - (100 - at) * 60_000 });
    }
    const { page } = await openApprovals();
    await page.getByText("make step-45-end").first().waitFor();
    const older = page.getByRole("button", { name: "Show older ones" });
    assert.equal(await page.locator(".past").count(), 20);
    await older.click();
    await page.getByText("make step-6-end").first().waitFor();
    await older.click();
    await page.getByText("make step-1-end").first().waitFor();
    assert.deepEqual([await page.locator(".past").count(), await older.count()], [45, 0]);
    const last = page.locator(".entry", { hasText: "make step-1-end" });
    await last.locator("summary").click();
    assert.match(await last.innerText(), /make more\s+main asked to run this in the sandbox, for Main/);
    // One more that ends leaves what was read before as it is.
    approvals.end(approvals.ask({ command: "make new" }), { status: "denied", decision: "deny", by: "irc:bob" });
    await page.getByText("make new").first().waitFor();
    await page.getByRole("button", { name: "Hide answered" }).click();
    await until("one more row in the history", async () => (await page.locator(".past").count()) === 46);
  });

  test("“Always” adds to the allowlist, and an entry is removed, also when the list was changed meanwhile", async () => {
    const { approvals } = stage.gateway;
    approvals.document.agents = { ops: { allowlist: [{ id: "1", pattern: "/usr/bin/make" }] } };
    approvals.ask({ command: "touch notes.md", patterns: TOUCH });
    const { page, errors } = await openApprovals();
    await button(card(page, "touch notes.md"), "Always").click();
    await card(page, "touch notes.md").getByText("Always allowed by you").waitFor();
    const entry = page.locator(".entry", { hasText: "/usr/bin/touch {path}" });
    assert.match(await entry.innerText(), /main\s+Allowed for touch notes\.md just now\./);
    // Someone else changes the list, of which this page does not hear.
    approvals.document.agents["ops"]!.allowlist.push({ id: "2", pattern: "/usr/bin/cargo" });
    await page.getByRole("button", { name: "Remove /usr/bin/make with any arguments" }).click();
    await page.locator(".entry", { hasText: "/usr/bin/cargo" }).waitFor();
    assert.equal(await page.locator(".entry", { hasText: "/usr/bin/make" }).count(), 0);
    assert.deepEqual(
      approvals.document.agents["ops"]!.allowlist.map(({ pattern }) => pattern),
      ["/usr/bin/cargo"],
    );
    assert.deepEqual(errors, []);
  });

  test("the allowlist is for administrators", async () => {
    stage.gateway.limitScopes(["operator.read", "operator.write", "operator.approvals"]);
    stage.gateway.approvals.ask({ command: "make it" });
    const { page, errors } = await openApprovals();
    await button(card(page, "make it"), "Allow once").click();
    await page.getByText("Allowed once by you").waitFor();
    assert.equal(await page.getByText("Always allowed").count(), 0);
    assert.equal(stage.gateway.calls.filter(({ method }) => method.startsWith("exec.approvals.")).length, 0);
    assert.deepEqual(errors, []);
  });

  test("without the scope the view says what is missing and how to get it, and asks for nothing", async () => {
    stage.gateway.limitScopes(["operator.read", "operator.write"]);
    stage.gateway.approvals.ask({ command: "make it" });
    const { page, errors } = await openApprovals();
    await hasText(page, ".panel", "Its access lacks the scope operator.approvals.");
    await hasText(page, ".command", "openclaw dashboard");
    assert.equal(await page.locator(".question, .count").count(), 0);
    assert.equal(stage.gateway.calls.filter(({ method }) => method.includes("approval")).length, 0);
    await picture(page, "no-scope");
    await page.locator(".row-open").click();
    await sendMessage(page, "ask me first");
    await hasText(page, ".working", "Waits for an approval");
    assert.equal(await page.locator(".question").count(), 0);
    assert.deepEqual(errors, []);
  });
});

describe("the link of an approval", () => {
  test("shows it on the page, whether it waits or has ended", async () => {
    const { approvals } = stage.gateway;
    const past = approvals.ask({ command: "make past" });
    approvals.end(past, { status: "denied", decision: "deny", by: "irc:ann" });
    approvals.ask({ command: "make first" });
    const second = approvals.ask({ command: "make second" });
    const { page, errors } = await stage.signedIn();
    const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.textContent ?? "");
    for (const [id, command] of [
      [second, "make second"],
      [past, "make past"],
    ] as const) {
      await page.evaluate((hash) => void (location.hash = hash), `#approve=${id}`);
      await until(`${command} to have the keyboard`, async () => (await focused()).includes(command));
      await page.evaluate(() => void (location.hash = "#channels"));
      await page.getByRole("heading", { name: "Channels", exact: true }).waitFor();
    }
    assert.deepEqual(errors, []);
  });
});

test("the link of an approval shows it again when it is followed again", async () => {
  const { approvals } = stage.gateway;
  const ids = ["make first", "make second"].map((command) => approvals.ask({ command }));
  const { page, errors } = await stage.signedIn();
  const isFocused = (command: string): Promise<boolean> =>
    page.evaluate(
      (text) => document.activeElement?.classList.contains("question") === true && document.activeElement.textContent.includes(text),
      command,
    );
  for (const [id, command] of [
    [ids[1], "make second"],
    [ids[0], "make first"],
    [ids[1], "make second"],
    [null, ""],
    [ids[1], "make second"],
  ] as const) {
    await page.evaluate((hash) => void (location.hash = hash), id === null ? "#approvals" : `#approve=${id}`);
    if (id !== null) await until(`${command} to have the keyboard`, () => isFocused(command));
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  }
  assert.deepEqual(errors, []);
});

test("a command is allowed for some time, which the page lists and ends", async () => {
  const { approvals } = stage.gateway;
  approvals.ask({ command: "make cake", isGrantable: true });
  approvals.ask({ command: "sh -c 'make tea'" });
  const { page, errors } = await stage.signedIn();
  await page.evaluate(() => void (location.hash = "#approvals"));
  const card = page.locator(".question", { hasText: "make cake" });
  assert.equal(await page.locator(".question", { hasText: "make tea" }).getByRole("button", { name: "For 1 hour" }).count(), 0);
  await card.locator("button:enabled").first().waitFor();
  await picture(page, "grantable");
  await button(card, "For 1 hour").click();
  await hasText(page, ".question-end", "Allowed until ");
  const grant = page.locator("section", { hasText: "Allowed for some time" }).locator("li");
  await grant.waitFor();
  assert.match(await grant.innerText(), /make cake\s+main[^]*for session agent:main:main\. (?:59|60) min left; used 0 times/);
  await picture(page, "grants");
  await grant.getByRole("button", { name: "End the grant for make cake" }).click();
  await grant.waitFor({ state: "detached" });
  assert.deepEqual(errors, []);
});

test("a question of another program is shown with all of its text and answered", async () => {
  const { approvals } = stage.gateway;
  approvals.ask({
    command: "",
    plugin: { title: "Send the report", description: "To sales@example.com", detail: "Two pages.", pluginId: "mailer" },
  });
  const { page, errors } = await stage.signedIn();
  await page.evaluate(() => void (location.hash = "#approvals"));
  const card = page.locator(".question", { hasText: "mailer asks" });
  assert.match(await card.locator(".question-command").innerText(), /Send the report\s+To sales@example\.com\s+Two pages\./);
  await card.locator("button:enabled").first().waitFor();
  await picture(page, "plugin");
  await button(card, "Deny").click();
  await hasText(page, ".question-end", "Denied by you");
  assert.deepEqual(errors, []);
});

describe("questions in a conversation on the page", () => {
  test("a turn that waits says so, is answered above the field, and goes on", async () => {
    const { page, errors } = await stage.signedIn();
    await sendMessage(page, "ask me first");
    const shown = page.locator(".session-question .question");
    await button(shown, "Allow once").waitFor();
    assert.equal(await shown.locator(".question-command").innerText(), "mkdir -p garden/2026");
    await hasText(page, ".working", "Waits for your answer");
    assert.match(await page.locator(".working").innerText(), /^Waits for your answer$/);
    assert.match(await page.locator("details.tool summary").innerText(), /exec\s+mkdir -p garden\/2026\s+waiting/);
    await hasText(page, ".row-preview", "Waits for your answer");
    assert.equal(await page.locator(".spoken").innerText(), "A command waits for your answer.");
    assert.equal(await page.locator(".toast").count(), 0);
    await picture(page, "in-chat-light");
    await shown.locator("button:enabled").first().waitFor();
    await button(shown, "Allow once").press("Enter");
    await hasText(page, ".message.assistant", "That is all.");
    await untilIdle(page);
    await shown.waitFor({ state: "detached" });
    await until("the keyboard to be in the field", () => page.evaluate(() => document.activeElement?.id === "composer"));
    assert.match(await page.locator("details.tool").innerText(), /exec/);
    assert.deepEqual(errors, []);
  });

  test("a reload in the middle of a question shows it again", async () => {
    const { page } = await stage.signedIn();
    await sendMessage(page, "ask me first");
    await page.locator(".session-question").waitFor();
    await page.reload();
    await hasText(page, ".working", "Waits for your answer");
    await button(page.locator(".session-question"), "Deny").click();
    await hasText(page, ".message.assistant", "That is all.");
    await hasText(page, "details.tool summary", "failed");
  });

  test("the answer of someone else stays in view while the turn goes on", async () => {
    stage.gateway.conversations.wordMs = 200;
    const { page } = await stage.signedIn();
    await sendMessage(page, "ask me first");
    await page.locator(".session-question").waitFor();
    const { id } = stage.gateway.approvals.pending()[0]!;
    stage.gateway.approvals.end(id, { status: "denied", decision: "deny", by: "irc:ann" });
    await page.locator(".session-question").getByText("Denied by irc:ann").waitFor();
    await hasText(page, ".message.assistant", "That is all.");
    await page.locator(".session-question").waitFor({ state: "detached" });
  });

  test("a stopped turn takes its question along", async () => {
    const { page } = await stage.signedIn();
    await sendMessage(page, "ask me first");
    await page.locator(".session-question").waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.locator(".session-question").waitFor({ state: "detached" });
    await hasText(page, ".note-line", "Stopped.");
  });

  test("several questions of a session are shown one after the other, and a double click answers only one", async () => {
    const { approvals } = stage.gateway;
    const ids = ["make first", "make second", "make third"].map((command) => approvals.ask({ command }));
    const { page } = await stage.signedIn();
    const shown = page.locator(".session-question");
    await shown.getByText("2 more questions wait in this session").waitFor();
    await button(shown, "Allow once").dblclick();
    await shown.getByText("make second").waitFor();
    assert.deepEqual(lastAnswer(), { id: ids[0], kind: "exec", decision: "allow-once" });
    await shown.getByText("1 more question waits in this session").click();
    await page.getByRole("heading", { name: "Inbox", exact: true }).waitFor();
    assert.equal(await page.locator(".question").count(), 2);
    assert.equal(stage.gateway.calls.filter(({ method }) => method === "approval.resolve").length, 1);
  });

  test("a question of another session is announced with a link, which goes when it is answered", async () => {
    const { approvals, conversations } = stage.gateway;
    conversations.ensure(OTHER);
    const { page } = await stage.signedIn();
    const id = approvals.ask({ command: "make elsewhere", sessionKey: OTHER });
    await page.locator(".toast", { hasText: "A command waits for your answer: make elsewhere" }).waitFor();
    assert.equal(await page.locator(".session-question").count(), 0);
    approvals.end(id, { status: "denied", decision: "deny", by: "irc:ann" });
    await page.locator(".toast").waitFor({ state: "detached" });
    approvals.ask({ command: "make this", sessionKey: OTHER });
    approvals.ask({ command: "make that", sessionKey: OTHER });
    await page.locator(".toast", { hasText: "2 commands wait for your answer" }).getByRole("button", { name: "Review" }).click();
    await card(page, "make that").waitFor();
    assert.equal(await page.locator(".toast").count(), 0);
    await card(page, "make this").locator(".session-link").click();
    await page.locator(".session-question", { hasText: "make this" }).waitFor();
  });

  test("it fits a phone in the dark, where a dot on the menu says that something waits", async () => {
    const { approvals } = stage.gateway;
    approvals.ask({
      command: `echo ${"a-very-long-word".repeat(40)}`,
      warnings: ["It runs outside of the sandbox, with the rights of the gateway."],
    });
    const { page } = await stage.signedIn({ width: 360, height: 640, dark: true, touch: true });
    await page.locator(".session-question").waitFor();
    const fits = (): Promise<boolean> => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
    assert.equal(await fits(), true);
    const field = await page.locator("#composer").boundingBox();
    assert.ok(field !== null && field.y + field.height <= 640);
    const answer = await page.locator(".session-question button:enabled").first().boundingBox();
    assert.ok(answer !== null && answer.y + answer.height <= field.y, "the answers are in view");
    await picture(page, "in-chat-phone-dark");
    await page.getByRole("button", { name: "Sessions, 1 question waits" }).click();
    await page.locator(".to-view", { hasText: "Inbox" }).click();
    await page.locator(".panel .question").waitFor();
    await page.waitForFunction(() => document.querySelector(".sidebar")!.getBoundingClientRect().right <= 0);
    assert.equal(
      await page.evaluate(() => [...document.querySelectorAll(".view *")].every((one) => one.getBoundingClientRect().right <= innerWidth)),
      true,
    );
    await picture(page, "approvals-phone-dark");
    assert.match(page.url(), /#approvals$/);
    await page.goBack();
    await page.locator("#composer").waitFor();
  });
});
