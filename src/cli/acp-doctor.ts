import { tmpdir } from "node:os";
import type { AgentFacts } from "../agents/acp/connection.ts";
import { acpAgentNames, resolveAcpAgent } from "../config/acp-agents.ts";
import { toCommandEnv } from "../core/command-env.ts";
import { foregroundClock } from "../core/clock.ts";
import { CliError, EXIT, GatewayError, reasonOf } from "../core/errors.ts";
import { silentLog } from "../core/log.ts";
import { GroupWatcher } from "../tools/group-watcher.ts";
import type { CommandHandler } from "./command.ts";
import { configOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { revealText, sanitizeLine } from "./terminal-text.ts";

type Probe = {
  name: string;
  command: string;
  ok: boolean;
  facts: AgentFacts | null;
  error: string | null;
  exitCode: number | null;
  stderr: string;
};

const NO_AGENTS = "No agent is configured. Allow a well-known one: openclaw config set acp.allowedAgents '[\"codex\"]'";

/** `openclaw acp doctor` */
export const acpDoctor: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { config } = configOf(invocation);
  const [named] = invocation.args;
  const names = named === undefined ? acpAgentNames(config) : [named];
  const probes: Probe[] = [];
  for (const name of names) probes.push(await probe(invocation, name));
  out.result({ agents: probes }, () => {
    if (probes.length === 0) out.note(NO_AGENTS);
    for (const each of probes) show(invocation, each);
  });
  return probes.every(({ ok }) => ok) ? EXIT.ok : EXIT.failure;
};

/** Starts one agent and ends it again. */
async function probe(invocation: Invocation, name: string): Promise<Probe> {
  const { host } = invocation;
  const { config } = configOf(invocation);
  const resolved = resolveOrThrow(() => resolveAcpAgent(config, name));
  const none = { name, command: resolved.argv.join(" "), facts: null, exitCode: null, stderr: "" };
  const { connectAgent, AcpAgentError } = await import("../agents/acp/connection.ts");
  const watcher = new GroupWatcher({ clock: foregroundClock });
  try {
    const connection = await connectAgent({
      spec: { ...resolved, name, env: { ...toCommandEnv(host.env, tmpdir()), ...resolved.env }, options: {}, lifetime: "oneshot" },
      cwd: resolved.cwd ?? host.cwd,
      watcher,
      clock: foregroundClock,
      log: silentLog,
      signal: host.signal,
      services: { files: true, terminals: true },
      onUpdate: () => {},
      onRequest: async () => {
        throw new Error("nothing is served while an agent is tried");
      },
      onEnd: () => {},
    });
    await connection.close();
    return { ...none, ok: true, facts: connection.facts, error: null };
  } catch (err) {
    const { exitCode = null, stderr = "" } = err instanceof AcpAgentError ? err : {};
    return { ...none, ok: false, error: reasonOf(err), exitCode, stderr };
  } finally {
    watcher.release();
  }
}

function resolveOrThrow<T>(resolve: () => T): T {
  try {
    return resolve();
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    throw new CliError(err.message, {
      fix: err.fix ?? "openclaw config get acp",
      exit: err.code === "INVALID_REQUEST" ? EXIT.failure : EXIT.config,
      cause: err,
    });
  }
}

function show({ out }: Invocation, { name, command, ok, facts, error, stderr }: Probe): void {
  if (ok && facts) {
    const can = [
      facts.canLoad || facts.canResume ? "keeps its sessions" : "forgets its sessions",
      ...(facts.takesImages ? ["takes pictures"] : []),
    ];
    out.line(
      `${out.paint("green", "✓")} ${name}: ${sanitizeLine([facts.name, facts.version].filter(Boolean).join(" "))} (${sanitizeLine(command)}); ${can.join(", ")}`,
    );
    if (facts.signIns.length > 0) out.line(`    signs in with: ${sanitizeLine(facts.signIns.join(", "))}`);
    return;
  }
  out.line(`${out.paint("red", "✗")} ${name} (${sanitizeLine(command)})`);
  for (const line of revealText([error ?? "", stderr].filter(Boolean).join("\n")).split("\n")) out.line(`    ${line}`);
}
