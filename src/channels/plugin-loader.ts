import { existsSync, statSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { TerminalError, type Channel } from "./channel.ts";

/** Where a channel that is not built in comes from. */
export type ChannelPluginSource = {
  stateDir: string;
  /** `channels.<id>.package`: an npm package instead of a file. */
  package?: unknown;
};

const FILE_EXTENSIONS = ["mjs", "js", "ts"] as const;
const GUIDE = "docs/channels/write-your-own.md describes the contract.";
const PACKAGE_NAME = /^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/;
const SDK = "openclaw-gateway/channel";
/** A package is asked for under this name, with where to look for it in the query. */
const PACKAGE_SPECIFIER = "openclaw-gateway/plugin-package";

/** The file of a channel in the state directory; null when there is none. The id is checked by the caller. */
export function findChannelPluginFile(stateDir: string, id: string): string | null {
  return FILE_EXTENSIONS.map((ending) => join(stateDir, "channels", `${id}.${ending}`)).find((path) => existsSync(path)) ?? null;
}

/**
 * Loads a channel plugin: code of the owner's choice, with all rights of the gateway. Throws TerminalError, with what is
 * wrong and how to fix it, whatever the file does while it is loaded.
 */
export async function loadChannelPlugin(id: string, outside: ChannelPluginSource): Promise<Channel> {
  registerResolveHook();
  const { specifier, name } = resolvePlugin(id, outside);
  let module: { default?: unknown };
  try {
    module = (await withLoadTimeout(import(specifier))) as { default?: unknown };
  } catch (err) {
    throw new TerminalError(`${name} could not be loaded: ${reasonOf(err)}`, `Fix the plugin, then run: openclaw channels start ${id}`);
  }
  const faults = validatePlugin(module.default, id);
  if (faults.length > 0) throw new TerminalError(`${name} is not a valid channel plugin: ${faults.join("; ")}`, GUIDE);
  return module.default as Channel;
}

function resolvePlugin(id: string, { stateDir, package: wanted }: ChannelPluginSource): { specifier: string; name: string } {
  if (wanted !== undefined) {
    if (typeof wanted !== "string" || !PACKAGE_NAME.test(wanted))
      throw new TerminalError(`channels.${id}.package is not the name of an npm package`, `Set it to a name such as "openclaw-${id}".`);
    if (!existsSync(join(stateDir, "node_modules", ...wanted.split("/"))))
      throw new TerminalError(`the package ${wanted} is not installed`, `npm install --prefix ${stateDir} ${wanted}`);
    const parent = pathToFileURL(join(stateDir, "package.json")).href;
    return { specifier: `${PACKAGE_SPECIFIER}?${new URLSearchParams({ wanted, parent }).toString()}`, name: `the package ${wanted}` };
  }
  const file = findChannelPluginFile(stateDir, id);
  if (file === null)
    throw new TerminalError(
      `there is no channel "${id}"`,
      `Put it into ${join(stateDir, "channels", `${id}.mjs`)}, name its package in channels.${id}.package, or remove the block.`,
    );
  const { mode, mtimeMs, size } = statSync(file);
  if (process.platform !== "win32" && (mode & 0o002) !== 0)
    throw new TerminalError(`${file} can be written by every user of this machine`, `chmod o-w ${file}`);
  // A changed file is another module to Node: it can be fixed without restarting the gateway.
  return { specifier: `${pathToFileURL(file).href}?v=${mtimeMs}-${size}`, name: file };
}

async function withLoadTimeout<T>(loading: Promise<T>): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Error(`it was not loaded within ${LIMITS.channelLoadMs / 1_000} s`)), LIMITS.channelLoadMs);
  });
  return await Promise.race([loading, limit]).finally(() => clearTimeout(late));
}

let isHookRegistered = false;

/** Every import of the published name is this gateway's own module, wherever the file lies: nothing has to be installed, and the error classes are ours. */
function registerResolveHook(): void {
  if (isHookRegistered) return;
  isHookRegistered = true;
  const sdk = new URL(import.meta.url.endsWith(".ts") ? "./sdk.ts" : "./channel.js", import.meta.url).href;
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === SDK) return { url: sdk, shortCircuit: true };
      if (!specifier.startsWith(`${PACKAGE_SPECIFIER}?`)) return next(specifier, context);
      const asked = new URLSearchParams(specifier.slice(PACKAGE_SPECIFIER.length + 1));
      return next(asked.get("wanted")!, { ...context, parentURL: asked.get("parent")! });
    },
  });
}

