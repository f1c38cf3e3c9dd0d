import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserConfig } from "../../src/config/schema.ts";
import { BROWSER_DEFAULTS } from "../../src/config/schema/browser.ts";
import { systemClock, type Clock } from "../../src/core/clock.ts";
import { toCommandEnv } from "../../src/core/command-env.ts";
import { asId, type SessionKey } from "../../src/core/ids.ts";
import { silentLog } from "../../src/core/log.ts";
import { silentMetrics } from "../../src/core/metrics.ts";
import { AgentBrowsers } from "../../src/tools/browser/agent-browsers.ts";
import { createBrowserTool } from "../../src/tools/browser/browser.ts";
import { findBrowser } from "../../src/tools/browser/find-browser.ts";
import { FileLocks } from "../../src/tools/file-locks.ts";
import { TOOL_NAMES, type Tool, type ToolName } from "../../src/tools/tool.ts";
import { WorkspaceFiles } from "../../src/tools/workspace-files.ts";
import { textOf } from "./tool-context.ts";
import { testPermit } from "./tool-permit.ts";

const found = findBrowser(undefined, process.env["PATH"]);
/** Why tests with a browser are skipped; false where there is one. */
export const noBrowser: string | false = "problem" in found ? `${found.problem}: npm run setup:tests` : false;

export type Called = { text: string; isError: boolean; image: { mimeType: string; data: string } | null };
type CallOptions = { session?: string; signal?: AbortSignal; /** Tools that are not granted. */ without?: readonly ToolName[] };
export type BrowserHost = {
  tool: Tool;
  browsers: AgentBrowsers;
  workspace: string;
  directory: string;
  marker: string;
  settings: (changes: Partial<BrowserConfig>) => void;
  call: (args: Record<string, unknown>, options?: CallOptions) => Promise<Called>;
  /** As call; an error result fails the test. */
  run: (args: Record<string, unknown>, session?: string) => Promise<string>;
  close: () => Promise<void>;
};

/** The tool with a real browser, which may open the sites of this machine. */
export function browserHost({ clock = systemClock }: { clock?: Pick<Clock, "after" | "monotonic"> } = {}): BrowserHost {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "openclaw-b-")));
  const workspace = join(directory, "workspace");
  mkdirSync(workspace);
  const marker = `test-${process.pid}-${directory.slice(-6)}`;
  let config: BrowserConfig = {
    ...BROWSER_DEFAULTS,
    ssrfPolicy: { dangerouslyAllowPrivateNetwork: false, allowedHostnames: ["127.0.0.1"] },
  };
  const browsers = new AgentBrowsers({
    config: () => config,
    directory: join(directory, "b"),
    env: toCommandEnv(process.env, directory),
    marker,
    metrics: silentMetrics,
    clock,
  });
  const tool = createBrowserTool({ browsers, files: new WorkspaceFiles({ home: directory }), locks: new FileLocks() });
  const call: BrowserHost["call"] = async (args, { session = "agent:main:main", without = [], signal } = {}) => {
    const permit = testPermit(workspace);
    const result = await tool.run(tool.prepare!(args), {
      ...permit,
      callId: "call",
      caller: { ...permit.caller, sessionKey: asId<SessionKey>(session), tools: TOOL_NAMES.filter((each) => !without.includes(each)) },
      signal: signal ?? new AbortController().signal,
      update: () => {},
      log: silentLog,
    });
    const image = result.content.find((each) => each.type === "image") ?? null;
    return { text: textOf(result), isError: result.isError, image };
  };
  return {
    tool,
    browsers,
    workspace,
    directory: join(directory, "b"),
    marker,
    settings: (changes) => void (config = { ...config, ...changes }),
    call,
    run: async (args, session) => {
      const { text, isError } = await call(args, session === undefined ? {} : { session });
      if (isError) throw new Error(text);
      return text;
    },
    close: async () => {
      await tool.stop?.();
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** The ref of the first element with a name in a snapshot. */
export function refOf(snapshot: string, name: string): string {
  const ref = new RegExp(`"${name}"[^\\n]*\\[ref=(\\w+)\\]`).exec(snapshot)?.[1];
  if (ref === undefined) throw new Error(`no ${name} in ${snapshot}`);
  return ref;
}

/** A site on a port of this machine, with the lines of its requests. */
export async function localSite(
  listener: RequestListener,
): Promise<{ origin: string; port: number; requests: string[]; close: () => void }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { origin: `http://127.0.0.1:${port}`, port, requests, close };
}
