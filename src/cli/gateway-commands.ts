import type { CliFlag, CommandFamily } from "./command.ts";
import { SSH_FLAGS } from "./remote-commands.ts";

const RUN_FLAGS: readonly CliFlag[] = [
  { name: "port", short: "p", value: "port", range: [0, 65_535], help: "TCP port; 0 picks a free one (default: gateway.port, 18789)." },
  { name: "bind", value: "where", choices: ["loopback", "lan", "tailnet", "auto", "custom"], help: "Addresses to listen on." },
  { name: "auth", value: "mode", choices: ["token", "password", "none", "trusted-proxy"], help: "How clients authenticate." },
  {
    name: "tailscale",
    value: "mode",
    choices: ["off", "serve", "funnel"],
    help: "Reach the gateway over Tailscale (default: gateway.tailscale.mode).",
  },
  { name: "token-file", value: "file", help: "File with the token that clients must send." },
  { name: "password-file", value: "file", help: "File with the password that clients must send." },
  { name: "config", value: "file", help: "Use another configuration file (same as OPENCLAW_CONFIG_PATH)." },
  { name: "verbose", short: "v", help: "Log each connection and each reply." },
  { name: "force", help: "Take over from a running gateway of this state directory." },
];

const SECONDS: CliFlag = { name: "seconds", value: "n", range: [1, 300], help: "How long to record (default: 10)." };
const SYSTEM: CliFlag = { name: "system", help: "The service of the whole machine (systemd), not that of the user." };

