import { GatewayError } from "../core/errors.ts";
import { asArray, asString, fieldsOf, isObject } from "../core/json.ts";

/** What a backup has: the last file of its archive. */
export type BackupManifest = {
  readonly schemaVersion: 1;
  readonly createdAt: number;
  /** Release that made it. */
  readonly version: string;
  /** Number of the last migration of its store; 0 when it has no store. */
  readonly storeFormat: number;
  readonly kind: "manual" | "scheduled";
  readonly host: string;
  /** Where the state directory was. */
  readonly state: string;
  /** Whether it has credentials. */
  readonly secrets: boolean;
  readonly workspaces: readonly { readonly agent: string; readonly path: string; readonly folder: string }[];
  /** Rows of each table of the store. */
  readonly rows: Readonly<Record<string, number>>;
  readonly files: readonly BackupFile[];
  /** Files that were gone, or could not be read, with the reason. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
};

export type BackupFile = { readonly name: string; readonly bytes: number; readonly sha256: string };

export const MANIFEST_NAME = "manifest.json";
export const STORE_NAME = "gateway/gateway.db";
export const CONFIG_NAME = "openclaw.json";

const damaged = (why: string): GatewayError =>
  new GatewayError("INVALID_REQUEST", `this is not a backup of this gateway: ${why}`, {
    fix: "Use a file that `openclaw backup create` has written; `openclaw backup list` shows them.",
  });

/** Reads a manifest that anyone may have written. Throws GatewayError. */
export function parseManifest(text: string): BackupManifest {
  const value = parse(text);
  if (!isObject(value) || value["schemaVersion"] !== 1) throw damaged("its manifest has another form");
  const number = (name: string): number => {
    const found = value[name];
    if (typeof found !== "number" || !Number.isSafeInteger(found) || found < 0) throw damaged(`its manifest has no ${name}`);
    return found;
  };
  const rows = fieldsOf(value["rows"]);
  return {
    schemaVersion: 1,
    createdAt: number("createdAt"),
    version: asString(value["version"]) || "unknown",
    storeFormat: number("storeFormat"),
    kind: value["kind"] === "scheduled" ? "scheduled" : "manual",
    host: asString(value["host"]),
    state: asString(value["state"]),
    secrets: value["secrets"] === true,
    workspaces: asArray(value["workspaces"]).map(toWorkspace),
    rows: Object.fromEntries(Object.entries(rows).filter((entry): entry is [string, number] => typeof entry[1] === "number")),
    files: asArray(value["files"]).map(toFile),
    skipped: asArray(value["skipped"]).map((each) => ({
      name: asString(fieldsOf(each)["name"]),
      reason: asString(fieldsOf(each)["reason"]),
    })),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (err) {
    if (err instanceof SyntaxError) throw damaged("its manifest is not JSON");
    throw err;
  }
}

function toFile(value: unknown): BackupFile {
  const { name, bytes, sha256 } = fieldsOf(value);
  if (typeof name !== "string" || typeof bytes !== "number" || typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256))
    throw damaged("a file of its manifest has no name, size or hash");
  return { name, bytes, sha256 };
}

function toWorkspace(value: unknown): BackupManifest["workspaces"][number] {
  const { agent, path, folder } = fieldsOf(value);
  if (typeof agent !== "string" || typeof path !== "string" || typeof folder !== "string") throw damaged("a workspace has no place");
  return { agent, path, folder };
}
