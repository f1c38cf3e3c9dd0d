import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomicSync } from "../core/files.ts";
import { asNumber, asString, fieldsOf, isObject, tryParseJson } from "../core/json.ts";
import { UPDATE_LIMITS } from "./limits.ts";

/** One step of an update, as `update.status` shows it. */
export type UpdateStep = { readonly name: string; readonly durationMs: number; readonly ok: boolean };

/** How the last update of this state directory ended, in the form of OpenClaw. */
export type UpdateRecord = {
  readonly kind: "update";
  /** `running`: not ended yet, or its process was killed. */
  readonly status: "ok" | "error" | "running";
  readonly ts: number;
  readonly message: string | null;
  readonly stats: {
    readonly mode: string;
    readonly root: string;
    readonly before: { readonly version: string; readonly sha: string | null };
    readonly after: { readonly version: string; readonly sha: string | null } | null;
    readonly reason: string | null;
    readonly rolledBack: boolean;
    readonly backup: string | null;
    readonly durationMs: number;
    readonly steps: readonly UpdateStep[];
  };
};

const recordPath = (gatewayDir: string): string => join(gatewayDir, "update.json");

export function writeUpdateRecord(gatewayDir: string, record: UpdateRecord): void {
  mkdirSync(gatewayDir, { recursive: true, mode: 0o700 });
  writeFileAtomicSync(recordPath(gatewayDir), `${JSON.stringify(record, null, 2)}\n`);
}

/** Null: no update has been made, or the file does not hold a record. */
export function readUpdateRecord(gatewayDir: string): UpdateRecord | null {
  let text: string;
  try {
    if (statSync(recordPath(gatewayDir)).size > UPDATE_LIMITS.recordBytes) return null;
    text = readFileSync(recordPath(gatewayDir), "utf8");
  } catch {
    return null;
  }
  const fields = fieldsOf(tryParseJson(text));
  const { status, stats } = fields;
  if (!(status === "ok" || status === "error" || status === "running") || !isObject(stats)) return null;
  if (!isObject(stats["before"]) || !Array.isArray(stats["steps"])) return null;
  const message = asString(fields["message"]) || null;
  return { kind: "update", status, ts: asNumber(fields["ts"]) ?? 0, message, stats: stats as UpdateRecord["stats"] };
}
