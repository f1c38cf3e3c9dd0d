import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, readlink, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { systemClock, type Clock } from "../../../core/clock.ts";
import { reasonOf } from "../../../core/errors.ts";
import { ensureDirectory, isAbsent, writeFileAtomic } from "../../../core/files.ts";
import { requireObject } from "../../../core/json.ts";
import type { Log } from "../../../core/log.ts";
import { MARKER_VARIABLE } from "../../../core/marked-processes.ts";
import { silentMetrics, type Metrics } from "../../../core/metrics.ts";
import { runCommand } from "../../command.ts";
import { GroupWatcher } from "../../group-watcher.ts";
import { TOOL_LIMITS } from "../../limits.ts";
import type { Sandbox, SandboxedCommand, SandboxRequest } from "../../sandbox.ts";
import { checkEnvironment } from "../bubblewrap.ts";
import { keepProbe } from "../kept-probe.ts";
import { checkPaths, emptyHome } from "../mounts.ts";
import { findPrograms, INSTALL } from "../programs.ts";
import { checkBinds, checkSources } from "./binds.ts";
import { checkBindable, enterCommand, LABELS, type ContainerPlan } from "./command-lines.ts";
import { Container } from "./container.ts";
import { ContainerEngine } from "./engine.ts";
import { processLimitOf } from "./processes.ts";
import { imageVariables, listContainers, type ContainerRecord } from "./records.ts";
import { seccompProfile } from "./seccomp-profile.ts";
import type { ContainerMounts, ContainerOwner, ContainerSettings, EngineName } from "./settings.ts";
import { SEPARATED, TRIAL_END, TRIAL_SCRIPT } from "./trial.ts";

export type ContainersOptions = {
  engine: EngineName;
  /** Real paths of what no container may show. */
  hidden: readonly string[];
  /** For the filter of system calls, and the workspaces of trials. */
  directory: string;
  /** What tells the containers of this gateway from those of others. */
  stateId: string;
  log: Log;
  metrics?: Metrics;
  clock?: Pick<Clock, "after" | "monotonic" | "now">;
};

/** The filter that podman uses by itself. */
const ENGINE_SECCOMP = "/usr/share/containers/seccomp.json";
const HOUR_MS = 3_600_000;
const HASH_CHARS = 10;

/** Whether containers isolate commands; if not, why, and how to fix it. */
export type ContainerProbe =
  | { sandboxFor: (settings: ContainerSettings, owner: ContainerOwner) => Sandbox }
  | { sandboxFor: null; reason: string; fix: string };

type Ready = { engine: ContainerEngine; version: string; seccomp: string | null };

/** The containers of one engine, in which commands of agents run. */
export class Containers {
  readonly #options: ContainersOptions;
  readonly #clock: Pick<Clock, "after" | "monotonic" | "now">;
  readonly #watcher: GroupWatcher;
  readonly #containers = new Map<string, Container>();
  readonly #probes = new Map<string, () => Promise<ContainerProbe>>();
  #ready: Promise<Ready> | null = null;

  constructor(options: ContainersOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#watcher = new GroupWatcher({ clock: this.#clock });
  }

