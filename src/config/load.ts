import { createHmac, randomBytes } from "node:crypto";
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { toAgentId } from "../core/agent-id.ts";
import { writeFileAtomic, ensureDirectory, readAtMostSync } from "../core/files.ts";
import { LIMITS } from "../core/limits.ts";
import type { Secret } from "../core/secret.ts";
import { validate } from "./validate.ts";
import type { ValidationContext } from "./validation-context.ts";
import { checkConsistency } from "./consistency.ts";
import { homeDirectory } from "./environment.ts";
import { IssueCollector, type ConfigIssue } from "./issue.ts";
import { Json5Error, memberOf, parseTree, type ObjectTree, type Tree } from "./json5.ts";
import { expandPath } from "./paths.ts";
import { defaultPort, profileOf } from "../core/profile.ts";
import { CONFIG, type Config } from "./schema.ts";
import { createSecretResolver, externalRefs, type ExternalSecrets, type SecretProviders, type SecretRef } from "./secret-refs.ts";
import { typeName } from "./scalar.ts";

type Env = Readonly<Record<string, string | undefined>>;

export type LoadOptions = {
  /** The configuration file. */
  readonly path: string;
  readonly env: Env;
  /** The copy that saveLastGood keeps; used when the file cannot be read as a whole. */
  readonly lastGoodPath?: string;
  /** For `~`; the user's home when it is not given. */
  readonly home?: string;
  /** Values of the sources `exec` and `store`. Without it, those count as not set, without an error. */
  readonly external?: ExternalSecrets;
};

export type LoadedConfig = {
  /** Frozen, complete, secrets resolved. */
  readonly config: Config;
  /** In the order of the file. */
  readonly issues: readonly ConfigIssue[];
  /** `missing`: there is no file, and the defaults are used. `defaults`: there is one, and neither it nor a copy can be used. */
  readonly source: "file" | "last-good" | "defaults" | "missing";
  /** The text of the file, with its secrets. Not enumerable: it does not get into JSON, a log or a copy of this object. */
  readonly raw: string | null;
  /** Changes with every change of the text; keyed with a key of this process, so that it tells nothing about secrets. */
  readonly hash: string;
  readonly path: string;
  readonly exists: boolean;
};

/** What a text means, whether or not it is the file in use. */
export type CheckedConfig = {
  readonly config: Config;
  readonly issues: readonly ConfigIssue[];
  /** The text as a whole could be read; single keys may still be wrong. */
  readonly isReadable: boolean;
};

const HASH_KEY = randomBytes(32);

/** The hash of a text, as `Loaded.hash` has it. */
export function hashOf(raw: string | null): string {
  return `hmac-sha256:v1:${createHmac("sha256", HASH_KEY)
    .update(raw ?? "\0missing")
    .digest("base64url")}`;
}

/**
 * Reads the configuration file. Whatever is in it, this returns: a wrong key costs that key, an unreadable file is replaced
 * by the last good copy or the defaults, and every finding says where and what to do. The file is never written.
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const { path } = options;
  const file = readTextFile(path, LIMITS.configFileBytes);
  const raw = "text" in file ? file.text : null;
  const rest = { hash: hashOf(raw), path, exists: !("missing" in file) };
  if ("missing" in file) return toLoaded(raw, { ...rest, source: "missing", ...pick(checkConfigText("{}", options)) });
  const checked = "text" in file ? checkConfigText(file.text, options) : null;
  if (checked?.isReadable) return toLoaded(raw, { ...rest, source: "file", ...pick(checked) });
  const problems = checked ? checked.issues : [createFileIssue("problem" in file ? file.problem : "cannot be read")];
  const good = loadLastGood(options);
  if (!good) {
    const fallback = pick(checkConfigText("{}", options));
    return toLoaded(raw, { ...rest, source: "defaults", config: fallback.config, issues: problems });
  }
  const note = createFileIssue(`the last good copy is in use: ${options.lastGoodPath}`, "info");
  return toLoaded(raw, { ...rest, source: "last-good", config: good, issues: [...problems, note] });
}

/**
 * Keeps the text of a good configuration for a day when the file is broken; references to secrets stay references. Does
 * nothing, and resolves to false, for anything but a file without errors.
 */
