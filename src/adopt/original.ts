import { existsSync, readdirSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseTree, valueOf } from "../config/json5.ts";
import { readTextFile } from "../config/load.ts";
import { expandPath } from "../config/paths.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { asNumber, asString, fieldsOf, isObject, tryParseJson, type JsonObject } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";
import { isProcessRunning } from "../core/pid-file.ts";
import { defaultPort } from "../core/profile.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Largest file of the original that is read whole. */
export const MAX_FILE_BYTES = 64 * 1_048_576;

/** The state directory of an installation of OpenClaw. */
export type Original = {
  /** Absolute, links resolved. */
  readonly dir: string;
  readonly configPath: string;
  /** Null: it has no configuration file. */
  readonly configText: string | null;
  readonly config: JsonObject;
};

/** What only the original makes in a state directory. */
const SIGNS = ["agents", "credentials", "state/openclaw.sqlite", "cron/jobs.json", "sessions"] as const;

const hasSigns = (dir: string): boolean => SIGNS.some((name) => existsSync(join(dir, name)));

/** State directories of the original on this machine, the likeliest first. Only looks. */
export function findOriginals(env: Env, home: string, ownState: string): readonly string[] {
  const homes = [env["OPENCLAW_HOME"], home].filter((dir) => dir !== undefined && dir.trim() !== "");
  const candidates = [...homes.map((dir) => join(expandPath(dir!, home, home), ".openclaw")), ownState];
  return [...new Set(candidates.map((dir) => resolve(dir)))].filter(hasSigns);
}

/** Opens the original at `dir` for reading. Throws GatewayError when there is none, or when its configuration cannot be read. */
export function openOriginal(dir: string, configPath = join(dir, "openclaw.json")): Original {
  if (!existsSync(dir))
    throw new GatewayError("NOT_FOUND", `${dir} does not exist`, { fix: "Name the state directory of OpenClaw with --from." });
  const file = readTextFile(configPath, LIMITS.configFileBytes);
  if ("problem" in file) throw new GatewayError("UNAVAILABLE", file.problem, { fix: "Run this command as the user who owns it." });
  if (!("text" in file) && !hasSigns(dir))
    throw new GatewayError("NOT_FOUND", `${dir} has no configuration and no sessions of OpenClaw`, {
      fix: "Name its state directory with --from.",
    });
  const text = "text" in file ? file.text : null;
  return { dir: realpathSync(dir), configPath, configText: text, config: parseConfig(text, configPath) };
}

function parseConfig(text: string | null, path: string): JsonObject {
  if (text === null || text.trim() === "") return {};
  try {
    const value = valueOf(parseTree(text));
    if (isObject(value)) return value;
  } catch (err) {
    throw new GatewayError("UNAVAILABLE", `${path} is not JSON5: ${reasonOf(err)}`, {
      cause: err,
      fix: "Correct the file, and try again.",
    });
  }
  throw new GatewayError("UNAVAILABLE", `${path} does not hold an object`, { fix: "Correct the file, and try again." });
}

/** A JSON file of the original; undefined when there is none. Throws when it cannot be read or is not JSON. */
export function readJsonFile(path: string): unknown {
  const file = readTextFile(path, MAX_FILE_BYTES);
  if ("problem" in file) throw new GatewayError("UNAVAILABLE", file.problem);
  if (!("text" in file)) return undefined;
  const value = tryParseJson(file.text);
  if (value === undefined) throw new GatewayError("UNAVAILABLE", "it is not JSON");
  return value;
}

/** Names in a directory; none when it does not exist or cannot be listed. */
export function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir).toSorted();
  } catch {
    return []; // What cannot be listed is reported by the reader of a file in it.
  }
}

/** Ids of agents that have a directory. */
export const agentFolders = ({ dir }: Original): readonly string[] => namesIn(join(dir, "agents"));

export const originalPort = ({ config }: Pick<Original, "config">): number =>
  asNumber(fieldsOf(config["gateway"])["port"]) ?? defaultPort(null);

/** The process of its gateway, by the locks that it holds while it runs; null: none runs. */
export function findOriginalProcess({ dir }: Original, temporary: readonly string[]): number | null {
  const folders = [join(dir, "tmp"), ...temporary].flatMap((base) =>
    namesIn(base)
      .filter((name) => /^openclaw-\d+$/.test(name))
      .map((name) => join(base, name)),
  );
  const locks = [
    join(dir, "gateway.lock"),
    ...folders.flatMap((folder) =>
      namesIn(folder)
        .filter((name) => /^gateway\..+\.lock$/.test(name))
        .map((name) => join(folder, name)),
    ),
  ];
  for (const lock of locks) {
    const pid = ownerOf(lock, dir);
    if (pid !== null && pid !== process.pid && isProcessRunning(pid)) return pid;
  }
  return null;
}

/** The process in a lock of this state directory. Behind the JSON are bytes that say nothing here. */
function ownerOf(lock: string, dir: string): number | null {
  const file = readTextFile(lock, 65_536);
  if (!("text" in file)) return null;
  const found = fieldsOf(tryParseJson(/^\s*\{[^{}]*\}/.exec(file.text)?.[0] ?? ""));
  const place = asString(found["stateDir"]) || asString(found["configPath"]).replace(/[/\\][^/\\]+$/, "");
  const pid = asNumber(found["pid"]);
  return pid !== null && Number.isSafeInteger(pid) && pid > 0 && (place === "" || realPathOf(place) === dir) ? pid : null;
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path); // It is gone: then its name counts.
  }
}
