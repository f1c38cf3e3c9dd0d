import { sleep } from "../../../core/async.ts";
import type { Clock } from "../../../core/clock.ts";
import { reasonOf } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { startCommand, type CommandEnd } from "../../command.ts";
import type { GroupWatcher } from "../../group-watcher.ts";
import { TOOL_LIMITS } from "../../limits.ts";
import { COMMAND_VARIABLE, createArguments, READY, startArguments, type ContainerPlan } from "./command-lines.ts";
import type { ContainerEngine } from "./engine.ts";
import { killAll, processesOf, withVariable } from "./processes.ts";
import { inspectContainer } from "./records.ts";

export type ContainerOptions = {
  engine: ContainerEngine;
  plan: ContainerPlan;
  watcher: GroupWatcher;
  clock: Pick<Clock, "after" | "monotonic">;
  log: Log;
  /** Called when it was started, could not be started, and has ended. */
  onChange: (change: { started: boolean; seconds: number } | "ended") => void;
};

/** What holds a container: the program of the engine whose input keeps its first process waiting. */
type Running = {
  /** Number of the first process on this machine. */
  pid: number;
  /** Processes that are not of a command. */
  own: number;
  stop: () => void;
  ended: Promise<unknown>;
};

/**
 * One container: made and started when a command needs it, ended when no command has run for a while. It ends with the gateway, also when
 * that is killed.
 */
