import { DEFAULT_MODELS, discoverLocalServers } from "../agents/models.ts";
import { defaultAgentId, resolveAgent } from "../config/agents.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { silentLog } from "../core/log.ts";
import { findRunningGateway } from "../core/pid-file.ts";
import { KEY_VARIABLES } from "../core/provider-keys.ts";
import { editFile } from "./config-edit.ts";
import type { CommandHandler } from "./command.ts";
import { configOf, pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { plural, sanitizeLine } from "./terminal-text.ts";

/** One way to begin. */
type Choice = {
  /** What --use takes: `provider/model`, or `original`. */
  readonly id: string;
  /** Other words for it. */
  readonly aliases: readonly string[];
  readonly text: string;
};

type Found = {
  /** Variables of the environment that hold keys, by provider. */
  keys: readonly { provider: string; variable: string }[];
  servers: readonly { product: string; label: string; models: readonly string[] }[];
  originals: readonly string[];
  /** The configured model of the default agent; null: none. */
  model: string | null;
  /** Providers whose key or address is in the configuration. */
  providers: readonly string[];
  channels: readonly string[];
};

const ORIGINAL = "original";

/** `openclaw setup` */
export const setup: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const found = await look(invocation);
  const choices = toChoices(found);
  const wanted = invocation.text("use");
  const chosen = wanted === undefined ? await choose(invocation, found, choices) : requireChoice(wanted, choices);
  const wrote: string[] = [];
  if (chosen !== null && chosen.id !== ORIGINAL) wrote.push(...(await useModel(invocation, chosen)));
  if (chosen?.id === ORIGINAL) return await adoptFirst(invocation, found, out.json);
  const next = nextSteps(invocation, found, { choices, chosen });
  out.result(
    {
      ok: true,
      found,
      choices: choices.map(({ id, text }) => ({ id, text })),
      chosen: chosen?.id ?? null,
      config: pathsOf(invocation).config,
      wrote,
      next,
    },
    () => show(invocation, { found, choices, chosen, wrote, next }),
  );
};

async function look(invocation: Invocation): Promise<Found> {
  const { env } = invocation.host;
  const { config } = configOf(invocation);
  const agent = resolveAgent(config, defaultAgentId(config), pathsOf(invocation).state);
  const { originalsOf } = await import("./adopt.ts");
  const servers = await discoverLocalServers({ ...env }, silentLog);
  return {
    keys: Object.entries(KEY_VARIABLES)
      .filter(([, variable]) => (env[variable] ?? "") !== "")
      .map(([provider, variable]) => ({ provider, variable })),
    servers: servers.map(({ product, label, provider }) => ({ product, label, models: provider.models.map(({ id }) => id) })),
    originals: originalsOf(invocation),
    model: agent.models[0] ?? null,
    providers: Object.keys(config.models.providers),
    channels: Object.entries(config.channels as Readonly<Record<string, { enabled?: boolean } | undefined>>)
      .filter(([id, block]) => id !== "defaults" && block !== undefined && block.enabled !== false)
      .map(([id]) => id),
  };
}

/** What could answer, in the order in which the gateway itself would take it. */
function toChoices({ keys, servers, originals, model }: Found): readonly Choice[] {
  const fromOriginal = originals.map((dir): Choice => ({
    id: ORIGINAL,
    aliases: [dir],
    text: `take over the installation of OpenClaw in ${dir}`,
  }));
  if (model !== null) return fromOriginal.slice(0, 1);
  const keyed = Object.entries(DEFAULT_MODELS).flatMap(([provider, { id }]): Choice[] => {
    const key = keys.find((each) => each.provider === provider);
    return key ? [{ id: `${provider}/${id}`, aliases: [provider, key.variable], text: `the key in ${key.variable}` }] : [];
  });
  const local = servers.flatMap(({ product, label, models }): Choice[] =>
    models.map((id, index) => ({ id: `${product}/${id}`, aliases: index === 0 ? [product] : [], text: `${label} on this machine` })),
  );
  return [...fromOriginal.slice(0, 1), ...keyed, ...local];
}

function requireChoice(wanted: string, choices: readonly Choice[]): Choice {
  const found = choices.find(({ id, aliases }) => id === wanted || aliases.includes(wanted));
  if (found) return found;
  throw new CliError(`--use ${sanitizeLine(wanted)} is not one of the choices`, {
    why: choices.length === 0 ? "nothing was found that could be chosen." : `the choices are: ${choices.map(({ id }) => id).join(", ")}.`,
    fix:
      choices.length === 0
        ? "openclaw models key <provider> keeps a key; openclaw models set <provider/model> chooses any model"
        : "openclaw setup lists them",
    exit: EXIT.usage,
  });
}

