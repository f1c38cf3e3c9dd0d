import { clip } from "../../../core/text.ts";
import { BROWSER_LIMITS } from "../limits.ts";
import type { DriverAnswer, TabOverview } from "../records.ts";
import type { Tab } from "./tab.ts";

/** What people see of a tab in a list; a page that does not answer has no title. */
export async function describeTab(tab: Tab, session: string, current: Tab | null): Promise<TabOverview> {
  const { page, id } = tab;
  const title = await Promise.race([page.title().catch(() => ""), after(BROWSER_LIMITS.lookMs).then(() => "")]);
  return {
    session,
    targetId: id,
    url: clip(page.url(), BROWSER_LIMITS.shownChars),
    title: clip(title, BROWSER_LIMITS.shownChars),
    isCurrent: tab === current,
    problems: tab.problems.slice(-BROWSER_LIMITS.shownProblems),
  };
}

/** What is visible in a tab. It changes neither the tab nor what an agent knows of it. */
export async function takeViewport({ page }: Tab): Promise<DriverAnswer> {
  const session = await page.context().newCDPSession(page);
  try {
    const { data } = await session.send("Page.captureScreenshot", { format: "jpeg", quality: 60 });
    return { text: "", image: { mimeType: "image/jpeg", data } };
  } finally {
    await session.detach().catch(() => {});
  }
}

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());
