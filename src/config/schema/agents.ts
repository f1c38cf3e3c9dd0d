import {
  number,
  enumOf,
  boolean,
  object,
  array,
  record,
  unknown,
  secret,
  requiredSecret,
  string,
  integer,
} from "../../core/config-schema.ts";
import { THINKING_CHOICES } from "../../core/thinking.ts";
import { runtime } from "./acp.ts";
import { toolPolicy } from "../../core/tool-policy-schema.ts";
import { typingMode } from "./session.ts";
import { webTools } from "./web-tools.ts";
import { heartbeat, ownHeartbeat } from "./heartbeat.ts";
import { sandbox } from "./sandbox.ts";
import { skillNames, skillsLimits } from "./skills.ts";
import { ownSubagents, subagents } from "./subagents.ts";
import { agentToAgent, commands, fileAccess, message, sessions } from "./tools.ts";

const modelName = { regex: "\\S+(/\\S.*)?", description: "a model like provider/model" } as const;

const modelChoice = (doc: string) =>
  object(
    doc,
    {
      primary: string("The model that is asked first, as `provider/model`.", { pattern: modelName }),
      fallbacks: array(
        "Models that are asked in this order when the one before fails.",
        string("A model as `provider/model`.", { pattern: modelName }),
      ),
    },
    { optional: true, shorthand: "primary", unserved: ["timeoutMs"] },
  );

const thinking = (doc: string) => enumOf(`${doc} \`adaptive\` counts as \`medium\`, \`ultra\` as \`max\`.`, THINKING_CHOICES);

const catalog = record(
  "More models by `provider/model` that people may choose, with their short names.",
  "<provider/model>",
  object(
    "One model of the catalog.",
    { alias: string("Short name for the `/model` command.") },
    { unserved: ["params", "agentRuntime", "pickerRuntimes", "codeMode", "streaming"] },
  ),
);

const memoryFlush = object(
  "A turn in which the agent writes its notes before its conversation is shortened. It runs where only the owner reads, costs one request or a few, and nothing of it is delivered.",
  {
    enabled: boolean("Write notes before a conversation is shortened.", { default: true }),
    model: string("The model of this turn, as `provider/model`; that of the conversation when it is not set.", { pattern: modelName }),
    softThresholdTokens: integer(
      "Tokens before the point at which the conversation is shortened; of a small context window at most an eighth of it.",
      {
        default: 4_000,
        min: 0,
        max: 10_000_000,
      },
    ),
  },
  { unserved: ["forceFlushTranscriptBytes"] },
);

const compaction = object(
  "How a conversation is shortened when it fills the context of the model.",
  {
    enabled: boolean("Shorten by itself when the context is nearly full.", { default: true }),
    keepRecentTokens: integer("Tokens of the newest part that are kept word for word.", { min: 1 }),
    memoryFlush,
  },
  {
    unserved: [
      "model",
      "timeoutSeconds",
      "notifyUser",
      "mode",
      "provider",
      "thinkingLevel",
      "identifierPolicy",
      "recentTurnsPreserve",
      "qualityGuard",
      "midTurnPrecheck",
      "postIndexSync",
      "postCompactionSections",
      "maxActiveTranscriptBytes",
    ],
  },
);

const identity = object(
  "How the agent is shown to people. Its self-description is in its workspace.",
  {
    name: string("Name that is shown, and that calls the agent in groups where no pattern is set.", { maxChars: 200 }),
    emoji: string("Emoji that stands for the agent, and that calls it like the name.", { maxChars: 64 }),
    theme: string("A few words about its manner.", { maxChars: 2_000 }),
    avatar: string("Picture: a path inside the workspace, or a web address.", { maxChars: 2_000_000 }),
  },
  { optional: true },
);

const PI_HOSTS = ["shared", "process"] as const;
const PI_ISOLATION = ["none", "agent"] as const;
const HOST_TEXT =
  "Where sessions run: `shared` is one process for many sessions; `process` is a stock Pi process for each session whose turn runs, which needs more memory and CPU.";
const ISOLATION_TEXT = "`agent`: a shared process of this agent's own. `none`: sessions of all agents may share a process.";

/** What tools may do, besides which of them there are. */
const toolSettings = { fs: fileAccess, exec: commands, message };

