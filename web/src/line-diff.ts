/** What differs between two texts, line by line. Pure. */
export type DiffLine = { kind: "same" | "removed" | "added" | "gap"; text: string };

/** Lines around a change that are shown. */
const CONTEXT = 2;
/** Products of line counts above this are not compared line by line; the whole middle counts as replaced. */
const MAX_CELLS = 4_000_000;

/** The changes with the lines around them; empty when the texts are the same. */
export function diffLines(before: string, after: string): readonly DiffLine[] {
  if (before === after) return [];
  const [a, b] = [before.split("\n"), after.split("\n")];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const middle = diffMiddle(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return fold([...linesOf("same", a.slice(0, start)), ...middle, ...linesOf("same", a.slice(a.length - end))]);
}

const linesOf = (kind: DiffLine["kind"], lines: readonly string[]): DiffLine[] => lines.map((text) => ({ kind, text }));

function diffMiddle(a: readonly string[], b: readonly string[]): DiffLine[] {
  if (a.length * b.length > MAX_CELLS) return [...linesOf("removed", a), ...linesOf("added", b)];
  const width = b.length + 1;
  // The longest common part of what begins at (i, j).
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      common[i * width + j] =
        a[i] === b[j] ? common[(i + 1) * width + j + 1]! + 1 : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!);
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ kind: "same", text: a[i]! });
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && common[(i + 1) * width + j]! >= common[i * width + j + 1]!)) {
      lines.push({ kind: "removed", text: a[i]! });
      i += 1;
    } else {
      lines.push({ kind: "added", text: b[j]! });
      j += 1;
    }
  }
  return lines;
}

/** Leaves out the lines that are far from every change. */
function fold(lines: readonly DiffLine[]): DiffLine[] {
  const near = new Set<number>();
  lines.forEach(({ kind }, at) => {
    if (kind !== "same") for (let each = at - CONTEXT; each <= at + CONTEXT; each += 1) near.add(each);
  });
  return lines.flatMap((line, at): DiffLine[] => {
    if (near.has(at)) return [line];
    return at > 0 && near.has(at - 1) && at < lines.length - 1 ? [{ kind: "gap", text: "" }] : [];
  });
}
