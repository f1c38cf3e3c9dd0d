import { existsSync } from "node:fs";
import { reasonOf } from "../../core/errors.ts";
import type { SessionKey } from "../../core/ids.ts";
import type { Log } from "../../core/log.ts";
import type { Secret } from "../../core/secret.ts";
import type { AllowedCommand, CommandGate, CommandHost, CommandRequest } from "../command-gate.ts";
import type { CommandEgress, Sandbox, SandboxProbe, WorkspaceAccess } from "../sandbox.ts";
import { RunAnswers } from "../run-answers.ts";
import type { ToolCaller, ToolPermit } from "../tool.ts";
import { decideCommand, patternsOf, repeatKey, runsUnseen, warningsOf, type AllowedProgram, type CommandMode } from "./decide.ts";
import { grantBindingOf } from "./grant-binding.ts";
import { bindPlan, planCommand, realPathOf, type BoundPlan } from "./plan.ts";

/** What the configuration says about the commands of a caller. */
export type CommandSettings = {
  mode: CommandMode;
  /** The key that sets the mode, or the default in words. */
  rule: string;
  /** `auto`: in the sandbox with mode `auto`, where there is one; otherwise as the gateway's user. */
  host: "auto" | CommandHost;
  /** The key that sets the host. */
  hostRule: string;
  /** Even what the allowlist names is asked about. */
  alwaysAsk: boolean;
  /** Another setting denies writing: commands run in the sandbox with a workspace that cannot be changed. */
  readOnly: boolean;
  /** What sandboxed commands may do in the workspace, as far as writing is not denied. */
  workspaceAccess: WorkspaceAccess;
  /** What sandboxed commands reach of the network, and the key that says so; null: nothing. */
  egress: (CommandEgress & { rule: string }) | null;
};

/** A question to a person. */
export type CommandQuestion = {
  caller: ToolCaller;
  callId: string;
  command: string;
  cwd: string;
  host: CommandHost;
  resolvedPath: string | null;
  warnings: readonly string[];
  patterns: readonly { pattern: string; argPattern: string }[];
  digest: string;
  /** What a grant would be bound to; null where the command may be allowed once only. */
  binding: string | null;
};

/** `note`: who answered, or why there was no answer, in words for the model. */
export type ApprovalAnswer =
  | { allowed: true; id: string; /** For some time: the grant decides about the next call. */ isGranted?: boolean }
  | { allowed: false; note: string };

/** Asks people, and keeps what they always allow. */
export interface ApprovalDesk {
  ask(question: CommandQuestion, signal: AbortSignal): Promise<ApprovalAnswer>;
  /** Marks the answer as used by the command that starts now; false when it was used before. */
  use(id: string): Promise<boolean>;
  allowlist(agentId: string): readonly AllowedProgram[];
  /** Whether a person has allowed this for some time, which is not over; counts the use. */
  useGrant(binding: string, sessionKey: SessionKey): Promise<boolean>;
}

export type SettingsGateOptions = {
  settings: (caller: ToolCaller) => CommandSettings;
  /** Whether commands can be isolated here, by what the agent's settings name; found out with the first command that needs to know. */
  sandbox: (caller: ToolCaller) => Promise<SandboxProbe>;
  desk: ApprovalDesk;
  log: Log;
};

/** Decides about commands by the settings of their caller, and asks a person where these say so. */
export class SettingsCommandGate implements CommandGate {
  readonly #options: SettingsGateOptions;
  readonly #answers = new RunAnswers<ApprovalAnswer>();

  constructor(options: SettingsGateOptions) {
    this.#options = options;
  }

  async allow(asked: CommandRequest, permit: ToolPermit, signal: AbortSignal): Promise<AllowedCommand> {
    // What is decided about is what runs, whatever the caller does to its request while a person is asked.
    const request: CommandRequest = { ...asked, env: { ...asked.env }, ownVariables: [...asked.ownVariables] };
    const settings = this.#options.settings(permit.caller);
    if (settings.mode === "deny") throw denial("deny", settings.rule);
    const { host, sandbox } = await this.#chooseHost(request.host, settings, permit.caller);
    if (!runsUnseen(settings.mode, host)) await this.#decide({ request, permit, settings, host, signal });
    return await start(request, permit, { host, sandbox, settings });
  }

