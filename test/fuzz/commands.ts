import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asId } from "../../src/core/ids.ts";
import { silentLog } from "../../src/core/log.ts";
import { SettingsCommandGate, type CommandQuestion } from "../../src/tools/commands/gate.ts";
import { bindPlan, planCommand, type BoundPlan } from "../../src/tools/commands/plan.ts";
import { parseShellText, type SimpleCommand } from "../../src/tools/commands/shell-text.ts";
import type { AllowedCommand } from "../../src/tools/command-gate.ts";
import { SeededRandom } from "../crash/seeded-random.ts";
import { testPermit } from "../fakes/tool-permit.ts";

export type CommandFuzzSummary = {
  cases: number;
  /** Those whose programs followed from the words alone, so that what ran could be compared one by one. */
  understood: number;
  /** Those in which something that was bound was changed after the answer. */
  changed: number;
  faults: string[];
};

const STUBS = ["p0", "p1", "p2"] as const;
/** Ends the record of a start. No word is like it: random words have no capital letters. */
const END = "END";
/** What a stub writes for each start, at once: the directory, its name, its arguments and the end, each ended by NUL. */
const STUB = `#!/bin/sh
printf '%s\\0' "$PWD" "\${0##*/}" "$@" ${END} >> "$0.log"
`;
const CHARS = "ab-=:.,/'\"\\ ~!#^%@+\t_09é";

