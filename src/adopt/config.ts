/** What of the original's configuration can be used here, key by key. Pure but for the files that secrets are read from. */
import { resolve } from "node:path";
import { OTHER_CHANNELS } from "../channels/unserved-channels.ts";
import { channelIds, channelManifest } from "../channels/registry.ts";
import { getAt, setAt, unsetAt } from "../config/edit.ts";
import type { ConfigIssue } from "../config/issue.ts";
import { formatPath, parsePath, type KeyPath } from "../config/key-path.ts";
import { checkConfigText } from "../config/load.ts";
import { expandPath } from "../config/paths.ts";
import { toAgentId } from "../core/agent-id.ts";
import { isAtOrBeneath } from "../core/files.ts";
import { asArray, asString, fieldsOf, isObject, type JsonObject } from "../core/json.ts";
import { notTaken, present, taken, type AdoptItem } from "./item.ts";

type Env = Readonly<Record<string, string | undefined>>;

export type ConfigSource = {
  /** Its state directory. */
  readonly dir: string;
  readonly config: JsonObject;
};

export type ConfigTarget = {
  /** Our file as it is; empty: there is none. */
  readonly text: string;
  readonly path: string;
  readonly env: Env;
  readonly home: string;
  /** Set in shadow mode: the port of this gateway, because the original has its own. */
  readonly shadowPort?: number;
};

export type Setting = { readonly path: KeyPath; readonly value: unknown };

export type ConfigAdoption = {
  readonly items: readonly AdoptItem[];
  readonly settings: readonly Setting[];
  /** Accounts of channels that stay off in shadow mode. */
  readonly pausedChannels: readonly string[];
};

/** Blocks of which each member is a thing of its own. */
const COLLECTIONS: readonly (readonly string[])[] = [["channels"], ["agents", "entries"], ["agents", "defaults"], ["models", "providers"]];

/** What the original notes about itself. */
const OWN_NOTES = new Set(["meta", "wizard", "$schema"]);
/** Where the original keeps things, which is not where this gateway keeps them. */
const OWN_PLACES = new Map([
  ["session.store", "the sessions are in the store of this gateway"],
  ["cron.store", "the jobs are in the store of this gateway"],
]);

/** Why a channel cannot run beside the original, which would lose messages to it; null when it can. */
const singleReceiverOf = (path: KeyPath): string | null =>
  path[0] === "channels" ? (channelManifest(String(path[1]))?.singleReceiver ?? null) : null;

/** The settings of the original that this gateway does not have yet. */
export function adoptConfig(source: ConfigSource, target: ConfigTarget): ConfigAdoption {
  const items: AdoptItem[] = [];
  const settings: Setting[] = [];
  const pausedChannels: string[] = [];
  for (const { path, value } of split(source.config)) {
    const name = formatPath(path);
    const kind = kindOf(path);
    const refusal = refusalOf(path, value, target);
    if (refusal !== null) {
      items.push(notTaken(kind, name, refusal));
      continue;
    }
    const singleReceiver = singleReceiverOf(path);
    const isPaused = target.shadowPort !== undefined && isRunning(value) && singleReceiver !== null;
    const usable = toUsable(path, withoutOwnDirectories(path, value, source.dir, target.home), target);
    if (usable === null) items.push(notTaken(kind, name, "this gateway does not serve it"));
    else if (usable.problem !== undefined) items.push(notTaken(kind, name, usable.problem));
    else {
      const before = getAt(target.text, path);
      if (JSON.stringify(before) === JSON.stringify(usable.value)) items.push(present(kind, name));
      else if (before !== undefined) items.push(notTaken(kind, name, "this gateway has a setting of its own there"));
      else {
        settings.push({ path, value: isPaused ? { ...fieldsOf(usable.value), enabled: false } : usable.value });
        if (isPaused) pausedChannels.push(String(path[1]));
        const left = usable.left.length > 0 ? [`without ${usable.left.join(", ")}, which this gateway does not serve`] : [];
        const paused = isPaused ? [`off while the original runs: ${singleReceiver}`] : [];
        items.push(taken(kind, name, [...paused, ...left].join("; ")));
      }
    }
  }
  const kept = withoutConflicts(settings, target, items);
  return { items, settings: kept, pausedChannels };
}

/** What the original's file has that has no effect here, where both use one file. */
export function describeShared(source: ConfigSource, target: ConfigTarget): readonly AdoptItem[] {
  return split(source.config).map(({ path, value }) => {
    const name = formatPath(path);
    const refusal = refusalOf(path, value, target);
    const usable = refusal === null ? toUsable(path, value, target) : null;
    if (refusal !== null) return notTaken(kindOf(path), name, refusal);
    if (usable === null) return notTaken(kindOf(path), name, "this gateway does not serve it");
    if (usable.problem !== undefined) return notTaken(kindOf(path), name, usable.problem);
    const left = usable.left.length > 0 ? `; without effect here: ${usable.left.join(", ")}` : "";
    return taken(kindOf(path), name, `both read the same file${left}`);
  });
}

const kindOf = ([first, second]: KeyPath): AdoptItem["kind"] => {
  if (first === "channels") return "channel";
  if (first === "agents" && second === "entries") return "agent";
  return first === "models" && second === "providers" ? "model" : "config";
};

