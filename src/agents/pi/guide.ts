/**
 * The setup guide: a script, not a model. It answers a few commands and states that; it never pretends to understand, and it
 * never accepts a key. Pure text in, text out; it runs inside Pi as the provider `guide`.
 */

import { GUIDE_NAME, GUIDE_PROVIDER } from "../../core/guide-model.ts";

/** Live facts about the gateway. No secret may ever be in here: the answers go into chats. */
export type GuideFacts = {
  version?: string;
  /** How long the gateway has been up. */
  uptimeSeconds?: number;
  /** `ws://127.0.0.1:18789` */
  url?: string;
  configPath?: string;
  logPath?: string;
  channels?: readonly { id: string; state: string; detail?: string }[];
  models?: readonly { name: string; available: boolean }[];
  pendingPairings?: number;
  sessions?: number;
  /** Current problems, one sentence each. */
  problems?: readonly string[];
};

type ProviderHelp = { label: string; variable: string; page: string };

const PROVIDERS: Record<string, ProviderHelp> = {
  anthropic: { label: "Anthropic", variable: "ANTHROPIC_API_KEY", page: "https://console.anthropic.com/settings/keys" },
  openai: { label: "OpenAI", variable: "OPENAI_API_KEY", page: "https://platform.openai.com/api-keys" },
  google: { label: "Google Gemini", variable: "GEMINI_API_KEY", page: "https://aistudio.google.com/apikey" },
  openrouter: { label: "OpenRouter", variable: "OPENROUTER_API_KEY", page: "https://openrouter.ai/keys" },
  groq: { label: "Groq", variable: "GROQ_API_KEY", page: "https://console.groq.com/keys" },
  mistral: { label: "Mistral", variable: "MISTRAL_API_KEY", page: "https://console.mistral.ai/api-keys" },
  deepseek: { label: "DeepSeek", variable: "DEEPSEEK_API_KEY", page: "https://platform.deepseek.com/api_keys" },
  xai: { label: "xAI", variable: "XAI_API_KEY", page: "https://console.x.ai" },
};

const LOCAL: Record<string, string> = {
  ollama: "Install it from https://ollama.com, then run `ollama pull qwen3:8b` and leave `ollama serve` running.",
  lmstudio: "Install it from https://lmstudio.ai, load a model, and start the server in the Developer tab (port 1234).",
  llamacpp: "Start `llama-server -m <model.gguf> --jinja --port 8080`.",
  vllm: "Start `vllm serve <model> --port 8000`.",
};

const ALIASES: Record<string, string> = {
  claude: "anthropic",
  gpt: "openai",
  chatgpt: "openai",
  gemini: "google",
  grok: "xai",
  "lm-studio": "lmstudio",
  "llama.cpp": "llamacpp",
  local: "ollama",
};

/**
 * Prefixes that providers give their keys, a labeled value, or one long random word. A false positive costs a
 * sentence; a false negative would repeat a secret.
 */
const KEY_SHAPES = [
  /\b(sk|pk|rk|gsk|xai|xapp|xox[abprs]|ghp|gho|ghs|glpat|hf|r8|nvapi|pplx|tgp|AIza|AKIA)[-_]?[A-Za-z0-9_-]{12,}/,
  /\b(api[-_ ]?key|token|secret|password|bearer)\b\s*(is|=|:)?\s*["']?[^\s"']{12,}/i,
  /\b(?=[A-Za-z0-9_-]*[A-Za-z])(?=[A-Za-z0-9_-]*\d)[A-Za-z0-9_-]{28,}\b/,
];

export function looksLikeKey(text: string): boolean {
  return KEY_SHAPES.some((shape) => shape.test(text));
}

const nextStep = (step: string): string => `\n\n**Next step:** ${step}`;

function help(): string {
  const rows = [
    ["status", "what the gateway is doing"],
    ["models", "which AI models it can use"],
    ["connect <provider>", "how to connect one, e.g. `connect anthropic` or `connect ollama`"],
    ["channels", "which chat channels are set up"],
    ["pair", "how people get permission to talk to the assistant"],
    ["doctor", "what looks wrong"],
    ["logs", "where to read what happened"],
  ];
  return `I answer these commands:\n\n${rows.map(([name, what]) => `- \`${name}\`: ${what}`).join("\n")}${nextStep("say `connect` and the name of a provider.")}`;
}

const formatUptime = (seconds: number): string => {
  if (seconds < 120) return `${Math.round(seconds)} seconds`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} minutes`;
  return `${Math.round(seconds / 3_600)} hours`;
};

function status(facts: GuideFacts): string {
  const lines = [`- Gateway: running${facts.version ? `, version ${facts.version}` : ""}`];
  if (facts.uptimeSeconds !== undefined) lines.push(`- Up for: ${formatUptime(facts.uptimeSeconds)}`);
  if (facts.url) lines.push(`- Address: \`${facts.url}\``);
  if (facts.configPath) lines.push(`- Configuration: \`${facts.configPath}\``);
  if (facts.sessions !== undefined) lines.push(`- Conversations: ${facts.sessions}`);
  lines.push(
    `- Channels: ${facts.channels?.length ? facts.channels.map(({ id, state }) => `${id} (${state})`).join(", ") : "none set up"}`,
  );
  const usable = usableModels(facts).length;
  lines.push(
    usable === 0 ? "- AI model: none connected, so this script answers" : `- AI models: ${usable} connected; this script answers here`,
  );
  return `${lines.join("\n")}${nextStep("say `connect` and the name of a provider, or `doctor` if something looks wrong.")}`;
}

const usableModels = (facts: GuideFacts): readonly { name: string }[] =>
  (facts.models ?? []).filter((model) => model.available && !model.name.startsWith(`${GUIDE_PROVIDER}/`));

