import { readdir, lstat } from "node:fs/promises";
import { join, sep } from "node:path";
import { agentIds, resolveAgent } from "../config/agents.ts";
import { CliError, GatewayError } from "../core/errors.ts";
import { isAbsent } from "../core/files.ts";
import { silentLog } from "../core/log.ts";
import { readLedger } from "../store/ledger.ts";
import { ledgerPath } from "../store/open.ts";
import { backupDirOf, formatBytes } from "./backup.ts";
import type { CommandHandler } from "./command.ts";
import { cleanableLines, findCleanable } from "./state-clean.ts";
import { configOf, pathsOf } from "./gateway-target.ts";
import { sanitizeLine } from "./terminal-text.ts";

type Area = { readonly name: string; readonly path: string; readonly bytes: number; readonly files: number };

/** What each part of the state directory is for. */
const PARTS: readonly (readonly [name: string, path: string])[] = [
  ["received files", "media"],
  ["logs", "logs"],
  ["contexts of agents", "agents"],
  ["browser profiles", "browser"],
  ["compiled code", "cache"],
  ["settings of Pi", "pi"],
];

/** `openclaw state size` */
export const stateSize: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { state, gateway } = pathsOf(invocation);
  const { config } = configOf(invocation);
  const workspaces = [...new Set(agentIds(config).map((id) => resolveAgent(config, id, state).workspace))];
  const backups = backupDirOf(invocation);
  const areas: Area[] = [
    await storeArea(gateway),
    ...(await Promise.all(PARTS.map(([name, path]) => measure(name, join(gateway, path))))),
    await measure("backups", backups),
    ...(await Promise.all(workspaces.map((path) => measure("workspace", path)))),
  ].filter(({ files }) => files > 0);
  const total = areas.reduce((sum, { bytes }) => sum + bytes, 0);
  const tables = readLedger(ledgerPath(gateway), silentLog)?.tables ?? {};
  const rows = Object.fromEntries(
    Object.entries(tables)
      .map(([name, { rows: count }]) => [name, count ?? 0] as const)
      .filter(([, count]) => count > 0)
      .toSorted(([, a], [, b]) => b - a),
  );
  const cleanable = await findCleanable(invocation).catch((err: unknown) => {
    // The sizes are known all the same.
    if (err instanceof CliError || err instanceof GatewayError) return null;
    throw err;
  });
  out.result({ state, totalBytes: total, areas, rows, ...(cleanable && { cleanable }) }, () => {
    out.table(
      [{ title: "part" }, { title: "size", align: "right" }, { title: "files", align: "right" }, { title: "where", truncate: true }],
      areas.toSorted((a, b) => b.bytes - a.bytes).map(({ name, bytes, files, path }) => [name, formatBytes(bytes), String(files), path]),
    );
    out.line(`${formatBytes(total)} in all`);
    const lines = cleanable === null ? [] : cleanableLines(cleanable);
    if (lines.length > 0) out.note(`openclaw state clean would remove ${lines.join("; ")}`);
    const counted = Object.entries(rows);
    if (counted.length > 0)
      out.note(
        `Records: ${counted
          .slice(0, 8)
          .map(([name, count]) => `${sanitizeLine(name)} ${count.toLocaleString()}`)
          .join(", ")}`,
      );
  });
};

async function storeArea(gateway: string): Promise<Area> {
  const names = ["gateway.db", "gateway.db-wal"];
  const sizes = await Promise.all(names.map((name) => lstat(join(gateway, name)).catch(() => null)));
  const found = sizes.filter((each) => each !== null);
  return { name: "store", path: join(gateway, "gateway.db"), bytes: found.reduce((sum, { size }) => sum + size, 0), files: found.length };
}

/** Bytes of all regular files below a directory; links are not followed. */
async function measure(name: string, root: string): Promise<Area> {
  let bytes = 0;
  let files = 0;
  const waiting = [root];
  for (let dir = waiting.pop(); dir !== undefined; dir = waiting.pop()) {
    const entries = await readdir(dir, { withFileTypes: true }).catch((err: unknown) => {
      if (isAbsent(err) || (err as NodeJS.ErrnoException).code === "EACCES") return [];
      throw err;
    });
    for (const entry of entries) {
      const path = `${dir}${sep}${entry.name}`;
      if (entry.isDirectory()) waiting.push(path);
      else if (entry.isFile()) {
        bytes += (await lstat(path).catch(() => null))?.size ?? 0;
        files++;
      }
    }
  }
  return { name, path: root, bytes, files };
}
