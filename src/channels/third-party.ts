import { existsSync, statSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { TerminalError, type Channel } from "./channel.ts";

/** Where a channel that is not built in comes from. */
export type Outside = {
  stateDir: string;
  /** `channels.<id>.package`: an npm package instead of a file. */
  package?: unknown;
};

const ENDINGS = ["mjs", "js", "ts"] as const;
const GUIDE = "docs/channels/write-your-own.md describes the contract.";
const PACKAGE_NAME = /^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/;
const SDK = "openclaw-gateway/channel";
/** A package is asked for under this name, with where to look for it in the query. */
const ASK = "openclaw-gateway/package";

/** The file of a channel in the state directory; null when there is none. The id is checked by the caller. */
export function channelFile(stateDir: string, id: string): string | null {
  return ENDINGS.map((ending) => join(stateDir, "channels", `${id}.${ending}`)).find((path) => existsSync(path)) ?? null;
}

/**
 * Loads a channel of somebody else: code of the owner's choice, with all rights of the gateway. Throws TerminalError, with what is
 * wrong and how to mend it, whatever the file does while it is loaded.
 */
export async function loadOutside(id: string, outside: Outside): Promise<Channel> {
  hookOnce();
  const { specifier, name } = locate(id, outside);
  let module: { default?: unknown };
  try {
    module = (await inTime(import(specifier))) as { default?: unknown };
  } catch (err) {
    throw new TerminalError(`${name} could not be loaded: ${reasonOf(err)}`, `Mend it, then: openclaw channels start ${id}`);
  }
  const faults = faultsOf(module.default, id);
  if (faults.length > 0) throw new TerminalError(`${name} is no channel: ${faults.join("; ")}`, GUIDE);
  return module.default as Channel;
}

function locate(id: string, { stateDir, package: wanted }: Outside): { specifier: string; name: string } {
  if (wanted !== undefined) {
    if (typeof wanted !== "string" || !PACKAGE_NAME.test(wanted))
      throw new TerminalError(`channels.${id}.package is not the name of an npm package`, `Set it to a name such as "openclaw-${id}".`);
    if (!existsSync(join(stateDir, "node_modules", ...wanted.split("/"))))
      throw new TerminalError(`the package ${wanted} is not installed`, `npm install --prefix ${stateDir} ${wanted}`);
    const parent = pathToFileURL(join(stateDir, "package.json")).href;
    return { specifier: `${ASK}?${new URLSearchParams({ wanted, parent }).toString()}`, name: `the package ${wanted}` };
  }
  const file = channelFile(stateDir, id);
  if (file === null)
    throw new TerminalError(
      `there is no channel "${id}"`,
      `Put it into ${join(stateDir, "channels", `${id}.mjs`)}, name its package in channels.${id}.package, or remove the block.`,
    );
  const { mode, mtimeMs, size } = statSync(file);
  if (process.platform !== "win32" && (mode & 0o002) !== 0)
    throw new TerminalError(`${file} can be written by every user of this machine`, `chmod o-w ${file}`);
  // A file that was changed is another module: it can be mended without a restart of the gateway.
  return { specifier: `${pathToFileURL(file).href}?v=${mtimeMs}-${size}`, name: file };
}

async function inTime<T>(loading: Promise<T>): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Error(`it was not loaded within ${LIMITS.channelLoadMs / 1_000} s`)), LIMITS.channelLoadMs);
  });
  return await Promise.race([loading, limit]).finally(() => clearTimeout(late));
}

let hooked = false;

/** Every import of the published name is this gateway's own module, wherever the file lies: nothing has to be installed, and the error classes are ours. */
function hookOnce(): void {
  if (hooked) return;
  hooked = true;
  const sdk = new URL(import.meta.url.endsWith(".ts") ? "./sdk.ts" : "./channel.js", import.meta.url).href;
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === SDK) return { url: sdk, shortCircuit: true };
      if (!specifier.startsWith(`${ASK}?`)) return next(specifier, context);
      const asked = new URLSearchParams(specifier.slice(ASK.length + 1));
      return next(asked.get("wanted")!, { ...context, parentURL: asked.get("parent")! });
    },
  });
}

type Check = { is: string; ok: (value: unknown) => boolean };
const oneOf = (...words: readonly string[]): Check => ({
  is: `one of ${words.join(", ")}`,
  ok: (value) => typeof value === "string" && words.includes(value),
});
const listOf = (least: number, ...words: readonly string[]): Check => ({
  is: `a list of ${words.join(", ")}`,
  ok: (value) => Array.isArray(value) && value.length >= least && value.every((item) => words.includes(item as string)),
});
const FLAG: Check = { is: "true or false", ok: (value) => typeof value === "boolean" };
const CALL: Check = { is: "a function", ok: (value) => typeof value === "function" };
const optional = ({ is, ok }: Check): Check => ({ is, ok: (value) => value === undefined || ok(value) });

const ABILITIES: Readonly<Record<string, Check>> = {
  chatKinds: listOf(1, "direct", "group", "channel"),
  "maxText.unit": oneOf("utf16", "utf8"),
  "maxText.value": { is: "a whole number above 0", ok: (value) => Number.isSafeInteger(value) && (value as number) > 0 },
  markup: oneOf("plain", "markdown", "html"),
  ack: oneOf("cursor", "event", "session", "none"),
  idempotency: oneOf("key", "lookup", "none"),
  edit: FLAG,
  preview: optional(FLAG),
  typing: FLAG,
  reactions: FLAG,
  "media.in": FLAG,
  "media.out": FLAG,
  buttons: FLAG,
  commands: FLAG,
  polls: FLAG,
  events: listOf(0, "edit", "delete", "reaction", "interaction", "migration"),
  roomAdmitsMembers: optional(FLAG),
};

const MEMBERS: Readonly<Record<string, Check>> = {
  label: { is: "a text of 1 to 60 characters", ok: (value) => typeof value === "string" && value.length > 0 && value.length <= 60 },
  environment: optional({
    is: "an object of key -> name of a variable",
    ok: (value) => isRecord(value) && Object.values(value).every((name) => typeof name === "string"),
  }),
  receiveHeaders: optional({
    is: "a list of names of headers in lower case",
    ok: (value) => Array.isArray(value) && value.every((name) => typeof name === "string" && /^[a-z0-9-]{1,64}$/.test(name)),
  }),
  ...Object.fromEntries(["parse", "identity", "run", "verify", "toChat"].map((name) => [name, CALL])),
  ...Object.fromEntries(
    ["rendered", "isAddressed", "canonicalId", "reread", "receive", "login", "logout"].map((name) => [name, optional(CALL)]),
  ),
};

/** What keeps a value from being the channel with that id, in words; empty when nothing does. Pure. */
export function faultsOf(value: unknown, id: string): readonly string[] {
  if (!isRecord(value)) return ["its default export is not an object; export default defineChannel({ ... })"];
  if (value["id"] !== id)
    return [`its id is ${JSON.stringify(value["id"])?.slice(0, 60) ?? "missing"}, but the configuration calls it "${id}"`];
  const faults = failing(value, MEMBERS, "");
  return isRecord(value["abilities"])
    ? [...faults, ...failing(value["abilities"], ABILITIES, "abilities.")]
    : [...faults, "abilities is missing"];
}

function failing(value: Record<string, unknown>, checks: Readonly<Record<string, Check>>, prefix: string): string[] {
  return Object.entries(checks).flatMap(([path, { is, ok }]) => {
    const found = path.split(".").reduce<unknown>((at, key) => (isRecord(at) ? at[key] : undefined), value);
    return ok(found) ? [] : [`${prefix}${path} must be ${is}`];
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
