import type { ContentFile } from "../contents.ts";

/** Lines that are compared with each other; a longer file is shown as replaced. */
const MAX_COMPARED = 2_000;
/** Unchanged lines that are shown around a change. */
const CONTEXT = 2;

/** What differs between two contents, as lines for people: `+` and `-` before those of one side only. Empty when nothing does. Pure. */
export function diffContents(before: readonly ContentFile[], after: readonly ContentFile[]): string[] {
  const [old, now] = [before, after].map((files) => new Map(files.map((file) => [file.path, file]))) as [
    Map<string, ContentFile>,
    Map<string, ContentFile>,
  ];
  const paths = [...new Set([...old.keys(), ...now.keys()])].toSorted();
  return paths.flatMap((path) => diffFile(path, old.get(path), now.get(path)));
}

const isText = ({ bytes }: ContentFile): boolean => !bytes.includes(0);
const linesOf = (file: ContentFile | undefined): string[] =>
  file === undefined ? [] : file.bytes.toString("utf8").replace(/\n$/, "").split("\n");

function diffFile(path: string, before: ContentFile | undefined, after: ContentFile | undefined): string[] {
  const isSame = before?.bytes.equals(after?.bytes ?? Buffer.alloc(0)) === true && after !== undefined;
  if (isSame && before.isExecutable === after.isExecutable) return [];
  const what = before === undefined ? "new file" : after === undefined ? "removed" : isSame ? "" : "changed";
  const mode =
    after !== undefined && (before?.isExecutable ?? false) !== after.isExecutable
      ? after.isExecutable
        ? "may be run as a program"
        : "no longer a program"
      : "";
  const head = `${path}: ${[what, mode].filter((part) => part !== "").join(", ")}`;
  if (isSame) return [head];
  if ([before, after].some((file) => file !== undefined && !isText(file))) return [head, "  (not a text)"];
  return [head, ...diffLines(linesOf(before), linesOf(after)).map((line) => `  ${line}`)];
}

const around = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

/** The changed lines of two texts, with a few unchanged ones around them. Pure. */
export function diffLines(before: readonly string[], after: readonly string[]): string[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const [removed, added] = [before.slice(start, before.length - end), after.slice(start, after.length - end)];
  const middle =
    removed.length > MAX_COMPARED || added.length > MAX_COMPARED
      ? [...removed.map((line) => `- ${line}`), ...added.map((line) => `+ ${line}`)]
      : compare(removed, added);
  return [
    ...around(before.slice(Math.max(0, start - CONTEXT), start)),
    ...middle,
    ...around(before.slice(before.length - end, before.length - end + CONTEXT)),
  ];
}

/** By the longest common subsequence. */
function compare(before: readonly string[], after: readonly string[]): string[] {
  const width = after.length + 1;
  const lengths = new Uint16Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i -= 1)
    for (let j = after.length - 1; j >= 0; j -= 1)
      lengths[i * width + j] =
        before[i] === after[j]
          ? lengths[(i + 1) * width + j + 1]! + 1
          : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push(`  ${before[i]}`);
      i += 1;
      j += 1;
    } else if (j === after.length || (i < before.length && lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!)) {
      lines.push(`- ${before[i]}`);
      i += 1;
    } else {
      lines.push(`+ ${after[j]}`);
      j += 1;
    }
  }
  return lines;
}
