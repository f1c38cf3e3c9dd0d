import type { RuntimeStatus } from "../agents/runtime.ts";
import { CliError } from "../core/errors.ts";
import { toSentence } from "../core/text.ts";
import { VERSION } from "../core/version.ts";
import { ClientError } from "../client/errors.ts";
import type { ProtocolClient } from "../client/client.ts";
import { accountRows, accountText, type ChannelsStatus } from "./channels.ts";
import { notesWithoutSandbox, readPolicies, type AgentPolicy } from "./command-policies.ts";
import { connectGateway, isUnreachable, type GatewayLink } from "./connect.ts";
import { okFinding, findingUnless, type DoctorFinding } from "./doctor-finding.ts";
import type { SandboxAnswer } from "./sandbox.ts";
import type { JobView } from "./cron.ts";
import type { Invocation } from "./invocation.ts";
import type { McpServerRow } from "./mcp.ts";
import { plural, sanitizeLine } from "./terminal-text.ts";

type HealthPartRow = { name: string; state: string; cause?: string | null };
type Health = { ok: boolean; parts?: HealthPartRow[] };

/** What the running gateway says about itself; its absence is a finding as well. */
export async function checkGateway(invocation: Invocation): Promise<DoctorFinding[]> {
  let link: GatewayLink;
  try {
    link = await connectGateway(invocation, { scopes: ["operator.read"] });
  } catch (err) {
    if (!(err instanceof CliError)) throw err;
    const check = isUnreachable(err) ? "gateway-running" : "gateway-access";
    const why = err.why ?? "its channels, models and messages cannot be checked.";
    return [
      {
        check,
        severity: "problem",
        title: err.message,
        why,
        fix: err.fix ?? "openclaw gateway starts it; openclaw logs shows why it ended.",
      },
    ];
  }
  const { client, target } = link;
  try {
    const { version } = client.hello.server;
    const parts = await Promise.all([
      checkHealth(client),
      checkChannels(client, invocation.host.now()),
      checkModels(client),
      checkAgentHost(client),
      checkDeadLetters(client),
      checkApprovals(client),
      checkSandbox(client),
      checkCommandPolicy(client),
      checkBrowser(client),
      checkMcpServers(client),
      checkJobs(client),
    ]);
    return [
      okFinding("gateway-running", `the gateway answers at ${target.url}`),
      findingUnless(!target.isLocal || version === VERSION, "version", `version ${version}`, {
        severity: "warning",
        title: `the running gateway is version ${version}, this command is ${VERSION}`,
        why: "it was started before the update.",
        fix: "openclaw gateway restart",
      }),
      ...parts.flat(),
    ];
  } finally {
    await client.close();
  }
}

/** Findings from the answer of one method; none when the gateway does not serve it. */
async function describePart<T>(
  client: ProtocolClient,
  method: string,
  params: unknown,
  work: (answer: T) => DoctorFinding[] | Promise<DoctorFinding[]>,
  timeoutMs?: number,
): Promise<DoctorFinding[]> {
  if (!client.serves(method)) return [];
  try {
    return await work(await client.request<T>(method, params, timeoutMs === undefined ? {} : { timeoutMs }));
  } catch (err) {
    if (!(err instanceof ClientError)) throw err;
    return [
      {
        check: method,
        severity: "problem",
        title: `${method} does not answer`,
        why: toSentence(err.message),
        fix: "openclaw logs --level error --limit 20",
      },
    ];
  }
}

const checkHealth = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<Health>(client, "health", {}, ({ parts = [], ok: well }) => {
    const findings = parts
      .filter((part) => !part.name.startsWith("channel:"))
      .map((part): DoctorFinding =>
        part.state === "ready"
          ? okFinding(`part:${part.name}`, `${part.name} is ready`)
          : {
              check: `part:${part.name}`,
              severity: part.state === "failing" ? "problem" : "warning",
              title: `${part.name} is ${part.state}`,
              why: part.cause ? toSentence(part.cause) : "no cause was reported.",
              fix: "openclaw logs --level warn --limit 20",
            },
      );
    return findings.length > 0
      ? findings
      : [
          findingUnless(well, "health", "the gateway is healthy", {
            severity: "problem",
            title: "the gateway reports that it is not healthy",
            why: "a vital component does not work.",
            fix: "openclaw logs --level error --limit 20",
          }),
        ];
  });

