import { accessSync, chmodSync, constants, existsSync, mkdirSync, readdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { findUnreadFiles } from "../agents/system-prompt.ts";
import { agentIds, resolveAgent } from "../config/agents.ts";
import { issueLine } from "../config/issue.ts";
import { parsePath } from "../config/key-path.ts";
import type { Config } from "../config/schema.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { isObject } from "../core/json.ts";
import { toSentence } from "../core/text.ts";
import { silentLog } from "../core/log.ts";
import { readLedger, countLedgerRows } from "../store/ledger.ts";
import { ledgerPath } from "../store/open.ts";
import { openReadonlyStore } from "../store/open-readonly.ts";
import { checkRetired, correctionOf } from "./doctor-config.ts";
import { okFinding, findingUnless, type ConfigKeyChange, type DoctorFinding } from "./doctor-finding.ts";
import type { Invocation } from "./invocation.ts";
import { findRunningGateway } from "../core/pid-file.ts";
import { configOf, pathsOf, tokenPath } from "./gateway-target.ts";

const MEGABYTE = 1_048_576;
const LOW_DISK_MB = 1_024;
const FULL_DISK_MB = 100;

/** Errors and ineffective keys of openclaw.json, and settings that are valid but unsafe. */
export function checkConfig(invocation: Invocation): DoctorFinding[] {
  const loaded = configOf(invocation);
  const { issues, config, path, exists, source } = loaded;
  const findings: DoctorFinding[] = issues
    .filter((issue) => issue.severity !== "info")
    .map((issue) => ({
      check: "config",
      severity: issue.severity === "error" ? "problem" : "warning",
      title: issueLine(path, { ...issue, fix: "" }),
      why:
        issue.severity === "error"
          ? `the value is ignored; ${appliedText(config, issue.path)} applies.`
          : "it is valid, but has no effect or a different one than expected.",
      place: { path, line: issue.line, column: issue.column, ocPath: issue.path },
      fix: issue.fix ?? "openclaw config validate shows the line; openclaw config schema <key> shows the possible values.",
      ...withChange(correctionOf(loaded, issue)),
    }));
  const retired = checkRetired(invocation);
  findings.push(...(retired.length > 0 ? retired : [okFinding("config-retired", "no key has an older name")]));
  if (issues.every((issue) => issue.severity === "info"))
    findings.push(okFinding("config", exists ? `${path} is valid` : "no configuration file: the defaults apply"));
  if (source === "last-good" || source === "defaults") {
    findings.push({
      check: "config-source",
      severity: "problem",
      title: `${path} is not in use`,
      why:
        source === "last-good"
          ? "the file cannot be parsed; the last good copy applies."
          : "the file cannot be parsed; the defaults apply.",
      fix: `correct the file, or restore ${path}.bak`,
    });
  }
  const { bind, auth } = config.gateway;
  const open = auth.mode === "none";
  findings.push(
    findingUnless(!open || bind !== "loopback", "auth-none", "clients must authenticate", {
      severity: "warning",
      title: "gateway.auth.mode is none",
      why: "every program and every user of this machine has full access.",
      fix: "openclaw config set gateway.auth.mode token",
    }),
    findingUnless(!(open && bind !== "loopback"), "auth-exposed", "access from the network requires a credential", {
      severity: "problem",
      title: "the gateway would be open to the network without authentication",
      why: `gateway.bind is ${bind} and gateway.auth.mode is none; the gateway refuses to start with both.`,
      fix: "openclaw config set gateway.auth.mode token",
    }),
  );
  return findings;
}

const withChange = (change: ConfigKeyChange | null): { change?: ConfigKeyChange } => (change === null ? {} : { change });

/** The value that a key has instead of the one in the file. */
function appliedText(config: Config, path: string): string {
  let value: unknown = config;
  for (const key of parsePath(path) ?? [])
    value = isObject(value) || Array.isArray(value) ? (value as Record<string, unknown>)[key] : undefined;
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? JSON.stringify(value)
    : "the default of the key";
}

/** Node, disk and the state directory. */
export function checkMachine(invocation: Invocation): DoctorFinding[] {
  const { state } = pathsOf(invocation);
  const existing = firstExisting(state);
  const disk = statfsSync(existing);
  const freeMb = Math.floor((disk.bavail * disk.bsize) / MEGABYTE);
  const major = Number(process.versions.node.split(".")[0]);
  return [
    findingUnless(major >= 24, "node", `Node ${process.versions.node}`, {
      severity: "problem",
      title: `Node ${process.versions.node} is too old`,
      why: "Node 24 or newer is required.",
      fix: "start it with the openclaw launcher, which has its own Node.",
    }),
    findingUnless(freeMb >= LOW_DISK_MB, "disk", `${freeMb} MB of disk are free`, {
      severity: freeMb >= FULL_DISK_MB ? "warning" : "problem",
      title: `only ${freeMb} MB of disk are free`,
      why: `${state} is on that disk; when it is full, no message can be accepted.`,
      fix: "free some space.",
    }),
    ...[
      existing,
      ...["gateway", "gateway/logs", "gateway/pi", "gateway/cache", "gateway/media", "workspace"].map((name) => join(state, name)),
    ]
      .filter((path, index) => index === 0 || existsSync(path))
      .map((path) =>
        findingUnless(isWritable(path), "state-writable", `${path} is writable`, {
          severity: "problem",
          title: `${path} is not a directory that this user may write to`,
          why: "the gateway keeps its files there, and stops working without them.",
          fix: `change its owner to this user (chown -R), mount it writable, or set OPENCLAW_STATE_DIR.`,
        }),
      ),
  ];
}

function firstExisting(path: string): string {
  let at = path;
  while (!existsSync(at)) at = dirname(at);
  return at;
}

/** Making a file in a directory needs both. */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return statSync(path).isDirectory();
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EROFS" || code === "EPERM" || code === "ENOTDIR") return false;
    throw err;
  }
}

