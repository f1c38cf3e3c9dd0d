import { allFlags, type CliCommand, type CliFlag, type ValueKind } from "./command.ts";
import type { CommandHandler } from "./command.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

/** The completions of one place: words of the command table, or names that `openclaw __complete` prints. */
type CompletionChoices = { readonly values: readonly string[]; readonly valueKind?: ValueKind | undefined };

const NOTHING: CompletionChoices = { values: [] };

/** What the value of a flag, or an argument, can be; null: anything, such as a file. */
const choicesOf = (value: { choices?: readonly string[]; valueKind?: ValueKind } | undefined): CompletionChoices | null =>
  value?.choices ? { values: value.choices } : value?.valueKind ? { values: [], valueKind: value.valueKind } : null;

/** The words that may follow the beginnings of commands, such as `nodes camera`, in the order of the table. */
function nextWords(commands: readonly CliCommand[]): Map<string, readonly string[]> {
  const next = new Map<string, Set<string>>();
  for (const { path } of commands)
    for (let length = 1; length < path.length; length++) {
      const beginning = path.slice(0, length).join(" ");
      next.set(beginning, (next.get(beginning) ?? new Set()).add(path[length]!));
    }
  return new Map([...next].map(([beginning, words]) => [beginning, [...words]]));
}

/** Every place of a command line, by its key: `<command>|<number of arguments before>` or `<command> --flag`. */
function placesOf(commands: readonly CliCommand[]): Map<string, CompletionChoices> {
  const places = new Map<string, CompletionChoices>();
  places.set("|0", { values: [...new Set(commands.map((command) => command.path[0]!))].toSorted() });
  for (const [beginning, words] of nextWords(commands)) places.set(`${beginning}|0`, { values: words });
  for (const [name, family] of Map.groupBy(commands, (command) => command.path[0]!)) {
    const own = family.find((command) => command.path.length === 1);
    const first = choicesOf(own?.args?.[0]) ?? NOTHING;
    const subcommands = places.get(`${name}|0`)?.values ?? [];
    places.set(`${name}|0`, { values: [...new Set([...subcommands, ...first.values])], valueKind: first.valueKind });
    for (const command of family) addCommand(places, command, command.path.join(" "));
    const fallback = own ?? family.find((command) => command.isDefault);
    if (fallback && !own) addFlags(places, fallback, name);
  }
  return places;
}

function addCommand(places: Map<string, CompletionChoices>, command: CliCommand, path: string): void {
  for (const [index, arg] of (command.args ?? []).entries()) {
    const offer = choicesOf(arg);
    if (offer && !places.has(`${path}|${index}`)) places.set(`${path}|${index}`, offer);
  }
  addFlags(places, command, path);
}

function addFlags(places: Map<string, CompletionChoices>, command: CliCommand, path: string): void {
  for (const flag of allFlags(command)) {
    const offer = choicesOf(flag);
    if (offer) for (const name of namesOf(flag)) places.set(`${path} ${name}`, offer);
  }
}

const namesOf = ({ name, short }: CliFlag): string[] => [`--${name}`, ...(short ? [`-${short}`] : [])];
const flagWords = (command: CliCommand): string =>
  allFlags(command)
    .map((flag) => `--${flag.name}`)
    .join(" ");

/** The flags of each command; a family's name alone has those of the command that it means. */
function flagLists(commands: readonly CliCommand[]): Map<string, string> {
  const lists = new Map<string, string>([["", "--help --version"]]);
  for (const command of commands) lists.set(command.path.join(" "), flagWords(command));
  for (const [name, family] of Map.groupBy(commands, (command) => command.path[0]!)) {
    const meant = family.find((command) => command.isDefault);
    if (!lists.has(name)) lists.set(name, meant ? flagWords(meant) : "--help");
  }
  for (const beginning of nextWords(commands).keys()) if (!lists.has(beginning)) lists.set(beginning, "--help");
  return lists;
}

