import { GatewayError } from "../core/errors.ts";
import type { AgentId } from "../core/ids.ts";
import type { McpServerReport, McpServers } from "../mcp/servers.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";

type Servers = Pick<McpServers, "report" | "probe" | "accept" | "reload" | "isSignedIn" | "startLogin" | "finishLogin" | "logout">;
export type McpDeps = {
  mcp: Servers;
  /** The agent that is meant. Throws when there is none of this name. */
  requireAgent: (agentId: string) => AgentId;
  /** Whether an operator may call a tool through an agent, and which setting decides. */
  decide: (agentId: AgentId, tool: string) => { isGranted: boolean; rule: string };
};

/** mcp.*: the MCP servers, their tools, and the agreement to tools that have changed. */
export function mcpMethods(deps: McpDeps) {
  const { mcp } = deps;
  return {
    "mcp.accept": {
      scope: "operator.admin",
      run: async ({ name }: MethodParams<"mcp.accept">) => {
        const { server, accepted } = await mcp.accept(name);
        return { server, accepted, tools: requireReport(mcp, server).tools?.length ?? 0 };
      },
    },
    "mcp.login.finish": {
      scope: "operator.admin",
      run: async ({ name, callback }: MethodParams<"mcp.login.finish">) => {
        await mcp.finishLogin(name, callback);
        return { name, signedIn: true };
      },
    },
    "mcp.login.start": {
      scope: "operator.admin",
      run: async ({ name, redirectUrl }: MethodParams<"mcp.login.start">) => ({ name, url: await mcp.startLogin(name, redirectUrl) }),
    },
    "mcp.logout": {
      scope: "operator.admin",
      run: async ({ name }: MethodParams<"mcp.logout">) => {
        await mcp.logout(name);
        return { name, signedIn: false };
      },
    },
    "mcp.reload": {
      scope: "operator.admin",
      run: async ({ name }: MethodParams<"mcp.reload">) => ({ reloaded: await mcp.reload(name) }),
    },
    "mcp.status": { scope: "operator.read", run: (params) => status(mcp, params) },
    "mcp.tools": {
      scope: "operator.read",
      run: async ({ name, agentId }: MethodParams<"mcp.tools">) => {
        const agent = agentId === undefined ? null : deps.requireAgent(agentId);
        const known = requireReport(mcp, name);
        const report = known.tools === null && known.config.enabled ? await mcp.probe(name) : known;
        return toTools(report, (tool) => (agent === null ? {} : deps.decide(agent, tool)));
      },
    },
  } satisfies MethodTable;
}

/** The state of one server or of all; with `probe` each of them is started or asked before. */
async function status(mcp: McpDeps["mcp"], { name, probe }: MethodParams<"mcp.status">): Promise<{ servers: object[] }> {
  const known = name === undefined ? mcp.report() : [requireReport(mcp, name)];
  const reports = probe ? await Promise.all(known.map((each) => (each.config.enabled ? mcp.probe(each.name) : each))) : known;
  return { servers: await Promise.all(reports.map(async (each) => ({ ...toRow(each), signedIn: await mcp.isSignedIn(each.name) }))) };
}

function requireReport(mcp: McpDeps["mcp"], name: string): McpServerReport {
  const found = mcp.report().find((each) => each.name === name);
  if (found) return found;
  throw new GatewayError("NOT_FOUND", `no MCP server ${JSON.stringify(name)} is configured`, {
    fix: "`openclaw mcp list` shows the servers; `openclaw mcp add` adds one.",
  });
}

function toRow({ name, config, ...report }: McpServerReport): object {
  return {
    name,
    enabled: config.enabled,
    state: config.enabled ? report.state : "off",
    cause: report.cause,
    since: report.since,
    retryAt: report.retryAt,
    transport: report.transport ?? config.transport ?? (config.command === undefined ? null : "stdio"),
    launch: config.command ?? addressOf(config.url),
    pid: report.pid,
    tools: report.tools === null ? null : report.tools.filter(({ isContent }) => !isContent).length,
    withheld: report.withheld,
    leftOut: report.leftOut,
    resources: report.resources,
    prompts: report.prompts,
    refused: report.refused,
    ...(config.url !== undefined && { sslVerify: config.sslVerify }),
  };
}

/** An address without what may be a credential. */
function addressOf(url: string | undefined): string | null {
  const parsed = url === undefined ? null : URL.parse(url);
  return parsed && `${parsed.origin}${parsed.pathname}`;
}

function toTools({ name, state, cause, tools, withheld, leftOut }: McpServerReport, decide: (tool: string) => object): object {
  const reasons = new Map(withheld.map((each) => [each.name, each.reason]));
  const rows = (tools ?? []).map((tool) => ({
    name: tool.name,
    id: tool.description.name,
    description: tool.description.description,
    parameters: tool.description.parameters,
    hash: tool.hash,
    readsOnly: tool.readsOnly,
    withheld: reasons.get(tool.name) ?? null,
    ...decide(tool.description.name),
  }));
  return { server: name, state, cause, tools: rows, leftOut };
}