/** Checks the modes of private files and whether the store is intact. */
export function checkFiles(invocation: Invocation): DoctorFinding[] {
  const paths = pathsOf(invocation);
  const files: readonly [path: string, mode: number][] = [
    [paths.gateway, 0o700],
    [paths.config, 0o600],
    [`${paths.config}.bak`, 0o600],
    [paths.lastGood, 0o600],
    [tokenPath(paths), 0o600],
    [join(paths.state, "service.env"), 0o600],
  ];
  const findings = files.filter(([path]) => existsSync(path)).map(([path, mode]) => checkMode(path, mode));
  return [
    ...findings,
    ...checkDirectories(invocation),
    ...checkOwner(paths.gateway),
    ...checkStore(invocation),
    ...checkDamagedCopies(paths.gateway),
  ];
}

/** Directories that the configuration names, and those of agents that have run already. */
function checkDirectories(invocation: Invocation): DoctorFinding[] {
  const { state, gateway } = pathsOf(invocation);
  const { config } = configOf(invocation);
  const hasRun = existsSync(join(gateway, "gateway.db"));
  const named = [
    ...(config.backup.enabled && config.backup.dir !== undefined ? [{ path: config.backup.dir, what: "of the backups (backup.dir)" }] : []),
    ...(config.logging.file === undefined ? [] : [{ path: dirname(config.logging.file), what: "of the log (logging.file)" }]),
    ...(hasRun ? agentIds(config).map((id) => ({ path: resolveAgent(config, id, state).workspace, what: `of the agent ${id}` })) : []),
  ];
  const missing = named.filter(({ path }) => !existsSync(path));
  if (missing.length === 0) return [okFinding("directories", "the directories that are named are there")];
  return missing.map(({ path, what }) => ({
    check: "directories",
    severity: "warning",
    title: `the directory ${what} is missing: ${path}`,
    why: "it was removed, or its disk is not mounted.",
    fix: `mount it, or make it: mkdir -p ${path}`,
    repair: { plan: `make the directory ${path}`, run: () => void mkdirSync(path, { recursive: true, mode: 0o700 }) },
  }));
}

/** The note of a gateway that was killed; the next start replaces it. */
function checkOwner(gateway: string): DoctorFinding[] {
  const path = join(gateway, "owner.json");
  if (!existsSync(path) || findRunningGateway(gateway) !== null)
    return [okFinding("stale-owner", "owner.json is of a running gateway, or not there")];
  return [
    {
      check: "stale-owner",
      severity: "warning",
      title: `${path} names a gateway that does not run`,
      why: "it was killed, or the machine was switched off. Nothing is lost, and the next start takes its place.",
      fix: "openclaw gateway start; openclaw logs --level error shows whether it failed.",
      repair: { plan: `remove ${path}`, run: () => rmSync(path, { force: true }) },
    },
  ];
}

