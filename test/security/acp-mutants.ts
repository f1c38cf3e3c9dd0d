import type { Mutant } from "./mutant.ts";

const PERMISSION = "src/agents/acp/permission.test.ts";
const TURN = "src/turns/running-turn-agents.test.ts";
const COMMAND = "src/turns/acp-command.test.ts";

/** Guards of agents of other vendors, each broken in one way. */
export const ACP_MUTANTS: readonly Mutant[] = [
  {
    invariant: 6,
    breaks: "an option of an unknown kind is never chosen",
    file: "src/agents/acp/permission.ts",
    text: 'if (typeof kind !== "string" || !KINDS.has(kind)) continue;',
    broken:
      'if (typeof kind !== "string") continue;\n    if (kind.toLowerCase().startsWith("allow")) options.allow_once ??= { id: id as string, name };',
    tests: [PERMISSION],
    title: "unknown kinds",
  },
  {
    invariant: 6,
    breaks: "an option is chosen by its kind, not by its place",
    file: "src/agents/acp/permission.ts",
    text: "options[kind as OptionKind] ??= { id: id as string, name };",
    broken: "options[kind as OptionKind] ??= { id: read[0]!.id as string, name };",
    tests: [PERMISSION],
    title: "always first",
  },
  {
    invariant: 6,
    breaks: "an id that stands for two answers counts for none",
    file: "src/agents/acp/permission.ts",
    text: "if (read.some((other) => other.id === id && other.kind !== kind)) continue;",
    broken: "",
    tests: [PERMISSION],
    title: "one id for both answers",
  },
  {
    invariant: 6,
    breaks: "no answer is not an agreement",
    file: "src/agents/acp/permission.ts",
    text: ": undefined;\n  return chosen",
    broken: ": options.allow_once;\n  return chosen",
    tests: [PERMISSION],
  },
  {
    invariant: 6,
    breaks: "a command that cannot be shown in full is not asked about",
    file: "src/agents/acp/permission.ts",
    text: 'if (isCut && kind === "execute") return null;',
    broken: "",
    tests: [PERMISSION],
    title: "too long to be shown",
  },
  {
    invariant: 11,
    breaks: "only owners let an agent of another vendor answer",
    file: "src/turns/commands.ts",
    text: "byName.get(name)?.ownersOnly === true;",
    broken: "byName.get(name)?.ownersOnly === null;",
    tests: [COMMAND],
    title: "what only shows overtakes",
  },
  {
    invariant: 11,
    breaks: "an agent of another vendor needs the right to run programs",
    file: "src/turns/turn-tools.ts",
    text: 'isCallable("exec", this.granted(this.#session()));',
    broken: 'isCallable("exec", ["exec"]);',
    tests: [TURN],
    title: "needs the right to run programs",
  },
  {
    invariant: 6,
    breaks: "the start of an agent of another vendor is on disk before its prompt",
    file: "src/turns/turn-tools.ts",
    text: "await this.#turn.store({ id: this.#turn.audit.agentCallId, name: `acp/${name}`, args: {} });",
    broken: "",
    tests: [TURN],
    title: "closed after a crash",
  },
  {
    invariant: 11,
    breaks: "a task loses a tool that the configuration withdraws from an agent on its way",
    file: "src/turns/task-tools.ts",
    text: "return tools.filter((tool) => lists.every((list) => list.has(tool)));",
    broken: "return tools;",
    tests: ["src/turns/task-tools.test.ts"],
  },
];