/** Flags whose value is the next word. */
const takesValue = (commands: readonly CliCommand[]): string[] => [
  ...new Set(commands.flatMap((command) => allFlags(command).filter((flag) => flag.value !== undefined)).flatMap(namesOf)),
];

/** The script that teaches a shell our commands, made from the table. It starts a process only for names that the table cannot know. */
export function completionScript(shell: Shell, commands: readonly CliCommand[]): string {
  if (shell === "fish") return fish(commands);
  const parts = {
    valueFlags: ` ${takesValue(commands).join(" ")} `,
    paths: `|${[...new Set([...nextWords(commands).keys(), ...commands.map((command) => command.path.join(" "))])].join("|")}|`,
    flags: [...flagLists(commands)].map(([path, flags]) => `    "${path}") flags="${flags}" ;;`).join("\n"),
    places: [...placesOf(commands)]
      .map(([place, { values: words, valueKind: names }]) => `    "${place}") next="${words.join(" ")}"; names="${names ?? ""}" ;;`)
      .join("\n"),
  };
  return shell === "bash" ? bash(parts) : zsh(parts);
}

type CompletionTable = { readonly valueFlags: string; readonly paths: string; readonly flags: string; readonly places: string };

// Values that a program printed are compared and quoted, never handed to `compgen -W`, which would expand them.
function bash({ valueFlags: valued, paths, flags, places }: CompletionTable): string {
  return `# bash completion for openclaw: eval "$(openclaw completion bash)"
_openclaw() {
  local typed="\${COMP_LINE:0:COMP_POINT}" path= previous= word= next= names= flags= place= value= current index
  local -a words=() given=() offers=()
  read -ra words <<< "$typed"
  case "$typed" in *[[:space:]]) words+=("") ;; esac
  current="\${words[\${#words[@]}-1]}"
  for ((index = 1; index < \${#words[@]} - 1; index++)); do
    word="\${words[index]}"
    if [ -n "$previous" ]; then previous=; continue; fi
    case "$word" in
      -*) case "${valued}" in *" $word "*) previous="$word" ;; esac; continue ;;
    esac
    if [ -z "$path" ]; then path="$word"; continue; fi
    case "${paths}" in
      *"|$path $word|"*) [ \${#given[@]} -eq 0 ] && path="$path $word" && continue ;;
    esac
    given+=("$word")
  done
  case "$path" in
${flags}
    *) flags="--help" ;;
  esac
  case "$current" in
    -*=*) previous="\${current%%=*}"; current="\${current#*=}" ;;
  esac
  if [ -n "$previous" ]; then place="$path $previous"; else place="$path|\${#given[@]}"; fi
  case "$place" in
${places}
  esac
  COMPREPLY=()
  case "$previous$current" in -*) [ -z "$previous" ] && next="$flags" names= ;; esac
  for value in $next; do offers+=("$value"); done
  if [ -n "$names" ]; then
    while IFS= read -r value; do offers+=("$value"); done < <("\${words[0]}" __complete "$names" -- "\${given[@]}" "\${words[@]:1}" 2>/dev/null)
  fi
  # The shell ends a word at a colon or an equals sign: the text before it is on the line already.
  local before=
  case "$COMP_WORDBREAKS" in *:*) before="\${current%"\${current##*:}"}" ;; esac
  for value in "\${offers[@]}"; do
    case "$value" in "$current"*) printf -v value '%q' "\${value#"$before"}"; COMPREPLY+=("$value") ;; esac
  done
}
complete -o default -F _openclaw openclaw
`;
}