const entryFields = {
  name: string("Name for people; the id when it is not set.", { maxChars: 200 }),
  description: string("A note for people: what the agent is for.", { maxChars: 4_000 }),
  default: boolean("This agent answers where no binding names another."),
  workspace: string("Directory of the agent's files and the working directory of its tools.", { format: "path" }),
  model: modelChoice("The model of this agent, instead of the default one."),
  models: catalog,
  thinkingDefault: thinking("How long the model thinks, unless the session says otherwise."),
  bootstrapMaxChars: integer("Characters of one workspace file that are read into the system prompt.", { min: 1 }),
  bootstrapTotalMaxChars: integer("Characters of all workspace files together that are read into the system prompt.", { min: 1 }),
  pi: object(
    "The processes of this agent's sessions, where they differ from the default.",
    { host: enumOf(HOST_TEXT, PI_HOSTS), isolation: enumOf(ISOLATION_TEXT, PI_ISOLATION) },
    { optional: true },
  ),
  runtime,
  identity,
  groupChat: object(
    "How the agent behaves in groups.",
    {
      mentionPatterns: array(
        "Regular expressions (case does not matter) that count as a mention of this agent.",
        string("A regular expression.", { format: "regex" }),
      ),
      historyLimit: integer("Messages of the group that the agent gets as context with a mention.", { min: 0, max: 200 }),
    },
    { optional: true, unserved: ["unmentionedInbound", "visibleReplies"] },
  ),
  skills: skillNames("Names of the skills that this agent may use, instead of those of `agents.defaults`; empty: none."),
  skillsLimits,
  sandbox,
  subagents: ownSubagents,
  heartbeat: ownHeartbeat,
  tools: toolPolicy(
    "Tools of this agent.",
    ["byProvider", "toolsBySender", "codeMode", "swarm", "elevated", "github", "loopDetection", "sandbox"],
    toolSettings,
  ),
};

const ENTRY_UNSERVED = [
  "cwd",
  "agentDir",
  "utilityModel",
  "decisionModel",
  "modelPolicy",
  "verboseDefault",
  "toolProgressDetail",
  "reasoningDefault",
  "fastModeDefault",
  "contextInjection",
  "experimental",
  "embeddedAgent",
  "params",
  "memory",
  "humanDelay",
  "typingMode",
  "tts",
  "contextLimits",
] as const;

const AGENT_ID = { regex: "[A-Za-z0-9][A-Za-z0-9_-]{0,63}", description: "letters, digits, - and _, at most 64" } as const;

const defaults = object(
  "What holds for every agent that does not say otherwise.",
  {
    model: modelChoice("The model of every agent that does not name its own."),
    imageModel: modelChoice("The model that looks at images for agents whose own model does not take them."),
    models: catalog,
    workspace: string("Directory of the default agent's files; `workspace` in the state directory when it is not set.", { format: "path" }),
    thinkingDefault: thinking("How long the model thinks, unless agent or session say otherwise."),
    timeoutSeconds: integer("Longest time for one turn in seconds; 0 is without end.", { default: 172_800, min: 0 }),
    maxConcurrent: integer("Turns that run at the same time in the whole gateway.", { default: 16, min: 1, max: 256 }),
    userTimezone: string("Time zone for the model and for daily resets, such as Europe/Berlin; this machine's when it is not set.", {
      format: "timezone",
    }),
    bootstrapMaxChars: integer("Characters of one workspace file that are read into the system prompt.", { default: 20_000, min: 1 }),
    bootstrapTotalMaxChars: integer("Characters of all workspace files together that are read into the system prompt.", {
      default: 60_000,
      min: 1,
    }),
    skills: skillNames("Names of the skills that agents may use; empty: none."),
    sandbox,
    subagents,
    heartbeat,
    skipBootstrap: boolean("Do not put template files into a new workspace.", { default: false }),
    typingMode: typingMode(
      'When "is typing" is shown: `never`, `instant` with the turn, `thinking` when the model begins to think, `message` with the first text. When it is not set, `instant` where the agent was addressed, else `message`.',
    ),
    compaction,
    pi: object("The processes in which Pi runs the sessions of agents.", {
      host: enumOf(HOST_TEXT, PI_HOSTS, { default: "shared" }),
      isolation: enumOf(ISOLATION_TEXT, PI_ISOLATION, { default: "none" }),
      shards: integer("Shared processes; at most one for each core is used.", { default: 1, min: 1, max: 64 }),
      idleSessions: integer(
        "Sessions without a running turn that stay open in a shared process; others are opened again from their file.",
        {
          default: 100,
          min: 0,
          max: 10_000,
        },
      ),
      idleMinutes: integer("A shared process without a turn for this long ends; the next message starts it again. 0: never.", {
        default: 30,
        min: 0,
        max: 10_080,
      }),
    }),
  },
  {
    unserved: [
      "params",
      "modelSelectionScope",
      "utilityModel",
      "decisionModel",
      "mediaModels",
      "voiceModel",
      "pdfModel",
      "pdfMaxMb",
      "pdfMaxPages",
      "modelPolicy",
      "cwd",
      "silentReply",
      "repoRoot",
      "skipOptionalBootstrapFiles",
      "contextInjection",
      "experimental",
      "startupContext",
      "contextPruning",
      "embeddedAgent",
      "memorySearch",
      "fastModeDefault",
      "verboseDefault",
      "toolProgressDetail",
      "reasoningDefault",
      "elevatedDefault",
      "blockStreamingDefault",
      "blockStreamingBreak",
      "mediaMaxMb",
      "imageMaxDimensionPx",
      "imageQuality",
      "typingIntervalSeconds",
      "systemAgent",
      "authInheritance",
      "sessionStore",
      "contextLimits",
      "blockStreamingChunk",
      "blockStreamingCoalesce",
      "humanDelay",
    ],
  },
);

