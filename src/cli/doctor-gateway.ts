import type { RuntimeStatus } from "../agents/runtime.ts";
import { CliError } from "../core/errors.ts";
import { toSentence } from "../core/text.ts";
import { VERSION } from "../core/version.ts";
import { ClientError } from "../client/errors.ts";
import type { ProtocolClient } from "../client/client.ts";
import { accountRows, accountText, type ChannelsStatus } from "./channels.ts";
import { notesWithoutSandbox, readPolicies, type AgentPolicy } from "./command-policies.ts";
import { connectGateway, isUnreachable, type GatewayLink } from "./connect.ts";
import { checkBudgets } from "./doctor-budgets.ts";
import { cutFinding, okFinding, findingUnless, type DoctorFinding } from "./doctor-finding.ts";
import { checkMemory } from "./doctor-memory.ts";
import type { SandboxAnswer } from "./sandbox.ts";
import type { JobView } from "./cron.ts";
import { checkLinks } from "./doctor-peers.ts";
import type { Invocation } from "./invocation.ts";
import { withheldText, type McpServerRow } from "./mcp.ts";
import { pluginProblem, type PluginRow } from "./plugins.ts";
import type { NodeView } from "./nodes.ts";
import { telemetryFindings, type TelemetryRow } from "./telemetry.ts";
import { formatAge, plural, sanitizeLine } from "./terminal-text.ts";

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
      checkTelemetry(client),
      checkDeadLetters(client),
      checkApprovals(client),
      checkShadow(client),
      checkSandbox(client),
      checkCommandPolicy(client),
      checkBrowser(client),
      checkBrowserProfiles(client),
      checkMcpServers(client),
      checkPlugins(client),
      checkJobs(client),
      orFinding("budgets", checkBudgets(client)),
      orFinding("memory", checkMemory(client)),
      checkNodes(client, invocation.host.now()),
      orFinding("links", checkLinks(client, invocation.host.now())),
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

/** Time of one question to the gateway. */
const REQUEST_MS = 2_000;

/** What a check found; a finding of its own when the gateway refuses what the check asks: the others are shown all the same. */
const orFinding = (check: string, found: Promise<DoctorFinding[]>): Promise<DoctorFinding[]> =>
  found.catch((err: unknown) => [toFinding(check, err)]);

function toFinding(check: string, err: unknown): DoctorFinding {
  if (!(err instanceof ClientError)) throw err;
  const fix = "openclaw logs --level error --limit 20";
  return { check, severity: "problem", title: `${check} does not answer`, why: toSentence(err.message), fix };
}

/** Findings from the answer of one method; none when the gateway does not serve it. */
async function describePart<T>(
  client: ProtocolClient,
  method: string,
  params: unknown,
  work: (answer: T) => DoctorFinding[] | Promise<DoctorFinding[]>,
  { timeoutMs = REQUEST_MS, whenCut }: { timeoutMs?: number; whenCut?: (timeoutMs: number) => DoctorFinding } = {},
): Promise<DoctorFinding[]> {
  if (!client.serves(method)) return [];
  try {
    return await work(await client.request<T>(method, params, { timeoutMs }));
  } catch (err) {
    if (err instanceof ClientError && err.kind === "timeout" && whenCut !== undefined) return [whenCut(timeoutMs)];
    return [toFinding(method, err)];
  }
}

/** Its finding says more than its part of the health report. */
const TELEMETRY_PART = "telemetry";

