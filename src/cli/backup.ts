import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { BACKUP_LIMITS } from "../backup/limits.ts";
import { backupName, describeBackup, listBackups, nextBackupAt, removeLeftovers, type BackupDetails } from "../backup/list.ts";
import { packBackup, type PackedBackup } from "../backup/pack.ts";
import { restoreBackup } from "../backup/restore.ts";
import { findSources, type SkippedFile } from "../backup/sources.ts";
import { openBackup, verifyBackup } from "../backup/verify.ts";
import { agentIds, resolveAgent } from "../config/agents.ts";
import { expandPath } from "../config/paths.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { ensureDirectory } from "../core/files.ts";
import { findRunningGateway } from "../core/pid-file.ts";
import { VERSION } from "../core/version.ts";
import { copyStore } from "../store/copy.ts";
import { openReadonlyStore } from "../store/open-readonly.ts";
import type { CommandHandler } from "./command.ts";
import { editFile } from "./config-edit.ts";
import { withGateway } from "./connect.ts";
import { configOf, pathsOf, resolveTarget } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { formatAge, plural, sanitizeLine } from "./terminal-text.ts";

/** What a running gateway says of its backups. */
export type BackupStatusAnswer = {
  enabled: boolean;
  at: string;
  keep: number;
  dir: string;
  isRunning: boolean;
  last: { at: number; ok: boolean; kind: string; error: string | null } | null;
  lastGoodAt: number | null;
  nextAt: number | null;
  backups: { file: string; kind: string; createdAt: number; bytes: number }[];
};

const pathFlag = (invocation: Invocation, text: string): string =>
  expandPath(text, invocation.host.env["HOME"] || "/", invocation.host.cwd);

export function backupDirOf(invocation: Invocation): string {
  const given = invocation.text("dir");
  if (given !== undefined) return pathFlag(invocation, given);
  return configOf(invocation).config.backup.dir ?? join(pathsOf(invocation).state, "backups");
}

/** Whether the files of this machine are meant, and no gateway owns them. */
function isOffline(invocation: Invocation): boolean {
  return resolveTarget(invocation).isLocal && findRunningGateway(pathsOf(invocation).gateway) === null;
}

/** `openclaw backup create` */
export const backupCreate: CommandHandler = async (invocation) => {
  if (invocation.has("dry-run")) return await showPlan(invocation);
  const { out } = invocation;
  const packed = await makeBackup(invocation);
  out.result({ ok: true, ...packed }, () => {
    const { file, bytes, files, messages, sessions, verified, secrets, skipped } = packed;
    out.line(`${out.paint("green", "✓")} ${sanitizeLine(file)}`);
    out.line(
      `  ${formatBytes(bytes)}, ${plural(files, "file")}, ${plural(messages, "message")} in ${plural(sessions, "session")}${verified ? ", verified" : ""}`,
    );
    if (secrets) out.note("It contains credentials: keep it where only you can read it.");
    if (skipped.length > 0)
      out.note(
        `${plural(skipped.length, "file")} could not be kept: ${skipped
          .slice(0, 5)
          .map(({ name, reason }) => `${sanitizeLine(name)} (${sanitizeLine(reason)})`)
          .join(", ")}`,
      );
  });
};

/** By the gateway when it runs, else by this process. */
export const makeBackup = (invocation: Invocation): Promise<PackedBackup> =>
  isOffline(invocation) ? createOffline(invocation) : createOnline(invocation);

async function createOnline(invocation: Invocation): Promise<PackedBackup> {
  const output = invocation.text("output");
  const params = {
    ...(output !== undefined && { output: pathFlag(invocation, output) }),
    ...(invocation.has("no-include-workspace") && { includeWorkspace: false }),
    ...(invocation.has("no-secrets") && { secrets: false }),
    ...(invocation.has("only-config") && { onlyConfig: true }),
    ...(invocation.has("verify") && { verify: true }),
  };
  return await withGateway(invocation, { scopes: ["operator.admin"] }, ({ client }) =>
    client.request<PackedBackup>("backup.create", params, { timeoutMs: invocation.number("timeout") ?? BACKUP_LIMITS.packMs }),
  );
}

/** No gateway runs: the files are read as they are. */
async function createOffline(invocation: Invocation): Promise<PackedBackup> {
  const { host } = invocation;
  const { state, gateway, config: configPath } = pathsOf(invocation);
  const { config } = configOf(invocation);
  const output = invocation.text("output");
  const createdAt = host.now();
  const dir = output === undefined ? backupDirOf(invocation) : dirname(pathFlag(invocation, output));
  if (output === undefined) {
    await ensureDirectory(dir);
    await removeLeftovers(dir);
  }
  const copy = join(dir, `.verify-${randomBytes(6).toString("hex")}.db`);
  const onlyConfig = invocation.has("only-config");
  const store = onlyConfig ? null : openReadonlyStore(gateway);
  try {
    const { stepPages: pages, syncBytes, copyAttempts: attempts } = BACKUP_LIMITS;
    if (store !== null) await copyStore(store, copy, { pages, syncBytes, attempts, signal: host.signal });
    return await packBackup({
      store: store === null ? null : copy,
      output: output === undefined ? join(dir, backupName("manual", createdAt)) : pathFlag(invocation, output),
      kind: "manual",
      createdAt,
      version: VERSION,
      state,
      gateway,
      config: configPath,
      secrets: !invocation.has("no-secrets") && config.backup.secrets,
      onlyConfig,
      verify: invocation.has("verify") || config.backup.verify,
      workspaces: invocation.has("no-include-workspace") || !config.backup.workspaces ? [] : workspacesOf(invocation),
    });
  } finally {
    store?.close();
    await rm(copy, { force: true });
  }
}

