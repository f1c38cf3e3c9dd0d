// The clicks of ten tasks, as docs/page.md has them.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { decodePng, encodePng, toThumbnail } from "./png.ts";
import { hasText, sendMessage, startPageTest, untilIdle } from "./page-session.ts";
import type { Page } from "playwright-core";
import type { PageTest } from "./page-session.ts";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

const DOCUMENT = readFileSync(new URL("../../docs/page.md", import.meta.url), "utf8");
const documented = new Map(
  [...DOCUMENT.matchAll(/^\| ([^|]+) \| [^|]+ \| (\d) \|/gm)].map((match) => [match[1]!.trim(), Number(match[2])] as const),
);

/** A person who is signed in, and the clicks that the browser has seen. */
async function person(): Promise<{ page: Page; clicks: () => Promise<number> }> {
  const { page } = await stage.signedIn();
  await page.evaluate(() => {
    const counter = window as unknown as { clicks: number };
    counter.clicks = 0;
    addEventListener("click", (event) => (counter.clicks += Number(event.isTrusted && event.detail > 0)), true);
  });
  return { page, clicks: () => page.evaluate(() => (window as unknown as { clicks: number }).clicks) };
}

type Task = { name: string; setUp?: () => void; walk: (page: Page) => Promise<void> };

const answered = async (page: Page): Promise<void> => {
  await sendMessage(page, "hello");
  await hasText(page, ".message.assistant", "You said: hello");
  await untilIdle(page);
};

const TASKS: readonly Task[] = [
  { name: "get a first reply", walk: answered },
  {
    name: "connect Telegram",
    walk: async (page) => {
      await page.getByRole("button", { name: "Channels", exact: true }).click();
      await page.getByRole("button", { name: "Connect a channel" }).click();
      await page.getByRole("button", { name: /^Telegram/ }).click();
      await page.locator("#field-botToken").focus();
      await page.keyboard.insertText("good-token");
      await page.getByRole("button", { name: "Check and connect" }).click();
      await page.locator('.ticks li[data-done="true"]').first().waitFor();
    },
  },
  {
    name: "find a session",
    setUp: () => void stage.gateway.conversations.ensure("agent:main:web-garden", "Plan the garden"),
    walk: async (page) => {
      await page.keyboard.press("Control+k");
      await page.keyboard.type("garden");
      await hasText(page, ".row-name", "Plan the garden");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Plan the garden" }).waitFor();
    },
  },
  {
    name: "read yesterday's conversation",
    setUp: () => {
      const session = stage.gateway.conversations.ensure("agent:main:web-garden", "Plan the garden");
      Object.assign(session, { updatedAt: Date.now() - 86_400_000 });
    },
    walk: async (page) => {
      await page
        .locator(".list section", { hasText: "Yesterday" })
        .getByRole("button", { name: /Plan the garden/ })
        .first()
        .click();
      await page.getByRole("heading", { name: "Plan the garden" }).waitFor();
    },
  },
  {
    name: "see what a turn cost",
    setUp: () =>
      void stage.gateway.conversations.add(stage.gateway.conversations.ensure("agent:main:main"), {
        role: "assistant",
        content: [{ type: "text", text: "Done." }],
        stopReason: "stop",
        model: "large-1",
        usage: { totalTokens: 788, cost: { total: 0.0055 } },
      }),
    walk: (page) => hasText(page, ".meta", /788 tokens · \$0\.0055/),
  },
  {
    name: "see why this agent answered",
    walk: async (page) => {
      await answered(page);
      await page.locator(".message.assistant").getByRole("button", { name: "Timeline" }).click();
      await hasText(page, ".trace-stage", "Routed");
    },
  },
  {
    name: "approve a person",
    setUp: () => stage.gateway.channels.fill(),
    walk: async (page) => {
      await page.getByRole("button", { name: "Overview" }).click();
      await page
        .locator(".view")
        .getByRole("button", { name: /^Approve/ })
        .first()
        .click();
      await page
        .locator(".view")
        .getByRole("button", { name: /^Approve/ })
        .first()
        .waitFor({ state: "detached" });
    },
  },
  {
    name: "change the model",
    walk: async (page) => {
      await page.locator(".model-button").click();
      await page.getByRole("option").nth(1).click();
      await page.getByRole("listbox", { name: "Models" }).waitFor({ state: "detached" });
    },
  },
  {
    name: "see whether everything is healthy",
    walk: async (page) => {
      await page.getByRole("button", { name: "Overview" }).click();
      await page.locator(".standing").waitFor();
    },
  },
  {
    name: "find an error in the logs",
    walk: async (page) => {
      await page.getByRole("button", { name: "Logs" }).click();
      await page.getByLabel("Level").selectOption("error");
      // A person opens the list with a click.
      await page.getByLabel("Level").click();
      await page.locator('.log-line[data-level="error"]').first().waitFor();
    },
  },
];

test("the document has the ten tasks", () => {
  assert.deepEqual([...documented.keys()].toSorted(), TASKS.map(({ name }) => name).toSorted());
});

for (const { name, setUp, walk } of TASKS) {
  test(`${name}: as many clicks as the document says`, async () => {
    setUp?.();
    const { page, clicks } = await person();
    const startedAt = performance.now();
    await walk(page);
    const seconds = (performance.now() - startedAt) / 1_000;
    assert.equal(await clicks(), documented.get(name));
    if (process.env["PAGE_PICTURES"] !== undefined) await keepPicture(page, name, seconds);
  });
}

/** For the document: how the page looks at the end, at half its size, and how long the way took. */
async function keepPicture(page: Page, name: string, seconds: number): Promise<void> {
  console.log(`# ${name}: ${seconds.toFixed(2)} s`);
  const dir = process.env["PAGE_PICTURES"]!;
  mkdirSync(dir, { recursive: true });
  const png = await page.screenshot({ animations: "disabled", caret: "hide" });
  const file = `task-${name.replace(/[^a-z]+/gi, "-").toLowerCase()}.png`;
  writeFileSync(join(dir, file), encodePng(toThumbnail(decodePng(png), 2)));
}
