import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { silentLog } from "../../src/core/log.ts";
import type { ToolContent, ToolContext, ToolResult } from "../../src/tools/tool.ts";
import { testPermit } from "./tool-permit.ts";

/** A context in a temporary workspace, with everything that a call showed, and the means to stop it. */
export type TestToolContext = ToolContext & { updates: (readonly ToolContent[])[]; stop: () => void };

export function toolContext(t: TestContext): TestToolContext {
  const workspace = realpathSync(mkdtempSync(join(tmpdir(), "openclaw-tools-")));
  t.after(() => rmSync(workspace, { recursive: true, force: true }));
  const controller = new AbortController();
  const updates: (readonly ToolContent[])[] = [];
  return {
    ...testPermit(workspace),
    callId: "call",
    signal: controller.signal,
    update: (content) => void updates.push(content),
    log: silentLog,
    updates,
    stop: () => controller.abort(),
  };
}

/** The text of a result, which must have no image. */
export const textOf = ({ content }: ToolResult): string =>
  content.map((each) => (each.type === "text" ? each.text : `<${each.mimeType}>`)).join("");
