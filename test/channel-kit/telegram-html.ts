/** What Telegram makes of a text in its HTML: the visible text, or the complaint. Covers the tags that it documents. */
export function readHtml(html: string): { text: string } | { problem: string } {
  const open: string[] = [];
  let text = "";
  for (let at = 0; at < html.length;) {
    const char = html[at]!;
    if (char === "&") {
      const entity = /^&(amp|lt|gt|quot|#\d+|#x[0-9a-f]+);/i.exec(html.slice(at));
      text += entity ? decodeEntity(entity[1]!) : "&";
      at += entity ? entity[0].length : 1;
    } else if (char === "<") {
      const tag = /^<(\/?)([a-z][a-z0-9-]*)((?:\s+[a-z-]+(?:="[^"<>]*")?)*)\s*>/i.exec(html.slice(at));
      if (!tag) return { problem: `Unsupported start tag "${html.slice(at + 1, at + 6)}" at byte offset ${at}` };
      const name = tag[2]!.toLowerCase();
      if (!TAGS.has(name)) return { problem: `Unsupported start tag "${name}" at byte offset ${at}` };
      if (!tag[1]) open.push(name);
      else if (open.pop() !== name) return { problem: `Unmatched end tag at byte offset ${at}, found "</${name}>"` };
      at += tag[0].length;
    } else {
      text += char;
      at++;
    }
  }
  return open.length > 0 ? { problem: `Can't find end tag corresponding to start tag "${open.at(-1)}"` } : { text };
}

const TAGS = new Set(["b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "a", "code", "pre", "blockquote", "tg-spoiler", "span"]);
const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };

function decodeEntity(name: string): string {
  if (!name.startsWith("#")) return NAMED[name.toLowerCase()] ?? `&${name};`;
  return String.fromCodePoint(/^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1)));
}
