import { acp } from "./schema/acp.ts";
import { agents, models, tools } from "./schema/agents.ts";
import { backup } from "./schema/backup.ts";
import { browser } from "./schema/browser.ts";
import { budgets } from "./schema/budgets.ts";
import { channels } from "./schema/channels.ts";
import { cron } from "./schema/cron.ts";
import { diagnostics } from "./schema/diagnostics.ts";
import { discovery } from "./schema/discovery.ts";
import { gateway } from "./schema/gateway.ts";
import { hooks } from "./schema/hooks.ts";
import { mcp } from "./schema/mcp.ts";
import { memory } from "./schema/memory.ts";
import { peers } from "./schema/peers.ts";
import { plugins } from "./schema/plugins.ts";
import { security } from "./schema/security.ts";
import { skills } from "./schema/skills.ts";
import { accessGroups, bindings, broadcast, commands, messages, session } from "./schema/session.ts";
import { store } from "./schema/retention.ts";
import { update } from "./schema/update.ts";
import { boolean, bytes, enumOf, object, array, record, unknown, requiredSecret, string, integer } from "../core/config-schema.ts";
import type { TypeOf } from "../core/config-schema.ts";

const LOG_LEVELS = ["silent", "fatal", "error", "warn", "info", "debug", "trace"] as const;

const logging = object(
  "What is written to the log.",
  {
    level: enumOf("Least severity that is written to the file.", LOG_LEVELS, { default: "info" }),
    file: string("Path of the log file; under the state directory when it is not set.", { format: "path", effect: "restart-gateway" }),
    maxFileBytes: bytes("Size at which a new file is begun.", { default: "16mb", effect: "restart-gateway" }),
    consoleLevel: enumOf("Least severity that is shown on the terminal; `warn` when it is not set, `debug` with `--verbose`.", LOG_LEVELS),
    consoleStyle: enumOf("How the terminal shows it.", ["pretty", "json"], { effect: "restart-gateway" }),
    redactPatterns: array(
      "Regular expressions; what they match is never written. Letters match in both cases. Look-around, back-references and `\\p{…}` are not supported: matching takes linear time.",
      string("A regular expression.", { format: "regex" }),
      {
        default: [],
      },
    ),
  },
  { unserved: ["audit", "redactSensitive"] },
);

const env = object(
  "Variables for `${NAME}`, for references to secrets and for the keys of model providers. Tools of the agents do not see them.",
  { vars: record("Variables by name; the process's own environment wins.", "<NAME>", requiredSecret("Value of the variable.")) },
  { unserved: ["shellEnv"] },
);

const secretProvider = object(
  "One source of secrets.",
  {
    source: enumOf(
      "Where it looks: environment variables, a file, a program (`exec`), or the encrypted store (`openclaw secrets store list`).",
      ["env", "file", "exec", "store"],
      { required: true },
    ),
    allowlist: array("Names of the variables that may be read (source `env`).", string("Name of a variable.")),
    path: string("The file (source `file`).", { format: "path" }),
    mode: enumOf("`singleValue`: the whole file is the secret; `json`: ids are JSON pointers into it.", ["singleValue", "json"]),
    maxBytes: integer("Size of the file at most.", { min: 1, max: 20_971_520 }),
    command: string(
      "The program (source `exec`): an absolute path, not a link, that only you or root may change. It runs without a shell, gets the ids on its input and prints the values as JSON.",
    ),
    args: array("Its arguments. Other programs of this machine can see them: never a secret.", string("An argument.")),
    env: record(
      "Variables for the program, beside those that it needs to find its own files.",
      "<NAME>",
      requiredSecret("Value of the variable."),
    ),
    passEnv: array("Names of variables of the gateway that the program gets as well.", string("Name of a variable.")),
    trustedDirs: array("When set, the program has to be in one of these directories.", string("A directory.", { format: "path" })),
    jsonOnly: boolean("`false`: what the program prints may also be the value itself; it is then run once for each id."),
    timeoutMs: integer("Time that the program has.", { min: 100, max: 120_000 }),
    noOutputTimeoutMs: integer("Time for which the program may print nothing.", { min: 100, max: 120_000 }),
    maxOutputBytes: integer("How much the program may print.", { min: 1, max: 20_971_520 }),
    cacheMs: integer(
      "How long the values are used before the program is asked again, also across restarts (default: 5 minutes). `openclaw secrets reload` asks at once.",
      { min: 0, max: 86_400_000 },
    ),
  },
  { strict: true, unserved: ["allowSymlinkCommand", "pluginIntegration"] },
);

