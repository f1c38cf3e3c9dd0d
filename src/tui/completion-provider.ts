import { completionsOf, type CompletionSources } from "./slash-commands.ts";
import type { AutocompleteItem, AutocompleteProvider, AutocompleteSuggestions } from "./toolkit.ts";

/** Completion for the editor: commands and their first argument; files of this machine only after `/attach`. */
export class CompletionProvider implements AutocompleteProvider {
  readonly #sources: () => CompletionSources;

  constructor(sources: () => CompletionSources) {
    this.#sources = sources;
  }

  getSuggestions(lines: string[], cursorLine: number, cursorCol: number): Promise<AutocompleteSuggestions | null> {
    const found = lines.length === 1 && cursorLine === 0 ? completionsOf(lines[0]!.slice(0, cursorCol), this.#sources()) : null;
    return Promise.resolve(found === null ? null : { prefix: found.prefix, items: [...found.items] });
  }

  applyCompletion(
    lines: string[],
    cursorLine: number,
    cursorCol: number,
    item: AutocompleteItem,
    prefix: string,
  ): { lines: string[]; cursorLine: number; cursorCol: number } {
    const line = lines[cursorLine] ?? "";
    const current = this.#replaced(lines, cursorLine, cursorCol, item, prefix);
    if (current === null) return { lines, cursorLine, cursorCol };
    const before = line.slice(0, cursorCol - current.length) + item.value;
    return { lines: lines.with(cursorLine, before + line.slice(cursorCol)), cursorLine, cursorCol: before.length };
  }

  /** What the item replaces; null: nothing. Who types fast takes an item from a list that is a few letters behind the text. */
  #replaced(lines: string[], cursorLine: number, cursorCol: number, item: AutocompleteItem, prefix: string): string | null {
    const found = lines.length === 1 && cursorLine === 0 ? completionsOf(lines[0]!.slice(0, cursorCol), this.#sources()) : null;
    if (found?.prefix === prefix) return prefix;
    return found?.items.some(({ value }) => value === item.value) === true ? found.prefix : null;
  }

  shouldTriggerFileCompletion(): boolean {
    return false;
  }
}