function zsh({ valueFlags: valued, paths, flags, places }: CompletionTable): string {
  return `#compdef openclaw
# zsh completion for openclaw: eval "$(openclaw completion zsh)"
_openclaw() {
  local line= previous= word= next= names= flags= place= current="\${words[CURRENT]}"
  local -a given offers
  local -i index
  for ((index = 2; index < CURRENT; index++)); do
    word="\${words[index]}"
    if [[ -n "$previous" ]]; then previous=; continue; fi
    case "$word" in
      -*) case "${valued}" in *" $word "*) previous="$word" ;; esac; continue ;;
    esac
    if [[ -z "$line" ]]; then line="$word"; continue; fi
    case "${paths}" in
      *"|$line $word|"*) if (( \${#given} == 0 )); then line="$line $word"; continue; fi ;;
    esac
    given+=("$word")
  done
  case "$line" in
${flags}
    *) flags="--help" ;;
  esac
  case "$current" in
    -*=*) previous="\${current%%=*}"; compset -P '*=' ;;
  esac
  if [[ -n "$previous" ]]; then place="$line $previous"; else place="$line|\${#given}"; fi
  case "$place" in
${places}
  esac
  if [[ -z "$previous" && "$current" == -* ]]; then
    compadd -- \${=flags}
    return
  fi
  offers=(\${=next})
  if [[ -n "$names" ]]; then offers+=("\${(@f)$("\${words[1]}" __complete "$names" -- "\${given[@]}" "\${(@)words[2,CURRENT]}" 2>/dev/null)}"); fi
  if (( \${#offers} )); then compadd -- "\${(@)offers:#}"; else _files; fi
}
compdef _openclaw openclaw
`;
}

const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
const fishNames = (names: ValueKind): string => `(openclaw __complete ${names} -- (commandline -opc) 2>/dev/null)`;

function fish(commands: readonly CliCommand[]): string {
  const lines = ["# fish completion for openclaw: openclaw completion fish | source", "complete -c openclaw -f"];
  for (const [name, family] of Map.groupBy(commands, (command) => command.path[0]!)) {
    const first = family.find((command) => command.path.length === 1) ?? family[0]!;
    lines.push(`complete -c openclaw -n __fish_use_subcommand -a ${name} -d ${quoted(first.summary)}`);
    const next = nextWords(family);
    for (const [beginning, words] of next)
      for (const word of words) {
        const below = family.find(({ path }) => path.join(" ").startsWith(`${beginning} ${word}`))!;
        lines.push(`complete -c openclaw -n ${quoted(fishSeen(beginning, words))} -a ${word} -d ${quoted(below.summary)}`);
      }
    for (const command of family) {
      const path = command.path.join(" ");
      const seen = fishSeen(path, next.get(path) ?? []);
      for (const arg of command.args ?? []) {
        const values = fishValues(arg);
        if (values !== null) lines.push(`complete -c openclaw -n ${quoted(seen)} -a ${quoted(values)}`);
      }
      for (const flag of command.flags ?? []) {
        const values = fishValues(flag);
        const takes = flag.value === undefined ? "" : values === null ? " -r" : ` -x -a ${quoted(values)}`;
        const short = flag.short ? ` -s ${flag.short}` : "";
        lines.push(`complete -c openclaw -n ${quoted(seen)} -l ${flag.name}${short}${takes} -d ${quoted(flag.help)}`);
      }
    }
  }
  return `${lines.join("\n")}\n`;
}

/** The words of the beginning are there, and none of those that may follow it. */
const fishSeen = (beginning: string, next: readonly string[]): string =>
  [
    ...beginning.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`),
    ...(next.length === 0 ? [] : [`not __fish_seen_subcommand_from ${next.join(" ")}`]),
  ].join("; and ");

function fishValues(value: { choices?: readonly string[]; valueKind?: ValueKind }): string | null {
  if (value.choices) return value.choices.join(" ");
  return value.valueKind ? fishNames(value.valueKind) : null;
}

/** `openclaw completion <shell>` */
export const completionOf =
  (commands: readonly CliCommand[]): CommandHandler =>
  ({ args, out }) => {
    const script = completionScript(args[0] as Shell, commands);
    out.result({ shell: args[0], script }, () => out.raw(script));
  };
