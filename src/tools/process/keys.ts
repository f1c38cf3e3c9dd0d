const ESCAPE = "\u001B";

/** What a terminal sends for a key, by the names of tmux; some keys have several. */
const NAMED_KEYS: Readonly<Record<string, string>> = {
  enter: "\r",
  return: "\r",
  tab: "\t",
  space: " ",
  escape: ESCAPE,
  esc: ESCAPE,
  backspace: "\u007F",
  bspace: "\u007F",
  up: `${ESCAPE}[A`,
  down: `${ESCAPE}[B`,
  right: `${ESCAPE}[C`,
  left: `${ESCAPE}[D`,
  home: `${ESCAPE}[H`,
  end: `${ESCAPE}[F`,
  insert: `${ESCAPE}[2~`,
  delete: `${ESCAPE}[3~`,
  pageup: `${ESCAPE}[5~`,
  pagedown: `${ESCAPE}[6~`,
  "s-tab": `${ESCAPE}[Z`,
  ...Object.fromEntries([..."PQRS"].map((final, index) => [`f${index + 1}`, `${ESCAPE}O${final}`])),
  ...Object.fromEntries([15, 17, 18, 19, 20, 21, 23, 24].map((code, index) => [`f${index + 5}`, `${ESCAPE}[${code}~`])),
};

const EXAMPLES = "Enter, Tab, Space, Escape, Backspace, Up, Down, Left, Right, Home, End, PageUp, PageDown, Delete, F1 to F12, C-c, M-x";

/** What a terminal sends for these keys. Throws, with the names that there are, for an unknown one. Pure. */
export const encodeKeys = (keys: readonly string[]): string => keys.map(encodeKey).join("");

function encodeKey(key: string): string {
  const named = NAMED_KEYS[key.toLowerCase()];
  if (named !== undefined && Object.hasOwn(NAMED_KEYS, key.toLowerCase())) return named;
  const control = /^(?:C|Ctrl|Control)-([@a-z[\\\]^_ ]|Space)$/i.exec(key)?.[1];
  if (control !== undefined) return toControl(control);
  const meta = /^(?:M|Alt|Meta)-(.+)$/i.exec(key)?.[1];
  if (meta !== undefined) return ESCAPE + encodeKey(meta);
  if ([...key].length === 1) return key;
  throw new Error(
    `There is no key ${JSON.stringify(key)}; nothing was sent. Keys: ${EXAMPLES}, and single characters. Text is sent by write.`,
  );
}

/** Control keys are the low five bits of their character; C-Space is that of `@`. */
const toControl = (name: string): string =>
  name.toLowerCase() === "space" || name === " " ? "\0" : String.fromCharCode(name.toUpperCase().charCodeAt(0) & 0x1f);
