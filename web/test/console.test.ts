// What a person looks for and sets: words in a conversation, files, settings of the browser, who would answer.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { hasText, sendMessage, startPageTest, untilIdle } from "./page-session.ts";
import type { PageTest } from "./page-session.ts";
import type { Page } from "playwright-core";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

const open = (page: Page, view: string): Promise<void> => page.evaluate((hash) => void (location.hash = hash), `#${view}`);
const asked = (method: string): readonly Record<string, unknown>[] =>
  stage.gateway.calls.filter((call) => call.method === method).map(({ params }) => params);

test("words are found in the conversation, and Enter and the arrows lead to each message", async () => {
  const { page, errors } = await stage.signedIn();
  for (const text of ["about the pond", "about the shed"]) {
    await sendMessage(page, text);
    await hasText(page, ".message.assistant", `You said: ${text}`);
    await untilIdle(page);
  }
  await page.getByRole("button", { name: "Search in the conversation" }).click();
  await page.getByLabel("Search in this conversation").fill("about");
  await hasText(page, ".chat-search [role=status]", /4 found/);
  assert.deepEqual(asked("sessions.search").at(-1)!["sessionKeys"], ["agent:main:main"]);
  await page.keyboard.press("Enter");
  await hasText(page, ".chat-search [role=status]", "1 of 4");
  await page.locator(".message[data-found]", { hasText: "shed" }).waitFor();
  await page.keyboard.press("ArrowUp");
  await hasText(page, ".chat-search [role=status]", "4 of 4");
  await page.getByLabel("Search in this conversation").fill("nothing of the kind");
  await hasText(page, ".chat-search [role=status]", "Nothing found");
  await page.keyboard.press("Escape");
  await page.locator(".chat-search").waitFor({ state: "detached" });
  assert.deepEqual(errors, []);
});

test("a file of any kind goes with a message; a text file is its name and size, and opens to its text", async () => {
  const { page, errors } = await stage.signedIn();
  const file = { name: "notes.md", mimeType: "text/markdown", buffer: Buffer.from("<b>not HTML</b>") };
  await page.locator('input[type="file"]').setInputFiles([file, { name: "empty.txt", mimeType: "text/plain", buffer: Buffer.alloc(0) }]);
  await hasText(page, ".pictures .file", /notes\.md\s*1 KB/);
  await hasText(page, ".toast", "empty.txt is empty, or a folder");
  await sendMessage(page, "read this");
  await hasText(page, ".message.assistant", "You said: read this");
  await untilIdle(page);
  const [sent] = asked("chat.send").at(-1)!["attachments"] as { type: string; fileName: string }[];
  assert.deepEqual([sent!.type, sent!.fileName], ["file", "notes.md"]);
  // As the gateway writes it into the message.
  const session = stage.gateway.conversations.ensure("agent:main:web-file", "A file");
  const content = 'look\n\n[attached file "plan.txt" (text/plain, 16 bytes)]\n```\n<b>not HTML</b>\n```\n[stored at /state/plan.txt]';
  session.rows.push({ role: "user", content, timestamp: Date.now(), __openclaw: { id: "f1", seq: 1 } } as never);
  await page.evaluate(() => void (location.hash = "#s=agent%3Amain%3Aweb-file"));
  await hasText(page, ".message.user .plain", /^\s*look\s*$/);
  await page.locator("details.file summary", { hasText: "plan.txt" }).click();
  await hasText(page, "details.file pre", "<b>not HTML</b>");
  assert.deepEqual(errors, []);
});

test("theme and language are kept in the browser, and dates and numbers follow", async () => {
  stage.gateway.usage.fill(Date.UTC(2026, 2, 14));
  const { page, errors } = await stage.signedIn();
  await page.getByRole("button", { name: "Settings", exact: true }).click();
  await page.getByRole("button", { name: "Dark", exact: true }).click();
  await page.getByLabel("Dates and numbers").selectOption("de-DE");
  await hasText(page, ".field-hint", /12\.345,6/);
  await page.reload();
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "dark");
  await open(page, "usage");
  await hasText(page, ".figures", /15\.500/);
  await hasText(page, ".panel-note", /13\. Feb\. 2026/);
  await open(page, "settings");
  await page.getByLabel("Dates and numbers").selectOption("");
  await page.getByRole("button", { name: "As the device" }).click();
  assert.equal(await page.evaluate(() => localStorage.getItem("gateway.locale")), null);
  assert.deepEqual(errors, []);
});

test("a question that comes while the page is out of sight is a notification without its words", async () => {
  const { page, context } = await stage.signedIn();
  await context.grantPermissions(["notifications"]);
  await page.addInitScript(() => {
    const shown: string[] = [];
    Object.assign(window, { shown });
    window.Notification = Object.assign(
      class extends EventTarget {
        constructor(_title: string, { body = "" }: NotificationOptions) {
          super();
          shown.push(body);
        }
      },
      { permission: "granted", requestPermission: () => Promise.resolve("granted") },
    ) as never;
  });
  await page.reload();
  await page.getByRole("button", { name: "Settings", exact: true }).click();
  await page.getByRole("button", { name: "Turn on" }).click();
  await page.getByRole("button", { name: "Turn off" }).waitFor();
  stage.gateway.approvals.ask({ command: "cat secret-plans" });
  await hasText(page, ".to-view", /Inbox\s*1/);
  const shown = (): Promise<string[]> => page.evaluate(() => (window as unknown as { shown: string[] }).shown);
  assert.deepEqual(await shown(), [], "the person sees the page");
  await page.evaluate(() => Object.defineProperty(document, "hidden", { get: () => true, configurable: true }));
  stage.gateway.approvals.ask({ command: "cat more-secret-plans" });
  await hasText(page, ".to-view", /Inbox\s*2/);
  assert.deepEqual(await shown(), ["2 questions wait for you"]);
});

test("the page can be installed: its manifest and icon are files of the page", async () => {
  const { page } = await stage.signedIn();
  const manifest = await page.evaluate(async () => (await (await fetch("./app.webmanifest")).json()) as { icons: { src: string }[] });
  assert.equal(await page.evaluate(async (src) => (await fetch(src)).status, manifest.icons[0]!.src), 200);
});

test("a described message is explained by the gateway, with its reasons", async () => {
  stage.gateway.channels.fill();
  const { page, errors } = await stage.signedIn();
  await open(page, "agents");
  await page.getByLabel("Id of the sender").fill("4711");
  await page.getByRole("button", { name: "Explain" }).click();
  await hasText(page, ".route-answer", "It would not be answered (drop): the sender is not paired");
  await hasText(page, ".log-fields", /policy\s*dmPolicy pairing/);
  await page.getByLabel("Message", { exact: true }).selectOption("group");
  await page.getByLabel("Id of the room").fill("#garden");
  await page.getByRole("button", { name: "Explain" }).click();
  await hasText(page, ".route-answer", "main would answer.");
  assert.equal(asked("route.explain").at(-1)!["group"], true);
  assert.deepEqual(errors, []);
});
