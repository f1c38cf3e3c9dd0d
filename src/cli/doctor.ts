import { withTimeout } from "../core/async.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { toSentence } from "../core/text.ts";
import type { CommandHandler } from "./command.ts";
import { checkAcpAgents } from "./doctor-acp.ts";
import { formatPath } from "../config/key-path.ts";
import { checkAutomation } from "./doctor-automation.ts";
import { diffLines, fixConfig, planConfigFix } from "./doctor-config.ts";
import { checkControlUi } from "./doctor-control-ui.ts";
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
import { cutFinding, type BadFinding, type ConfigKeyChange, type DoctorFinding } from "./doctor-finding.ts";
import { pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { sanitizeLine, plural } from "./terminal-text.ts";

const SEVERITY_MARKS = { problem: ["red", "✗"], warning: ["yellow", "!"], ok: ["green", "✓"] } as const;
const ORDER = ["problem", "warning", "ok"] as const;

/** `openclaw doctor` */
export const doctor: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const selected = selectChecks(invocation);
  let findings = await runChecks(invocation, selected);
  const repaired = invocation.has("fix") ? await repair(findings, invocation) : [];
  if (repaired.length > 0) findings = await runChecks(invocation, selected);
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
      ...(invocation.has("fix") && { repaired }),
      findings: findings.map(toJson),
    },
    () => {
      for (const each of findings.filter((finding) => finding.severity !== "ok")) show(each, invocation);
      out.line(`${plural(problems, "problem")}, ${plural(warnings, "warning")}, ${fine} ok`);
      const repairable = findings.filter((each) => each.severity !== "ok" && (each.repair ?? each.change)).length;
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

/** Time of the checks that ask others. */
const NETWORK_MS = 30_000;

/** Checks that are made together. An id before a colon stands for all with it: `channel` for `channel:irc/default`. */
export type DoctorGroup = {
  readonly ids: readonly string[];
  /** How long it may take, where that is not the usual time. */
  readonly limitMs?: number;
  /** It is about the configuration file. */
  readonly isLint?: boolean;
  readonly run: (invocation: Invocation) => readonly DoctorFinding[] | Promise<readonly DoctorFinding[]>;
};

const GROUPS: readonly DoctorGroup[] = [
  { ids: ["config", "config-retired", "config-source", "auth-none", "auth-exposed"], isLint: true, run: checkConfig },
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
  { ids: ["permissions", "directories", "stale-owner", "store", "damaged-copies"], run: checkFiles },
  { ids: ["backup", "backup-disk", "log-size", "media-size", "write-ahead-log", "leftovers", "update"], run: checkState },
  { ids: ["service", "duplicate-supervisor", "systemd-linger", "crash-loop"], run: checkService },
  { ids: ["workspace"], run: checkWorkspaces },
  { ids: ["skills"], run: checkSkills },
  { ids: ["acp"], run: checkAcpAgents },
  { ids: ["secret-store", "secret-program"], run: checkSecrets },
  { ids: ["tls-certificate"], run: checkTls },
  { ids: ["control-ui"], run: checkControlUi },
  { ids: ["reachable"], run: checkNetwork, limitMs: NETWORK_MS },
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
    // Each of its requests has a time of its own.
    limitMs: NETWORK_MS,
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
const lintIds = (): readonly string[] => GROUPS.filter(({ isLint }) => isLint === true).flatMap(({ ids }) => ids);

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
  if (groups.length === 0)
    throw new CliError("no check is left to make", {
      why: invocation.has("lint") ? "--lint makes those about the configuration file only." : "--skip names all that --only names.",
      fix: invocation.has("lint") ? `leave --lint out, or name one of: ${lintIds().join(", ")}` : "leave the check out of --skip",
      exit: EXIT.usage,
    });
  return { groups, ids: [...new Set(groups.flatMap(({ ids }) => ids.filter(isWanted)))], wants };
}

async function runChecks(invocation: Invocation, { groups, wants }: SelectedChecks): Promise<DoctorFinding[]> {
  const findings = (await Promise.all(groups.map((group) => runBounded(group, invocation)))).flat();
  return findings.filter(({ check }) => wants(check)).toSorted((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}

/** Time of one group of checks; what is not done by then is reported as cut, and the others are shown. */
const GROUP_MS = 2_000;

/** The findings of a group, or after its time one that says what is missing. */
export async function runBounded(
  { ids, run, limitMs = GROUP_MS }: DoctorGroup,
  invocation: Invocation,
  clock: Pick<Clock, "after"> = systemClock,
): Promise<readonly DoctorFinding[]> {
  const late = new Error("the time of these checks is over");
  try {
    // A check that throws at once is a defect like any other.
    return await withTimeout(clock, limitMs, Promise.resolve(run(invocation)), () => late);
  } catch (err) {
    if (err !== late) throw err;
    return [cutFinding(ids[0]!, `the checks ${ids.slice(0, 3).join(", ")}${ids.length > 3 ? " and others" : ""} were cut`, limitMs)];
  }
}

/** With the names of OpenClaw beside ours. */
function toJson(finding: DoctorFinding): object {
  const named = { ...finding, checkId: finding.check, message: finding.title };
  if (finding.severity === "ok") return named;
  const { repair: ours, change, ...rest } = finding;
  const plan = ours?.plan ?? (change && describeChange(change));
  const shown = { ...rest, checkId: finding.check, message: finding.title, fixHint: finding.fix };
  return plan === undefined ? shown : { ...shown, repair: plan };
}

const describeChange = ({ from, to, value }: ConfigKeyChange): string =>
  value === undefined ? `rename ${formatPath(from)} to ${formatPath(to)}` : `set ${formatPath(to)} to ${value}`;

/** What is wrong with the file, in the form of OpenClaw. */
function showLint(findings: readonly DoctorFinding[], { ids }: SelectedChecks, invocation: Invocation): number {
  const { out } = invocation;
  const minimum = invocation.text("severity-min");
  const isWanted = (each: DoctorFinding): each is BadFinding =>
    each.severity === "problem" || (each.severity === "warning" && minimum !== "error");
  const bad = findings.filter(isWanted);
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

/** Shows the plan, asks for confirmation and runs it. Resolves to what was done; nothing when there is nothing to repair. */
async function repair(findings: readonly DoctorFinding[], invocation: Invocation): Promise<string[]> {
  const repairs = findings.flatMap((finding) => ("repair" in finding && finding.repair ? [finding.repair] : []));
  const wanted = findings.flatMap((finding) => ("change" in finding && finding.change ? [finding.change] : []));
  const { changes, refused } = wanted.length > 0 ? planConfigFix(invocation, wanted) : { changes: [], refused: [] };
  const { out } = invocation;
  for (const { from, to } of refused)
    out.note(
      `Not done: ${formatPath(from)} would be invalid as ${formatPath(to)}. openclaw config schema ${formatPath(to)} shows what it takes.`,
    );
  if (repairs.length === 0 && changes.length === 0) return [];
  out.note("The plan:");
  for (const { plan } of repairs) out.note(`  - ${sanitizeLine(plan)}`);
  const diff = diffLines(invocation, changes);
  if (changes.length > 0) {
    out.note(`  - change ${sanitizeLine(pathsOf(invocation).config)}, with a copy of it first:`);
    for (const line of diff) out.note(`      ${out.paint(line.startsWith("-") ? "red" : "green", sanitizeLine(line))}`);
  }
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
  if (changes.length > 0) out.note(`The file as it was: ${sanitizeLine(await fixConfig(invocation, changes))}`);
  const done = [...repairs.map(({ plan }) => plan), ...diff];
  out.note(`Done: ${plural(repairs.length + changes.length, "repair")}.\n`);
  return done;
}
