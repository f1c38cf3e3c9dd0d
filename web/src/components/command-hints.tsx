import type { JSX } from "preact";
import * as store from "../store.ts";

const SHOWN = 6;

/** While a message begins with a slash: the commands that it could become. */
export function CommandHints({ text, onPick }: { text: string; onPick: (command: string) => void }): JSX.Element | null {
  const typed = /^\/(\S*)$/.exec(text)?.[1];
  if (typed === undefined) return null;
  const found = store.commands.value.filter((command) => command.name.startsWith(typed.toLowerCase())).slice(0, SHOWN);
  if (found.length === 0) return null;
  return (
    <ul class="hints" aria-label="Commands">
      {found.map((command) => (
        <li key={command.name}>
          <button type="button" onClick={() => onPick(`/${command.name}${command.acceptsArgs === true ? " " : ""}`)}>
            <strong>/{command.name}</strong> <span>{command.description ?? ""}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
