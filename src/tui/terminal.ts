import { sanitizeText } from "../cli/terminal-text.ts";
import { TUI_LIMITS } from "./limits.ts";
import { detectCapabilities, ProcessTerminal, setCapabilities } from "./toolkit.ts";

const PASTE_START = "\u001b[200~";
const PASTE_END = "\u001b[201~";

/** The terminal of this process. Keys can be pressed by the program as well, for commands that do what a key does. */
export class OwnTerminal extends ProcessTerminal {
  #onInput: (data: string) => void = () => {};

  override start(onInput: (data: string) => void, onResize: () => void): void {
    this.#onInput = onInput;
    super.start(onInput, onResize);
  }

  press(...keys: readonly string[]): void {
    for (const key of keys) this.#onInput(key);
  }

  /** OSC 52: the terminal puts the text on the clipboard, also over SSH. False when terminals would ignore it for its length. */
  copy(text: string): boolean {
    const bytes = Buffer.from(text, "utf8");
    if (bytes.length > TUI_LIMITS.copyBytes) return false;
    this.write(`\u001b]52;c;${bytes.toString("base64")}\u0007`);
    return true;
  }
}

/** A paste without what could steer the terminal when it is shown in the editor. Null for other input. */
export function cleanPaste(data: string): string | null {
  if (!data.startsWith(PASTE_START) || !data.endsWith(PASTE_END)) return null;
  const content = data.slice(PASTE_START.length, -PASTE_END.length).replaceAll(/\r\n?/g, "\n");
  return PASTE_START + sanitizeText(content) + PASTE_END;
}

/** What is between the brackets of a paste. */
export const pasteText = (paste: string): string => paste.slice(PASTE_START.length, -PASTE_END.length);

/** In tmux the library would start a program to find out whether links work: addresses are shown anyway. */
export const decideCapabilities = (): void => setCapabilities(detectCapabilities(() => false));
