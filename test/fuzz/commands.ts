import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import { asId } from "../../src/core/ids.ts";
import { silentLog } from "../../src/core/log.ts";
import { startCommand } from "../../src/tools/command.ts";
import { SettingsCommandGate, type CommandQuestion } from "../../src/tools/commands/gate.ts";
import { bindPlan, planCommand, type BoundPlan } from "../../src/tools/commands/plan.ts";
import { parseShellText, type SimpleCommand } from "../../src/tools/commands/shell-text.ts";
import type { AllowedCommand, CommandRequest } from "../../src/tools/command-gate.ts";
import { GroupWatcher } from "../../src/tools/group-watcher.ts";
import { SeededRandom } from "../crash/seeded-random.ts";
import { testPermit } from "../fakes/tool-permit.ts";

export type CommandFuzzSummary = {
  cases: number;
  /** Those whose programs followed from the words alone, so that what ran could be compared one by one. */
  understood: number;
  /** Those in which something was changed after the answer, and of these, those in which it was bound: they did not run. */
  changed: number;
  refused: number;
  faults: string[];
};

const STUBS = ["p0", "p1", "p2"] as const;
/** Ends the parts of the record of a start. No word is like it: random words have no capital letters. */
const END = "END";
/**
 * What a stub writes for each start, at once: the directory, its name, its arguments, what the kernel gave it as environment, and what it
 * reads.
 */
const STUB = `#!/bin/sh
record=$(printf '%s\\001' "$PWD" "\${0##*/}" "$@" ${END}; /usr/bin/tr '\\000' '\\001' < /proc/$$/environ; printf '${END}\\001'; [ -z "$READS" ] || /bin/cat; printf '${END}\\001')
printf '%s' "$record" >> "$LOG"
`;
/** In what a stub receives when something else than what was agreed to has run. */
const OTHER = "MUTATED";
const CHARS = "ab-=:.,/'\"\\ ~!#^%@+\t_09é";
/** Variables that a shell sets by itself. */
const SHELL_VARIABLES = new Set(["PWD", "OLDPWD", "SHLVL", "_"]);
/** Cases that run at the same time, each in a workspace of its own. */
const LANES = 4;

/** One start of a stub, as it has recorded it. */
type Start = { words: string[]; env: Record<string, string>; input: string };

