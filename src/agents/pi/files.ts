import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { toCommandEnv } from "../../core/command-env.ts";
import { ensureDirectorySync, writeFileAtomic, writeFileAtomicSync } from "../../core/files.ts";
import { isObject, tryParseJson } from "../../core/json.ts";
import { LIMITS } from "../../core/limits.ts";
import { silentLog, type Log } from "../../core/log.ts";
import { makePrivateDir } from "../../core/private-dir.ts";
import { KEY_VARIABLES } from "../../core/provider-keys.ts";
import { compactionReserve, keptTokens, SMALL_WINDOW_TOKENS } from "../compaction.ts";
import { supportedInput, PROVIDER_VARIABLES, contextWindowOf, type Provider, type ProviderModel, type ProviderTable } from "../models.ts";
import { GUIDE_MODEL, GUIDE_PROVIDER } from "../../core/guide-model.ts";
import { MARKER_VARIABLE } from "../../core/marked-processes.ts";

/** The configuration of Pi. `keys` never reach the disk, the environment or the arguments. */
export type PiConfig = { models: string; settings: string; keys: Record<string, string> };

const variablePart = (id: string): string => id.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");

function decodeUrlPart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (err) {
    if (err instanceof URIError) return part;
    throw err;
  }
}

/** A URL without its secret parts: user, password and query. */
function toPlainUrl(given: string): { url: string; user?: string; query?: string } {
  const url = URL.parse(given);
  if (!url || (url.username === "" && url.password === "" && url.search === "")) return { url: given };
  const user = `${decodeUrlPart(url.username)}:${decodeUrlPart(url.password)}`;
  const query = url.search.slice(1);
  Object.assign(url, { username: "", password: "", search: "", hash: "" });
  return { url: url.href, ...(user === ":" ? {} : { user }), ...(query === "" ? {} : { query }) };
}

/** Pi does not support Ollama's own protocol; Ollama serves OpenAI's under /v1. */
function toEndpoint(givenApi: string | undefined, givenUrl: string): { api: string; baseUrl: string } {
  const baseUrl = givenUrl.replace(/\/+$/, "");
  if (givenApi !== "ollama") return { api: givenApi ?? "openai-completions", baseUrl };
  return { api: "openai-completions", baseUrl: baseUrl.endsWith("/v1") ? baseUrl : `${baseUrl}/v1` };
}

type Keys = Record<string, string>;

/** Headers as names of variables; their values are carried in `keys`. */
function toPiHeaders(headers: Provider["headers"], prefix: string, keys: Keys): { headers?: Keys } {
  const named = Object.entries(headers ?? {}).map(([name, value], index) => {
    const variable = `${prefix}_${index}`;
    keys[variable] = value.reveal();
    return [name, `$${variable}`] as const;
  });
  return named.length > 0 ? { headers: Object.fromEntries(named) } : {};
}

/** The endpoint as it is stored, with the secret parts of its URL as headers and keys. */
function toSecretEndpoint(api: string | undefined, given: string, part: string, keys: Keys): Record<string, unknown> & { headers: Keys } {
  const { url, user, query } = toPlainUrl(given);
  const endpoint = toEndpoint(api, url);
  if (query !== undefined) keys[`OPENCLAW_QUERY_${part}`] = JSON.stringify({ base: endpoint.baseUrl, query });
  if (user === undefined) return { ...endpoint, headers: {} };
  const variable = `OPENCLAW_LOGIN_${part}`;
  keys[variable] = `Basic ${Buffer.from(user).toString("base64")}`;
  return { ...endpoint, headers: { Authorization: `$${variable}` } };
}

const NO_COST = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };

/** A configured header has precedence over one that is derived from the URL. */
function withHeaders({ headers, ...rest }: Record<string, unknown> & { headers: Keys }, own: { headers?: Keys }): Record<string, unknown> {
  const all = { ...headers, ...own.headers };
  return Object.keys(all).length === 0 ? rest : { ...rest, headers: all };
}

