// The parts of Pi's TUI library that this module uses, and its only importer. They are taken from their own files: its index also loads a
// Markdown parser and a renderer of formulas.
export { Editor } from "@earendil-works/pi-tui/dist/components/editor.js";
export { Image } from "@earendil-works/pi-tui/dist/components/image.js";
export { Input } from "@earendil-works/pi-tui/dist/components/input.js";
export { ScrollView } from "@earendil-works/pi-tui/dist/components/scroll-view.js";
export type { SelectListTheme } from "@earendil-works/pi-tui/dist/components/select-list.js";
export { VStack } from "@earendil-works/pi-tui/dist/components/v-stack.js";
export type { AutocompleteItem, AutocompleteProvider, AutocompleteSuggestions } from "@earendil-works/pi-tui/dist/autocomplete.js";
export { KeybindingsManager, setKeybindings, TUI_KEYBINDINGS } from "@earendil-works/pi-tui/dist/keybindings.js";
export { matchesKey } from "@earendil-works/pi-tui/dist/keys.js";
export { ProcessTerminal } from "@earendil-works/pi-tui/dist/terminal.js";
export { detectCapabilities, getCapabilities, setCapabilities } from "@earendil-works/pi-tui/dist/terminal-image.js";
export type { Component, Focusable, OverlayHandle, TuiMouseEvent, TuiMouseEventResult } from "@earendil-works/pi-tui/dist/tui.js";
export { TuiAltScreen } from "@earendil-works/pi-tui/dist/tui-alt-screen.js";
export { truncateToWidth, visibleWidth, wrapTextWithAnsi } from "@earendil-works/pi-tui/dist/utils.js";