/** An account that is not connected for this long is unlikely to recover without help. */
const LONG_MS = 15 * 60_000;
const WAIT_FIX = "openclaw channels status --probe, then openclaw logs --level warn";

const checkChannels = (client: ProtocolClient, now: number): Promise<DoctorFinding[]> =>
  describePart<ChannelsStatus>(client, "channels.status", {}, (answer) =>
    accountRows(answer)
      .filter((row) => row.enabled !== false)
      .map((row) => {
        const stuck = row.state === "terminal" || now - (row.since ?? now) >= LONG_MS;
        return findingUnless(row.connected === true && row.state !== "degraded", `channel:${row.name}`, `${row.name} is connected`, {
          severity: stuck ? "problem" : "warning",
          title: `${row.name} is ${accountText(row, now)}`,
          why: "its messages wait until it is connected.",
          fix: row.fix ?? (stuck ? "openclaw logs --level warn --limit 20 shows why; the gateway keeps trying" : WAIT_FIX),
        });
      }),
  );

const checkModels = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<{ models: { id: string; provider?: string; available?: boolean }[] }>(client, "models.list", {}, ({ models }) => {
    const real = models.filter((model) => model.available !== false && model.provider !== "guide");
    return [
      findingUnless(real.length > 0, "model", `${plural(real.length, "model")} can answer`, {
        severity: "warning",
        title: "no model is connected; the scripted setup guide answers",
        why: "no provider in the configuration has a key and a model, no key is in the environment, and no local server runs.",
        fix: "set a key such as ANTHROPIC_API_KEY and restart, or start Ollama; openclaw models list shows what is found.",
      }),
    ];
  });

/** A look at the processes of the gateway; it starts none. */
const checkAgentHost = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<{ agentRuntime?: RuntimeStatus }>(client, "status", {}, ({ agentRuntime }) => {
    if (!agentRuntime) return [];
    const { state, cause, canRun, restarts } = agentRuntime;
    return [
      findingUnless(state !== "degraded", "agent-host", state === "starting" ? "the agent host is starting" : "the agent host starts", {
        severity: canRun ? "warning" : "problem",
        title: canRun ? "agent processes keep failing" : "the agent host keeps failing: no turn can run",
        why: cause ?? `${plural(restarts, "process", "processes")} ended unexpectedly.`,
        fix: "openclaw logs --level error --limit 20 shows why; the gateway keeps trying.",
      }),
    ];
  });

const checkDeadLetters = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<{ items: unknown[] }>(client, "deadletters.list", {}, ({ items }) => [
    findingUnless(items.length === 0, "dead-letters", "there are no dead letters", {
      severity: "warning",
      title: `${plural(items.length, "message")} could not be processed or delivered`,
      why: "several attempts failed; the messages are kept.",
      fix: "openclaw dead-letters list",
    }),
  ]);

const checkApprovals = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<{ pendingApprovals?: number }>(client, "status", {}, ({ pendingApprovals = 0 }) => [
    findingUnless(pendingApprovals === 0, "approvals", "no command waits for your answer", {
      severity: "warning",
      title: `${plural(pendingApprovals, "command")} ${pendingApprovals === 1 ? "waits" : "wait"} for your answer`,
      why: "their turns do not go on without it; a question expires after 30 minutes.",
      fix: "openclaw approvals watch",
    }),
  ]);

type BrowserAnswer = { available: boolean; /** The policy of tools denies it. */ isOff?: boolean; description?: string; reason?: string };

/** Whether the browser of agents starts; the gateway tries it. */
const checkBrowser = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<BrowserAnswer>(client, "browser.explain", {}, ({ available, isOff, description = "", reason = "" }) => [
    findingUnless(available || isOff === true, "browser", isOff ? `the browser of agents is off: ${reason}` : description, {
      severity: "warning",
      title: "agents have no browser",
      why: toSentence(reason),
      fix: "openclaw browser doctor tries it again; browser.enabled false in the configuration does without it.",
    }),
  ]);