export const agents = object(
  "The agents that answer.",
  {
    defaults,
    entries: record("Every agent by its id.", "<id>", object("One agent.", entryFields, { unserved: ENTRY_UNSERVED }), {
      keyPattern: AGENT_ID,
    }),
    list: array(
      "The older form of `entries`: a list in which every agent has its id inside.",
      object(
        "One agent.",
        { id: string("Id of the agent.", { required: true, pattern: AGENT_ID }), ...entryFields },
        { unserved: ENTRY_UNSERVED },
      ),
    ),
  },
  { unserved: ["ownership"] },
);

const MODEL_APIS = [
  "openai-completions",
  "openai-responses",
  "openai-chatgpt-responses",
  "anthropic-messages",
  "google-generative-ai",
  "google-vertex",
  "github-copilot",
  "bedrock-converse-stream",
  "ollama",
  "pi-messages",
  "azure-openai-responses",
] as const;

const cost = object(
  "Price in US dollars per million tokens.",
  {
    input: number("Tokens that go in.", { min: 0 }),
    output: number("Tokens that come out.", { min: 0 }),
    cacheRead: number("Tokens that are read from the provider's cache.", { min: 0 }),
    cacheWrite: number("Tokens that are written to the provider's cache.", { min: 0 }),
  },
  { optional: true, unserved: ["tieredPricing"] },
);

const providerModel = object(
  "One model of the provider.",
  {
    id: string("Id of the model as the provider names it.", { required: true, pattern: { regex: "\\S.*", description: "a name" } }),
    name: string("Name for people; the id when it is not set."),
    api: enumOf("Wire format of this model, where it differs from the provider's.", MODEL_APIS),
    baseUrl: string("Address of this model, where it differs from the provider's.", { format: "url" }),
    reasoning: boolean("The model can think before it answers.", { default: false }),
    input: array(
      "What the model can read; `video` and `audio` are left out.",
      enumOf("A kind of input.", ["text", "image", "video", "audio"]),
      { default: ["text"] },
    ),
    cost,
    contextWindow: number("Tokens that fit into one request.", { min: 1 }),
    contextTokens: integer("Tokens that are used of the context window.", { min: 1 }),
    maxTokens: number("Tokens of one answer at most.", { min: 1 }),
    headers: record("HTTP headers of this model's requests.", "<header>", requiredSecret("Value of the header.")),
    compat: unknown("Differences from the standard wire format, handed to the agent runtime as they are."),
  },
  { unserved: ["thinkingLevelMap", "params", "agentRuntime", "metadataSource", "mediaInput", "contextWindowSource"] },
);

const provider = object(
  "One place where models are asked.",
  {
    baseUrl: string("Address of the API, such as http://127.0.0.1:11434/v1.", { format: "url" }),
    apiKey: secret("Key for the API."),
    api: enumOf("Wire format of the API.", MODEL_APIS),
    headers: record("HTTP headers of every request.", "<header>", requiredSecret("Value of the header.")),
    authHeader: boolean("Send the key as `Authorization: Bearer`."),
    timeoutSeconds: integer(
      "Longest silence of a model of this provider, before its first word and between two, in seconds. When it is not set, 180 before the first word and 120 after it; a large model on a slow machine may need more.",
      { min: 1, max: 86_400 },
    ),
    models: array("Models of the provider.", providerModel, { default: [] }),
  },
  {
    unserved: ["auth", "maxTokens", "region", "injectNumCtxForOpenAICompat", "params", "agentRuntime", "localService", "request"],
  },
);

export const models = object(
  "Where models come from.",
  {
    mode: enumOf(
      "`merge` adds the providers below to the built-in ones and to servers that are found on this machine; `replace` uses only those below.",
      ["merge", "replace"],
      {
        default: "merge",
      },
    ),
    providers: record("Providers by id.", "<id>", provider, {
      keyPattern: { regex: "[A-Za-z0-9][A-Za-z0-9._-]{0,127}", description: "letters, digits, dots, - and _" },
    }),
  },
  { unserved: ["catalogRefresh", "pricing"] },
);

export const tools = toolPolicy(
  "Tools for every agent that does not say otherwise.",
  [
    "byProvider",
    "toolsBySender",
    "github",
    "media",
    "links",
    "loopDetection",
    "toolSearch",
    "codeMode",
    "swarm",
    "elevated",
    "subagents",
    "sandbox",
    "sessions_spawn",
    "updatePlan",
  ],
  { ...toolSettings, web: webTools, sessions, agentToAgent },
);
