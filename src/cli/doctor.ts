import { CliError, EXIT } from "../core/errors.ts";
import { toSentence } from "../core/text.ts";
import type { CommandHandler } from "./command.ts";
import { checkAcpAgents } from "./doctor-acp.ts";
import { checkVariables } from "./doctor-environment.ts";
import { checkConfig, checkFiles, checkMachine, checkWorkspaces } from "./doctor-files.ts";
import { checkGateway } from "./doctor-gateway.ts";
import { checkProxies } from "./doctor-proxy.ts";
import { checkSkills } from "./doctor-skills.ts";
import { checkTls } from "./doctor-tls.ts";
import type { DoctorFinding } from "./doctor-finding.ts";
import type { Invocation } from "./invocation.ts";
import { sanitizeLine, plural } from "./terminal-text.ts";

const SEVERITY_MARKS = { problem: ["red", "✗"], warning: ["yellow", "!"], ok: ["green", "✓"] } as const;
const ORDER = ["problem", "warning", "ok"] as const;

/** `openclaw doctor` */
export const doctor: CommandHandler = async (invocation) => {
  const { out } = invocation;
  let findings = await runChecks(invocation);
  if (invocation.has("fix")) {
    const repaired = await repair(findings, invocation);
    if (repaired) findings = await runChecks(invocation);
  }
  const count = (severity: DoctorFinding["severity"]): number => findings.filter((each) => each.severity === severity).length;
  const [problems, warnings, fine] = [count("problem"), count("warning"), count("ok")];
  out.result(
    {
      ok: problems === 0,
      problems,
      warnings,
      fine,
      findings: findings.map((each) => ("repair" in each && each.repair ? { ...each, repair: each.repair.plan } : each)),
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

async function runChecks(invocation: Invocation): Promise<DoctorFinding[]> {
  const findings = [...checkConfig(invocation), ...checkVariables(invocation)];
  if (!invocation.has("lint")) {
    findings.push(
      ...checkMachine(invocation),
      ...checkProxies(invocation.host.env),
      ...checkFiles(invocation),
      ...(await checkWorkspaces(invocation)),
      ...(await checkSkills(invocation)),
      ...checkAcpAgents(invocation),
      ...(await checkTls(invocation)),
      ...(await checkGateway(invocation)),
    );
  }
  return findings.toSorted((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
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