function workspacesOf(invocation: Invocation): { agent: string; path: string }[] {
  const { config } = configOf(invocation);
  const { state } = pathsOf(invocation);
  return agentIds(config).map((agent) => ({ agent, path: resolveAgent(config, agent, state).workspace }));
}

async function showPlan(invocation: Invocation): Promise<void> {
  const { out } = invocation;
  const { state, gateway, config } = pathsOf(invocation);
  const skipped: SkippedFile[] = [];
  const folders = new Map<string, number>();
  const secrets = !invocation.has("no-secrets") && configOf(invocation).config.backup.secrets;
  const wantsWorkspaces = !invocation.has("no-include-workspace") && configOf(invocation).config.backup.workspaces;
  const workspaces = wantsWorkspaces ? workspacesOf(invocation).map(({ agent, path }) => ({ path, folder: `workspaces/${agent}` })) : [];
  if (!invocation.has("only-config"))
    for await (const { name } of findSources({ state, gateway, secrets, workspaces, excluded: [backupDirOf(invocation)] }, skipped)) {
      const folder = name.split("/").slice(0, 2).join("/");
      folders.set(folder, (folders.get(folder) ?? 0) + 1);
    }
  const parts = [...(invocation.has("only-config") ? [] : [join(gateway, "gateway.db")]), config];
  out.result({ ok: true, dryRun: true, parts, folders: Object.fromEntries(folders), secrets, skipped }, () => {
    for (const part of parts) out.line(sanitizeLine(part));
    for (const [folder, files] of folders) out.line(`${sanitizeLine(folder)}  ${plural(files, "file")}`);
    out.note(secrets ? "With credentials. Nothing was written." : "Without credentials. Nothing was written.");
  });
}

/** `openclaw backup list` */
export const backupList: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const status = isOffline(invocation) || invocation.text("dir") !== undefined ? null : await askStatus(invocation);
  const isLocal = resolveTarget(invocation).isLocal;
  const dir = status?.dir ?? backupDirOf(invocation);
  const found =
    status === null || isLocal
      ? await listBackups(dir)
      : status.backups.map((row) => ({ ...row, kind: row.kind === "scheduled" ? ("scheduled" as const) : ("manual" as const) }));
  const rows: BackupDetails[] = [];
  for (const row of found.slice(0, BACKUP_LIMITS.listed))
    rows.push(isLocal ? await describeBackup(row) : { ...row, manifest: null, problem: null });
  const backups = rows.map(({ file, kind, createdAt, bytes, manifest, problem }) => ({
    file,
    kind,
    createdAt,
    bytes,
    problem,
    ...(manifest && {
      version: manifest.version,
      secrets: manifest.secrets,
      files: manifest.files.length,
      messages: manifest.rows["messages"] ?? 0,
    }),
  }));
  const { backup } = configOf(invocation).config;
  const nextAt = status === null ? (backup.enabled ? nextBackupAt(backup.at, host.now()) : null) : status.nextAt;
  out.result({ dir, nextAt, last: status?.last ?? null, backups }, () => {
    if (backups.length === 0) out.line(`No backups in ${sanitizeLine(dir)}.`);
    else
      out.table(
        [{ title: "file" }, { title: "age" }, { title: "size", align: "right" }, { title: "kind" }, { title: "content", truncate: true }],
        backups.map(({ file, kind, createdAt, bytes, problem, messages, secrets }) => [
          file,
          formatAge(createdAt, host.now()),
          formatBytes(bytes),
          kind,
          problem ?? (messages === undefined ? "" : `${plural(messages, "message")}, ${secrets ? "with" : "without"} credentials`),
        ]),
      );
    if (status?.last && !status.last.ok)
      out.note(`The last backup failed ${formatAge(status.last.at, host.now())}: ${sanitizeLine(status.last.error ?? "")}`);
    out.note(
      nextAt === null ? "No daily backup: openclaw backup schedule --at 03:30" : `The next one: ${new Date(nextAt).toLocaleString()}`,
    );
  });
};

async function askStatus(invocation: Invocation): Promise<BackupStatusAnswer | null> {
  return await withGateway(invocation, { scopes: ["operator.read"] }, async ({ client }) =>
    client.serves("backup.status") ? await client.request<BackupStatusAnswer>("backup.status", {}) : null,
  );
}