function toPiModel(model: ProviderModel, provider: Provider, prefix: string, keys: Keys): Record<string, unknown> {
  const window = contextWindowOf(model);
  const differs = model.api !== undefined || model.baseUrl !== undefined;
  return {
    id: model.id,
    name: model.name || model.id,
    reasoning: model.reasoning ?? false,
    input: supportedInput(model),
    contextWindow: window,
    maxTokens: model.maxTokens ?? Math.min(16_384, Math.floor(window / 4)),
    cost: { ...NO_COST, ...model.cost },
    ...withHeaders(
      differs ? toSecretEndpoint(model.api ?? provider.api, model.baseUrl ?? provider.baseUrl!, prefix, keys) : { headers: {} },
      toPiHeaders(model.headers, prefix, keys),
    ),
    ...(model.compat ? { compat: model.compat } : {}),
  };
}

/** Servers other than OpenAI's rarely support its newer fields. */
const PLAIN_COMPAT = { supportsDeveloperRole: false, supportsReasoningEffort: false, supportsStore: false, maxTokensField: "max_tokens" };

function toPiProvider(id: string, provider: Provider, keys: Keys): Record<string, unknown> {
  const part = variablePart(id);
  const key = `OPENCLAW_KEY_${part}`;
  keys[key] = provider.apiKey?.reveal() || "none";
  const { headers: login, ...endpoint } = toSecretEndpoint(provider.api, provider.baseUrl!, part, keys);
  const compat = endpoint["api"] === "openai-completions" ? { ...PLAIN_COMPAT, ...provider.compat } : provider.compat;
  return {
    ...endpoint,
    apiKey: `$${key}`,
    ...withHeaders({ headers: login }, toPiHeaders(provider.headers, `OPENCLAW_HEADER_${part}`, keys)),
    ...(provider.authHeader === undefined ? {} : { authHeader: provider.authHeader }),
    ...(compat ? { compat } : {}),
    models: provider.models.map((model, index) => toPiModel(model, provider, `OPENCLAW_HEADER_${part}_M${index}`, keys)),
  };
}

/** Automatic compaction. */
export type CompactionSettings = { enabled: boolean; keepRecentTokens?: number | undefined };

/** Small context windows need a smaller reserve than Pi's default; otherwise every turn would start with a compaction. */
function toCompactionOverrides(
  table: ProviderTable,
  wanted: number | undefined,
): Record<string, { reserveTokens: number; keepRecentTokens: number }> {
  const small = Object.entries(table).flatMap(([id, provider]) =>
    provider.models
      .filter((model) => contextWindowOf(model) < SMALL_WINDOW_TOKENS)
      .map((model) => {
        const window = contextWindowOf(model);
        return [`${id}/${model.id}`, { reserveTokens: compactionReserve(window), keepRecentTokens: keptTokens(window, wanted) }] as const;
      }),
  );
  return Object.fromEntries(small);
}

/** The two files and the keys. Providers without a key in the table get one from `env`. Pure. */
export function toPiConfig(table: ProviderTable, env: NodeJS.ProcessEnv, compaction: CompactionSettings = { enabled: true }): PiConfig {
  const keys: Keys = {};
  for (const name of PROVIDER_VARIABLES) if (env[name]) keys[name] = env[name];
  const providers: Record<string, unknown> = {};
  for (const [id, provider] of Object.entries(table)) {
    if (provider.baseUrl) providers[id] = toPiProvider(id, provider, keys);
    else if (provider.apiKey && KEY_VARIABLES[id]) keys[KEY_VARIABLES[id]] = provider.apiKey.reveal();
  }
  const { enabled, keepRecentTokens } = compaction;
  const settings = {
    defaultProvider: GUIDE_PROVIDER,
    defaultModel: GUIDE_MODEL,
    defaultThinkingLevel: "off",
    defaultProjectTrust: "never",
    enableInstallTelemetry: false,
    enableAnalytics: false,
    cacheWarming: "off",
    quietStartup: true,
    retry: { enabled: true, maxRetries: 3, baseDelayMs: 2_000 },
    // The gateway detects silence itself, with configurable limits.
    httpIdleTimeoutMs: 0,
    compaction: {
      enabled,
      ...(keepRecentTokens === undefined ? {} : { keepRecentTokens }),
      modelOverrides: toCompactionOverrides(table, keepRecentTokens),
    },
  };
  return { models: JSON.stringify({ providers }, null, 2), settings: JSON.stringify(settings, null, 2), keys };
}