type ValueCheck = { expected: string; accepts: (value: unknown) => boolean };
const oneOf = (...words: readonly string[]): ValueCheck => ({
  expected: `one of ${words.join(", ")}`,
  accepts: (value) => typeof value === "string" && words.includes(value),
});
const listOf = (least: number, ...words: readonly string[]): ValueCheck => ({
  expected: `a list of ${words.join(", ")}`,
  accepts: (value) => Array.isArray(value) && value.length >= least && value.every((item) => words.includes(item as string)),
});
const BOOLEAN: ValueCheck = { expected: "true or false", accepts: (value) => typeof value === "boolean" };
const FUNCTION: ValueCheck = { expected: "a function", accepts: (value) => typeof value === "function" };
const optional = ({ expected: is, accepts: ok }: ValueCheck): ValueCheck => ({
  expected: is,
  accepts: (value) => value === undefined || ok(value),
});

const CAPABILITY_CHECKS: Readonly<Record<string, ValueCheck>> = {
  chatKinds: listOf(1, "direct", "group", "channel"),
  "maxText.unit": oneOf("utf16", "utf8"),
  "maxText.value": { expected: "a whole number above 0", accepts: (value) => Number.isSafeInteger(value) && (value as number) > 0 },
  markup: oneOf("plain", "markdown", "html"),
  ack: oneOf("cursor", "event", "session", "none"),
  idempotency: oneOf("key", "lookup", "none"),
  edit: BOOLEAN,
  preview: optional(BOOLEAN),
  typing: BOOLEAN,
  reactions: BOOLEAN,
  "media.in": BOOLEAN,
  "media.out": BOOLEAN,
  buttons: BOOLEAN,
  commands: BOOLEAN,
  polls: BOOLEAN,
  events: listOf(0, "edit", "delete", "reaction", "interaction", "migration"),
  roomAdmitsMembers: optional(BOOLEAN),
};

const MEMBER_CHECKS: Readonly<Record<string, ValueCheck>> = {
  label: {
    expected: "a text of 1 to 60 characters",
    accepts: (value) => typeof value === "string" && value.length > 0 && value.length <= 60,
  },
  environment: optional({
    expected: "an object of key -> name of a variable",
    accepts: (value) => isRecord(value) && Object.values(value).every((name) => typeof name === "string"),
  }),
  requiredWebhookHeaders: optional({
    expected: "a list of names of headers in lower case",
    accepts: (value) => Array.isArray(value) && value.every((name) => typeof name === "string" && /^[a-z0-9-]{1,64}$/.test(name)),
  }),
  ...Object.fromEntries(["parse", "identity", "run", "verify", "parseChat"].map((name) => [name, FUNCTION])),
  ...Object.fromEntries(
    ["toRenderedText", "isAddressed", "canonicalId", "redecode", "handleWebhook", "login", "logout"].map((name) => [
      name,
      optional(FUNCTION),
    ]),
  ),
};

/** What keeps a value from being the channel with that id, in words; empty when nothing does. Pure. */
export function validatePlugin(value: unknown, id: string): readonly string[] {
  if (!isRecord(value)) return ["its default export is not an object; export default defineChannel({ ... })"];
  if (value["id"] !== id)
    return [`its id is ${JSON.stringify(value["id"])?.slice(0, 60) ?? "missing"}, but the configuration calls it "${id}"`];
  const faults = findFailedChecks(value, MEMBER_CHECKS, "");
  return isRecord(value["capabilities"])
    ? [...faults, ...findFailedChecks(value["capabilities"], CAPABILITY_CHECKS, "capabilities.")]
    : [...faults, "capabilities is missing"];
}

function findFailedChecks(value: Record<string, unknown>, checks: Readonly<Record<string, ValueCheck>>, prefix: string): string[] {
  return Object.entries(checks).flatMap(([path, { expected: is, accepts: ok }]) => {
    const found = path.split(".").reduce<unknown>((at, key) => (isRecord(at) ? at[key] : undefined), value);
    return ok(found) ? [] : [`${prefix}${path} must be ${is}`];
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