export async function saveLastGood(loaded: LoadedConfig, lastGoodPath: string): Promise<boolean> {
  const good = loaded.source === "file" && loaded.raw !== null && !loaded.issues.some((issue) => issue.severity === "error");
  if (!good) return false;
  const stored = readTextFile(lastGoodPath, LIMITS.configFileBytes);
  if (!("text" in stored) || stored.text !== loaded.raw) {
    await ensureDirectory(dirname(lastGoodPath));
    await writeFileAtomic(lastGoodPath, loaded.raw!, { preserve: true });
  }
  return true;
}

const pick = ({ config, issues }: CheckedConfig): Pick<CheckedConfig, "config" | "issues"> => ({ config, issues });

function toLoaded(raw: string | null, rest: Omit<LoadedConfig, "raw">): LoadedConfig {
  return Object.freeze(Object.defineProperty(rest as LoadedConfig, "raw", { value: raw, enumerable: false }));
}

function createFileIssue(message: string, severity: ConfigIssue["severity"] = "error"): ConfigIssue {
  return { severity, path: "", line: 0, column: 0, message };
}

function loadLastGood(options: LoadOptions): Config | null {
  if (options.lastGoodPath === undefined) return null;
  const file = readTextFile(options.lastGoodPath, LIMITS.configFileBytes);
  if (!("text" in file)) return null;
  const checked = checkConfigText(file.text, options);
  return checked.isReadable ? checked.config : null;
}

/** Checks a text as if it stood in the file `path`. Pure but for the files that secrets are read from. */
export function checkConfigText(text: string, options: Omit<LoadOptions, "lastGoodPath">): CheckedConfig {
  const findings = new IssueCollector(text);
  const tree = parseConfigTree(text, findings);
  const context = createContext(tree ?? EMPTY, findings, options);
  if (tree === null) {
    const silent = { ...context, findings: new IssueCollector("") };
    const config = withProfilePort(normalizeAgents(validate(CONFIG, EMPTY, [], silent), silent), EMPTY, options.env);
    return { config, issues: findings.list(), isReadable: false };
  }
  const config = withProfilePort(normalizeAgents(validate(CONFIG, tree, [], context), context), tree, options.env);
  checkConsistency(config, tree, findings);
  return { config, issues: findings.list(), isReadable: true };
}

/** The configuration of a plain value, for tests and tools. Throws nothing; `issues` says what was wrong. */
export function checkConfigValue(value: unknown, env: Env = {}): CheckedConfig {
  return checkConfigText(JSON.stringify(value), { path: "/openclaw.json", env, home: "/" });
}

const EMPTY: ObjectTree = { kind: "object", start: 0, end: 0, members: [] };

function parseConfigTree(text: string, findings: IssueCollector): ObjectTree | null {
  if (/^[\uFEFF\s]*$/.test(text)) {
    findings.add("error", [], null, { message: "the file is empty", fix: "write {} for a configuration of defaults" });
    return null;
  }
  const nul = text.indexOf("\0");
  if (nul >= 0) {
    findings.add("error", [], nul, { message: "the file contains NUL bytes and is not text", fix: "restore it from openclaw.json.bak" });
    return null;
  }
  let tree: Tree;
  try {
    tree = parseTree(text);
  } catch (err) {
    if (!(err instanceof Json5Error)) throw err;
    findings.add("error", [], err.offset, { message: `the file is not JSON5: ${err.message}` });
    return null;
  }
  if (tree.kind === "object") return tree;
  findings.add("error", [], tree.start, {
    message: `the file must hold an object, but holds ${typeName(tree)}`,
    fix: "put the keys into { }",
  });
  return null;
}

