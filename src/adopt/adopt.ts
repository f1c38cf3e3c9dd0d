import { existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { agentIds } from "../config/agents.ts";
import { getAt, setAt } from "../config/edit.ts";
import { checkConfigText } from "../config/load.ts";
import type { StatePaths } from "../config/paths.ts";
import { channelIds } from "../channels/registry.ts";
import { GatewayError } from "../core/errors.ts";
import { writeFileAtomic } from "../core/files.ts";
import { asArray, asString, fieldsOf } from "../core/json.ts";
import { silentLog } from "../core/log.ts";
import { makePrivateDir } from "../core/private-dir.ts";
import { keyFileName } from "../core/provider-keys.ts";
import { createCronRows } from "../store/cron.ts";
import { createKeyValueStore } from "../store/key-value.ts";
import { openReadonlyStore } from "../store/open-readonly.ts";
import { openStore, type Store } from "../store/open.ts";
import { createPairings } from "../store/pairing.ts";
import type { JobDefinition, JobState, RunRecord } from "../schedule/job.ts";
import { adoptConfig, describeShared, type ConfigTarget, type Setting } from "./config.ts";
import { notTaken, present, taken, type AdoptItem } from "./item.ts";
import { readJobs, toJob } from "./jobs.ts";
import { readKeys } from "./keys.ts";
import { findOriginalProcess, namesIn, openOriginal, originalPort, type Original } from "./original.ts";
import { readPeople, toSenderId } from "./people.ts";
import { readSessions } from "./sessions.ts";
import { storeSessions } from "./store-sessions.ts";
import { copyWorkspaces } from "./workspaces.ts";

type Env = Readonly<Record<string, string | undefined>>;

export type AdoptOptions = {
  /** State directory of the original. */
  readonly from: string;
  readonly paths: StatePaths;
  /** Our configuration file as it is; null: there is none. */
  readonly configText: string | null;
  readonly env: Env;
  readonly home: string;
  readonly now: number;
  readonly zone: string;
  readonly write: boolean;
  readonly shadow: boolean;
  /** Where earlier releases of the original put their locks. */
  readonly lockDirs: readonly string[];
  /** Writes settings into our file, checked like those of every other command. */
  readonly edit: (settings: readonly Setting[]) => Promise<void>;
};

export type AdoptReport = {
  readonly from: string;
  /** The original and this gateway use one state directory. */
  readonly isShared: boolean;
  /** The process of the original's gateway. */
  readonly runningPid: number | null;
  readonly items: readonly AdoptItem[];
  readonly messages: number;
  readonly settings: readonly Setting[];
  readonly shadow: "begins" | "ends" | null;
  readonly port: number;
};

/** What an adoption leaves for the next one. */
type Note = { shadowPort: number | null; pausedChannels: readonly string[]; pausedJobs: readonly string[] };

const NOTE = "adopted";
/** The port of this gateway beside the original's. */
const PORT_DISTANCE = 1_000;
const PAUSE = "off while the original runs it";

/** Reads an installation of the original, and takes what can be used here. Never writes to it. */
export async function adopt(options: AdoptOptions): Promise<AdoptReport> {
  const original = openOriginal(options.from);
  const isShared = existsSync(options.paths.state) && realpathSync(options.paths.state) === original.dir;
  const runningPid = findOriginalProcess(original, options.lockDirs);
  refuseIfUnsafe(options, { runningPid, isShared });
  const store = options.write ? openStore({ dir: options.paths.gateway, log: silentLog }) : openReadonlyStore(options.paths.gateway);
  try {
    return await adoptInto(options, { original, isShared, runningPid, store });
  } finally {
    store?.close();
  }
}

function refuseIfUnsafe(
  { shadow, from, write }: AdoptOptions,
  { runningPid, isShared }: { runningPid: number | null; isShared: boolean },
): void {
  if (shadow && isShared)
    throw new GatewayError("INVALID_REQUEST", "shadow mode requires a state directory of its own", {
      fix: `openclaw --profile beside adopt --from ${from} --shadow, then openclaw --profile beside gateway`,
    });
  if (write && runningPid !== null && !shadow)
    throw new GatewayError("CONFLICT", `the gateway of the original is running (pid ${runningPid})`, {
      fix: "Stop it first, or run beside it: --shadow receives messages and sends none.",
    });
}

type Place = { original: Original; isShared: boolean; runningPid: number | null; store: Store | null };

async function adoptInto(options: AdoptOptions, place: Place): Promise<AdoptReport> {
  const { original, isShared, runningPid, store } = place;
  const { paths, env, home, write, shadow, now } = options;
  const note = readNote(store);
  const port = originalPort(original);
  const shadowPort = note.shadowPort ?? (port + PORT_DISTANCE > 65_535 ? port - PORT_DISTANCE : port + PORT_DISTANCE);
  const text = options.configText ?? "";
  const target: ConfigTarget = { text, path: paths.config, env, home, ...(shadow && { shadowPort }) };
  const found = isShared
    ? { items: describeShared({ dir: original.dir, config: original.config }, target), settings: [], pausedChannels: [] }
    : adoptConfig({ dir: original.dir, config: original.config }, target);
  const isShadowNow = checkConfigText(text, { path: paths.config, env, home }).config.gateway.shadow;
  const endsShadow = !shadow && isShadowNow;
  const change = endsShadow ? afterShadow(found.items, note, original, port) : { items: found.items, settings: [] as Setting[] };
  const keys = await takeKeys(original, { ...options, text, isShared });
  const settings = [
    ...found.settings,
    ...keys.settings,
    ...change.settings,
    ...(shadow ? [set(["gateway", "shadow"], true), set(["gateway", "port"], shadowPort)] : []),
  ];
  if (write && settings.length > 0) await options.edit(settings);
  const config = checkConfigText(
    settings.reduce((current, each) => setAt(current, each.path, each.value), text),
    { path: paths.config, env, home },
  ).config;
  const source = checkConfigText(original.configText ?? "", { path: original.configPath, env, home }).config;
  const workspaces = isShared ? [] : copyWorkspaces({ dir: original.dir, config: source }, { state: paths.state, config }, write);
  const people = await takePeople(original, store, write, now);
  const conversations = readSessions(original);
  try {
    const stored = await storeSessions(conversations.sessions, {
      store,
      write,
      mainKey: asString(fieldsOf(original.config["session"])["mainKey"]).toLowerCase() || "main",
      afterShadow: endsShadow,
      now,
    });
    const jobs = await takeJobs(original, { store, agents: agentIds(config), ...options }, note);
    await saveNote(place, options, {
      shadowPort: shadow ? shadowPort : null,
      pausedChannels: shadow ? [...new Set([...note.pausedChannels, ...found.pausedChannels])] : [],
      pausedJobs: shadow ? [...new Set([...note.pausedJobs, ...jobs.paused])] : [],
    });
    return {
      from: original.dir,
      isShared,
      runningPid,
      items: [
        ...change.items,
        ...keys.items,
        ...workspaces,
        ...people,
        ...conversations.problems,
        ...stored.items,
        ...jobs.items,
        ...others(original),
      ],
      messages: stored.messages,
      settings,
      shadow: shadow ? "begins" : endsShadow ? "ends" : null,
      port: config.gateway.port,
    };
  } finally {
    conversations.close();
  }
}

const set = (path: readonly string[], value: unknown): Setting => ({ path, value });

function readNote(store: Store | null): Note {
  const value = store === null ? {} : fieldsOf(createKeyValueStore(store).get(NOTE));
  const texts = (name: string): string[] => asArray(value[name]).map(asString);
  const { shadowPort } = value;
  return {
    shadowPort: typeof shadowPort === "number" ? shadowPort : null,
    pausedChannels: texts("pausedChannels"),
    pausedJobs: texts("pausedJobs"),
  };
}

async function saveNote({ store }: Place, { write, now }: AdoptOptions, note: Note): Promise<void> {
  if (write && store !== null) await store.write(() => createKeyValueStore(store).set(NOTE, note, now));
}

/** What shadow mode has kept off is turned on, and this gateway gets the port of the original. */
function afterShadow(
  items: readonly AdoptItem[],
  note: Note,
  original: Original,
  port: number,
): { items: AdoptItem[]; settings: Setting[] } {
  const settings = [set(["gateway", "shadow"], false), ...(note.shadowPort === null ? [] : [set(["gateway", "port"], port)])];
  const changed = new Map<string, AdoptItem>([["gateway.port", taken("config", "gateway.port", `${port}, as in the original`)]]);
  for (const channel of note.pausedChannels) {
    const before = fieldsOf(fieldsOf(original.config["channels"])[channel])["enabled"];
    settings.push(set(["channels", channel, "enabled"], before !== false));
    changed.set(`channels.${channel}`, taken("channel", `channels.${channel}`, "turned on"));
  }
  return { items: items.map((item) => (note.shadowPort === null ? item : (changed.get(item.name) ?? item))), settings };
}

type KeyOptions = Pick<AdoptOptions, "paths" | "write"> & { text: string; isShared: boolean };

/** Each key becomes a file of its own that only this user reads, as a key that is pasted into the page. */
async function takeKeys(
  original: Original,
  { paths, write, text, isShared }: KeyOptions,
): Promise<{ items: AdoptItem[]; settings: Setting[] }> {
  const { keys, problems } = readKeys(original);
  const items: AdoptItem[] = [];
  const settings: Setting[] = [];
  const providers = fieldsOf(getAt(text, ["models", "providers"]));
  const dir = join(paths.gateway, "keys");
  for (const { provider, key, from } of keys) {
    const entry = fieldsOf(providers[provider]);
    if (entry["apiKey"] !== undefined || entry["apiKeyFile"] !== undefined) {
      items.push(present("key", `${provider} (${from})`, "the provider has a key here already"));
      continue;
    }
    if (isShared) {
      // Its place would be in the configuration, which is the original's file, too.
      items.push(notTaken("key", `${provider} (${from})`, `the shared file is not changed; openclaw models key ${provider} keeps one`));
      continue;
    }
    const file = join(dir, keyFileName(provider));
    if (write) {
      await makePrivateDir(dir, silentLog);
      await writeFileAtomic(file, `${key.reveal()}\n`);
    }
    settings.push(set(["models", "providers", provider, "apiKeyFile"], file));
    items.push(taken("key", `${provider} (${from})`, `kept in ${file}`));
  }
  return { items: [...items, ...problems], settings };
}

async function takePeople(original: Original, store: Store | null, write: boolean, now: number): Promise<AdoptItem[]> {
  const { people, problems } = readPeople(original, channelIds);
  const items: AdoptItem[] = [];
  const pairings = store && createPairings(store, { newCode: () => "", now: () => now });
  for (const { channel, account, sender } of people) {
    const name = `${channel}/${account} ${sender}`;
    const id = (channelIds as readonly string[]).includes(channel) ? await toSenderId(channel, sender) : undefined;
    if (id === undefined) items.push(notTaken("person", name, `this gateway has no channel ${channel}`));
    else if (id === null) items.push(notTaken("person", name, "an approval is of one person"));
    else if (pairings?.isPaired(channel, account, id)) items.push(present("person", name));
    else {
      if (write) await store!.write(() => pairings!.add(channel, account, id));
      items.push(taken("person", name, "approved here, too"));
    }
  }
  return [...items, ...problems];
}

type JobTarget = Pick<AdoptOptions, "write" | "shadow" | "now" | "zone"> & { store: Store | null; agents: readonly string[] };

async function takeJobs(original: Original, target: JobTarget, note: Note): Promise<{ items: AdoptItem[]; paused: string[] }> {
  const { store, agents, write, shadow, now, zone } = target;
  const { jobs, problems } = readJobs(original);
  const rows = store && createCronRows<JobDefinition, JobState, RunRecord>(store);
  const items: AdoptItem[] = [];
  const paused: string[] = [];
  for (const given of jobs) {
    const name = asString(given["name"]) || asString(given["id"]);
    const adopted = toJob(given, { now, zone, agents, pause: shadow ? PAUSE : null });
    if ("refusal" in adopted) {
      items.push(notTaken("job", name, adopted.refusal));
      continue;
    }
    const before = rows?.job(adopted.job.id);
    const isResumed = before !== undefined && !before.enabled && !shadow && note.pausedJobs.includes(before.id);
    if (adopted.isPaused) paused.push(adopted.job.id);
    if (before && !isResumed) items.push(present("job", name));
    else {
      if (write) await store!.write(() => rows!.saveJob(adopted.job));
      items.push(taken("job", name, isResumed ? "turned on" : adopted.detail));
    }
  }
  return { items: [...items, ...problems], paused };
}

/** Directories of the original that are not read, where it has them. */
const NOT_READ: Readonly<Record<string, string>> = {
  skills: "install skills with openclaw skills install",
  devices: "apps and nodes pair again: openclaw devices join-code",
  identity: "this gateway has an identity of its own",
  extensions: "plugins of the original do not run here; docs/tool-plugins.md has how to write one",
  sandboxes: "sandboxes are made when they are needed",
  memory: "the index of notes is made again from the files of the workspace",
};

function others({ dir }: Original): AdoptItem[] {
  const folders = Object.entries(NOT_READ).flatMap(([name, reason]) =>
    existsSync(join(dir, name)) ? [notTaken("config", join(dir, name), reason)] : [],
  );
  const signIns = namesIn(join(dir, "credentials"))
    .filter((name) => !/-(?:allowFrom|pairing)\.json$/.test(name))
    .map((name) =>
      notTaken("config", join(dir, "credentials", name), "sign-ins belong to the program that made them: openclaw channels login"),
    );
  return [...folders, ...signIns];
}