/** Asks the gate about random commands, lets a person agree, runs what it returns, and compares what stubs received with what was asked. */
export class CommandFuzz {
  readonly #random: SeededRandom;
  readonly #root = realpathSync(mkdtempSync(join(tmpdir(), "command-fuzz-")));
  readonly #workspace = join(this.#root, "workspace");
  readonly #bin = join(this.#root, "bin");
  readonly #summary: CommandFuzzSummary = { cases: 0, understood: 0, changed: 0, faults: [] };
  #asked: CommandQuestion | null = null;
  #afterAnswer: () => void = () => {};

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    mkdirSync(join(this.#workspace, "sub"), { recursive: true });
    mkdirSync(this.#bin);
    for (const name of STUBS) this.#write(join(this.#bin, name), STUB);
    symlinkSync(join(this.#bin, "p0"), join(this.#bin, "link"));
  }

  async run(cases: number): Promise<CommandFuzzSummary> {
    let count = 0;
    const gate = new SettingsCommandGate({
      settings: () => ({ mode: "ask", rule: "r", host: "gateway", hostRule: "h", alwaysAsk: true, readOnly: false }),
      sandbox: () => Promise.reject(new Error("the gateway's host needs none")),
      desk: {
        ask: (question) => {
          this.#asked = question;
          this.#afterAnswer();
          return Promise.resolve({ allowed: true, id: String(++count) });
        },
        use: () => Promise.resolve(true),
        useGrant: () => Promise.resolve(false),
        allowlist: () => [],
      },
      log: silentLog,
    });
    try {
      for (let at = 0; at < cases; at++) await this.#one(gate, at);
    } finally {
      rmSync(this.#root, { recursive: true, force: true });
    }
    return this.#summary;
  }

  async #one(gate: SettingsCommandGate, at: number): Promise<void> {
    this.#summary.cases++;
    this.#asked = null;
    this.#write(join(this.#workspace, "run.sh"), `#!/bin/sh\nexec p1 "$@" ${at}\n`);
    const command = this.#command();
    const env = { PATH: this.#bin, CASE: String(at) };
    const cwd = this.#random.chance(0.3) ? join(this.#workspace, "sub") : this.#workspace;
    const change = this.#random.chance(0.2) ? this.#change(at) : null;
    this.#afterAnswer = change ?? ((): void => {});
    const permit = testPermit(this.#workspace);
    const before = await this.#plan(command, cwd, env);
    const request = { callId: `c${at}`, command, cwd, env, ownVariables: [], input: "none" as const, host: undefined };
    const caller = { ...permit.caller, runId: asId<never>(`r${at}`) };
    let allowed: AllowedCommand;
    try {
      allowed = await gate.allow(request, { ...permit, caller }, new AbortController().signal);
    } catch (err) {
      const after = await this.#plan(command, cwd, env);
      if (after.digest === before.digest) this.#fault(command, `refused without a change: ${(err as Error).message}`);
      else this.#summary.changed++;
      return;
    }
    if (this.#asked === null) return this.#fault(command, "it was not asked about");
    const { command: shown, cwd: shownCwd } = this.#asked as CommandQuestion;
    if (shown !== command || shownCwd !== cwd) this.#fault(command, `another command was shown: ${shown} in ${shownCwd}`);
    const [shell, flag, text, ...more] = allowed.argv;
    if (!/^\/bin\/(?:ba)?sh$/.test(shell!) || flag !== "-c" || text !== command || more.length > 0)
      this.#fault(command, `another program is started: ${JSON.stringify(allowed.argv)}`);
    if (allowed.cwd !== cwd || JSON.stringify(allowed.env) !== JSON.stringify(env)) this.#fault(command, "other surroundings");
    const now = await this.#plan(command, cwd, env);
    if (now.digest !== before.digest) this.#fault(command, "something that was bound had changed, and it runs");
    this.#compare(command, allowed);
  }

  async #plan(command: string, cwd: string, env: Record<string, string>): Promise<BoundPlan> {
    const input = { command, cwd, env, host: "gateway" as const };
    return await bindPlan(await planCommand(input, testPermit(this.#workspace)), input);
  }

  /** Runs it and compares the starts of the stubs with the words of the text. */
  #compare(command: string, { argv, cwd, env }: AllowedCommand): void {
    const parsed = parseShellText(command);
    const isKnown = (each: SimpleCommand): boolean => STUBS.some((name) => name === each.words[0]);
    if (!parsed?.every(isKnown)) return;
    this.#summary.understood++;
    for (const name of STUBS) rmSync(join(this.#bin, `${name}.log`), { force: true });
    spawnSync(argv[0]!, argv.slice(1), { cwd, env, stdio: "ignore" });
    const seen = STUBS.flatMap((name) => this.#starts(name)).toSorted();
    const expected = startedOf(parsed).map((each) => [cwd, ...each.words].map((word) => `${word}\0`).join(""));
    if (JSON.stringify(seen) !== JSON.stringify(expected.toSorted()))
      this.#fault(command, `ran ${JSON.stringify(seen)} instead of ${JSON.stringify(expected)}`);
  }

  #starts(name: string): string[] {
    try {
      return readFileSync(join(this.#bin, `${name}.log`), "utf8")
        .split(`${END}\0`)
        .filter(Boolean);
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw err;
    }
  }

  #command(): string {
    const { chance, int } = { chance: (p: number) => this.#random.chance(p), int: (a: number, b: number) => this.#random.int(a, b) };
    if (chance(0.15)) return this.#random.pick(["./run.sh a", "sh run.sh", "p0 $(./run.sh)", "run.sh", "../workspace/run.sh 'x y'"]);
    const parts = Array.from({ length: int(1, 3) }, () => {
      const words = Array.from({ length: int(0, 4) }, () =>
        Array.from({ length: int(1, 7) }, () => this.#random.pick([...CHARS])).join(""),
      );
      const odd = chance(0.08) ? ` ${this.#random.pick(["$HOME", "*", "> x", "`p1`", "&", "{a,b}", "<<E", "2>&1", ">/dev/null"])}` : "";
      return [this.#random.pick([...STUBS]), ...words].join(" ") + odd;
    });
    return parts.join(this.#random.pick([" && ", "; ", " | ", "\n", " || "]));
  }

  /** Something that an approval binds is another thing afterwards. */
  #change(at: number): () => void {
    return this.#random.pick([
      () => this.#write(join(this.#workspace, "run.sh"), `#!/bin/sh\nrm -rf / ${at}\n`),
      () => {
        rmSync(join(this.#workspace, "run.sh"));
      },
    ]);
  }

  #write(path: string, content: string): void {
    writeFileSync(path, content);
    chmodSync(path, 0o755);
  }

  #fault(command: string, what: string): void {
    if (this.#summary.faults.length < 50) this.#summary.faults.push(`${JSON.stringify(command)}: ${what}`);
  }
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
