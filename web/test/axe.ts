/** Checks what the page shows for people who use assistive technology: WCAG 2.2 A and AA. */
import assert from "node:assert/strict";
import axe from "axe-core";
import type { Page } from "playwright-core";

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
type Finding = { id: string; help: string; nodes: { html: string }[] };

/** Fails with every finding of axe on what is shown now; with `rules` of these only. */
export async function assertAccessible(page: Page, rules: readonly string[] | null = null): Promise<void> {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axe.source);
  const findings = await page.evaluate(
    async ({ type, values }) => {
      const { axe: checker } = globalThis as unknown as {
        axe: { run: (root: Document, options: object) => Promise<{ violations: Finding[] }> };
      };
      // Without selectors, and without what was found to be right: on a long page both take longer than the checks.
      const options = { runOnly: { type, values }, resultTypes: ["violations"], selectors: false };
      return (await checker.run(document, options)).violations;
    },
    rules === null ? { type: "tag", values: TAGS } : { type: "rule", values: [...rules] },
  );
  assert.deepEqual(
    findings.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" | ")}`),
    [],
  );
}
