import { join } from "node:path";
import { readTextFile } from "../config/load.ts";
import { asString, fieldsOf, isObject, tryParseJson } from "../core/json.ts";
import { KEY_VARIABLES } from "../core/provider-keys.ts";
import { Secret } from "../core/secret.ts";
import { openForeignDatabase } from "../store/foreign-database.ts";
import { notTaken, type AdoptItem } from "./item.ts";
import { agentFolders, readJsonFile, type Original } from "./original.ts";
import { attempt } from "./sessions.ts";

export type OriginalKey = { readonly provider: string; readonly key: Secret; readonly from: string };

/** The API keys of providers, the first one of each: profiles of agents, and the variables of its `.env`. */
export function readKeys(original: Original): { keys: readonly OriginalKey[]; problems: readonly AdoptItem[] } {
  const keys = new Map<string, OriginalKey>();
  const problems: AdoptItem[] = [];
  const add = (provider: string, key: string, from: string): void => {
    if (!Object.hasOwn(KEY_VARIABLES, provider))
      problems.push(notTaken("key", `${provider} (${from})`, "this gateway does not know the provider"));
    else if (!keys.has(provider)) keys.set(provider, { provider, key: new Secret(key.trim()), from });
  };
  for (const agent of agentFolders(original)) {
    const folder = join(original.dir, "agents", agent, "agent");
    for (const [from, read] of profileSources(folder))
      attempt(problems, from, () => read().forEach((store) => readProfiles(store, from, add, problems)), "key");
  }
  readVariables(join(original.dir, ".env"), add, problems);
  return { keys: [...keys.values()], problems };
}

type Add = (provider: string, key: string, from: string) => void;

function profileSources(folder: string): [from: string, read: () => unknown[]][] {
  const database = join(folder, "openclaw-agent.sqlite");
  const file = join(folder, "auth-profiles.json");
  return [
    [
      database,
      () => {
        const db = openForeignDatabase(database);
        if (db === null) return [];
        try {
          if (!db.has("auth_profile_store", ["store_json"])) return [];
          return db.all<{ text: string }>("SELECT store_json AS text FROM auth_profile_store").map(({ text }) => tryParseJson(text));
        } finally {
          db.close();
        }
      },
    ],
    [file, () => [readJsonFile(file)]],
  ];
}

function readProfiles(store: unknown, from: string, add: Add, problems: AdoptItem[]): void {
  const { profiles, ...flat } = fieldsOf(store);
  for (const [name, value] of Object.entries(isObject(profiles) ? profiles : flat)) {
    if (!isObject(value)) continue;
    const provider = asString(value["provider"]) || name.split(":")[0]!;
    const key = asString(value["key"]) || asString(value["apiKey"]);
    if (key !== "") add(provider, key, from);
    else
      problems.push(
        notTaken("key", `${name} (${from})`, `it is a sign-in of the kind ${asString(value["type"]) || "unknown"}, not an API key`),
      );
  }
}

/** Variables of a file that the original reads at its start. Those of providers are keys; others have to be set for this gateway, too. */
function readVariables(path: string, add: Add, problems: AdoptItem[]): void {
  const file = readTextFile(path, 1_048_576);
  if ("problem" in file) return void problems.push(notTaken("key", path, file.problem));
  if (!("text" in file)) return;
  const providers = new Map(Object.entries(KEY_VARIABLES).map(([provider, variable]) => [variable, provider]));
  for (const [name, value] of Object.entries(parseVariables(file.text))) {
    const provider = providers.get(name);
    if (provider !== undefined && value !== "") add(provider, value, path);
    else problems.push(notTaken("key", `${name} (${path})`, "set this variable where this gateway is started, if it needs it"));
  }
}

function parseVariables(text: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const [, name, value] = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined) found[name] = value!.replace(/^(["'])(.*)\1$/, "$2");
  }
  return found;
}
