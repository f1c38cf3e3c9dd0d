import type { JSX } from "preact";
import * as store from "../store.ts";
import type { CommandRow } from "../wire.ts";

const SHOWN = 6;

function toFound(text: string): readonly CommandRow[] {
  const typed = /^\/(\S*)$/.exec(text)?.[1];
  return typed === undefined ? [] : store.commands.value.filter((command) => command.name.startsWith(typed.toLowerCase())).slice(0, SHOWN);
}

const toInput = (command: CommandRow): string => `/${command.name}${command.acceptsArgs === true ? " " : ""}`;

/** What Tab makes of the typed beginning of a command; null when there is nothing to complete. */
export function firstCommand(text: string): string | null {
  const first = toFound(text)[0];
  return first === undefined || toInput(first) === text ? null : toInput(first);
}

/** While a message begins with a slash: the commands that it could become. */
export function CommandHints({ text, onPick }: { text: string; onPick: (command: string) => void }): JSX.Element | null {
  const found = toFound(text);
  if (found.length === 0) return null;
  return (
    <ul class="hints" aria-label="Commands">
      {found.map((command) => (
        <li key={command.name}>
          <button type="button" onClick={() => onPick(toInput(command))}>
            <strong>/{command.name}</strong> <span>{command.description ?? ""}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