function createContext(
  tree: ObjectTree,
  findings: IssueCollector,
  options: Omit<LoadOptions, "lastGoodPath">,
): ValidationContext & { readonly providers: SecretProviders } {
  const base = dirname(options.path);
  const home = options.home ?? homeDirectory(options.env) ?? base;
  const toPath = (text: string): string => expandPath(text, home, base);
  const { env } = options;
  const silent = new IssueCollector("");
  const own = createSecretResolver((name) => env[name], {});
  const early: ValidationContext = { findings: silent, secrets: own, toPath };
  const vars = validate(CONFIG.fields.env.fields.vars, memberOf(memberOf(tree, "env")?.value, "vars")?.value, [], early) as Record<
    string,
    Secret
  >;
  const providerTree = memberOf(memberOf(tree, "secrets")?.value, "providers")?.value;
  const providers = validate(CONFIG.fields.secrets.fields.providers, providerTree, [], early) as SecretProviders;
  const variables = (name: string): string | undefined => env[name] || (vars[name]?.reveal() ?? env[name]);
  return { findings, secrets: createSecretResolver(variables, providers, options.external), toPath, providers };
}

/** What has to be read before a text can be checked completely: its references to the sources `exec` and `store`, and all providers. */
export function findExternalSecrets(
  text: string,
  options: Omit<LoadOptions, "lastGoodPath">,
): { readonly refs: readonly SecretRef[]; readonly providers: SecretProviders } {
  // Parsing takes milliseconds, and most files have none.
  const tree = /source/.test(text) && /\b(?:exec|store)\b/.test(text) ? parseConfigTree(text, new IssueCollector("")) : null;
  const refs = tree === null ? [] : externalRefs(tree);
  if (tree === null || refs.length === 0) return { refs: [], providers: {} };
  return { refs, providers: createContext(tree, new IssueCollector(""), options).providers };
}

/** Without a port in the file, a profile has its own. */
function withProfilePort(config: Config, tree: ObjectTree, env: Env): Config {
  const profile = profileOf(env);
  if (profile === null || memberOf(memberOf(tree, "gateway")?.value, "port")) return config;
  return Object.freeze({ ...config, gateway: Object.freeze({ ...config.gateway, port: defaultPort(profile) }) });
}

/** Turns the older list of agents into entries, and leaves out the bindings of a kind that is not served. */
function normalizeAgents(value: unknown, context: ValidationContext): Config {
  const config = value as Config & { agents: { list?: readonly { id: string }[] } };
  const { list, ...agents } = config.agents;
  const entries = Object.create(null) as Record<string, unknown>;
  for (const [id, entry] of Object.entries(agents.entries)) addAgent(entries, id, entry, context);
  for (const { id, ...entry } of list ?? []) addAgent(entries, id, Object.freeze(entry), context);
  Object.freeze(entries);
  const bindings = Object.freeze(config.bindings.filter((binding) => binding.type === "route"));
  return Object.freeze({ ...config, bindings, agents: Object.freeze({ ...agents, entries }) }) as Config;
}

/** Two ids that are the same agent in session keys are the same agent here. */
function addAgent(entries: Record<string, unknown>, id: string, entry: unknown, context: ValidationContext): void {
  const key = toAgentId(id);
  if (!(key in entries)) entries[key] = entry;
  else
    context.findings.add("error", ["agents", "entries", id], null, { message: `the agent "${key}" is there twice; the first one counts` });
}

type TextFile = { readonly text: string } | { readonly missing: true } | { readonly problem: string };

/** Reads a whole text file without ever waiting on it (a pipe, a device) and without reading more than the limit. */
export function readTextFile(path: string, limitBytes: number): TextFile {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (err) {
    const code = (err as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return { missing: true };
    return { problem: code === "EACCES" ? `no permission to read ${path}` : `${path} cannot be read: ${code}` };
  }
  try {
    const stats = fstatSync(descriptor);
    if (stats.isDirectory()) return { problem: `${path} is a directory, not a file` };
    if (!stats.isFile()) return { problem: `${path} is not a regular file` };
    if (stats.size > limitBytes) return { problem: `${path} has ${stats.size} bytes; at most ${limitBytes} are read` };
    return decodeUtf8(readAtMostSync(descriptor, stats.size), path);
  } catch (err) {
    return { problem: `${path} cannot be read: ${(err as NodeJS.ErrnoException).code}` };
  } finally {
    closeSync(descriptor);
  }
}

function decodeUtf8(bytes: Buffer, path: string): TextFile {
  const utf16 = bytes.length > 1 && ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff));
  if (utf16) return { problem: `${path} is UTF-16; save it as UTF-8` };
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch (err) {
    if (err instanceof TypeError) return { problem: `${path} is not UTF-8 text` };
    throw err;
  }
}