  /** Whether commands can be isolated with these settings, by a container that tries to get out. Never rejects. */
  probe(settings: ContainerSettings): Promise<ContainerProbe> {
    const key = JSON.stringify(withoutPruning({ ...settings, scope: "agent" }));
    let probe = this.#probes.get(key);
    if (probe === undefined) {
      probe = keepProbe(() => this.#probe(settings), { hasFailed: ({ sandboxFor }) => sandboxFor === null, clock: this.#clock });
      if (this.#probes.size >= TOOL_LIMITS.containerProbes) this.#probes.clear();
      this.#probes.set(key, probe);
    }
    return probe();
  }

  async #probe(settings: ContainerSettings): Promise<ContainerProbe> {
    const { engine: name } = this.#options;
    const { image } = settings;
    try {
      const ready = await this.#prepare();
      checkBinds(settings.binds, this.#options.hidden);
      await checkSources(settings.binds);
      const variables = await imageVariables(ready.engine, image);
      if (variables === null)
        return unavailable(
          `${name} has no image ${image}`,
          `Build or import it: ${name} import <archive of its files> ${image}. The gateway fetches no images.`,
        );
      const problem = await this.#findWayOut(settings, ready);
      if (problem !== null) return unavailable(problem, OTHER_BACKEND);
      return { sandboxFor: (current, owner) => this.#sandbox(current, owner, { ...ready, variables }) };
    } catch (err) {
      if ((err as Error).cause === NOT_INSTALLED) return unavailable(reasonOf(err), INSTALL[name]);
      return unavailable(reasonOf(err), `Try it by hand: ${name} run --rm --network none ${image} true. ${OTHER_BACKEND}`);
    }
  }

  /** The containers of this gateway, with how many commands run in each. */
  async list(): Promise<(ContainerRecord & { commands: number })[]> {
    const { engine } = await this.#prepare();
    const records = await listContainers(engine, this.#options.stateId);
    return records.map((record) => ({ ...record, commands: this.#containers.get(record.name)?.commands ?? 0 }));
  }

  /** Removes containers, with the commands in them: the next command makes new ones. Gives their names. */
  async remove(isWanted: (record: ContainerRecord) => boolean): Promise<string[]> {
    const { engine } = await this.#prepare();
    const records = (await listContainers(engine, this.#options.stateId)).filter(isWanted);
    for (const { name } of records) {
      const known = this.#containers.get(name);
      this.#containers.delete(name);
      if (known) await known.remove();
      else await engine.expect(["rm", "--force", name]);
    }
    return records.map(({ name }) => name);
  }

  /** Ends all containers. */
  async stop(): Promise<void> {
    await Promise.all([...this.#containers.values()].map((container) => container.stop()));
    this.#watcher.release();
  }

  /** Finds the engine, and ends what an earlier gateway with this state directory has left. A failure is tried again by the next call. */
  #prepare(): Promise<Ready> {
    this.#ready ??= this.#findEngine().catch((err: unknown) => {
      this.#ready = null;
      throw err;
    });
    return this.#ready;
  }

  async #findEngine(): Promise<Ready> {
    const { engine: name, log, directory, stateId } = this.#options;
    if (process.platform !== "linux") throw new Error("containers need Linux");
    const { programs, missing } = await findPrograms([name]);
    if (missing !== undefined) throw new Error(`${name} is not installed`, { cause: NOT_INSTALLED });
    const engine = new ContainerEngine({ name, program: programs[name], watcher: this.#watcher, clock: this.#clock, log });
    const version = /\d+(\.\d+)+/.exec(await engine.expect(["--version"]))?.[0] ?? "of an unknown version";
    for (const { name: container, isRunning } of await listContainers(engine, stateId)) {
      if (!isRunning) continue;
      log.info("removed a container that an earlier gateway had left running", { container });
      await engine.expect(["rm", "--force", container]);
    }
    return { engine, version, seccomp: name === "podman" ? await writeSeccomp(directory) : null };
  }

  #sandbox(
    settings: ContainerSettings,
    owner: ContainerOwner,
    { engine, version, seccomp, variables }: Ready & { variables: readonly string[] },
  ): Sandbox {
    return {
      name: `${engine.name} ${version}, image ${settings.image}, as user ${process.getuid!()}`,
      guarantees: guarantees(settings, seccomp !== null),
      wrap: async (request) => {
        const container = await this.#containerFor(request, settings, owner, { engine, seccomp });
        return await enter(container, request, { engine, settings, imageVariables: variables });
      },
    };
  }

  async #containerFor(
    request: SandboxRequest,
    settings: ContainerSettings,
    owner: ContainerOwner,
    { engine, seccomp }: Pick<Ready, "engine" | "seccomp">,
  ): Promise<Container> {
    checkPaths(request, this.#options.hidden);
    checkEnvironment(request.env);
    checkBindable([request.workspace, ...request.readable]);
    await checkSources(settings.binds);
    const plan = this.#plan(toMounts(request), settings, owner, seccomp);
    const known = this.#containers.get(plan.name);
    if (known) return known;
    const container = this.#newContainer(engine, plan);
    this.#containers.set(plan.name, container);
    await this.#prune(engine, settings, plan);
    return container;
  }

  #newContainer(engine: ContainerEngine, plan: ContainerPlan): Container {
    const { log, metrics = silentMetrics } = this.#options;
    const labels = { engine: engine.name };
    return new Container({
      engine,
      plan,
      watcher: this.#watcher,
      clock: this.#clock,
      log,
      onChange: (change) => {
        metrics.gauge("gateway_sandbox_containers", [...this.#containers.values()].filter(({ pid }) => pid !== null).length, labels);
        if (change === "ended") return;
        metrics.count("gateway_sandbox_container_starts_total", { ...labels, outcome: change.started ? "ok" : "failed" });
        metrics.observe("gateway_sandbox_container_start_seconds", change.seconds);
      },
    });
  }

  /** The name has a hash of everything that a container cannot change: other settings need another container. */
  #plan(mounts: ContainerMounts, settings: ContainerSettings, owner: ContainerOwner, seccomp: string | null): ContainerPlan {
    const config = shortHash(JSON.stringify([mounts, withoutPruning(settings), this.#options.stateId]));
    const scope = settings.scope === "shared" ? "shared" : settings.scope === "agent" ? `agent:${owner.agentId}` : owner.sessionKey;
    const slug = scope
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "-")
      .slice(0, 40);
    return {
      name: `${settings.containerPrefix}${slug}-${shortHash(`${scope} ${config}`)}`,
      labels: {
        [LABELS.sandbox]: "1",
        [LABELS.state]: this.#options.stateId,
        [LABELS.scope]: settings.scope,
        [LABELS.agent]: settings.scope === "shared" ? "" : owner.agentId,
        [LABELS.session]: settings.scope === "session" ? owner.sessionKey : "",
        [LABELS.config]: config,
      },
      settings,
      mounts,
      userId: process.getuid!(),
      groupId: process.getgid!(),
      seccomp,
      openFiles: openFilesLimit(),
    };
  }

  /** Removes stopped containers that are too old, and those of the same scope with other settings. */
  async #prune(engine: ContainerEngine, { prune }: ContainerSettings, { name, labels }: ContainerPlan): Promise<void> {
    const { log, stateId } = this.#options;
    const now = this.#clock.now();
    const isOver = (since: number, hours: number): boolean => hours > 0 && now - since > hours * HOUR_MS;
    const isSameScope = (record: ContainerRecord): boolean =>
      [LABELS.scope, LABELS.agent, LABELS.session].every((label) => record.labels[label] === labels[label]);
    for (const record of await listContainers(engine, stateId)) {
      if (record.name === name || record.isRunning || this.#containers.get(record.name)?.commands) continue;
      const isOld = isOver(record.endedAt ?? record.createdAt, prune.idleHours) || isOver(record.createdAt, prune.maxAgeDays * 24);
      if (!isOld && !(isSameScope(record) && record.labels[LABELS.config] !== labels[LABELS.config])) continue;
      this.#containers.delete(record.name);
      const { exitCode, errors } = await engine.run(["rm", record.name]);
      if (exitCode !== 0) log.warn("an old container could not be removed", { container: record.name, cause: errors });
    }
  }

  /** What a command in a container could do, or why none could be run; null when everything failed that must fail. */
  async #findWayOut(settings: ContainerSettings, { engine, seccomp }: Ready): Promise<string | null> {
    const { directory: parent, log } = this.#options;
    const directory = await mkdtemp(join(await realpath(parent), "sandbox-"));
    const [workspace, outside] = [join(directory, "workspace"), join(directory, "outside")];
    for (const each of [workspace, outside]) mkdirSync(each);
    writeFileSync(join(outside, "secret"), "");
    const mounts: ContainerMounts = { workspace, workspaceAccess: "rw", readable: [], home: null };
    const trial: ContainerSettings = { ...settings, scope: "session", setupCommand: undefined };
    const container = this.#newContainer(engine, this.#plan(mounts, trial, { agentId: "", sessionKey: `trial-${randomUUID()}` }, seccomp));
    try {
      const namespaces = SEPARATED.map(async (name) => [`HOST_${name}`, await readlink(`/proc/self/ns/${name}`)] as const);
      const request: SandboxRequest = {
        argv: ["/bin/sh", "-c", TRIAL_SCRIPT],
        cwd: workspace,
        workspace,
        workspaceAccess: "rw",
        env: {
          PATH: "/usr/bin:/bin",
          OUTSIDE: outside,
          READ_ONLY_ROOT: settings.readOnlyRoot ? "yes" : "",
          ...Object.fromEntries(await Promise.all(namespaces)),
        },
        readable: [],
        network: false,
      };
      const command = await enter(container, request, { engine, settings, imageVariables: [] });
      const limit = await processLimitOf(container.pid ?? 0);
      let output = "";
      const signal = new AbortController().signal;
      const onOutput = (chunk: Buffer): void => void (output += chunk.toString());
      await runCommand({
        ...command,
        timeoutMs: TOOL_LIMITS.sandboxTrialMs,
        signal,
        watcher: this.#watcher,
        clock: this.#clock,
        log,
        onOutput,
      });
      if (settings.pidsLimit !== limit) return "a command in the container has no limit of processes: the engine has no control groups";
      return judge(output, join(workspace, "made"));
    } finally {
      await container.remove();
      await rm(directory, { recursive: true, force: true });
    }
  }
}

const shortHash = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, HASH_CHARS);

/** When containers are removed does not change them. */
const withoutPruning = (settings: ContainerSettings): object => ({ ...settings, prune: undefined });

const NOT_INSTALLED = Symbol("not installed");
const OTHER_BACKEND = "Or set sandbox.backend to bubblewrap.";
const unavailable = (reason: string, fix: string): ContainerProbe => ({ sandboxFor: null, reason, fix });

type EnterContext = { engine: ContainerEngine; settings: ContainerSettings; imageVariables: readonly string[] };

/** Keeps the container for the command until its release. */
async function enter(container: Container, request: SandboxRequest, context: EnterContext): Promise<SandboxedCommand> {
  const { engine, settings, imageVariables: variables } = context;
  const id = randomUUID();
  await container.enter(id);
  const { argv, input } = enterCommand(request, {
    program: engine.program,
    name: container.plan.name,
    id,
    settings,
    imageVariables: variables,
  });
  const marker = request.env[MARKER_VARIABLE];
  return {
    argv,
    cwd: "/",
    env: { ...engine.env, ...(marker !== undefined && { [MARKER_VARIABLE]: marker }) },
    inputs: [input],
    release: (how) => container.leave(id, how),
  };
}

const toMounts = (request: SandboxRequest): ContainerMounts => ({
  workspace: request.workspace,
  workspaceAccess: request.workspaceAccess,
  readable: [...new Set(request.readable)].toSorted(),
  home: emptyHome(request),
});

function judge(output: string, made: string): string | null {
  const found = [...output.matchAll(/^FOUND: (.*)$/gm)].map(([, what]) => what!);
  if (found.length > 0) return `a command in the container ${found.join(", and ")}`;
  if (!output.includes(TRIAL_END)) return `a command in the container did not run: ${output.trim() || "it printed nothing"}`;
  try {
    const { uid } = statSync(made);
    return uid === process.getuid!() ? null : `a file that a command in the container has made belongs to user ${uid}`;
  } catch (err) {
    if (isAbsent(err)) return "a command in the container cannot write to its workspace";
    throw err;
  }
}

/** The engine's filter, without what no command may use. Gives its path. */
async function writeSeccomp(directory: string): Promise<string> {
  const given = requireObject(JSON.parse(readFileSync(ENGINE_SECCOMP, "utf8")), ENGINE_SECCOMP);
  const path = join(directory, "containers", "seccomp.json");
  await ensureDirectory(join(directory, "containers"));
  await writeFileAtomic(path, `${JSON.stringify(seccompProfile(given))}\n`);
  return path;
}

/** The engine must not ask for more than the gateway has. */
function openFilesLimit(): number {
  const [, hard] = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
  return Math.min(Number(hard ?? TOOL_LIMITS.containerOpenFiles), TOOL_LIMITS.containerOpenFiles);
}

const guarantees = ({ engine, memory, pidsLimit, readOnlyRoot }: ContainerSettings, hasOwnFilter: boolean): readonly string[] => [
  `Files: a command changes only the workspace${readOnlyRoot ? "" : " and the files of its container"}, and reads besides it only the image and what was named for it.`,
  "Directories in memory and the home directory are empty at first, have a limited size and last as long as the container runs.",
  "Processes: it sees, signals and traces only those of its container. They end with it; one that hides while others run, with the last of these.",
  "Network: none but the loopback of its container.",
  hasOwnFilter
    ? "Rights: no capabilities, no programs with the rights of another user, no new namespaces, no set-user-id files."
    : `Rights: no capabilities, no programs with the rights of another user; system calls as ${engine} filters them.`,
  `Limits for each container: ${pidsLimit} processes, ${memory} of memory; size of one file, memory of temporary files.`,
  "Containers end with the gateway, also when it is killed.",
  "Not limited: disk space that many files in the workspace use.",
  "Not protected: Unix sockets that a program of the host opens in the workspace, and files there that the host later runs.",
  "Not protected: faults of the kernel and of the engine.",
];
