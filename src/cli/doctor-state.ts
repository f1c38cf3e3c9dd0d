import { existsSync, lstatSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { BACKUP_LIMITS } from "../backup/limits.ts";
import { listBackups } from "../backup/list.ts";
import { LIMITS } from "../core/limits.ts";
import { readUpdateRecord } from "../update/record.ts";
import { findRunningGateway } from "../core/pid-file.ts";
import { backupDirOf, formatBytes } from "./backup.ts";
import { findingUnless, okFinding, type DoctorFinding } from "./doctor-finding.ts";
import { configOf, pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { formatAge, plural } from "./terminal-text.ts";

const WAL_BYTES = 67_108_864;
const LEFTOVER_MS = 86_400_000;
const SERVICE_LOG_BYTES = 52_428_800;
const FULL = 0.9;

/** What has grown in the state directory, and what is left over in it. */
export async function checkState(invocation: Invocation): Promise<DoctorFinding[]> {
  const { gateway } = pathsOf(invocation);
  return [
    ...(await checkBackups(invocation)),
    ...checkLogs(gateway),
    ...checkMedia(invocation, gateway),
    ...checkWriteAheadLog(gateway),
    ...checkLeftovers(invocation, gateway),
    ...checkUpdate(invocation, gateway),
  ];
}

/** Bytes of the files of a directory, without those below it. */
function sizeOf(dir: string): number {
  if (!existsSync(dir)) return 0;
  return readdirSync(dir).reduce((sum, name) => sum + (lstatSync(join(dir, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}

async function checkBackups(invocation: Invocation): Promise<DoctorFinding[]> {
  const { gateway, state } = pathsOf(invocation);
  const { backup } = configOf(invocation).config;
  const dir = backupDirOf(invocation);
  const now = invocation.host.now();
  const [newest] = await listBackups(dir);
  const store = statSync(join(gateway, "gateway.db"), { throwIfNoEntry: false });
  if (!store) return [];
  const isOverdue = backup.enabled && now - (newest?.createdAt ?? store.birthtimeMs) > BACKUP_LIMITS.overdueMs;
  const isOld = now - (newest?.createdAt ?? store.birthtimeMs) > BACKUP_LIMITS.remindMs;
  const found =
    newest === undefined
      ? `no backup was found in ${dir}`
      : `the newest backup was made ${formatAge(newest.createdAt, now)} (${formatBytes(newest.bytes)})`;
  const findings = [
    findingUnless(!isOverdue && !isOld, "backup", found, {
      severity: "warning",
      title: found,
      why: backup.enabled
        ? "one is made every day while the gateway runs, and none was."
        : "a lost disk would take all conversations with it.",
      fix: backup.enabled
        ? "openclaw backup create --verify shows why; openclaw logs --level error."
        : "openclaw backup create, or every day: openclaw backup schedule --at 03:30",
    }),
  ];
  if (newest === undefined || !existsSync(dir)) return findings;
  const isBeside = statSync(dir).dev === statSync(state).dev;
  return backup.enabled && isBeside
    ? [...findings, okFinding("backup-disk", "the backups are on the disk of the state directory; backup.dir can name another one")]
    : findings;
}

function checkLogs(gateway: string): DoctorFinding[] {
  const dir = join(gateway, "logs");
  const bytes = sizeOf(dir);
  const service = statSync(join(dir, "service.log"), { throwIfNoEntry: false })?.size ?? 0;
  const limit = 2 * LIMITS.logFileBytes * (LIMITS.logFiles + 1);
  return [
    findingUnless(bytes <= limit, "log-size", `the logs have ${formatBytes(bytes)}`, {
      severity: "warning",
      title: `the logs have grown to ${formatBytes(bytes)}`,
      why: `the gateway keeps ${plural(LIMITS.logFiles + 1, "file")} of ${formatBytes(LIMITS.logFileBytes)}; others are not its own, or logging.maxFileBytes is large.`,
      fix: `look at ${dir}; openclaw logs --level error --limit 50 shows what repeats.`,
    }),
    ...(service > SERVICE_LOG_BYTES
      ? [
          {
            check: "log-size",
            severity: "warning" as const,
            title: `the output of the service has grown to ${formatBytes(service)}`,
            why: "launchd and Windows never shorten it.",
            fix: `stop the gateway and remove ${join(dir, "service.log")}.`,
          },
        ]
      : []),
  ];
}

function checkMedia(invocation: Invocation, gateway: string): DoctorFinding[] {
  const { maxTotalBytes } = configOf(invocation).config.gateway.media;
  const bytes = sizeOf(join(gateway, "media"));
  return [
    findingUnless(
      bytes <= maxTotalBytes * FULL,
      "media-size",
      `received files have ${formatBytes(bytes)} of ${formatBytes(maxTotalBytes)}`,
      {
        severity: "warning",
        title: `received files have ${formatBytes(bytes)} of the ${formatBytes(maxTotalBytes)} that they may have`,
        why: "further files of messages are refused.",
        fix: "raise gateway.media.maxTotalBytes, or delete sessions: files that no message refers to are removed.",
      },
    ),
  ];
}

function checkWriteAheadLog(gateway: string): DoctorFinding[] {
  const bytes = statSync(join(gateway, "gateway.db-wal"), { throwIfNoEntry: false })?.size ?? 0;
  return [
    findingUnless(bytes <= WAL_BYTES, "write-ahead-log", `the store's log has ${formatBytes(bytes)}`, {
      severity: "warning",
      title: `the store's write-ahead log has grown to ${formatBytes(bytes)}`,
      why: "it is merged while the gateway runs; a long read or a full disk prevents that.",
      fix: "openclaw gateway restart merges it.",
    }),
  ];
}

/** An update that did not end, and what failed ones left for the operator. */
function checkUpdate(invocation: Invocation, gateway: string): DoctorFinding[] {
  const last = readUpdateRecord(gateway);
  const kept = existsSync(gateway) ? readdirSync(gateway).filter((name) => /^gateway\.db\.after-update-[0-9a-f]+$/.test(name)) : [];
  const isInterrupted = existsSync(join(gateway, "update-rollback"));
  return [
    findingUnless(!isInterrupted, "update", last === null ? "no update was made" : `the last update ended: ${last.status}`, {
      severity: "problem",
      title: "an update was interrupted after the gateway was stopped",
      why: `the store from before it is in ${join(gateway, "update-rollback")}${last === null ? "" : `; it began with version ${last.stats.before.version}`}.`,
      fix: "openclaw --version and openclaw gateway start show whether the new version works; then remove that directory. Otherwise install the old version and copy the store back.",
    }),
    ...kept.map((name): DoctorFinding => ({
      check: "update",
      severity: "warning",
      title: `the store that a failed update had changed is kept as ${join(gateway, name)}`,
      why: "messages that came in while the new version ran are only there.",
      fix: `remove it (${formatAge(statSync(join(gateway, name)).mtimeMs, invocation.host.now())}) when you do not need them.`,
    })),
  ];
}

/** Temporary files of a process that was killed. */
function checkLeftovers(invocation: Invocation, gateway: string): DoctorFinding[] {
  const before = invocation.host.now() - LEFTOVER_MS;
  const dirs = [gateway, dirname(gateway), backupDirOf(invocation)].filter((dir) => existsSync(dir));
  const old = dirs.flatMap((dir) =>
    readdirSync(dir)
      .filter((name) => /^\..+\.tmp$/.test(name) || name.startsWith(".verify-"))
      .map((name) => join(dir, name))
      .filter((path) => (lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? before) < before),
  );
  const isStopped = findRunningGateway(gateway) === null;
  return [
    findingUnless(old.length === 0, "leftovers", "no temporary files are left over", {
      severity: "warning",
      title: `${plural(old.length, "temporary file")} of an interrupted write ${old.length === 1 ? "is" : "are"} left over`,
      why: `a process was killed while it wrote: ${old.slice(0, 3).join(", ")}${old.length > 3 ? ", ..." : ""}.`,
      fix: isStopped ? `rm ${old.slice(0, 3).join(" ")}` : "openclaw doctor --fix while the gateway is stopped removes them.",
      ...(isStopped && {
        repair: { plan: `remove ${old.join(", ")}`, run: () => old.forEach((path) => rmSync(path, { recursive: true, force: true })) },
      }),
    }),
  ];
}
