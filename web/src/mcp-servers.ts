/** The MCP servers, as `mcp.status` and `mcp.tools` say it. */
import { signal } from "@preact/signals";
import { isConnectionLost } from "./client.ts";
import { keepSignIn } from "./mcp-sign-in.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";
import { agentId, loadAgents } from "./tool-access.ts";

type WithheldReason = "changed" | "new" | "unknown";

export type McpServerRow = {
  name: string;
  enabled: boolean;
  state: string;
  cause: string | null;
  since: number | null;
  transport: string | null;
  launch: string | null;
  tools: number | null;
  resources: number | null;
  prompts: number | null;
  withheld: readonly { name: string; reason: WithheldReason }[];
  leftOut: readonly { name: string; reason: string }[];
  refused: readonly string[];
  sslVerify?: boolean;
  /** Null where no sign-in is configured. */
  signedIn: boolean | null;
};
export type McpToolRow = {
  name: string;
  id: string;
  description: string;
  withheld: WithheldReason | null;
  isGranted: boolean;
  rule: string;
};
type ToolsAnswer = { server: string; tools: readonly McpToolRow[] };

/** Null until they were read. */
export const servers = signal<readonly McpServerRow[] | null>(null);
/** The tools of each server whose tools are known. */
export const tools = signal<ReadonlyMap<string, readonly McpToolRow[]>>(new Map());
/** Why the last reading or action failed; null when it did not. */
export const failed = signal<string | null>(null);
/** The server that something is done with, and what. */
export const busy = signal<{ name: string; what: string } | null>(null);
/** Where a person signs in at a server; null while none has asked for it. */
export const signInLink = signal<{ name: string; url: string } | null>(null);

const STATES: Readonly<Record<string, { text: string; tone: "good" | "bad" | "busy" | "off" }>> = {
  ready: { text: "Ready", tone: "good" },
  starting: { text: "Starting", tone: "busy" },
  failed: { text: "Does not work", tone: "bad" },
  idle: { text: "Not in use", tone: "off" },
  off: { text: "Off", tone: "off" },
};
/** What people see of the state of a server. Pure. */
export const stateOf = ({ state }: Pick<McpServerRow, "state">): (typeof STATES)[string] => STATES[state] ?? { text: state, tone: "off" };

const WITHHELD: Readonly<Record<WithheldReason, string>> = {
  changed: "It has changed since it was accepted.",
  new: "The server added it after its tools were accepted.",
  unknown: "The record of what was accepted is damaged.",
};
/** Whether agents have a tool, and why. Pure. */
export function accessOf({ withheld, isGranted, rule }: Pick<McpToolRow, "withheld" | "isGranted" | "rule">): {
  text: string;
  tone: "good" | "bad" | "off";
  reason: string;
} {
  if (withheld !== null) return { text: "Withheld", tone: "bad", reason: WITHHELD[withheld] };
  return isGranted ? { text: "Allowed", tone: "good", reason: rule } : { text: "Denied", tone: "off", reason: rule };
}

const count = (many: number, what: string): string => `${many} ${what}${many === 1 ? "" : "s"}`;
/** `3 tools, 2 allowed · 4 resources`. Pure. */
export function countsText({ resources, prompts }: Pick<McpServerRow, "resources" | "prompts">, rows: readonly McpToolRow[]): string {
  const allowed = rows.filter(({ withheld, isGranted }) => withheld === null && isGranted).length;
  return [
    `${count(rows.length, "tool")}, ${allowed} allowed`,
    ...(resources === null ? [] : [count(resources, "resource")]),
    ...(prompts === null ? [] : [count(prompts, "prompt")]),
  ].join(" · ");
}

let latest = 0;

/** Reads the servers and their tools; starts none. Never throws: `failed` says why there is nothing newer. */
export async function loadServers(): Promise<void> {
  if (!store.isOnline.value) return;
  latest += 1;
  const mine = latest;
  try {
    if (agentId.value === null) await loadAgents();
    const client = requireClient();
    const { servers: rows } = await client.request<{ servers: readonly McpServerRow[] }>("mcp.status", {});
    const known = rows.filter((row) => row.enabled && row.tools !== null);
    const answers = await Promise.all(
      known.map(({ name }) => client.request<ToolsAnswer>("mcp.tools", { name, agentId: agentId.value ?? "main" })),
    );
    if (mine !== latest) return;
    servers.value = rows;
    tools.value = new Map(answers.map((answer) => [answer.server, answer.tools]));
    failed.value = null;
  } catch (error) {
    if (mine === latest && !isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

export function chooseAgent(id: string): void {
  agentId.value = id;
  void loadServers();
}

async function act(name: string, what: string, run: () => Promise<unknown>): Promise<void> {
  busy.value = { name, what };
  try {
    await run();
    await loadServers();
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
  busy.value = null;
}

/** Starting a server may take as long as its `connectionTimeoutMs`. */
const PROBE_MS = 620_000;
const probe = (name: string): Promise<unknown> => requireClient().request("mcp.status", { name, probe: true }, PROBE_MS);

/** Starts a server, or asks it. */
export const testServer = (name: string): Promise<void> => act(name, "test", () => probe(name));

export const restartServer = (name: string): Promise<void> =>
  act(name, "restart", async () => {
    await requireClient().request("mcp.reload", { name });
    await probe(name);
  });

/** Accepts the tools as the server has them now. */
export const acceptTools = (name: string): Promise<void> =>
  act(name, "accept", () => requireClient().request("mcp.accept", { name }, PROBE_MS));

/** Begins a sign-in, which ends with this page at the address to which the person is sent back. */
export const startSignIn = (name: string): Promise<void> =>
  act(name, "sign-in", async () => {
    const redirectUrl = `${location.origin}${location.pathname}`;
    const { url } = await requireClient().request<{ url: string }>("mcp.login.start", { name, redirectUrl });
    if (!/^https?:$/.test(new URL(url).protocol)) throw new Error("The server names an address that is not one of the web.");
    keepSignIn(name);
    signInLink.value = { name, url };
  });

export const signOutOf = (name: string): Promise<void> => act(name, "sign-out", () => requireClient().request("mcp.logout", { name }));

/** Completes a sign-in with the address to which the person was sent back. */
export async function finishSignIn({ name, callback }: { name: string; callback: string }): Promise<void> {
  await act(name, "sign-in", () => requireClient().request("mcp.login.finish", { name, callback }));
  signInLink.value = null;
}
