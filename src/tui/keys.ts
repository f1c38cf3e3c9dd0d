import { KeybindingsManager, matchesKey, setKeybindings, TUI_KEYBINDINGS } from "./toolkit.ts";

export type KeyAction = "stop" | "interrupt" | "leave" | "sessions" | "model" | "agents" | "tools" | "thoughts" | "requests" | "queue";
type KeyName = Parameters<typeof matchesKey>[1];

/** What this program does with keys; those of the editor come on top. `help` is what /help says. */
const KEYS: readonly { readonly action: KeyAction; readonly key: KeyName; readonly label: string; readonly help: string }[] = [
  { action: "stop", key: "escape", label: "Esc", help: "stop the running turn" },
  { action: "interrupt", key: "ctrl+c", label: "Ctrl-C", help: "empty the editor; twice: leave" },
  { action: "leave", key: "ctrl+d", label: "Ctrl-D", help: "leave, when the editor is empty" },
  { action: "sessions", key: "ctrl+p", label: "Ctrl-P", help: "choose a session" },
  { action: "model", key: "ctrl+l", label: "Ctrl-L", help: "choose a model" },
  { action: "agents", key: "ctrl+g", label: "Ctrl-G", help: "choose an agent" },
  { action: "tools", key: "ctrl+o", label: "Ctrl-O", help: "open or fold tool calls and files" },
  { action: "thoughts", key: "ctrl+t", label: "Ctrl-T", help: "open or fold thoughts" },
  { action: "requests", key: "f2", label: "F2", help: "answer questions and access requests" },
  { action: "queue", key: "ctrl+q", label: "Ctrl-Q", help: "send after the running turn" },
];

export const keyAction = (data: string): KeyAction | null => KEYS.find(({ key }) => matchesKey(data, key))?.action ?? null;

export const SEARCH_KEY = "\u0006";

/** Keys of the editor and of the screen that people look for. */
const OTHER_KEYS: readonly (readonly [label: string, help: string])[] = [
  ["Enter", "send; what a running turn does with it: /queue"],
  ["Ctrl-J", "another line (also Shift-Enter and Alt-Enter)"],
  ["Tab", "complete a command"],
  ["↑ ↓", "earlier messages, when the editor is empty"],
  ["PgUp PgDn", "scroll; at the top earlier messages are read"],
  ["Ctrl-↑ Ctrl-↓", "previous and next own message"],
  ["Ctrl-Home Ctrl-End", "beginning and end"],
  ["Ctrl-F", "search; Enter and ↑ ↓ go on, Esc closes"],
];

export const keyHelp = (): readonly (readonly [label: string, help: string])[] => [
  ...KEYS.map(({ label, help }) => [label, help] as const),
  ...OTHER_KEYS,
];

/** The library's keys with ours: Home and End stay with the editor, and searching needs no key that most terminals do not send. */
export function bindKeys(): void {
  setKeybindings(
    new KeybindingsManager(TUI_KEYBINDINGS, {
      "tui.altScreen.search": "ctrl+f",
      "tui.altScreen.top": "ctrl+home",
      "tui.altScreen.bottom": "ctrl+end",
      "tui.altScreen.lineUp": "shift+up",
      "tui.altScreen.lineDown": "shift+down",
      "tui.altScreen.searchNext": ["enter", "down"],
      "tui.altScreen.searchPrevious": ["shift+enter", "up"],
      "tui.editor.cursorRight": "right",
      "tui.editor.cursorLineStart": ["home", "ctrl+a"],
      "tui.editor.cursorLineEnd": ["end", "ctrl+e"],
      "tui.editor.pageUp": [],
      "tui.editor.pageDown": [],
    }),
  );
}
