/** Reads the container's marks as it does: one after another, a closing mark ends the newest open one if it is of its kind. */
export function parseStyles(marked: string): { text: string; styles: string[] } {
  const names: Record<string, string> = { "**": "BOLD", "*": "ITALIC", "~": "STRIKETHROUGH", "`": "MONOSPACE", "||": "SPOILER" };
  const open: { mark: string; at: number }[] = [];
  const styles: string[] = [];
  let text = "";
  for (const [token] of marked.matchAll(/\\(?:\*{1,3}|\|\||[~`])|\*{1,3}|\|\||[~`]|[^]/g)) {
    if (token.length > 1 && token.startsWith("\\")) text += token.slice(1);
    else if (!names[token]) text += token;
    else if (open.at(-1)?.mark === token) {
      const { at } = open.pop()!;
      styles.push(`${at}:${text.length - at}:${names[token]}`);
    } else open.push({ mark: token, at: text.length });
  }
  return { text, styles };
}