function models(facts: GuideFacts): string {
  const usable = usableModels(facts);
  if (usable.length === 0) {
    return `No AI model is connected. Either of these is enough:\n\n- a key of a provider: ${Object.keys(PROVIDERS).join(", ")}\n- a model server on this machine: ${Object.keys(LOCAL).join(", ")}${nextStep("say `connect anthropic`, `connect ollama`, or another name from the list.")}`;
  }
  const shown = usable.slice(0, 12).map(({ name }) => `- \`${name}\``);
  if (usable.length > shown.length) shown.push(`- and ${usable.length - shown.length} more`);
  return `These models can be used:\n\n${shown.join("\n")}${nextStep(`run \`openclaw config set agents.defaults.model ${usable[0]!.name}\` on the gateway's machine.`)}`;
}

function channels(facts: GuideFacts): string {
  if (!facts.channels?.length) {
    return `No chat channel is set up besides this one.${nextStep("add one under `channels` in the configuration; `openclaw channels list` shows the ones that exist.")}`;
  }
  const lines = facts.channels.map(({ id, state, detail }) => `- ${id}: ${state}${detail ? ` (${detail})` : ""}`);
  return `${lines.join("\n")}${nextStep("run `openclaw channels status` on the gateway's machine for details.")}`;
}

function connectHelp(what: string): string {
  const id = ALIASES[what] ?? what;
  const local = LOCAL[id];
  if (local) {
    return `${local}\n\nThe gateway finds a server on this machine by itself and offers its models.${nextStep("when it runs, send any message; the model takes over from me.")}`;
  }
  const provider = PROVIDERS[id];
  if (!provider) {
    const known = [...Object.keys(PROVIDERS), ...Object.keys(LOCAL)].join(", ");
    const start = what === "" ? "Which provider?" : "I do not know that provider.";
    return `${start} I can explain: ${known}.${nextStep("say for example `connect anthropic`. Other providers go under `models.providers` in the configuration.")}`;
  }
  return [
    `**${provider.label}**`,
    "",
    `1. Create a key at ${provider.page}`,
    `2. On the gateway's machine, run \`openclaw config set models.providers.${id}.apiKey --stdin\` and paste the key there.`,
    `   Or set \`${provider.variable}\` in the environment of the gateway and restart it.`,
    "",
    `Do not paste the key into this chat.${nextStep("do step 2, then send any message; the model takes over from me.")}`,
  ].join("\n");
}

function pairingHelp(facts: GuideFacts): string {
  const waiting = facts.pendingPairings ?? 0;
  const state = waiting === 0 ? "No one is waiting for approval." : `${waiting} waiting for approval.`;
  return `${state} A person who writes to the assistant for the first time gets a code; the owner approves it on the gateway's machine.${nextStep("run `openclaw pairing list`, then `openclaw pairing approve <channel> <code>`.")}`;
}

function doctor(facts: GuideFacts): string {
  const problems = [...(facts.problems ?? [])];
  const usable = usableModels(facts).length > 0;
  if (!usable) problems.push("No AI model is connected.");
  const found = problems.length === 0 ? "I see nothing wrong." : problems.map((problem) => `- ${problem}`).join("\n");
  return `${found}${nextStep(usable ? "run `openclaw doctor` on the gateway's machine for a full check." : "say `connect` and the name of a provider.")}`;
}

function logs(facts: GuideFacts): string {
  const where = facts.logPath ? `The log file is \`${facts.logPath}\`.` : "The log is in the state directory of the gateway.";
  return `${where} I do not show log lines in a chat, because others may read along.${nextStep("run `openclaw logs --follow` on the gateway's machine.")}`;
}

function refuseKey(): string {
  return [
    "That looks like a key. I don't accept keys in a chat. I haven't used it, and I won't repeat it.",
    "",
    "Chats are stored, and often pass through other people's servers. If it was a real key, revoke it and create another one.",
    "",
    `A key goes in on the gateway's machine: \`openclaw config set models.providers.<id>.apiKey --stdin\`, or as an environment variable such as \`ANTHROPIC_API_KEY\`.${nextStep("say `connect` and the name of your provider for the exact command.")}`,
  ].join("\n");
}

function unknownCommand(facts: GuideFacts): string {
  if (usableModels(facts).length > 0)
    return `I am a script and cannot answer that: I only know a few commands.${nextStep("say `models` to choose a model.")}`;
  return `No AI model is connected yet, so I cannot answer that: I only know a few commands.${nextStep("say `help` for the list, or `connect anthropic`, `connect openai`, `connect ollama` to get a real model.")}`;
}

/** The commands; each takes the facts and the rest of the line. */
const COMMANDS: Record<string, (facts: GuideFacts, rest: string) => string> = {
  help,
  status,
  models,
  channels,
  connect: (_facts, rest) => connectHelp(rest),
  pair: pairingHelp,
  doctor,
  logs,
};

/** The answer to one message. Its first line always says that this is a script. */
export function guideReply(text: string, facts: GuideFacts): string {
  return `_${GUIDE_NAME}_\n\n${guideBody(text, facts)}`;
}

function guideBody(text: string, facts: GuideFacts): string {
  if (looksLikeKey(text)) return refuseKey();
  const line = text.trim().split("\n").at(-1)!.trim();
  const words = line
    .replace(/^[/!]/, "")
    .replace(/[.?!]+$/, "")
    .toLowerCase()
    .split(/\s+/);
  const name = words[0]!;
  const rest = words.slice(1).join(" ");
  if (!Object.hasOwn(COMMANDS, name)) return unknownCommand(facts);
  const takesMore = name === "connect";
  return takesMore || rest === "" ? COMMANDS[name]!(facts, rest) : unknownCommand(facts);
}
