/** What most page tests need: a scripted gateway, people in front of it, and a way to write and to wait. */
import { startDevGateway } from "../dev/server.ts";
import { openBrowserUser } from "./browser.ts";
import type { DevGateway } from "../dev/server.ts";
import type { BrowserProfile, BrowserUser } from "./browser.ts";
import type { Page } from "playwright-core";

export type PageTest = {
  gateway: DevGateway;
  /** A browser that has signed in with a link and shows the main session. */
  signedIn: (look?: BrowserProfile) => Promise<BrowserUser>;
  /** Closes the browsers and forgets all sessions. */
  reset: () => Promise<void>;
  close: () => Promise<void>;
};

export async function startPageTest(): Promise<PageTest> {
  const gateway = await startDevGateway();
  const people: BrowserUser[] = [];
  const leave = async (): Promise<void> => {
    for (const one of people.splice(0)) await one.close();
  };
  return {
    gateway,
    signedIn: async (look = {}) => {
      const one = await openBrowserUser(new URL(gateway.url).origin, look);
      people.push(one);
      await one.page.goto(gateway.newLink());
      await one.page.locator("#composer").waitFor();
      return one;
    },
    reset: async () => {
      await leave();
      // What a page asked for just before it was closed may still be on its way.
      await gateway.untilAlone();
      gateway.refuse(null);
      gateway.conversations.clear();
      gateway.channels.clear();
      gateway.approvals.clear();
      gateway.skills.reset();
      gateway.mcp.reset();
      gateway.browsers.reset();
      gateway.jobs.reset();
      gateway.timelines.reset();
      gateway.overview.reset();
      gateway.operations.reset();
      gateway.usage.reset();
      gateway.nodes.reset();
      gateway.tasks.reset();
      gateway.agentFiles.reset();
      gateway.config.reset();
      gateway.devices.reset();
      gateway.models.reset();
      gateway.limitScopes(null);
      gateway.calls.length = 0;
    },
    close: async () => {
      await leave();
      await gateway.close();
    },
  };
}

export async function sendMessage(page: Page, text: string): Promise<void> {
  await page.locator("#composer").fill(text);
  await page.keyboard.press("Enter");
}

export const hasText = (page: Page, selector: string, text: string | RegExp): Promise<void> =>
  page.locator(selector).filter({ hasText: text }).last().waitFor({ timeout: 15_000 });
export const untilIdle = (page: Page): Promise<void> =>
  page.locator('.message.assistant[data-running="true"]').waitFor({ state: "detached" });