const checkHealth = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<Health>(client, "health", {}, ({ parts = [], ok: well }) => {
    const findings = parts
      .filter((part) => !/^(?:channel|link):/.test(part.name) && part.name !== TELEMETRY_PART)
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

/** Whether telemetry arrives where the configuration sends it. */
const checkTelemetry = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<{ telemetry?: TelemetryRow }>(client, "status", {}, ({ telemetry }) => (telemetry ? telemetryFindings(telemetry) : []));

const checkDeadLetters = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<{ items: unknown[] }>(client, "deadletters.list", {}, ({ items }) => [
    findingUnless(items.length === 0, "dead-letters", "there are no dead letters", {
      severity: "warning",
      title: `${plural(items.length, "message")} could not be processed or delivered`,
      why: "several attempts failed; the messages are kept.",
      fix: "openclaw dead-letters list",
    }),
  ]);

/** Shadow mode is meant for some days beside another gateway. */
const checkShadow = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<{ shadow?: { on: boolean; held: number } }>(client, "status", {}, ({ shadow }) =>
    shadow?.on
      ? [
          {
            check: "shadow",
            severity: "warning",
            title: `shadow mode is on: nothing is sent; ${plural(shadow.held, "message")} held`,
            why: "gateway.shadow is true: this gateway receives beside the one that answers.",
            fix: "openclaw adopt ends it when the other gateway is stopped, or openclaw config set gateway.shadow false. What is held is never sent.",
          },
        ]
      : [],
  );

const checkApprovals = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<{ pendingApprovals?: number }>(client, "status", {}, ({ pendingApprovals = 0 }) => [
    findingUnless(pendingApprovals === 0, "approvals", "no command waits for your answer", {
      severity: "warning",
      title: `${plural(pendingApprovals, "command")} ${pendingApprovals === 1 ? "waits" : "wait"} for your answer`,
      why: "their turns do not go on without it; a question expires after 30 minutes.",
      fix: "openclaw approvals watch",
    }),
  ]);

type BrowserAnswer = {
  available: boolean;
  /** The policy of tools denies it. */
  isOff?: boolean;
  description?: string;
  reason?: string;
  withoutSandbox?: string | null;
};

/** Whether agents have a browser. It is not started: that takes seconds. */
const checkBrowser = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<BrowserAnswer>(client, "browser.explain", {}, ({ available, isOff, description = "", reason = "", withoutSandbox }) => [
    findingUnless(available || isOff === true, "browser", isOff ? `the browser of agents is off: ${reason}` : description, {
      severity: "warning",
      title: "agents have no browser",
      why: toSentence(reason),
      fix: "openclaw browser doctor --deep starts it; browser.enabled false in the configuration does without it.",
    }),
    ...(typeof withoutSandbox === "string" ? [withoutSandboxFinding(withoutSandbox)] : []),
  ]);

const withoutSandboxFinding = (reason: string): DoctorFinding => ({
  check: "browser-sandbox",
  severity: "warning",
  title: "the browser of agents runs without its own sandbox",
  why: `${reason}. A page that breaks out of it acts as the gateway's user.`,
  fix: "run the gateway as an ordinary user, or see Running as root in docs/browser.md.",
});

/** Running browsers, which no proxy guards. */
const checkBrowserProfiles = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<{ profiles: { name: string; cdpUrl: string | null; problem?: string; fix?: string }[] }>(
    client,
    "browser.profiles",
    {},
    ({ profiles }) =>
      profiles
        .filter(({ cdpUrl, problem }) => cdpUrl !== null || problem !== undefined)
        .map(({ name, cdpUrl, problem, fix }): DoctorFinding => ({
          check: `browser-profile:${name}`,
          severity: "warning",
          title:
            problem === undefined
              ? `the browser profile ${name} is a running browser, without a guard`
              : `the browser profile ${name} cannot be used`,
          why: problem ?? `the requests of ${cdpUrl} do not pass the gateway's proxy: its pages reach this machine and its network.`,
          fix: fix ?? `openclaw browser delete-profile --name ${name}, if agents do not need it.`,
        })),
  );

/** Whether the backend of each agent isolates commands, where that matters for a policy. */
const checkSandbox = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<{ agents: { id: string }[] }>(client, "agents.list", {}, async ({ agents }) => {
    const policies = await readPolicies(client);
    const findings = await Promise.all(agents.map(({ id }) => checkBackend(client, id, policies)));
    // Most agents have the same one.
    return [...new Map(findings.flat().map((each) => [JSON.stringify(each), each])).values()];
  });

/** A trial of a container takes some seconds. */
const SANDBOX_TRIAL_MS = 10_000;

const checkBackend = (client: ProtocolClient, agentId: string, policies: readonly AgentPolicy[]): Promise<DoctorFinding[]> =>
  describePart<SandboxAnswer>(
    client,
    "sandbox.explain",
    { agentId },
    (answer) => {
      if (answer.available) return [okFinding("sandbox", `commands of agents can be isolated: ${answer.name}`)];
      const notes = notesWithoutSandbox(policies.filter((each) => each.agentId === agentId));
      return [
        findingUnless(notes.length === 0, "sandbox", "commands of agents cannot be isolated, and no policy asks for that", {
          severity: "warning",
          title: `commands of agents cannot be isolated${answer.backend === undefined ? "" : ` by ${answer.backend}`}`,
          why: `${toSentence(answer.reason)} ${notes.join(" ")}`,
          fix: answer.fix,
        }),
      ];
    },
    {
      timeoutMs: SANDBOX_TRIAL_MS,
      whenCut: (limitMs) =>
        cutFinding(
          "sandbox",
          "the trial of the sandbox was cut",
          limitMs,
          `openclaw sandbox explain --agent ${sanitizeLine(agentId)} waits for it.`,
        ),
    },
  );

/** Whether each MCP server answers, and whether its tools are those that were accepted. One that does not answer holds up no other. */
export const checkMcpServers = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<{ servers: McpServerRow[] }>(client, "mcp.status", {}, async ({ servers }) => {
    const used = servers.filter(({ enabled }) => enabled);
    return (await Promise.all(used.map(({ name }) => probeMcpServer(client, name)))).flat();
  });

const probeMcpServer = (client: ProtocolClient, name: string): Promise<DoctorFinding[]> =>
  describePart<{ servers: McpServerRow[] }>(client, "mcp.status", { name, probe: true }, ({ servers }) => servers.flatMap(mcpFindings), {
    whenCut: (limitMs) =>
      cutFinding(
        `mcp:${name}`,
        `the check of the MCP server ${sanitizeLine(name)} was cut`,
        limitMs,
        `openclaw mcp probe ${sanitizeLine(name)} waits for it.`,
      ),
  });

function mcpFindings({ name, enabled, state, cause, withheld, tools, sslVerify = true }: McpServerRow): DoctorFinding[] {
  if (!enabled) return [];
  const isReady = state === "ready";
  const working = findingUnless(isReady, `mcp:${name}`, `the MCP server ${name} answers, with ${plural(tools ?? 0, "tool")}`, {
    severity: "warning",
    title: `the MCP server ${name} does not work`,
    why: `${toSentence(cause ?? `it is ${state}`)} Agents do not have its tools.`,
    fix: `correct mcp.servers.${name}, then: openclaw mcp probe ${name}; openclaw config set mcp.servers.${name}.enabled false switches it off.`,
  });
  const unchecked: DoctorFinding = {
    check: `mcp-tls:${name}`,
    severity: "warning",
    title: `the certificate of the MCP server ${name} is not checked`,
    why: "anyone on the way to it can pass for it, read what agents send and answer for it.",
    fix: `NODE_EXTRA_CA_CERTS=<file> in the environment of the gateway trusts its authority; then: openclaw config unset mcp.servers.${name}.sslVerify`,
  };
  const found = sslVerify ? [working] : [working, unchecked];
  if (withheld.length === 0) return found;
  return [
    ...found,
    {
      check: `mcp-tools:${name}`,
      severity: "warning",
      title: `agents are not given ${plural(withheld.length, "tool")} of the MCP server ${name} that ${withheld.length === 1 ? "is" : "are"} not what was accepted`,
      why: `${withheldText(withheld.slice(0, 5))}${withheld.length > 5 ? `, and ${withheld.length - 5} more` : ""}.`,
      fix: `openclaw mcp tools ${name} shows them, openclaw mcp accept ${name} accepts them.`,
    },
  ];
}

/** Whether each plugin that is used works, with all of its tools. */
const checkPlugins = (client: ProtocolClient): Promise<DoctorFinding[]> =>
  describePart<{ plugins: PluginRow[] }>(client, "plugins.status", {}, ({ plugins }) =>
    plugins
      .filter(({ enabled }) => enabled)
      .map((row) => {
        const problem = pluginProblem(row);
        return findingUnless(problem === null, `plugin:${row.id}`, `the plugin ${row.id} works, with ${plural(row.tools.length, "tool")}`, {
          severity: "warning",
          title: `the plugin ${row.id} does not work as it should`,
          why: toSentence(problem ?? ""),
          fix:
            row.fix ?? `openclaw plugins inspect ${row.id}; openclaw config set plugins.entries.${row.id}.enabled false switches it off.`,
        });
      }),
  );

/** Jobs that cannot run, or whose answers have no place to go. */
/** Nodes that wait for a person, and those that have not been there for long. */
const checkNodes = (client: ProtocolClient, now: number): Promise<DoctorFinding[]> =>
  describePart<{ nodes: NodeView[] }>(client, "node.list", {}, ({ nodes }) => nodes.map((node) => nodeFinding(node, now)));

const NODE_ABSENT_MS = 14 * 86_400_000;

function nodeFinding(
  { nodeId, displayName, approvalState, pendingRequestId = "", connected, lastSeenAtMs }: NodeView,
  now: number,
): DoctorFinding {
  const node = `the node ${sanitizeLine(displayName ?? nodeId.slice(0, 8))}`;
  const check = `node:${nodeId.slice(0, 8)}`;
  if (approvalState.startsWith("pending"))
    return {
      check,
      severity: "warning",
      title: `${node} waits for an approval`,
      why: "what it offers runs only after a person has approved it.",
      fix: `openclaw nodes pending shows what it would allow; openclaw nodes approve ${sanitizeLine(pendingRequestId).slice(0, 12)} approves it.`,
    };
  return findingUnless(
    connected || now - (lastSeenAtMs ?? now) < NODE_ABSENT_MS,
    check,
    `${node} ${connected ? "is connected" : "was there lately"}`,
    {
      severity: "warning",
      title: `${node} has not been there for long`,
      why: `it was seen ${formatAge(lastSeenAtMs, now)}; it keeps its rights until it is removed.`,
      fix: `openclaw nodes remove --node ${nodeId.slice(0, 12)} if it is not used any more.`,
    },
  );
}

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