/** Asks the gate about random commands, lets a person agree, runs what it returns, and compares what stubs received with what was asked. */
export class CommandFuzz {
  readonly #seed: number;
  readonly #root = realpathSync(mkdtempSync(join(tmpdir(), "command-fuzz-")));
  readonly #summary: CommandFuzzSummary = { cases: 0, understood: 0, changed: 0, refused: 0, faults: [] };

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** `changeShare`: of how many cases of 1 something is changed after the answer. */
  async run(cases: number, { changeShare = 0.2 }: { changeShare?: number } = {}): Promise<CommandFuzzSummary> {
    const watcher = new GroupWatcher();
    const bin = join(this.#root, "bin");
    mkdirSync(bin);
    for (const name of STUBS) writeProgram(join(bin, name), STUB);
    symlinkSync(join(bin, "p0"), join(bin, "link"));
    let left = cases;
    const lanes = Array.from({ length: LANES }, async (_, at) => {
      const lane = new Lane({ root: this.#root, at, seed: this.#seed * LANES + at, watcher, changeShare }, this.#summary);
      while (left-- > 0) await lane.one();
    });
    try {
      await Promise.all(lanes);
    } finally {
      watcher.release();
      rmSync(this.#root, { recursive: true, force: true });
    }
    return this.#summary;
  }
}

type LaneOptions = { root: string; at: number; seed: number; watcher: GroupWatcher; changeShare: number };

/** One case after the other, in a workspace of their own. */
class Lane {
  readonly #options: LaneOptions;
  readonly #summary: CommandFuzzSummary;
  readonly #random: SeededRandom;
  readonly #workspace: string;
  readonly #bin: string;
  readonly #log: string;
  readonly #gate: SettingsCommandGate;
  #count = 0;
  #asked: CommandQuestion | null = null;
  #afterAnswer: () => void = () => {};

  constructor(options: LaneOptions, summary: CommandFuzzSummary) {
    const { root, at, seed } = options;
    this.#options = options;
    this.#summary = summary;
    this.#random = new SeededRandom(seed);
    this.#workspace = join(root, `workspace-${at}`);
    this.#bin = join(root, "bin");
    this.#log = join(root, `log-${at}`);
    for (const name of ["sub", "first"]) mkdirSync(join(this.#workspace, name), { recursive: true });
    this.#gate = new SettingsCommandGate({
      settings: () => ({
        mode: "ask",
        rule: "r",
        host: "gateway",
        hostRule: "h",
        alwaysAsk: true,
        readOnly: false,
        workspaceAccess: "rw",
        egress: null,
      }),
      sandbox: () => Promise.reject(new Error("the gateway's host needs none")),
      desk: {
        ask: (question) => {
          this.#asked = question;
          this.#afterAnswer();
          return Promise.resolve({ allowed: true, id: String(this.#count) });
        },
        use: () => Promise.resolve(true),
        useGrant: () => Promise.resolve(false),
        allowlist: () => [],
      },
      log: silentLog,
    });
  }

  async one(): Promise<void> {
    const at = this.#count++;
    this.#summary.cases++;
    this.#asked = null;
    for (const path of [this.#log, join(this.#workspace, "first/p0"), join(this.#workspace, "run.sh")]) rmSync(path, { force: true });
    writeProgram(join(this.#workspace, "run.sh"), `#!/bin/sh\nexec p1 "$@" ${at}\n`);
    const isChanged = this.#random.chance(this.#options.changeShare);
    const request = this.#request(at, isChanged);
    const original = structuredClone(request);
    const before = await this.#plan(original);
    const change = isChanged ? this.#change(request) : null;
    if (change) this.#summary.changed++;
    this.#afterAnswer = change ?? ((): void => {});
    const permit = testPermit(this.#workspace);
    const caller = { ...permit.caller, runId: asId<never>(`r${at}`) };
    let allowed: AllowedCommand;
    try {
      allowed = await this.#gate.allow(request, { ...permit, caller }, new AbortController().signal);
    } catch (err) {
      if ((await this.#plan(original)).digest === before.digest)
        this.#fault(original, `refused without a change: ${(err as Error).message}`);
      else this.#summary.refused++;
      return;
    }
    this.#checkAllowed(original, allowed);
    if (change && (await this.#plan(original)).digest !== before.digest)
      this.#fault(original, "something that was bound had changed, and it runs");
    await this.#compare(original, allowed);
  }

  #request(at: number, isChanged: boolean): CommandRequest {
    const random = this.#random;
    const isReading = random.chance(0.3);
    const word = (): string => Array.from({ length: random.int(0, 7) }, () => random.pick([...CHARS, "\n"])).join("");
    return {
      callId: `c${at}`,
      // Most changes are of the script.
      command: this.#command(isChanged ? 0.6 : 0.15),
      cwd: random.chance(0.3) ? join(this.#workspace, "sub") : this.#workspace,
      env: {
        PATH: `${join(this.#workspace, "first")}:${this.#bin}`,
        LOG: this.#log,
        CASE: String(at),
        // As the tool sets it, so that bash does not take its input for a remote shell's.
        ...(isReading && { READS: "yes", SHLVL: "1" }),
        ...Object.fromEntries(Array.from({ length: random.int(0, 3) }, (_, index) => [`V_${index}`, word()])),
      },
      ownVariables: [],
      input: isReading ? "pipe" : "none",
      host: undefined,
    };
  }

  #plan(request: CommandRequest): Promise<BoundPlan> {
    const input = { ...request, host: "gateway" as const };
    return planCommand(input, testPermit(this.#workspace)).then((plan) => bindPlan(plan, input));
  }

  /** What a person saw and what would be started are what was asked for. */
  #checkAllowed(request: CommandRequest, allowed: AllowedCommand): void {
    const { command, cwd, env } = request;
    if (this.#asked === null) return this.#fault(request, "it was not asked about");
    const { command: shown, cwd: shownCwd } = this.#asked as CommandQuestion;
    if (shown !== command || shownCwd !== cwd) this.#fault(request, `another command was shown: ${shown} in ${shownCwd}`);
    const [shell, flag, text, ...more] = allowed.argv;
    if (!/^\/bin\/(?:ba)?sh$/.test(shell!) || flag !== "-c" || text !== command || more.length > 0)
      this.#fault(request, `another program is started: ${JSON.stringify(allowed.argv)}`);
    if (allowed.cwd !== cwd || JSON.stringify(allowed.env) !== JSON.stringify(env)) this.#fault(request, "other surroundings");
  }

  /** Runs it as the tool `exec` does, and compares the starts of the stubs with the words of the text. */
  async #compare(request: CommandRequest, allowed: AllowedCommand): Promise<void> {
    const parsed = parseShellText(request.command);
    if (!parsed?.every(({ words }) => STUBS.some((name) => name === words[0]))) return;
    this.#summary.understood++;
    const input = `input ${request.callId}`;
    await this.#start(allowed, request.input === "pipe" ? input : null);
    const starts = this.#starts();
    if (JSON.stringify(starts).includes(OTHER)) this.#fault(request, `something else has run: ${JSON.stringify(starts)}`);
    const expected = startedOf(parsed);
    const wanted = expected.map(({ words }) => JSON.stringify([request.cwd, ...words])).toSorted();
    const seen = starts.map(({ words }) => JSON.stringify(words)).toSorted();
    if (JSON.stringify(seen) !== JSON.stringify(wanted)) this.#fault(request, `ran ${seen.join()} instead of ${wanted.join()}`);
    for (const { env } of starts) {
      const others = Object.keys(env).filter((name) => !SHELL_VARIABLES.has(name) && !(name in request.env));
      const wrong = Object.entries(request.env).filter(([name, value]) => env[name] !== value && !SHELL_VARIABLES.has(name));
      if (others.length + wrong.length > 0) this.#fault(request, `another environment: ${JSON.stringify({ others, wrong, env })}`);
    }
    // The first program reads all of it, and those behind it what it writes: nothing.
    const read = starts.map((start) => start.input).join("");
    if (read !== (request.input === "pipe" ? input : "")) this.#fault(request, `read ${JSON.stringify(read)}`);
  }

  async #start({ argv, cwd, env }: AllowedCommand, input: string | null): Promise<void> {
    const running = await startCommand({
      argv,
      cwd,
      env,
      timeoutMs: undefined,
      signal: new AbortController().signal,
      watcher: this.#options.watcher,
      clock: systemClock,
      log: silentLog,
      onOutput: () => {},
      ...(input !== null && { input: "pipe" as const }),
    });
    running.input?.end(input);
    await running.ended;
  }

  #starts(): Start[] {
    try {
      const parts = readFileSync(this.#log, "utf8").split(`${END}\u0001`);
      return Array.from({ length: Math.floor(parts.length / 3) }, (_, index) => {
        const [words, env, input] = parts.slice(index * 3) as [string, string, string];
        const entries = env.split("\u0001").filter(Boolean);
        return {
          words: words.split("\u0001").slice(0, -1),
          env: Object.fromEntries(entries.map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)])),
          input,
        };
      });
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw err;
    }
  }

  #command(scriptShare: number): string {
    const { chance, int } = { chance: (p: number) => this.#random.chance(p), int: (a: number, b: number) => this.#random.int(a, b) };
    if (chance(scriptShare))
      return this.#random.pick([
        "./run.sh a",
        "sh run.sh",
        "p0 $(./run.sh)",
        "run.sh",
        `../${this.#workspace.split("/").at(-1)}/run.sh 'x y'`,
      ]);
    const parts = Array.from({ length: int(1, 3) }, () => {
      const words = Array.from({ length: int(0, 4) }, () =>
        Array.from({ length: int(1, 7) }, () => this.#random.pick([...CHARS])).join(""),
      );
      const odd = chance(0.08) ? ` ${this.#random.pick(["$HOME", "*", "> x", "`p1`", "&", "{a,b}", "<<E", "2>&1", ">/dev/null"])}` : "";
      return [this.#random.pick([...STUBS]), ...words].join(" ") + odd;
    });
    return parts.join(this.#random.pick([" && ", "; ", " | ", "\n", " || "]));
  }

  /** Something that an approval binds is another thing afterwards: a script, the program that a name finds, or the call itself. */
  #change(request: { command: string; cwd: string; env: Readonly<Record<string, string>> }): () => void {
    const script = join(this.#workspace, "run.sh");
    const other = `#!/bin/sh\nexec p2 ${OTHER}\n`;
    const shadow = join(this.#workspace, "first/p0");
    return this.#random.pick([
      () => writeProgram(script, other),
      () => rmSync(script),
      () => {
        rmSync(script);
        symlinkSync(join(this.#bin, "p2"), script);
      },
      () => writeProgram(shadow, `#!/bin/sh\nprintf ${OTHER} >> "$LOG"\n`),
      () => symlinkSync(join(this.#bin, "p2"), shadow),
      () => void (request.command = `p2 ${OTHER}`),
      () => void (request.cwd = join(this.#workspace, "first")),
      () => void Object.assign(request.env, { LOG: this.#log, V_0: OTHER }),
    ]);
  }

  #fault({ command }: CommandRequest, what: string): void {
    if (this.#summary.faults.length < 50) this.#summary.faults.push(`${JSON.stringify(command)}: ${what}`);
  }
}

function writeProgram(path: string, content: string): void {
  writeFileSync(path, content);
  chmodSync(path, 0o755);
}

/** The commands of a list that run when each of them succeeds. */
function startedOf(commands: readonly SimpleCommand[]): readonly SimpleCommand[] {
  const started: SimpleCommand[] = [];
  let isSkipped = false;
  for (const command of commands) {
    if (command.after !== "|") isSkipped = command.after === "||";
    if (!isSkipped) started.push(command);
  }
  return started;
}
