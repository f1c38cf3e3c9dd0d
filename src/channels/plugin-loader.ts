import { join } from "node:path";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { findPluginFile, importPlugin, moduleOfFile, moduleOfPackage, PluginLoadError, type PluginModule } from "../core/plugin-module.ts";
import { TerminalError, type Channel } from "./channel.ts";

/** Where a channel that is not built in comes from. */
export type ChannelPluginSource = {
  stateDir: string;
  /** `channels.<id>.package`: an npm package instead of a file. */
  package?: unknown;
};

const GUIDE = "docs/channels/write-your-own.md describes the contract.";
const SDK = {
  name: "openclaw-gateway/channel",
  url: new URL(import.meta.url.endsWith(".ts") ? "./sdk.ts" : "./channel.js", import.meta.url).href,
};

/** The file of a channel in the state directory; null when there is none. The id is checked by the caller. */
export const findChannelPluginFile = (stateDir: string, id: string): string | null => findPluginFile(join(stateDir, "channels"), id);

/**
 * Loads a channel plugin: code of the owner's choice, with all rights of the gateway. Throws TerminalError, with what is
 * wrong and how to fix it, whatever the file does while it is loaded.
 */
export async function loadChannelPlugin(id: string, outside: ChannelPluginSource): Promise<Channel> {
  const plugin = resolvePlugin(id, outside);
  let module: { default?: unknown };
  try {
    module = await importPlugin(plugin, SDK, LIMITS.channelLoadMs);
  } catch (err) {
    throw new TerminalError(
      `${plugin.name} could not be loaded: ${reasonOf(err)}`,
      `Fix the plugin, then run: openclaw channels start ${id}`,
    );
  }
  const faults = validatePlugin(module.default, id);
  if (faults.length > 0) throw new TerminalError(`${plugin.name} is not a valid channel plugin: ${faults.join("; ")}`, GUIDE);
  return module.default as Channel;
}

function resolvePlugin(id: string, { stateDir, package: wanted }: ChannelPluginSource): PluginModule {
  try {
    if (wanted !== undefined) return moduleOfPackage(stateDir, wanted, `channels.${id}.package`, `openclaw-${id}`);
    const file = findChannelPluginFile(stateDir, id);
    if (file !== null) return moduleOfFile(file);
  } catch (err) {
    throw err instanceof PluginLoadError ? new TerminalError(err.message, err.fix) : err;
  }
  throw new TerminalError(
    `there is no channel "${id}"`,
    `Put it into ${join(stateDir, "channels", `${id}.mjs`)}, name its package in channels.${id}.package, or remove the block.`,
  );
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