export class Container {
  readonly plan: ContainerPlan;
  readonly #options: ContainerOptions;
  readonly #commands = new Set<string>();
  #running: Running | null = null;
  /** What changes the container, one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #cancelIdle: (() => void) | null = null;
  #isMade = false;

  constructor(options: ContainerOptions) {
    this.plan = options.plan;
    this.#options = options;
  }

  get commands(): number {
    return this.#commands.size;
  }

  get pid(): number | null {
    return this.#running?.pid ?? null;
  }

  /** Resolves when the container runs and is kept for this command, until `leave`. */
  async enter(id: string): Promise<void> {
    this.#cancelIdle?.();
    this.#cancelIdle = null;
    await this.#inTurn(async () => {
      await this.#start();
      this.#commands.add(id);
    });
  }

  /** Ends what a command has left running. */
  async leave(id: string, how: CommandEnd["reason"]): Promise<void> {
    if (how !== "exited" && this.#commands.size > 1) return await this.#leaveOthers(id);
    await this.#inTurn(async () => {
      this.#commands.delete(id);
      if (this.#commands.size > 0) return await this.#sweep(id);
      // A program of the engine that was killed may still be about to start something.
      if (how === "exited") await this.#sweepAll();
      else await this.#kill();
      this.#waitIdle();
    });
  }

  /** Ends it by the end of what holds it, without waiting for the engine; its files stay for the next command. */
  async stop(): Promise<void> {
    this.#cancelIdle?.();
    const running = this.#running;
    running?.stop();
    await running?.ended;
  }

  /** Removes it with its files. */
  async remove(): Promise<void> {
    this.#cancelIdle?.();
    await this.#inTurn(async () => {
      await this.#kill();
      await this.#options.engine.run(["rm", "--force", this.plan.name]);
      this.#isMade = false;
    });
  }

  async #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => {});
    return await result;
  }

  async #start(): Promise<void> {
    if (this.#running !== null) return;
    const { clock, onChange } = this.#options;
    const began = clock.monotonic();
    let started = false;
    try {
      await this.#startNow();
      started = true;
    } finally {
      onChange({ started, seconds: (clock.monotonic() - began) / 1_000 });
    }
  }

  async #startNow(): Promise<void> {
    const { engine, plan } = this.#options;
    const isNew = await this.#make();
    this.#running = await this.#hold();
    const { setupCommand } = plan.settings;
    if (!isNew || setupCommand === undefined) return;
    try {
      const setup = ["exec", plan.name, "/bin/sh", "-c", setupCommand];
      await engine.expect(setup, { timeoutMs: TOOL_LIMITS.containerSetupMs });
    } catch (err) {
      await this.#kill();
      await engine.run(["rm", "--force", plan.name]);
      this.#isMade = false;
      throw new Error(`The container could not be set up by sandbox.docker.setupCommand: ${reasonOf(err)}.`, { cause: err });
    }
  }

  /** Whether there was none with this name. */
  async #make(): Promise<boolean> {
    const { engine, plan } = this.#options;
    if (this.#isMade || (await inspectContainer(engine, plan.name)) !== null) {
      this.#isMade = true;
      return false;
    }
    await engine.expect(createArguments(plan));
    this.#isMade = true;
    return true;
  }

  async #hold(): Promise<Running> {
    const { engine, plan, watcher, clock, log, onChange } = this.#options;
    const stopping = new AbortController();
    const { promise: ready, resolve: setReady } = Promise.withResolvers<void>();
    let output = "";
    let errors = "";
    const held = await startCommand({
      argv: [engine.program, ...startArguments(plan)],
      cwd: "/",
      env: engine.env,
      timeoutMs: undefined,
      signal: stopping.signal,
      watcher,
      clock,
      log,
      input: "pipe",
      onOutput: (chunk) => {
        if (output.includes("\n")) return;
        output += chunk.toString("latin1");
        if (output.startsWith(READY) && output.includes("\n")) setReady();
      },
      onErrorOutput: (chunk) => void (errors = (errors + chunk.toString("utf8")).slice(-TOOL_LIMITS.updateChars)),
    });
    const hasEnded = held.ended.then(
      ({ exitCode }) => `it ended with exit code ${exitCode}${errors === "" ? "" : `: ${errors.trim()}`}`,
      (err: unknown) => reasonOf(err),
    );
    const failure = await Promise.race([
      ready.then(() => null),
      hasEnded,
      sleep(clock, TOOL_LIMITS.engineMs).then(() => "it did not begin"),
    ]);
    const record = failure === null ? await inspectContainer(engine, plan.name) : null;
    if (!record?.pid) {
      stopping.abort();
      throw new Error(`The container ${plan.name} could not be started: ${failure ?? "it ended at once"}.`);
    }
    const running: Running = {
      pid: record.pid,
      own: (await processesOf(record.pid))?.length ?? 2,
      stop: () => stopping.abort(),
      ended: hasEnded,
    };
    void hasEnded.then(() => {
      if (this.#running === running) this.#running = null;
      onChange("ended");
    });
    return running;
  }

  /** Of a container in which other commands run: what has the variable of this one, which may be about to start more. */
  async #leaveOthers(id: string): Promise<void> {
    this.#commands.delete(id);
    for (let round = 0; round < TOOL_LIMITS.containerSweeps; round++) {
      if (round > 0) await sleep(this.#options.clock, TOOL_LIMITS.containerSweepMs);
      await this.#inTurn(async () => await this.#sweep(id));
    }
  }

  async #sweep(id: string): Promise<void> {
    const pids = this.#running === null ? [] : await processesOf(this.#running.pid);
    // Whose they are cannot be seen: all end.
    if (pids === null) return await this.#kill();
    if (!killAll(await withVariable(pids, `${COMMAND_VARIABLE}=${id}`))) await this.#kill();
  }

  /** No command runs: whatever is left is ended, however it hides. */
  async #sweepAll(): Promise<void> {
    if (this.#running === null) return;
    const { pid, own } = this.#running;
    const pids = await processesOf(pid);
    if (pids === null || pids.length > own) await this.#kill();
  }

  /** The kernel ends all processes with the first one. */
  async #kill(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    const { engine, plan, log } = this.#options;
    const { exitCode, errors } = await engine.run(["kill", "--signal", "KILL", plan.name]);
    running.stop();
    await running.ended;
    this.#running = null;
    const left = await inspectContainer(engine, plan.name);
    if (exitCode === 0 || left?.isRunning !== true) return;
    log.warn("a container could not be ended, and is removed", { container: plan.name, cause: errors });
    await engine.expect(["rm", "--force", plan.name]);
    this.#isMade = false;
  }

  #waitIdle(): void {
    const { clock, log } = this.#options;
    if (this.#commands.size > 0 || this.#running === null) return;
    this.#cancelIdle?.();
    this.#cancelIdle = clock.after(TOOL_LIMITS.containerIdleMs, () => {
      this.#inTurn(async () => {
        if (this.#commands.size === 0) await this.#kill();
      }).catch((err: unknown) => log.warn("an idle container could not be ended", { container: this.plan.name, cause: reasonOf(err) }));
    });
  }
}