function checkMode(path: string, wanted: number): DoctorFinding {
  const mode = (statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o777;
  const octal = wanted.toString(8);
  return findingUnless((mode & 0o077) === 0, "permissions", `${path} is private`, {
    severity: "warning",
    title: `other users may ${mode & 0o022 ? "change" : "read"} ${path}`,
    why: `its mode is ${mode.toString(8)}, and it may hold secrets.`,
    fix: `chmod ${octal} ${path}`,
    repair: { plan: `set the mode of ${path} to ${octal}`, run: () => chmodSync(path, wanted) },
  });
}

/** A missing or empty store is correct only for a gateway that has stored nothing yet. */
function checkMissing(gateway: string): DoctorFinding {
  const rows = countLedgerRows(readLedger(ledgerPath(gateway), silentLog));
  return findingUnless(rows === 0, "store", "no messages are stored yet", {
    severity: "problem",
    title: `${join(gateway, "gateway.db")} is missing or empty, but contained ${rows} records`,
    why: "the ledger counts them; the file was removed, or its disk is not mounted.",
    fix: "mount the disk or restore a backup before the next start, which begins with an empty store.",
  });
}

const DAMAGED = /^gateway\.db\.damaged-[^.]+$/;

function checkDamagedCopies(gateway: string): DoctorFinding[] {
  if (!existsSync(gateway) || !statSync(gateway).isDirectory()) return [];
  const copies = readdirSync(gateway).filter((name) => DAMAGED.test(name));
  if (copies.length === 0) return [];
  return [
    {
      check: "damaged-copies",
      severity: "warning",
      title: `${copies.length === 1 ? "a damaged copy" : `${copies.length} damaged copies`} of the store ${copies.length === 1 ? "is" : "are"} kept in ${gateway}`,
      why: `the store was repaired (${copies.at(-1)}); openclaw logs shows what was lost, and the copy contains the unreadable records.`,
      fix: "check the disk (smartctl, dmesg), and delete the copy once you have recovered what you need.",
    },
  ];
}

function checkStore(invocation: Invocation): DoctorFinding[] {
  const { gateway } = pathsOf(invocation);
  // A running gateway owns the file and reports about it itself.
  if (findRunningGateway(gateway)) return [];
  try {
    const store = openReadonlyStore(gateway);
    if (!store) return [checkMissing(gateway)];
    try {
      const row = store.get<{ quick_check: string }>("PRAGMA quick_check(1)");
      return [
        findingUnless(row?.quick_check === "ok", "store", "the store is intact", {
          severity: "problem",
          title: "the store is damaged",
          why: row?.quick_check ?? "it cannot be checked.",
          fix: "start the gateway: it saves every readable record and sets the damaged file aside.",
        }),
      ];
    } finally {
      store.close();
    }
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    return [
      {
        check: "store",
        severity: "problem",
        title: err.message,
        why: toSentence(reasonOf(err.cause)),
        fix: "start the gateway: it saves every readable record and sets the damaged file aside.",
      },
    ];
  }
}

/** Files of each agent's workspace that are there and do not reach the agent. */
export async function checkWorkspaces(invocation: Invocation): Promise<DoctorFinding[]> {
  const { config } = configOf(invocation);
  const { state } = pathsOf(invocation);
  const dirs = new Set(agentIds(config).map((id) => resolveAgent(config, id, state).workspace));
  const unread = await Promise.all([...dirs].map(async (dir) => (await findUnreadFiles(dir)).map((file) => ({ dir, ...file }))));
  const findings = unread.flat().map(({ dir, name, reason }): DoctorFinding => ({
    check: "workspace",
    severity: "warning",
    title: `${name} of the workspace ${dir} is not read`,
    why: toSentence(reason),
    fix: "replace it with a regular file in the workspace.",
  }));
  return findings.length > 0 ? findings : [okFinding("workspace", "the files of the workspaces are read")];
}