export const gatewayCommands: CommandFamily = {
  summary: "Run, inspect, stop and restart the gateway; call its methods.",
  commands: [
    {
      path: ["gateway"],
      group: "Run",
      summary: "Run the gateway in this terminal until Ctrl-C.",
      flags: RUN_FLAGS,
      examples: ["openclaw gateway --port 18789 --verbose"],
      load: async () => (await import("./gateway-run.ts")).runGateway,
    },
    {
      path: ["gateway", "run"],
      summary: "The same as openclaw gateway.",
      flags: RUN_FLAGS,
      examples: ["openclaw gateway run"],
      load: async () => (await import("./gateway-run.ts")).runGateway,
    },
    {
      path: ["gateway", "status"],
      summary: "Show whether the gateway is running, its address and uptime, and the scopes that you get.",
      flags: [{ name: "deep", help: "Also what the system says of the service, and other gateways of this machine." }, SYSTEM],
      usesGateway: true,
      examples: ["openclaw gateway status", "openclaw gateway status --deep"],
      load: async () => (await import("./gateway.ts")).gatewayStatus,
    },
    {
      path: ["gateway", "health"],
      summary: "Show the health of the running gateway.",
      usesGateway: true,
      examples: ["openclaw gateway health --json"],
      load: async () => (await import("./status.ts")).health,
    },
    {
      path: ["gateway", "probe"],
      summary: "Connect step by step and show the time of each step.",
      flags: SSH_FLAGS,
      usesGateway: true,
      examples: ["openclaw gateway probe --ssh ann@server.example.org", "openclaw gateway probe --url wss://host.example.org"],
      load: async () => (await import("./gateway.ts")).gatewayProbe,
    },
    {
      path: ["gateway", "list"],
      summary: "List the gateways of this machine's user, by profile.",
      examples: ["openclaw gateway list", "openclaw gateway list --json"],
      load: async () => (await import("./gateway-list.ts")).gatewayList,
    },
    {
      path: ["gateway", "discover"],
      summary: "Search the local network for gateways that announce themselves.",
      flags: [{ name: "timeout", value: "ms", range: [100, 60_000], help: "How long to search, in milliseconds (default: 2000)." }],
      examples: ["openclaw gateway discover --timeout 4000", "openclaw gateway discover --json"],
      load: async () => (await import("./gateway-discover.ts")).gatewayDiscover,
    },
    {
      path: ["gateway", "call"],
      summary: "Call a method of the protocol and print its answer as JSON.",
      args: [{ name: "method", required: true }],
      flags: [
        { name: "params", value: "json", help: "Parameters as a JSON object; - reads standard input, or the terminal until Ctrl-D." },
        { name: "scope", value: "scope", multiple: true, help: "Scope to request (default: all that the credential holds)." },
        { name: "expect-final", help: "Wait for the second answer of a two-stage method, such as agent." },
      ],
      usesGateway: true,
      examples: ["openclaw gateway call sessions.list --params '{\"limit\":5}'"],
      load: async () => (await import("./gateway.ts")).gatewayCall,
    },
    {
      path: ["gateway", "diagnostics", "export"],
      summary: "Write what a report of a problem needs into one archive, without credentials, messages and ids of people.",
      flags: [{ name: "output", short: "o", value: "file", help: "Archive to write (default: openclaw-diagnostics-<time>.zip here)." }],
      usesGateway: true,
      examples: ["openclaw gateway diagnostics export"],
      load: async () => (await import("./diagnostics.ts")).diagnosticsExport,
    },
    {
      path: ["gateway", "diagnostics", "cpu"],
      summary: "Record where the running gateway spends its time.",
      flags: [SECONDS],
      usesGateway: true,
      examples: ["openclaw gateway diagnostics cpu --seconds 30"],
      load: async () => (await import("./profile.ts")).cpuProfile,
    },
    {
      path: ["gateway", "diagnostics", "heap"],
      summary: "Record which functions of the running gateway allocate its memory.",
      flags: [SECONDS],
      usesGateway: true,
      examples: ["openclaw gateway diagnostics heap --seconds 60"],
      load: async () => (await import("./profile.ts")).heapProfile,
    },
    {
      path: ["gateway", "usage-cost"],
      summary: "Show the tokens and the cost of each day.",
      flags: [{ name: "days", value: "n", range: [1, 400], help: "Number of days up to today (default: 30)." }],
      usesGateway: true,
      notes: ["openclaw usage shows more."],
      examples: ["openclaw gateway usage-cost --days 7"],
      load: async () => (await import("./usage.ts")).usageCost,
    },
    {
      path: ["gateway", "install"],
      summary: "Install the gateway as a service of this system, start it, and wait until it is ready.",
      flags: [
        { name: "port", short: "p", value: "port", range: [1, 65_535], help: "TCP port (default: gateway.port)." },
        SYSTEM,
        { name: "wrapper", value: "file", help: "Program to run instead of this installation; it gets the arguments `gateway run`." },
        { name: "no-start", help: "Install only." },
        { name: "force", help: "Stop a gateway that runs in a terminal." },
      ],
      notes: ["systemd (user or machine), launchd and Windows tasks: docs/services.md."],
      examples: ["openclaw gateway install", "sudo openclaw gateway install --system"],
      load: async () => (await import("./service.ts")).serviceInstall,
    },
    {
      path: ["gateway", "start"],
      summary: "Start the installed service, and wait until the gateway is ready.",
      flags: [SYSTEM],
      examples: ["openclaw gateway start"],
      load: async () => (await import("./service.ts")).serviceStart,
    },
    {
      path: ["gateway", "uninstall"],
      summary: "Stop the service and remove it; conversations and settings stay.",
      flags: [SYSTEM],
      examples: ["openclaw gateway uninstall"],
      load: async () => (await import("./service.ts")).serviceUninstall,
    },
    {
      path: ["gateway", "stop"],
      summary: "Stop this machine's gateway.",
      flags: [{ name: "disable", help: "The service does not start by itself any more, until openclaw gateway start." }, SYSTEM],
      examples: ["openclaw gateway stop", "openclaw gateway stop --disable"],
      load: async () => (await import("./gateway-control.ts")).gatewayStop,
    },
    {
      path: ["gateway", "restart"],
      summary: "Restart the gateway; unfinished replies resume.",
      flags: [SYSTEM],
      usesGateway: true,
      examples: ["openclaw gateway restart"],
      load: async () => (await import("./gateway-control.ts")).gatewayRestart,
    },
  ],
};

const SERVICE_VERBS = new Set(["install", "start", "stop", "restart", "status", "uninstall"]);

/** The older name of the commands for the service. */
export const daemonCommands: CommandFamily = {
  summary: "Older names of the commands for the service.",
  commands: gatewayCommands.commands
    .filter(({ path }) => SERVICE_VERBS.has(path[1] ?? ""))
    .map((command, index) => ({
      ...command,
      ...(index === 0 && { group: "Run" }),
      path: ["daemon", command.path[1]!],
      summary: `The same as openclaw gateway ${command.path[1]}.`,
      examples: [`openclaw daemon ${command.path[1]}`],
    })),
};