/** Differs exactly when a process would be configured differently. */
export function configGeneration(config: PiConfig): string {
  return createHash("sha256").update(JSON.stringify(config)).digest("hex").slice(0, 16);
}

export type PiDirs = { config: string; cache: string; temp: string; start: string };

/** Pi's directories under the state directory; each is private. */
export const piDirs = (stateDir: string): PiDirs => ({
  config: join(stateDir, "gateway", "pi"),
  cache: join(stateDir, "gateway", "cache", "pi"),
  temp: join(stateDir, "gateway", "pi", "tmp"),
  start: join(stateDir, "gateway", "pi", "start"),
});

/** Writes the file atomically with mode 0600 unless it has this content; resolves to whether it wrote. */
export async function writeWhenChanged(path: string, content: string): Promise<boolean> {
  try {
    if ((await readFile(path, "utf8")) === content) return false;
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== "ENOENT") throw err;
  }
  await writeFileAtomic(path, content);
  return true;
}

/** Creates the directories and writes models.json and settings.json if they have changed. */
export async function writePiFiles(dirs: PiDirs, config: PiConfig, log: Pick<Log, "warn"> = silentLog): Promise<void> {
  for (const dir of [dirs.config, dirs.cache, dirs.temp, dirs.start]) await makePrivateDir(dir, log);
  await writeWhenChanged(join(dirs.config, "models.json"), config.models);
  await writeWhenChanged(join(dirs.config, "settings.json"), config.settings);
}

/** Whether the files and directories of a process exist. */
export async function hasPiFiles(dirs: PiDirs): Promise<boolean> {
  const wanted = [join(dirs.config, "models.json"), join(dirs.config, "settings.json"), dirs.temp, dirs.start, dirs.cache];
  try {
    await Promise.all(wanted.map((path) => stat(path)));
    return true;
  } catch (err) {
    if (["ENOENT", "ENOTDIR"].includes((err as NodeJS.ErrnoException).code ?? "")) return false;
    throw err;
  }
}

/**
 * The marker of the processes of a state directory: a random id stored in it, together with its path. Neither another directory at
 * the same path (in another mount namespace) nor a copy elsewhere has the same marker.
 */
export function processMarkerOf(stateDir: string): string {
  const path = join(stateDir, "gateway", "runner-id");
  let id = readId(path);
  if (id === null) {
    id = randomBytes(16).toString("hex");
    ensureDirectorySync(dirname(path));
    writeFileAtomicSync(path, `${id}\n`);
  }
  return createHash("sha256").update(`${id}\0${stateDir}`).digest("hex").slice(0, 12);
}

/** Differs at each start, so that what outlives one gateway is never taken for what the next one runs. */
const START_ID = randomBytes(4).toString("hex");

/** With what the markers of all processes of this gateway begin. */
export const startMarker = (stateDir: string): string => `${processMarkerOf(stateDir)}-${START_ID}-`;

/** The marker of one process that this gateway starts for agents. */
export const newProcessMarker = (stateDir: string): string => `${startMarker(stateDir)}${randomBytes(4).toString("hex")}`;

/** The marker of the commands that this gateway runs for agents. */
export const commandMarker = (stateDir: string): string => `${startMarker(stateDir)}commands`;

function readId(path: string): string | null {
  try {
    return /^[0-9a-f]{32}$/.exec(readFileSync(path, "utf8").trim())?.[0] ?? null;
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw err;
  }
}

/** Age at which complete outputs of commands, which Pi stores beside a truncated one, are removed. */
const TEMP_MAX_AGE_MS = 7 * 86_400_000;