/** The one question. None is asked where there is nothing to choose, or no one to answer. */
async function choose(invocation: Invocation, { model }: Found, choices: readonly Choice[]): Promise<Choice | null> {
  const { out, host } = invocation;
  if (choices.length < 2 || model !== null) return null;
  if (invocation.has("yes")) return choices[0]!;
  if (!host.stdin.isTTY || !out.interactive || out.json) return null;
  choices.forEach(({ id, text }, index) => out.line(`  ${index + 1}  ${sanitizeLine(id)}: ${sanitizeLine(text)}`));
  const { createInterface } = await import("node:readline/promises");
  const prompt = createInterface({ input: host.stdin, output: process.stderr });
  try {
    const answer = (await prompt.question("Which one? [Enter: decide later] ", { signal: host.signal })).trim();
    if (answer === "") return null;
    return choices[Number(answer) - 1] ?? requireChoice(answer, choices);
  } finally {
    prompt.close();
  }
}

async function useModel(invocation: Invocation, { id }: Choice): Promise<string[]> {
  const parent = ["agents", "defaults", "model"];
  await editFile(invocation, (edit) => {
    const value = edit.get(parent);
    if (typeof value === "object" && value !== null) edit.set([...parent, "primary"], id);
    else edit.set(parent, { primary: id });
  });
  return ["agents.defaults.model.primary"];
}

async function adoptFirst(invocation: Invocation, { originals }: Found, json: boolean): Promise<void> {
  const { runAdoption } = await import("./adopt.ts");
  const report = await runAdoption(invocation, originals[0]!);
  const count = report.items.filter(({ taken }) => taken).length;
  invocation.out.result({ ok: true, chosen: ORIGINAL, from: report.from, taken: count, messages: report.messages }, () => {
    invocation.out.line(`Took ${plural(count, "item")} and ${plural(report.messages, "message")} from ${sanitizeLine(report.from)}.`);
    if (!json) invocation.out.note("openclaw adopt lists what was not taken. Next: openclaw gateway");
  });
}

type Outcome = { choices: readonly Choice[]; chosen: Choice | null };

function nextSteps(invocation: Invocation, found: Found, { choices, chosen }: Outcome): string[] {
  const isRunning = findRunningGateway(pathsOf(invocation).gateway) !== null;
  const hasModel =
    found.model !== null || chosen !== null || found.keys.length > 0 || found.servers.length > 0 || found.providers.length > 0;
  return [
    ...(found.originals.length > 0 ? ["openclaw adopt --dry-run"] : []),
    ...(chosen === null && found.model === null && choices.length > 1 ? [`openclaw setup --use ${choices[0]!.id}`] : []),
    ...(isRunning ? [] : ["openclaw gateway"]),
    ...(hasModel ? [] : ["openclaw models key anthropic"]),
    "openclaw dashboard",
    ...(found.channels.length === 0 ? ["openclaw channels add telegram"] : []),
  ];
}

type Shown = Outcome & { found: Found; wrote: readonly string[]; next: readonly string[] };

function show(invocation: Invocation, { found, choices, chosen, wrote, next }: Shown): void {
  const { out } = invocation;
  out.pairs([
    [
      "keys",
      listOr(
        found.keys.map(({ provider, variable }) => `${provider} (${variable})`),
        "none in the environment",
      ),
    ],
    [
      "model servers",
      listOr(
        found.servers.map(({ label, models }) => `${label}, ${plural(models.length, "model")}`),
        "none on this machine",
      ),
    ],
    ["OpenClaw", listOr(found.originals, "no installation found")],
    ["model", found.model ?? (chosen === null ? defaultText(choices) : chosen.id)],
    ["channels", listOr(found.channels, "none")],
  ]);
  const open = chosen === null && found.model === null && choices.length > 1;
  if (open) {
    out.line();
    out.line("Choose with --use:");
    for (const { id, text } of choices) out.line(`  ${sanitizeLine(id)}: ${sanitizeLine(text)}`);
  }
  out.line();
  out.line(wrote.length === 0 ? "Nothing was written." : `Wrote ${pathsOf(invocation).config}: ${wrote.join(", ")}`);
  for (const [index, step] of next.entries()) out.note(`${index === 0 ? "Next:" : "then:"} ${step}`);
}

const listOr = (texts: readonly string[], empty: string): string =>
  texts.length === 0 ? empty : texts.map((each) => sanitizeLine(each)).join(", ");

const defaultText = (choices: readonly Choice[]): string => {
  const first = choices.find(({ id }) => id !== ORIGINAL);
  return first === undefined
    ? "none: a setup guide answers until one is connected"
    : `${sanitizeLine(first.id)} answers while none is chosen`;
};