/** Top-level keys of OpenClaw that have no effect here. */
const UNSERVED_KEYS = [
  "wizard",
  "telemetry",
  "ui",
  "auth",
  "nodeHost",
  "worktreeRoot",
  "worktreeAcceleration",
  "attachments",
  "tts",
  "approvals",
  "transcripts",
  "talk",
  "cloudWorkers",
  "desktop",
  "surfaces",
  "proxy",
] as const;

/** The whole of `openclaw.json`, as far as this gateway serves it. */
export const CONFIG = object(
  "Configuration of the gateway.",
  {
    $schema: string("Address of the JSON Schema, for editors."),
    meta: unknown("Notes of the program that wrote the file; kept, not used."),
    gateway,
    agents,
    models,
    bindings,
    broadcast,
    session,
    messages,
    commands,
    accessGroups,
    channels,
    tools,
    browser,
    acp,
    mcp,
    memory,
    skills,
    plugins,
    cron,
    hooks,
    budgets,
    backup,
    update,
    store,
    discovery,
    peers,
    logging,
    diagnostics,
    security,
    env,
    secrets: object(
      "Where secrets come from.",
      { providers: record("Sources by name.", "<name>", secretProvider) },
      { unserved: ["egressProxy", "defaults"] },
    ),
  },
  { effect: "applied", unserved: UNSERVED_KEYS },
);

/** The configuration in use: checked, completed with defaults, frozen. Secrets are `Secret`, durations are milliseconds. */
export type Config = Omit<WithFileKeys, "channels" | "agents"> & {
  readonly channels: ChannelsConfig;
  /** `entries` has the agents of the older `list` as well; ids are in lower case. */
  readonly agents: Omit<WithFileKeys["agents"], "list">;
};

type WithFileKeys = TypeOf<typeof CONFIG>;

type ServedChannels = NonNullable<TypeOf<typeof channels>>;
/** Unknown channels are kept unchanged, with their credentials as `Secret`. */
export type ChannelsConfig = ServedChannels & { readonly [channel: string]: unknown };

export type GatewayConfig = Config["gateway"];
export type AgentEntry = Config["agents"]["entries"][string];
export type AgentDefaults = Config["agents"]["defaults"];
export type ModelProvider = Config["models"]["providers"][string];
export type Binding = Config["bindings"][number];
export type DiagnosticsConfig = Config["diagnostics"];
export type SessionConfig = Config["session"];
export type MessagesConfig = Config["messages"];
export type CommandsConfig = Config["commands"];
export type AccessGroup = Config["accessGroups"][string];
export type IrcConfig = NonNullable<ServedChannels["irc"]>;
export type ToolPolicy = NonNullable<Config["tools"]>;
export type AcpConfig = Config["acp"];
export type McpConfig = Config["mcp"];
export type PluginsConfig = Config["plugins"];
export type PluginEntry = PluginsConfig["entries"][string];
export type McpServerConfig = McpConfig["servers"][string];
type WebConfig = NonNullable<ToolPolicy["web"]>;
export type WebFetchConfig = WebConfig["fetch"];
export type MemorySearchConfig = Config["memory"]["search"];
export type WebSearchConfig = WebConfig["search"];
export type BrowserConfig = NonNullable<Config["browser"]>;
export type ResetRule = NonNullable<SessionConfig["resetByType"]["direct"]>;