/** The file that is meant; `latest`: the newest one of the directory. */
async function fileOf(invocation: Invocation): Promise<string> {
  const text = invocation.arg(0);
  if (text !== "latest") return resolve(invocation.host.cwd, pathFlag(invocation, text));
  const dir = backupDirOf(invocation);
  const [newest] = await listBackups(dir);
  if (newest) return newest.file;
  throw new CliError(`no backup was found in ${sanitizeLine(dir)}`, { why: "none was made there.", fix: "openclaw backup create" });
}

/** `openclaw backup verify` */
export const backupVerify: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const file = await fileOf(invocation);
  const { manifest, bytes, configErrors } = await verifyBackup(file);
  const { createdAt, version, rows, files, secrets, skipped } = manifest;
  out.result({ ok: true, file, createdAt, version, bytes, files: files.length, rows, secrets, skipped, configErrors }, () => {
    out.line(`${out.paint("green", "✓")} ${sanitizeLine(file)} is complete`);
    out.pairs([
      ["made", `${formatAge(createdAt, host.now())} by version ${sanitizeLine(version)}`],
      ["content", `${plural(files.length, "file")}, ${formatBytes(bytes)}, ${secrets ? "with" : "without"} credentials`],
      [
        "store",
        manifest.storeFormat === 0 ? "none" : `${plural(rows["messages"] ?? 0, "message")} in ${plural(rows["sessions"] ?? 0, "session")}`,
      ],
    ]);
    if (configErrors > 0) out.note(`Its configuration has ${plural(configErrors, "error")}.`);
  });
};

/** `openclaw backup restore` */
export const backupRestore: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const paths = pathsOf(invocation);
  const given = invocation.text("target");
  const target = given === undefined ? paths.state : pathFlag(invocation, given);
  const file = await fileOf(invocation);
  await (await openBackup(file)).zip.close();
  const running = findRunningGateway(join(target, "gateway"));
  if (running)
    throw new CliError(`a gateway runs in ${sanitizeLine(target)} (pid ${running.pid})`, {
      why: "a backup is never restored over a running gateway.",
      fix: "name a new directory with --target",
      exit: EXIT.unavailable,
    });
  const { manifest, deadLetters, movedWorkspaces } = await restoreBackup(file, target, { keepQueue: invocation.has("keep-queue") });
  out.result(
    { ok: true, file, target, createdAt: manifest.createdAt, version: manifest.version, rows: manifest.rows, deadLetters, movedWorkspaces },
    () => {
      out.line(`${out.paint("green", "✓")} Restored to ${sanitizeLine(target)}`);
      if (deadLetters.messages + deadLetters.replies > 0)
        out.note(
          `Dead letters, because they have probably been handled since: ${plural(deadLetters.messages, "message")}, ${plural(deadLetters.replies, "reply", "replies")} (openclaw dead-letters list).`,
        );
      for (const { agent, from, to } of movedWorkspaces)
        out.note(`The workspace of ${sanitizeLine(agent)} was ${sanitizeLine(from)}; it is in ${sanitizeLine(to)}.`);
      if (!manifest.secrets) out.note("The backup has no credentials: set them again, and sign in channels (openclaw channels status).");
      out.note(
        target === paths.state ? "Start it: openclaw gateway" : `Start it: OPENCLAW_STATE_DIR=${sanitizeLine(target)} openclaw gateway`,
      );
    },
  );
};

/** `openclaw backup schedule` */
export const backupSchedule: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const at = invocation.text("at");
  const keep = invocation.number("keep");
  const isOff = invocation.has("off");
  if (at !== undefined && !/^(?:[01]\d|2[0-3]):[0-5]\d$/.test(at))
    throw new CliError(`--at ${sanitizeLine(at)} is not a time of day`, {
      why: "it has the form HH:MM.",
      fix: "openclaw backup schedule --at 03:30",
      exit: EXIT.usage,
    });
  if (isOff && (at !== undefined || keep !== undefined))
    throw new CliError("--off goes with no other flag", {
      why: "it ends the daily backup.",
      fix: "openclaw backup schedule --off",
      exit: EXIT.usage,
    });
  if (at !== undefined || keep !== undefined || isOff)
    await editFile(invocation, (edit) => {
      edit.set(["backup", "enabled"], !isOff);
      if (at !== undefined) edit.set(["backup", "at"], at);
      if (keep !== undefined) edit.set(["backup", "keep"], keep);
    });
  const { backup } = configOf(invocation).config;
  const nextAt = backup.enabled ? nextBackupAt(backup.at, host.now()) : null;
  out.result({ enabled: backup.enabled, at: backup.at, keep: backup.keep, dir: backupDirOf(invocation), nextAt }, () => {
    if (nextAt === null) out.line("No daily backup.");
    else
      out.line(
        `Every day at ${backup.at}, the last ${backup.keep} are kept in ${sanitizeLine(backupDirOf(invocation))}; the next one: ${new Date(nextAt).toLocaleString()}`,
      );
    if (nextAt !== null && findRunningGateway(pathsOf(invocation).gateway) === null)
      out.note("No gateway is running; it makes the backups.");
  });
};

/** Bytes with a unit, for people. */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}
