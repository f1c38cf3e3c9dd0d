import { COMMANDS } from "./table.ts";
import { flagsOf, type Command } from "./command.ts";
import type { Run } from "./command.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

/** One place where a word is completed: after `words`, these may come. */
type Place = { readonly words: string; readonly next: readonly string[]; readonly flags: readonly string[] };

/** All places of the table, the empty one first. */
function places(commands: readonly Command[]): Place[] {
  const out: Place[] = [
    { words: "", next: [...new Set(commands.map((command) => command.words[0]!))].toSorted(), flags: ["--help", "--version"] },
  ];
  const families = Map.groupBy(commands, (command) => command.words[0]!);
  for (const [name, family] of families) {
    const own = family.find((command) => command.words.length === 1) ?? family.find((command) => command.isDefault);
    const subcommands = family.map((command) => command.words[1]).filter((word) => word !== undefined);
    out.push({ words: name, next: [...new Set([...subcommands, ...choicesOf(own)])], flags: flagWords(own) });
    for (const command of family) {
      if (command.words.length > 1) out.push({ words: command.words.join(" "), next: choicesOf(command), flags: flagWords(command) });
    }
  }
  return out;
}

const choicesOf = (command: Command | undefined): readonly string[] => command?.args?.[0]?.choices ?? [];
const flagWords = (command: Command | undefined): string[] => (command ? flagsOf(command).map((flag) => `--${flag.name}`) : ["--help"]);

/** The script that teaches a shell our commands. Made from the table of commands; it starts no process while one types. */
export function completionScript(shell: Shell, commands: readonly Command[] = COMMANDS): string {
  if (shell === "fish") return fish(commands);
  const cases = places(commands).map(({ words, next, flags }) => `    "${words}") next="${next.join(" ")}"; flags="${flags.join(" ")}" ;;`);
  const body = ['  case "$path" in', ...cases, '    *) next=; flags="--help" ;;', "  esac"];
  return shell === "bash" ? bash(body) : zsh(body);
}

function bash(body: readonly string[]): string {
  return `# bash completion for openclaw: eval "$(openclaw completion bash)"
_openclaw() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path= word next flags index
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "$word" in -*) continue ;; esac
    case "$path" in *" "*) break ;; esac
    path="\${path:+$path }$word"
  done
${body.join("\n")}
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$next" -- "$current")) ;;
  esac
}
complete -o default -F _openclaw openclaw
`;
}

function zsh(body: readonly string[]): string {
  return `#compdef openclaw
# zsh completion for openclaw: eval "$(openclaw completion zsh)"
_openclaw() {
  local path= word next flags
  local -i index
  for ((index = 2; index < CURRENT; index++)); do
    word="\${words[index]}"
    case "$word" in -*) continue ;; esac
    case "$path" in *" "*) break ;; esac
    path="\${path:+$path }$word"
  done
${body.join("\n")}
  case "\${words[CURRENT]}" in
    -*) compadd -- \${=flags} ;;
    *) if [ -n "$next" ]; then compadd -- \${=next}; else _files; fi ;;
  esac
}
compdef _openclaw openclaw
`.replaceAll(/\bpath\b/g, "line");
}

const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

function fish(commands: readonly Command[]): string {
  const lines = ["# fish completion for openclaw: openclaw completion fish | source", "complete -c openclaw -f"];
  for (const [name, family] of Map.groupBy(commands, (command) => command.words[0]!)) {
    const first = family.find((command) => command.words.length === 1) ?? family[0]!;
    lines.push(`complete -c openclaw -n __fish_use_subcommand -a ${name} -d ${quoted(first.summary)}`);
    for (const command of family) {
      const [, sub] = command.words;
      const seen =
        sub === undefined
          ? `__fish_seen_subcommand_from ${name}`
          : `__fish_seen_subcommand_from ${name}; and __fish_seen_subcommand_from ${sub}`;
      if (sub !== undefined)
        lines.push(`complete -c openclaw -n ${quoted(`__fish_seen_subcommand_from ${name}`)} -a ${sub} -d ${quoted(command.summary)}`);
      for (const flag of command.flags ?? []) {
        const takes = flag.value === undefined ? "" : flag.choices ? ` -x -a ${quoted(flag.choices.join(" "))}` : " -r";
        lines.push(
          `complete -c openclaw -n ${quoted(seen)} -l ${flag.name}${flag.short ? ` -s ${flag.short}` : ""}${takes} -d ${quoted(flag.help)}`,
        );
      }
    }
  }
  return `${lines.join("\n")}\n`;
}

/** `openclaw completion <shell>` */
export const completion: Run = ({ args, out }) => {
  const script = completionScript(args[0] as Shell);
  out.result({ shell: args[0], script }, () => out.raw(script));
};