/** Removes old files from Pi's temporary directory; Pi itself does not. */
export async function cleanTemp(dirs: PiDirs, now: number, log: Pick<Log, "warn"> = silentLog): Promise<void> {
  await makePrivateDir(dirs.temp, log);
  for (const entry of await readdir(dirs.temp, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(dirs.temp, entry.name);
    if (now - (await stat(path)).mtimeMs > TEMP_MAX_AGE_MS) await rm(path, { force: true });
  }
}

/** Files that Pi writes itself. They do not contain the gateway's keys. */
const OWN_FILES = ["auth.json", "models-store.json"];

/**
 * Renames those of Pi's own files that are not JSON, e.g. after a power failure: with them Pi would reject every model, and it creates
 * missing ones again. Only while no Pi uses these directories.
 */
export async function setAsideUnreadable(dirs: PiDirs, log: Pick<Log, "warn"> = silentLog): Promise<void> {
  for (const path of OWN_FILES.map((name) => join(dirs.config, name))) {
    const text = await readIfThere(path);
    if (text === null || isObject(tryParseJson(text))) continue;
    const keptAs = `${path}.unreadable-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
    await rename(path, keptAs);
    log.warn("a file of the agent could not be read and was renamed", { path, keptAs });
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw err;
  }
}

/**
 * Removes the locks of a killed Pi, which are older than its end: the next one would wait half a minute for them. Pi holds a lock only
 * for a moment, so that those of another process are newer. The time of modification says nothing: Pi sets it up to a second ahead.
 */
export async function removeLocks(dirs: PiDirs, log: Pick<Log, "warn"> = silentLog, endedAt = Number.POSITIVE_INFINITY): Promise<void> {
  await makePrivateDir(dirs.config, log);
  const names = (await readdir(dirs.config)).filter((name) => name.endsWith(".lock"));
  for (const name of names) {
    const path = join(dirs.config, name);
    const lock = await stat(path).catch(() => null);
    if (lock && lock.ctimeMs <= endedAt) await rm(path, { recursive: true, force: true });
  }
}

/**
 * The GNU C library keeps freed memory in one pool for each of up to eight threads per core, and it never shrinks most of it: after 20,000
 * turns of 500 sessions a host had 30 MiB more than with two pools, and went on growing (docs/decisions/0018-a-small-young-generation.md).
 */
const FEW_MALLOC_POOLS = { MALLOC_ARENA_MAX: "2", MALLOC_TRIM_THRESHOLD_: "262144", MALLOC_MMAP_THRESHOLD_: "131072" };

/** The environment of a Pi process: the variables of commands, and Pi's own. Keys are passed separately. */
export function toPiEnv(env: NodeJS.ProcessEnv, dirs: PiDirs, marker: string): Record<string, string> {
  return {
    ...toCommandEnv(env, dirs.temp),
    NODE_COMPILE_CACHE: dirs.cache,
    PI_CODING_AGENT_DIR: dirs.config,
    PI_OFFLINE: "1",
    PI_TELEMETRY: "0",
    PI_SKIP_VERSION_CHECK: "1",
    ...FEW_MALLOC_POOLS,
    [MARKER_VARIABLE]: marker,
  };
}

/**
 * Neither kind of process starts others, and they write only below these directories. They read everything, because Pi looks for files
 * in the directories above those that it is given.
 */
function permissionArgs(writable: readonly string[]): string[] {
  return ["--permission", "--allow-worker", "--allow-fs-read=*", ...writable.map((dir) => `--allow-fs-write=${join(dir, "*")}`)];
}

const heapArgs = (mib: number): string[] => [
  `--max-old-space-size=${mib}`,
  // The default lets the young generation grow to 48 MiB, which chats do not need.
  "--max-semi-space-size=8",
];

/** Command line of a stock Pi process: loads only our extension, and nothing of the Pi setup of the user or a project. */
export function toPiArgs(entry: string, extension: string, writable: readonly string[]): string[] {
  const lean = "--offline --no-session --no-extensions --no-skills --no-prompt-templates --no-themes --no-context-files --no-approve";
  return [
    ...heapArgs(LIMITS.piHeapMib),
    ...permissionArgs(writable),
    entry,
    ...lean.split(" "),
    "--no-builtin-tools",
    "--system-prompt",
    "-",
    "--model",
    `${GUIDE_PROVIDER}/${GUIDE_MODEL}`,
    "--extension",
    extension,
  ];
}

/** Command line of a shared host; `sdk` is the file of Pi's SDK. */
export function toHostArgs(host: string, sdk: string, dirs: PiDirs, writable: readonly string[]): string[] {
  return [...heapArgs(LIMITS.piHostHeapMib), ...permissionArgs(writable), host, pathToFileURL(sdk).href, dirs.config];
}
