import { agentIds } from "../config/agents.ts";
import { walkSchema } from "../config/json-schema.ts";
import { openClient, type ProtocolClient } from "../client/client.ts";
import { openReadonlyStore } from "../store/open-readonly.ts";
import type { ValueKind, CommandHandler } from "./command.ts";
import { toClientOptions, type ConnectScope } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { accountNames, channelNames } from "./known-names.ts";
import { toModelRef, type ModelView } from "./model-check.ts";
import { configOf, pathsOf, resolveTarget } from "./gateway-target.ts";
import { sanitizeText } from "./terminal-text.ts";

/** A shell waits for the answer while someone types. */
const BUDGET_MS = 800;
const MAX_CANDIDATES = 500;

/** `openclaw __complete <names> [words...]`: one name per line. Silent and successful when there is nothing to offer, whatever the cause. */
export const complete: CommandHandler = async (invocation) => {
  const [kind = "", ...words] = invocation.args;
  let names: readonly string[] = [];
  try {
    names = await candidatesFor(kind as ValueKind, words, invocation);
  } catch {
    // Completion prints no errors; the completed command will report them.
  }
  // A name that a shell or a terminal could take for something else is not offered.
  const offered = names.filter((name) => name !== "" && name === sanitizeText(name) && !name.includes("\n")).slice(0, MAX_CANDIDATES);
  for (const name of new Set(offered)) invocation.out.line(name);
};

async function candidatesFor(kind: ValueKind, words: readonly string[], invocation: Invocation): Promise<readonly string[]> {
  const { config } = configOf(invocation);
  switch (kind) {
    case "agent":
      return agentIds(config);
    case "channel":
      return channelNames(invocation);
    case "account": {
      const channels = Object.keys(config.channels).filter((id) => id !== "defaults");
      const meant = channels.filter((id) => words.includes(id));
      return (meant.length > 0 ? meant : channels).flatMap((id) => accountNames(config, id));
    }
    case "mcp-server":
      return Object.keys(config.mcp.servers);
    case "plugin":
      return Object.keys(config.plugins.entries);
    case "key":
      return configKeys();
    case "approval":
      return await requestWithin(invocation, ["operator.approvals"], async (client) => {
        const pending = await client.request<{ id: string }[]>("exec.approval.list");
        return pending.map((each) => each.id);
      });
    case "skill":
      return await skillNames(invocation);
    case "session":
      return await requestWithin(invocation, ["operator.read"], listSessions, () => storedSessions(invocation));
    case "model":
      return await requestWithin(invocation, ["operator.read"], listModels, () =>
        Object.entries(config.models.providers).flatMap(([id, { models }]) => models.map((model) => `${id}/${model.id}`)),
      );
    case "token":
      return await requestWithin(invocation, ["operator.admin"], async (client) => {
        const { tokens } = await client.request<{ tokens: { name: string }[] }>("tokens.list");
        return tokens.map((each) => each.name);
      });
    case "device":
    case "request":
      return await requestWithin(invocation, ["operator.pairing"], async (client) => {
        const { pending, paired } = await client.request<{ pending: { requestId: string }[]; paired: { deviceId: string }[] }>(
          "device.pair.list",
        );
        return kind === "device" ? paired.map((each) => each.deviceId) : pending.map((each) => each.requestId);
      });
    default:
      return [];
  }
}

async function skillNames(invocation: Invocation): Promise<readonly string[]> {
  const { skillsFromFiles } = await import("./skills.ts");
  const { skills } = await skillsFromFiles(invocation, undefined);
  return skills.map(({ name }) => name);
}

/** This machine's gateway within the budget, else what the files say. */
async function requestWithin(
  invocation: Invocation,
  scopes: readonly ConnectScope[],
  work: (client: ProtocolClient) => Promise<readonly string[]>,
  files: () => readonly string[] = () => [],
): Promise<readonly string[]> {
  const target = resolveTarget(invocation);
  if (!target.isLocal) return [];
  const signal = AbortSignal.any([AbortSignal.timeout(BUDGET_MS), invocation.host.signal]);
  const options = await toClientOptions(invocation, target, { scopes });
  let client: ProtocolClient;
  try {
    client = await openClient({ ...options, signal, connectTimeoutMs: BUDGET_MS, requestTimeoutMs: BUDGET_MS });
  } catch {
    return files();
  }
  try {
    return await work(client);
  } finally {
    void client.close();
  }
}

async function listSessions(client: ProtocolClient): Promise<string[]> {
  const { sessions } = await client.request<{ sessions: { key: string }[] }>("sessions.list", { limit: MAX_CANDIDATES });
  return sessions.map((each) => each.key);
}

async function listModels(client: ProtocolClient): Promise<string[]> {
  const { models } = await client.request<{ models: ModelView[] }>("models.list", { view: "all" });
  return models.map(toModelRef);
}

function storedSessions(invocation: Invocation): string[] {
  const store = openReadonlyStore(pathsOf(invocation).gateway);
  if (!store) return [];
  try {
    return store.all<{ key: string }>("SELECT key FROM sessions ORDER BY updated_at DESC LIMIT ?", MAX_CANDIDATES).map((row) => row.key);
  } finally {
    store.close();
  }
}

function configKeys(): string[] {
  const keys: string[] = [];
  walkSchema((path) => {
    if (/^[\w.-]+$/.test(path)) keys.push(path);
  });
  return keys;
}
