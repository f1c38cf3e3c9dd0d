import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { hasText, sendMessage, untilIdle, startPageTest } from "./page-session.ts";
import type { PageTest } from "./page-session.ts";

const DAY = 86_400_000;
const MAIN = "agent:main:main";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

const addSession = (key: string, label: string, updatedAt: number): void =>
  void Object.assign(stage.gateway.conversations.ensure(key), { label, updatedAt });
const addRow = (key: string, row: Record<string, unknown>): void => {
  const { rows } = stage.gateway.conversations.ensure(key);
  const { __openclaw: meta = {}, ...rest } = row;
  rows.push({
    timestamp: Date.now(),
    ...rest,
    __openclaw: { id: `${key}${rows.length}`, seq: rows.length + 1, ...(meta as object) },
  } as never);
};

describe("sessions on the page", () => {
  test("/new starts another session, as the button does, and keeps this one", async () => {
    const { page } = await stage.signedIn();
    await sendMessage(page, "alpha");
    await hasText(page, ".message.assistant", "You said: alpha");
    await sendMessage(page, "/new");
    await hasText(page, ".head h1", "New session");
    assert.equal(await page.locator(".message").count(), 0);
    assert.equal(stage.gateway.calls.filter((call) => call.params["message"] === "/new").length, 0);
    await page.locator(".row", { hasText: "Main" }).locator(".row-open").click();
    await hasText(page, ".message.assistant", "You said: alpha");
  });

  test("/reset asks first, and then nothing of the old conversation stays", async () => {
    const { page } = await stage.signedIn();
    for (const text of ["alpha", "beta", "gamma"]) {
      await sendMessage(page, text);
      await hasText(page, ".message.assistant", `You said: ${text}`);
      await untilIdle(page);
    }
    await sendMessage(page, "/reset");
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.equal(await page.locator("#composer").inputValue(), "/reset");
    assert.equal(await page.locator(".message").count(), 6);
    await page.locator("#composer").press("Enter");
    await page.locator("dialog").getByRole("button", { name: "Reset" }).click();
    await hasText(page, ".message.assistant", "This is a new conversation");
    await page.locator(".message", { hasText: "You said" }).first().waitFor({ state: "detached" });
    const said = await page.locator(".message.assistant .prose").allInnerTexts();
    assert.deepEqual(said, ["This is a new conversation. What can I do for you?"]);
  });

  test("the end of a conversation stays in sight when the list loses room; a move up leaves it", async () => {
    const { page } = await stage.signedIn();
    await sendMessage(page, Array.from({ length: 80 }, (_, line) => `line ${line}`).join("\n"));
    await hasText(page, ".message.assistant", "You said: line 0");
    await untilIdle(page);
    const list = page.locator(".messages");
    const leftBelow = (): Promise<number> => list.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight);
    const settled = (): Promise<void> =>
      list.evaluate((box) => new Promise((resolve) => new ResizeObserver(() => requestAnimationFrame(() => resolve())).observe(box)));
    await list.evaluate((box) => {
      box.style.flex = "none";
      box.style.height = "200px";
      box.dispatchEvent(new Event("scroll"));
    });
    await settled();
    assert.ok((await leftBelow()) < 2, "the end is in sight");
    await list.evaluate((box) => (box.scrollTop -= 150));
    await page.locator(".to-end").waitFor();
    await list.evaluate((box) => (box.style.height = "180px"));
    await settled();
    assert.ok((await leftBelow()) > 150, "what is being read stays where it is");
  });

  test("sessions beyond the first part of the list are found, and come when one scrolls", async () => {
    for (let at = 1; at <= 340; at += 1)
      addSession(`agent:main:web-${at}`, at === 340 ? "The lost garden" : `Session ${at}`, Date.now() - at * 60_000);
    const { page } = await stage.signedIn();
    await hasText(page, ".list-rest", "Showing 300 of 341");
    assert.equal(await page.locator(".row", { hasText: "The lost garden" }).count(), 0);
    await page.locator(".list").evaluate((list) => (list.scrollTop = 4_000));
    await page.locator("#filter").fill("lost garden");
    await page.locator(".row", { hasText: "The lost garden" }).waitFor();
    assert.equal(await page.locator(".list").evaluate((list) => list.scrollTop), 0);
    await page.locator("#filter").fill("nothing like this");
    await hasText(page, ".list-empty", "No sessions match “nothing like this”");
    await page.getByRole("button", { name: "Show all" }).click();
    await page.locator(".list").evaluate((list) => (list.scrollTop = list.scrollHeight));
    await page.locator(".row", { hasText: "The lost garden" }).waitFor();
    await page.locator(".list-rest").waitFor({ state: "detached" });
    assert.equal(await page.locator(".row").count(), 341);
  });

  test("a session that answers says so in the list, and one tab stop leads to all of them", async () => {
    stage.gateway.conversations.wordMs = 40;
    addSession("agent:main:web-1", "First", Date.now() - 1_000);
    addSession("agent:main:web-2", "Second", Date.now() - 2_000);
    const { page } = await stage.signedIn();
    await hasText(page, ".row-preview", "No messages yet");
    await sendMessage(page, "answer slowly please");
    await hasText(page, ".row-preview", "Answering…");
    assert.equal(await page.locator('.row-open[tabindex="0"]').count(), 1);
    await page.locator('.row-open[tabindex="0"]').focus();
    await page.keyboard.press("ArrowDown");
    assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ""), /First/);
    await page.keyboard.press("End");
    assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ""), /Second/);
    await page.getByRole("button", { name: "Pin Second" }).focus();
    await page.keyboard.press("Enter");
    await page.locator("section", { hasText: "Pinned" }).locator(".row", { hasText: "Second" }).waitFor();
    assert.equal(stage.gateway.conversations.sessions.get("agent:main:web-2")?.pinned, true);
  });
});

