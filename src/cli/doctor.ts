import { CliError, EXIT } from "../core/errors.ts";
import { toSentence } from "../core/text.ts";
import type { CommandHandler } from "./command.ts";
import { checkAcpAgents } from "./doctor-acp.ts";
import { checkAutomation } from "./doctor-automation.ts";
import { checkVariables } from "./doctor-environment.ts";
import { checkConfig, checkFiles, checkMachine, checkWorkspaces } from "./doctor-files.ts";
import { checkGateway } from "./doctor-gateway.ts";
import { checkProxies } from "./doctor-proxy.ts";
import { checkSecrets } from "./doctor-secrets.ts";
import { checkService } from "./doctor-service.ts";
import { checkSkills } from "./doctor-skills.ts";
import { checkState } from "./doctor-state.ts";
import { checkNetwork, checkSystem } from "./doctor-system.ts";
import { checkTls } from "./doctor-tls.ts";
import type { DoctorFinding } from "./doctor-finding.ts";
import type { Invocation } from "./invocation.ts";
import { sanitizeLine, plural } from "./terminal-text.ts";

const SEVERITY_MARKS = { problem: ["red", "✗"], warning: ["yellow", "!"], ok: ["green", "✓"] } as const;
const ORDER = ["problem", "warning", "ok"] as const;

/** `openclaw doctor` */
export const doctor: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const selected = selectChecks(invocation);
  let findings = await runChecks(invocation, selected);
  if (invocation.has("fix")) {
    const repaired = await repair(findings, invocation);
    if (repaired) findings = await runChecks(invocation, selected);
  }
  if (invocation.has("lint") && out.json) return showLint(findings, selected, invocation);
  const count = (severity: DoctorFinding["severity"]): number => findings.filter((each) => each.severity === severity).length;
  const [problems, warnings, fine] = [count("problem"), count("warning"), count("ok")];
  out.result(
    {
      ok: problems === 0,
      problems,
      warnings,
      fine,
      schemaVersion: 1,
      checksRun: selected.ids.length,
      checksSkipped: ALL_IDS.length - selected.ids.length,
      findings: findings.map(toJson),
    },
    () => {
      for (const each of findings.filter((finding) => finding.severity !== "ok")) show(each, invocation);
      out.line(`${plural(problems, "problem")}, ${plural(warnings, "warning")}, ${fine} ok`);
      const repairable = findings.filter((each) => "repair" in each && each.repair).length;
      if (repairable > 0 && !invocation.has("fix"))
        out.note(`${repairable === 1 ? "One of them" : `${repairable} of them`} can be repaired: openclaw doctor --fix`);
    },
  );
  return problems === 0 ? EXIT.ok : EXIT.failure;
};

/** What the checks find, for an export. */
export async function doctorReport(invocation: Invocation): Promise<{ checksRun: number; findings: readonly DoctorFinding[] }> {
  const findings = await runChecks(invocation, { groups: GROUPS, ids: ALL_IDS, wants: () => true });
  return { checksRun: ALL_IDS.length, findings };
}

/** Checks that are made together. An id before a colon stands for all with it: `channel` for `channel:irc/default`. */
type DoctorGroup = {
  readonly ids: readonly string[];
  /** It is about the configuration file. */
  readonly isLint?: boolean;
  readonly run: (invocation: Invocation) => readonly DoctorFinding[] | Promise<readonly DoctorFinding[]>;
};

const GROUPS: readonly DoctorGroup[] = [
  { ids: ["config", "config-source", "auth-none", "auth-exposed"], isLint: true, run: checkConfig },
  { ids: ["environment", "time-zone"], isLint: true, run: checkVariables },
  {
    ids: ["heartbeat", "heartbeat-cost", "heartbeats", "hooks", "hooks-token", "hooks-trust", "hooks-bind"],
    isLint: true,
    run: checkAutomation,
  },
  { ids: ["node", "disk", "state-writable"], run: checkMachine },
  {
    ids: [
      "inodes",
      "state-file-system",
      "state-persistent",
      "synced-directory",
      "clock",
      "clock-sync",
      "dns",
      "open-files",
      "memory-limit",
      "temporary-directory",
    ],
    run: checkSystem,
  },
  { ids: ["proxy"], run: ({ host }) => checkProxies(host.env) },
  { ids: ["permissions", "store", "damaged-copies"], run: checkFiles },
  { ids: ["backup", "backup-disk", "log-size", "media-size", "write-ahead-log", "leftovers"], run: checkState },
  { ids: ["service", "duplicate-supervisor", "systemd-linger", "crash-loop"], run: checkService },
  { ids: ["workspace"], run: checkWorkspaces },
  { ids: ["skills"], run: checkSkills },
  { ids: ["acp"], run: checkAcpAgents },
  { ids: ["secret-store", "secret-program"], run: checkSecrets },
  { ids: ["tls-certificate"], run: checkTls },
  { ids: ["reachable"], run: checkNetwork },
  {
    ids: [
      "gateway-running",
      "gateway-access",
      "version",
      "part",
      "health",
      "channel",
      "model",
      "agent-host",
      "telemetry",
      "dead-letters",
      "approvals",
      "sandbox",
      "commands",
      "browser",
      "browser-sandbox",
      "browser-profile",
      "mcp",
      "mcp-tls",
      "mcp-tools",
      "plugin",
      "job",
      "budget",
      "budgets",
      "price",
      "node",
    ],
    run: checkGateway,
  },
];
const ALL_IDS = [...new Set(GROUPS.flatMap(({ ids }) => ids))];

