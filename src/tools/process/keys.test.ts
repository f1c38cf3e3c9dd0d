import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeKeys } from "./keys.ts";

const KEYS: readonly (readonly [keys: readonly string[], sent: string])[] = [
  [["Enter"], "\r"],
  [["enter", "RETURN"], "\r\r"],
  [["Tab", "S-Tab"], "\t\u001B[Z"],
  [["Escape", "Esc"], "\u001B\u001B"],
  [["Space", "BSpace", "Backspace"], " \u007F\u007F"],
  [["Up", "Down", "Right", "Left"], "\u001B[A\u001B[B\u001B[C\u001B[D"],
  [["Home", "End", "PageUp", "PageDown", "Insert", "Delete"], "\u001B[H\u001B[F\u001B[5~\u001B[6~\u001B[2~\u001B[3~"],
  [["F1", "F4", "F5", "F6", "F10", "F11", "F12"], "\u001BOP\u001BOS\u001B[15~\u001B[17~\u001B[21~\u001B[23~\u001B[24~"],
  [["C-c", "C-C", "Ctrl-d", "Control-z"], "\u0003\u0003\u0004\u001A"],
  [["C-Space", "C-@", "C-[", "C-\\", "C-]", "C-_"], "\0\0\u001B\u001C\u001D\u001F"],
  [["M-x", "Alt-Enter", "M-C-c"], "\u001Bx\u001B\r\u001B\u0003"],
  [["a", "Z", "5", ":", "-", "é", "😀"], "aZ5:-é😀"],
];

for (const [keys, sent] of KEYS)
  test(`the keys ${keys.join(" ")} are those of a terminal`, () => {
    assert.equal(JSON.stringify(encodeKeys(keys)), JSON.stringify(sent));
  });

test("a key that does not exist is refused with the names that there are", () => {
  for (const key of ["", "ab", "F13", "C-", "C-ab", "M-", "constructor", "toString", "\r\n"])
    assert.throws(() => encodeKeys(["Enter", key]), /There is no key .+; nothing was sent\. Keys: Enter, Tab/s, key);
});
