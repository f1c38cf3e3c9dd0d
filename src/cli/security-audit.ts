import { chmodSync, existsSync, lstatSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { CliError, EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { editFile } from "./config-edit.ts";
import { connectGateway } from "./connect.ts";
import { configOf, pathsOf, tokenPath } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { attackSurface, auditConfig, openAccounts, suppress, type AuditFinding, type AuditSeverity } from "./security-rules.ts";
import { plural, sanitizeLine } from "./terminal-text.ts";

type Repair = { readonly plan: string; readonly run: () => void | Promise<void> };
type Found = { readonly findings: readonly AuditFinding[]; readonly repairs: readonly Repair[] };

const ORDER: readonly AuditSeverity[] = ["critical", "warn", "info"];
const MARKS = { critical: ["red", "✗"], warn: ["yellow", "!"], info: ["dim", "·"] } as const;

/** `openclaw security audit` */
export const securityAudit: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  let { findings, repairs } = await audit(invocation);
  if (invocation.has("fix") && repairs.length > 0) {
    out.note("The plan:");
    for (const { plan } of repairs) out.note(`  - ${sanitizeLine(plan)}`);
    await invocation.confirm("Apply these repairs?");
    for (const { run } of repairs) await run();
    out.note(`Done: ${plural(repairs.length, "repair")}.\n`);
    ({ findings, repairs } = await audit(invocation));
  }
  const count = (severity: AuditSeverity): number => findings.filter((each) => each.severity === severity).length;
  const summary = { critical: count("critical"), warn: count("warn"), info: count("info") };
  out.result({ ts: host.now(), summary, findings, secretDiagnostics: [] }, () => {
    for (const { checkId, severity, title, detail, remediation } of findings) {
      const [style, mark] = MARKS[severity];
      out.paragraph(`${out.paint(style, mark)} ${sanitizeLine(title)} (${checkId})`, "  ");
      out.paragraph(`  ${sanitizeLine(detail)}`, "  ");
      if (remediation !== undefined) out.paragraph(`  Fix: ${sanitizeLine(remediation)}`, "  ");
    }
    out.line(`${summary.critical} critical, ${plural(summary.warn, "warning")}, ${summary.info} for information`);
    if (repairs.length > 0 && !invocation.has("fix"))
      out.note(`${plural(repairs.length, "of them")} can be repaired: openclaw security audit --fix`);
  });
  return summary.critical === 0 ? EXIT.ok : EXIT.failure;
};

async function audit(invocation: Invocation): Promise<Found> {
  const { config, raw } = configOf(invocation);
  const files = auditFiles(invocation);
  const groups = openAccounts(config).filter(({ groups: isOpen }) => isOpen);
  const findings = [
    ...files.findings,
    ...auditConfig(config, raw),
    ...(invocation.has("deep") ? await probe(invocation) : []),
    attackSurface(config),
  ];
  const repairs = [
    ...files.repairs,
    ...[...new Set(groups.map(({ key }) => key))].map((key): Repair => ({
      plan: `set ${key}.groupPolicy to allowlist; openclaw.json.bak keeps the file as it is`,
      run: async () => void (await editFile(invocation, (edit) => edit.set([...key.split("."), "groupPolicy"], "allowlist"))),
    })),
  ];
  return {
    findings: suppress(findings, config.security.audit.suppressions).toSorted(
      (a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity),
    ),
    repairs,
  };
}

type Rights = {
  readonly id: string;
  readonly path: string;
  readonly wanted: number;
  readonly name: string;
  readonly readable: AuditSeverity;
};

/** Modes of what only the gateway's user may read or change. */
function auditFiles(invocation: Invocation): Found {
  const paths = pathsOf(invocation);
  const rows: readonly Rights[] = [
    { id: "fs.state_dir", path: paths.state, wanted: 0o700, name: "the state directory", readable: "warn" },
    { id: "fs.config", path: paths.config, wanted: 0o600, name: "the configuration", readable: "critical" },
    { id: "fs.config", path: `${paths.config}.bak`, wanted: 0o600, name: "the configuration's backup", readable: "critical" },
    {
      id: "fs.credentials_dir",
      path: paths.gateway,
      wanted: 0o700,
      name: "the directory of the store and the credentials",
      readable: "warn",
    },
    { id: "fs.auth_profiles", path: tokenPath(paths), wanted: 0o600, name: "the gateway's token", readable: "critical" },
    {
      id: "fs.auth_profiles",
      path: join(paths.state, "service.env"),
      wanted: 0o600,
      name: "the variables of the service",
      readable: "critical",
    },
    { id: "fs.sessions_store", path: join(paths.gateway, "gateway.db"), wanted: 0o600, name: "the store", readable: "warn" },
    { id: "fs.log_file", path: join(paths.gateway, "logs", "gateway.log"), wanted: 0o600, name: "the log", readable: "warn" },
  ];
  const findings: AuditFinding[] = [];
  const repairs: Repair[] = [];
  for (const row of rows.filter(({ path }) => existsSync(path))) {
    const bad = auditMode(row, isReachableFrom(row.path, paths.state));
    findings.push(...bad, ...auditLink(row));
    if (bad.length > 0)
      repairs.push({ plan: `set the mode of ${row.path} to ${row.wanted.toString(8)}`, run: () => chmodSync(row.path, row.wanted) });
  }
  return { findings, repairs };
}

/** Other users cannot read what lies in a directory that they may not enter. */
function isReachableFrom(path: string, state: string): boolean {
  for (let at = dirname(path); at.startsWith(state); at = dirname(at)) if ((statSync(at).mode & 0o011) === 0) return false;
  return true;
}

function auditMode({ id, path, name, readable, wanted }: Rights, isReachable: boolean): AuditFinding[] {
  const mode = statSync(path).mode & 0o777;
  const facts = { detail: `${path} has the mode ${mode.toString(8)}.`, remediation: `chmod ${wanted.toString(8)} ${path}` };
  const isDirectory = wanted === 0o700;
  if (mode & 0o002)
    return [
      {
        checkId: `${id}.${isDirectory && id === "fs.state_dir" ? "perms_world_writable" : "perms_writable"}`,
        severity: "critical",
        title: `Every user may change ${name}`,
        ...facts,
      },
    ];
  if (mode & 0o020)
    return [
      id === "fs.state_dir"
        ? { checkId: `${id}.perms_group_writable`, severity: "warn", title: `Its group may change ${name}`, ...facts }
        : { checkId: `${id}.perms_writable`, severity: "critical", title: `Its group may change ${name}`, ...facts },
    ];
  if (!isReachable || (mode & 0o044) === 0) return [];
  const isConfig = id === "fs.config";
  const checkId = isConfig ? `${id}.${mode & 0o004 ? "perms_world_readable" : "perms_group_readable"}` : `${id}.perms_readable`;
  return [{ checkId, severity: mode & 0o004 ? readable : "warn", title: `Other users may read ${name}`, ...facts }];
}

function auditLink({ id, path, name }: Rights): AuditFinding[] {
  if (!["fs.state_dir", "fs.config"].includes(id) || !lstatSync(path).isSymbolicLink()) return [];
  return [
    {
      checkId: `${id}.symlink`,
      severity: "warn",
      title: `${name} is a symbolic link`,
      detail: `${path} leads elsewhere; modes are those of its target.`,
    },
  ];
}

async function probe(invocation: Invocation): Promise<AuditFinding[]> {
  try {
    const { client } = await connectGateway(invocation, { scopes: ["operator.read"] });
    await client.close();
    return [];
  } catch (err) {
    if (!(err instanceof CliError)) throw err;
    return [
      {
        checkId: "gateway.probe_failed",
        severity: "warn",
        title: "The gateway does not answer",
        detail: `${err.message}${err.why ? `: ${err.why}` : ""}`,
        ...(err.fix !== undefined && { remediation: err.fix }),
      },
    ];
  }
}