  async #chooseHost(
    wanted: CommandHost | undefined,
    settings: CommandSettings,
    caller: ToolCaller,
  ): Promise<{ host: "gateway"; sandbox: null } | { host: "sandbox"; sandbox: Sandbox }> {
    const { host, hostRule, mode, readOnly } = settings;
    if (host !== "auto" && wanted !== undefined && wanted !== host)
      throw new Error(`Not run: commands run on the host "${host}" (${hostRule}). Leave out host.`);
    if (readOnly && (wanted ?? host) === "gateway")
      throw new Error("Not run: writing is denied to you, so that commands run in the sandbox only. Leave out host.");
    const chosen = readOnly ? "sandbox" : host === "auto" ? (wanted ?? (mode === "auto" ? "auto" : "gateway")) : host;
    if (chosen === "gateway") return { host: "gateway", sandbox: null };
    const probe = await this.#options.sandbox(caller);
    if (probe.sandbox) return { host: "sandbox", sandbox: probe.sandbox };
    if (chosen === "auto") return { host: "gateway", sandbox: null };
    throw new Error(`Not run: the command needs a sandbox (${readOnly ? "writing is denied to you" : hostRule}), and ${probe.reason}.`);
  }

  async #decide({ request, permit, settings, host, signal }: Decision): Promise<void> {
    const { caller } = permit;
    const input = { command: request.command, cwd: request.cwd, env: request.env, host };
    const plan = await planCommand(input, permit);
    const { verdict, rule } = decideCommand({
      mode: settings.mode,
      rule: settings.rule,
      // A variable can make a known program do something else.
      plan: request.ownVariables.length > 0 ? { ...plan, programs: null } : plan,
      allowlist: this.#options.desk.allowlist(caller.agentId),
      alwaysAsk: settings.alwaysAsk,
    });
    if (verdict === "deny") throw denial(settings.mode, rule);
    if (verdict === "allow") return;
    const bound = await bindPlan(plan, input);
    const binding = settings.alwaysAsk ? null : await grantBindingOf(bound, request, caller);
    if (binding !== null && (await this.#options.desk.useGrant(binding, caller.sessionKey))) return;
    const answer = await this.#answerFor({ ...bound, binding }, { request, permit, settings, host, signal });
    if (!answer.allowed) throw new Error(`Not run: ${answer.note} ${READING_IS_ALLOWED}`);
    const now = await bindPlan(await planCommand(input, permit), input);
    if (now.digest !== bound.digest)
      throw new Error("Not run: a program or a file that the command runs has changed since it was approved. Call again to ask again.");
  }

  /** Commands of one kind are asked about once in a turn; two that come at the same time wait for one answer. */
  async #answerFor(plan: Asked, decision: Decision): Promise<ApprovalAnswer> {
    const { request, permit, signal } = decision;
    // A later call may ask again, or finds the grant if it still holds.
    const isKept = (answer: ApprovalAnswer): boolean => answer.allowed && answer.isGranted !== true;
    return await this.#answers.get(permit.caller.runId, repeatKey(plan, request), () => this.#ask(plan, decision, signal), isKept);
  }

  async #ask(plan: Asked, { request, permit, host, settings }: Decision, signal: AbortSignal): Promise<ApprovalAnswer> {
    const { desk, log } = this.#options;
    const answer = await desk.ask(
      {
        caller: permit.caller,
        callId: request.callId,
        command: request.command,
        cwd: request.cwd,
        host,
        resolvedPath: plan.programs?.find(({ path }) => path !== null)?.path ?? null,
        warnings: [...warningsOf(plan, request), ...networkWarning(host, settings)],
        patterns: request.ownVariables.length > 0 ? [] : (patternsOf(plan) ?? []),
        digest: plan.digest,
        binding: plan.binding,
      },
      signal,
    );
    if (!answer.allowed) return answer;
    try {
      if (await desk.use(answer.id)) return answer;
    } catch (err) {
      log.warn("the use of an approval could not be stored", { approval: answer.id, cause: reasonOf(err) });
      return { allowed: false, note: "the use of the approval could not be stored." };
    }
    return { allowed: false, note: "the approval was used before." };
  }
}

type Asked = BoundPlan & Pick<CommandQuestion, "binding">;
type Decision = { request: CommandRequest; permit: ToolPermit; settings: CommandSettings; host: CommandHost; signal: AbortSignal };

const networkWarning = (host: CommandHost, { egress }: CommandSettings): string[] =>
  host === "sandbox" && egress !== null ? [`It can send what it reads to ${egress.hosts.join(", ")} (${egress.rule}).`] : [];

const READING_IS_ALLOWED = "Commands that only read files of the workspace run without a question.";

/** Who denies, and what is allowed instead; never how to be allowed more, which is not for an agent to ask for. */
const denial = (mode: CommandMode, rule: string): Error =>
  new Error(
    mode === "deny"
      ? `Not run: commands are denied by ${rule}. None is allowed here.`
      : `Not run: commands like this are denied by ${rule}. Allowed are commands that only read files of the workspace, and the programs of the allowlist.`,
  );

async function start(
  { command, cwd, env, input }: CommandRequest,
  { workspace, outside, skills }: ToolPermit,
  { host, sandbox, settings }: { host: CommandHost; sandbox: Sandbox | null; settings: CommandSettings },
): Promise<AllowedCommand> {
  const argv = [shell(), "-c", command];
  if (sandbox === null) return { argv, cwd, env: { ...revealAll(skills?.env ?? {}), ...env }, host };
  const { readOnly, workspaceAccess, egress } = settings;
  const wrapped = await sandbox.wrap({
    argv,
    cwd,
    // The gateway's own directory for temporary files is not there.
    env: { ...env, TMPDIR: "/tmp" },
    workspace: await realPathOf(workspace),
    workspaceAccess: readOnly && workspaceAccess === "rw" ? "ro" : workspaceAccess,
    // A skill may have been removed since the turn began.
    readable: await Promise.all([...outside, ...(skills?.directories ?? []).filter((path) => existsSync(path))].map(realPathOf)),
    network: false,
    ...(egress !== null && { egress: { hosts: egress.hosts, allowPrivateNetwork: egress.allowPrivateNetwork } }),
    terminal: input === "terminal",
  });
  return { ...wrapped, host, isolation: describeIsolation(sandbox, settings) };
}

/** What a command had that failed in the sandbox: the reason may be what it cannot reach there. */
const describeIsolation = ({ name }: Sandbox, { egress }: CommandSettings): string =>
  `It ran in the sandbox (${name}), with ${egress === null ? "no network" : `a proxy (HTTPS_PROXY) to ${egress.hosts.join(", ")} as its only network`}.`;

const revealAll = (secrets: Readonly<Record<string, Secret>>): Record<string, string> =>
  Object.fromEntries(Object.entries(secrets).map(([name, secret]) => [name, secret.reveal()]));

const shell = (): string => (existsSync("/bin/bash") ? "/bin/bash" : "/bin/sh");