/** The configuration as the things that are taken or not, one by one. The older list of agents becomes entries. */
function split(config: JsonObject): Setting[] {
  const { list, ...agents } = fieldsOf(config["agents"]);
  const listed = Object.fromEntries(
    asArray(list)
      .filter(isObject)
      .map(({ id, ...entry }) => [toAgentId(asString(id)), entry]),
  );
  const entries = { ...listed, ...fieldsOf(agents["entries"]) };
  const whole: JsonObject = { ...config, ...(config["agents"] !== undefined && { agents: { ...agents, entries } }) };
  return splitAt(whole, []);
}

function splitAt(value: JsonObject, at: readonly string[]): Setting[] {
  return Object.entries(value).flatMap(([key, each]): Setting[] => {
    const path = [...at, key];
    const isGroup = COLLECTIONS.some((steps) => path.every((step, index) => steps[index] === step));
    const goesDeeper = isObject(each) && (isGroup || (at.length === 0 && !OWN_NOTES.has(key)));
    return goesDeeper ? splitAt(each, path) : [{ path, value: each }];
  });
}

function refusalOf(path: KeyPath, value: unknown, { shadowPort }: ConfigTarget): string | null {
  const [first, second] = path.map(String);
  if (OWN_NOTES.has(first!)) return "the original notes it about itself";
  if (
    first === "channels" &&
    path.length === 2 &&
    !(channelIds as readonly string[]).includes(second!) &&
    isObject(value) &&
    second !== "defaults"
  )
    return OTHER_CHANNELS.includes(second!) ? `this gateway has no channel ${second}` : "this gateway does not serve it";
  if (shadowPort !== undefined && first === "gateway" && second === "port")
    return `the original listens there; this gateway gets ${shadowPort}`;
  if (first === "gateway" && second === "shadow") return "shadow mode is chosen with --shadow";
  return OWN_PLACES.get(`${first}.${second}`) ?? null;
}

const isRunning = (value: unknown): boolean => fieldsOf(value)["enabled"] !== false;

/** Workspaces in the state directory of the original are copied, so that this gateway never writes there. */
function withoutOwnDirectories(path: KeyPath, value: unknown, dir: string, home: string): unknown {
  if (path[0] !== "agents") return value;
  const isInside = (each: unknown): boolean => typeof each === "string" && isAtOrBeneath(dir, resolve(expandPath(each, home, dir)));
  if (path[1] === "defaults" && path[2] === "workspace") return isInside(value) ? undefined : value;
  if (!isObject(value)) return value;
  const { workspace, agentDir, ...rest } = value;
  return {
    ...rest,
    ...(workspace !== undefined && !isInside(workspace) && { workspace }),
    ...(agentDir !== undefined && !isInside(agentDir) && { agentDir }),
  };
}

type Usable = { value: unknown; left: readonly string[]; problem?: undefined } | { problem: string };

/** Rounds of taking out what is not served; each one takes out something. */
const ROUNDS = 100;

/** The value without what has no effect or is wrong here. Null: nothing is left of it. */
function toUsable(path: KeyPath, value: unknown, { path: file, env, home }: ConfigTarget): Usable | null {
  if (value === undefined) return { problem: "a workspace of the original is copied, not shared" };
  const left: string[] = [];
  let text = setAt("{}", path, value);
  for (let round = 0; round < ROUNDS; round++) {
    const found = checkConfigText(text, { path: file, env, home }).issues.find((issue) => isUnusable(issue, path));
    if (!found) return { value: getAt(text, path), left };
    const at = parsePath(found.path);
    const isBelow = at !== null && at.length > path.length && path.every((step, index) => String(at[index]) === String(step));
    if (!isBelow) return found.severity === "error" ? { problem: found.message } : null;
    const rest = unsetAt(text, at);
    if (rest === text) return { problem: found.message };
    left.push(formatPath(at.slice(path.length)));
    text = rest;
    if (isEmptyObject(getAt(text, path)) && !isEmptyObject(value)) return null;
  }
  return { problem: "too much of it is not served here" };
}

const isEmptyObject = (value: unknown): boolean => isObject(value) && Object.keys(value).length === 0;

/** Whether a finding is about a key that has no effect here, or cannot be used. That a secret is missing does not rule out its key. */
function isUnusable({ severity, path, message }: ConfigIssue, wanted: KeyPath): boolean {
  const at = parsePath(path) ?? [];
  if (at.length === 0 || at[0] !== wanted[0]) return false;
  if (severity === "error") return !/variable|secret|environment/i.test(message);
  return /has no effect here|is not a known key/.test(message);
}

/** All of it together must be valid: what is not goes, by name. */
function withoutConflicts(settings: readonly Setting[], { text, path, env, home }: ConfigTarget, items: AdoptItem[]): readonly Setting[] {
  let kept = settings;
  for (;;) {
    const whole = kept.reduce((current, each) => setAt(current, each.path, each.value), text);
    const known = new Set(checkConfigText(text, { path, env, home }).issues.map(({ message }) => message));
    const errors = checkConfigText(whole, { path, env, home }).issues.filter(
      (issue) => issue.severity === "error" && !known.has(issue.message),
    );
    const bad = kept.find((each) => errors.some((issue) => startsWith(parsePath(issue.path) ?? [], each.path)));
    if (bad === undefined) return kept;
    const message = errors.find((issue) => startsWith(parsePath(issue.path) ?? [], bad.path))!.message;
    const name = formatPath(bad.path);
    const index = items.findIndex((item) => item.name === name);
    items[index] = notTaken(kindOf(bad.path), name, message);
    kept = kept.filter((each) => each !== bad);
  }
}

const startsWith = (path: KeyPath, begin: KeyPath): boolean => begin.every((step, index) => String(path[index]) === String(step));