/** Whether commands can be isolated, where that matters for a policy. */
const checkSandbox = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<SandboxAnswer>(client, "sandbox.explain", {}, async (answer) => {
    if (answer.available) return [okFinding("sandbox", `commands of agents can be isolated: ${answer.name}`)];
    const notes = notesWithoutSandbox(await readPolicies(client));
    return [
      findingUnless(notes.length === 0, "sandbox", "commands of agents cannot be isolated, and no policy asks for that", {
        severity: "warning",
        title: "commands of agents cannot be isolated",
        why: `${answer.reason}. ${notes.join(" ")}`,
        fix: answer.fix,
      }),
    ];
  });

/** A server that takes longer to start is reported as slow. */
const MCP_PROBE_MS = 40_000;

/** Whether each MCP server answers, and whether its tools are those that were accepted. */
const checkMcpServers = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<{ servers: McpServerRow[] }>(
    client,
    "mcp.status",
    { probe: true },
    ({ servers }) => servers.flatMap(mcpFindings),
    MCP_PROBE_MS,
  );

function mcpFindings({ name, enabled, state, cause, withheld, tools }: McpServerRow): DoctorFinding[] {
  if (!enabled) return [];
  const isReady = state === "ready";
  const working = findingUnless(isReady, `mcp:${name}`, `the MCP server ${name} answers, with ${plural(tools ?? 0, "tool")}`, {
    severity: "warning",
    title: `the MCP server ${name} does not work`,
    why: `${toSentence(cause ?? `it is ${state}`)} Agents do not have its tools.`,
    fix: `correct mcp.servers.${name}, then: openclaw mcp probe ${name}; openclaw config set mcp.servers.${name}.enabled false switches it off.`,
  });
  if (withheld.length === 0) return [working];
  return [
    working,
    {
      check: `mcp-tools:${name}`,
      severity: "warning",
      title: `${plural(withheld.length, "tool")} of the MCP server ${name} changed since they were accepted, and are withheld`,
      why: `what the server says of them now is not what was accepted: ${withheld.slice(0, 5).join(", ")}.`,
      fix: `openclaw mcp tools ${name} shows them, openclaw mcp accept ${name} accepts them.`,
    },
  ];
}

/** Jobs that cannot run, or whose answers have no place to go. */
const checkJobs = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<{ jobs: JobView[] }>(client, "cron.list", { includeDisabled: true, limit: 200 }, ({ jobs }) => jobs.flatMap(jobFindings));

function jobFindings({ id, name, enabled, problem, state }: JobView): DoctorFinding[] {
  const job = `the job ${sanitizeLine(name)} (${id.slice(0, 8)})`;
  if (state?.autoDisabled) {
    return [
      {
        check: `job:${id}`,
        severity: "warning",
        title: `${job} was disabled`,
        why: `${state.autoDisabled.consecutiveErrors} runs in a row failed: ${toSentence(sanitizeLine(state.lastError ?? "unknown"))}`,
        fix: `openclaw cron runs ${id.slice(0, 8)} shows them; openclaw cron enable ${id.slice(0, 8)} starts it again.`,
      },
    ];
  }
  if (!enabled) return [];
  return [
    findingUnless(problem === undefined, `job:${id}`, `${job} can run`, {
      severity: "warning",
      title: `${job} does not do what it should`,
      why: toSentence(sanitizeLine(problem ?? "")),
      fix: `openclaw cron show ${id.slice(0, 8)} shows it; openclaw cron edit ${id.slice(0, 8)} changes it.`,
    }),
  ];
}

/** Whether agents run every command for people on channels, unasked and outside of the sandbox. */
const checkCommandPolicy = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<ChannelsStatus>(client, "channels.status", {}, async () => {
    const policies = await readPolicies(client);
    return policies.filter(({ surface }) => surface === "channel").map(channelFinding);
  });

function channelFinding({ agentId: agent, commands }: AgentPolicy): DoctorFinding {
  const { isGranted, mode, rule, host, hostRule, readOnly } = commands;
  const isOpen = isGranted && mode === "full" && host !== "sandbox" && !readOnly;
  return findingUnless(
    !isOpen,
    `commands:${agent}`,
    `agent ${agent} runs no command unasked for people on channels outside of the sandbox`,
    {
      severity: "warning",
      title: `people on channels can have agent ${agent} run any command as the gateway's user`,
      why: `their messages grant the tools for commands, ${rule} runs every command without a question, and ${hostRule} puts it outside of the sandbox.`,
      fix: `openclaw exec-policy set --mode auto --host sandbox --agent ${agent}`,
    },
  );
}
