import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import * as store from "../state.ts";
import type { CommandRow } from "../../../src/client/conversation/protocol-types.ts";

export const HINTS_ID = "command-hints";
export const hintId = (at: number): string => `${HINTS_ID}-${at}`;

/** The commands that a text which begins with a slash could become: by name, or by a choice of the first argument. */
export function findCommands(text: string): readonly CommandRow[] {
  const [, typed, argument] = /^\/(\S*)(?: (\S*))?$/.exec(text) ?? [];
  if (typed === undefined) return [];
  const name = typed.toLowerCase();
  if (argument === undefined) return store.commandRows.value.filter((command) => command.name.startsWith(name));
  const command = store.commandRows.value.find((each) => each.name === name);
  return command === undefined ? [] : withChoices(command).filter((each) => each.name.startsWith(`${name} ${argument}`));
}

/** The command with each choice of its first argument. */
function withChoices({ name, description, args = [] }: CommandRow): readonly CommandRow[] {
  const acceptsArgs = args.length > 1;
  return (args[0]?.choices ?? []).map(({ value }) => ({ name: `${name} ${value}`, acceptsArgs, ...(description && { description }) }));
}

/** What the field holds once the command was chosen. */
export const toCommandInput = (command: CommandRow): string => `/${command.name}${command.acceptsArgs === true ? " " : ""}`;

type CommandHintsProps = { found: readonly CommandRow[]; chosen: number; onPick: (command: string) => void };

/** Over the field, which keeps the keyboard: it says which of them is chosen. */
export function CommandHints({ found, chosen, onPick }: CommandHintsProps): JSX.Element | null {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" }), [chosen]);
  if (found.length === 0) return null;
  return (
    <div class="hints" id={HINTS_ID} role="listbox" aria-label="Commands" ref={list}>
      {found.map((command, at) => (
        <div
          key={command.name}
          id={hintId(at)}
          role="option"
          aria-selected={at === chosen}
          onPointerDown={(event) => event.preventDefault()}
          onClick={() => onPick(toCommandInput(command))}
        >
          <strong>/{command.name}</strong> <span>{command.description ?? ""}</span>
        </div>
      ))}
    </div>
  );
}