describe("conversations on the page", () => {
  test("a message that is removed on the gateway disappears from the open conversation", async () => {
    addSession(MAIN, "Main", Date.now());
    for (const at of [1, 2, 3]) addRow(MAIN, { role: "user", content: `line ${at}`, __openclaw: { id: `m${at}` } });
    const { page } = await stage.signedIn();
    await hasText(page, ".message", "line 3");
    const { conversations } = stage.gateway;
    for (const [removed, left] of [
      ["m1", ["line 2", "line 3"]],
      ["m3", ["line 2"]],
    ] as const) {
      conversations.removeMessage(conversations.ensure(MAIN), removed);
      await page.waitForFunction((count) => document.querySelectorAll(".message").length === count, left.length);
      const shown = await page.locator(".message").allInnerTexts();
      for (const [at, text] of left.entries()) assert.match(shown[at]!, new RegExp(text));
    }
  });

  test("days are separated in a conversation", async () => {
    const at = Date.now();
    for (const [back, text] of [
      [9, "long ago"],
      [1, "the day before"],
      [0, "this morning"],
      [0, "just now"],
    ] as const)
      addRow(MAIN, { role: "user", content: text, timestamp: at - back * DAY });
    const { page } = await stage.signedIn();
    await hasText(page, ".message", "just now");
    const lines = await page.locator(".day-line").allInnerTexts();
    assert.equal(lines.length, 3);
    assert.deepEqual(lines.slice(1), ["Yesterday", "Today"]);
  });

  test("in a session of a channel it is plain who speaks, who hears, and where", async () => {
    const key = "agent:main:telegram:direct:4711";
    Object.assign(stage.gateway.conversations.ensure(key), { channel: "telegram", chatType: "direct", displayName: "hello again" });
    const from = { senderIsOwner: false, senderId: "4711", senderName: "Ada L", transport: { channel: "telegram" } };
    addRow(key, { role: "user", content: "hello again", __openclaw: from });
    addRow(key, { role: "assistant", content: "Hello, Ada." });
    addRow(key, {
      role: "user",
      content: "from the page",
      __openclaw: { senderIsOwner: true, transport: { clients: [{ id: "webchat-ui" }] } },
    });
    const { page } = await stage.signedIn();
    await page.evaluate((hash) => (location.hash = hash), `#s=${encodeURIComponent(key)}`);
    await hasText(page, ".head h1", "Ada L");
    await hasText(page, ".head-model", "Telegram · direct message");
    await hasText(page, ".audience", "Only you and the agent see what you write here. Ada L does not.");
    const ada = page.locator(".message.user", { hasText: "hello again" });
    const owner = page.locator(".message.user", { hasText: "from the page" });
    assert.equal(await ada.locator(".sender").innerText(), "Ada L");
    assert.equal(await ada.getAttribute("aria-label"), "Ada L");
    assert.equal(await owner.locator(".sender").count(), 0);
    const [left, right] = [(await ada.boundingBox())!, (await owner.boundingBox())!];
    assert.ok(left.x < right.x && left.x + left.width < right.x + right.width);
  });

  test("a message that is written during an answer says what becomes of it", async () => {
    stage.gateway.conversations.wordMs = 40;
    const { page } = await stage.signedIn();
    await sendMessage(page, "answer slowly please");
    await hasText(page, ".message.assistant", "word2");
    await sendMessage(page, "and this");
    await hasText(page, ".queue-line", /Added to the current reply|Queued/);
    await hasText(page, ".message.assistant", "You said: and this");
    assert.equal(await page.locator(".queue-line").count(), 0);
  });

  test("the list of commands is worked with arrows, Tab, Enter and Escape", async () => {
    const { page } = await stage.signedIn();
    const field = page.locator("#composer");
    await field.fill("/");
    const chosen = page.locator('.hints [aria-selected="true"]');
    assert.match(await chosen.innerText(), /\/status/);
    await field.press("ArrowUp");
    assert.match(await chosen.innerText(), /\/model/);
    await field.press("Tab");
    assert.equal(await field.inputValue(), "/model ");
    await field.fill("/s");
    await field.press("Escape");
    assert.equal(await page.locator(".hints").count(), 0);
    await field.fill("/st");
    await field.press("Enter");
    assert.equal(await field.inputValue(), "/status");
    assert.equal(await page.locator(".message.user").count(), 0);
  });

  test("a key that someone pasted is not shown again", async () => {
    const key = `sk-ant-api03-${"x".repeat(40)}`;
    addRow(MAIN, { role: "user", content: `use ${key}` });
    const { page } = await stage.signedIn();
    await hasText(page, ".message.user", "use sk-ant…xx (hidden)");
    assert.equal((await page.locator("body").innerText()).includes(key), false);
  });
});