type SelectedChecks = {
  readonly groups: readonly DoctorGroup[];
  readonly ids: readonly string[];
  readonly wants: (check: string) => boolean;
};

const familyOf = (check: string): string => check.split(":")[0]!;

const matches = (names: readonly string[], check: string): boolean => names.some((name) => name === check || name === familyOf(check));

/** The checks that --lint, --only and --skip leave. Throws CliError for an id that no check has. */
function selectChecks(invocation: Invocation): SelectedChecks {
  const [only, skip] = [invocation.list("only"), invocation.list("skip")];
  const unknown = [...only, ...skip].find((id) => !ALL_IDS.includes(familyOf(id)));
  if (unknown !== undefined)
    throw new CliError(`"${sanitizeLine(unknown)}" is not a check`, {
      why: "no check of openclaw doctor has that name.",
      fix: `one of: ${ALL_IDS.toSorted().join(", ")}`,
      exit: EXIT.usage,
    });
  // A method that does not answer is reported under its own name.
  const isNamed = (check: string): boolean => ALL_IDS.includes(familyOf(check));
  const wants = (check: string): boolean => (only.length === 0 || matches(only, check) || !isNamed(check)) && !matches(skip, check);
  const candidates = GROUPS.filter(({ isLint }) => !invocation.has("lint") || isLint === true);
  const isWanted = (id: string): boolean => (only.length === 0 || only.some((name) => familyOf(name) === id)) && !skip.includes(id);
  const groups = candidates.filter(({ ids }) => ids.some(isWanted));
  return { groups, ids: [...new Set(groups.flatMap(({ ids }) => ids.filter(isWanted)))], wants };
}

async function runChecks(invocation: Invocation, { groups, wants }: SelectedChecks): Promise<DoctorFinding[]> {
  const findings: DoctorFinding[] = [];
  for (const { run } of groups) findings.push(...(await run(invocation)));
  return findings.filter(({ check }) => wants(check)).toSorted((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}

/** With the names of OpenClaw beside ours. */
function toJson(finding: DoctorFinding): object {
  const named = { ...finding, checkId: finding.check, message: finding.title };
  if (finding.severity === "ok") return named;
  const { repair: plan, ...rest } = { ...named, fixHint: finding.fix, repair: finding.repair?.plan };
  return plan === undefined ? rest : { ...rest, repair: plan };
}

/** What is wrong with the file, in the form of OpenClaw. */
function showLint(findings: readonly DoctorFinding[], { ids }: SelectedChecks, { out }: Invocation): number {
  const bad = findings.flatMap((each) => (each.severity === "ok" ? [] : [each]));
  out.data({
    schemaVersion: 1,
    ok: bad.length === 0,
    checksRun: ids.length,
    checksSkipped: ALL_IDS.length - ids.length,
    findings: bad.map(({ check, severity, title, why, fix, place }) => ({
      checkId: check,
      severity: severity === "problem" ? "error" : "warning",
      message: `${title}: ${why}`,
      ...place,
      fixHint: fix,
    })),
  });
  return bad.length === 0 ? EXIT.ok : EXIT.failure;
}

function show(finding: DoctorFinding, { out }: Invocation): void {
  const [style, mark] = SEVERITY_MARKS[finding.severity];
  out.paragraph(`${out.paint(style, mark)} ${sanitizeLine(finding.title)}`, "  ");
  if (finding.severity === "ok") return;
  out.paragraph(`  Why: ${sanitizeLine(finding.why)}`, "  ");
  out.paragraph(`  Fix: ${sanitizeLine(finding.fix)}`, "  ");
}

/** Shows the plan, asks for confirmation and runs it. False when there is nothing to repair. */
async function repair(findings: readonly DoctorFinding[], invocation: Invocation): Promise<boolean> {
  const repairs = findings.flatMap((finding) => ("repair" in finding && finding.repair ? [finding.repair] : []));
  if (repairs.length === 0) return false;
  const { out } = invocation;
  out.note("The plan:");
  for (const { plan } of repairs) out.note(`  - ${sanitizeLine(plan)}`);
  await invocation.confirm("Apply these repairs?");
  for (const { plan, run } of repairs) {
    try {
      await run();
    } catch (err) {
      const why = err instanceof Error ? toSentence(err.message) : "the system refused.";
      throw new CliError(`could not ${sanitizeLine(plan)}`, {
        why,
        fix: "do it manually, or run this as the owner of the files.",
        cause: err,
      });
    }
  }
  out.note(`Done: ${plural(repairs.length, "repair")}.\n`);
  return true;
}
