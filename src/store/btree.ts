import type { PageImage } from "./page-image.ts";

export type SqlValue = null | number | bigint | string | Uint8Array;
/** One record as stored on its page. `rowid` is null in the tree of a table WITHOUT ROWID. */
export type StoredRecord = { rowid: number | bigint | null; values: readonly SqlValue[] };

const TABLE_LEAF = 0x0d;
const TABLE_INTERIOR = 0x05;
const INDEX_LEAF = 0x0a;
const INDEX_INTERIOR = 0x02;
const FILE_HEADER = 100;

/** Thrown for unreadable data; only the page or the record is skipped. */
class UnreadablePageError extends Error {}

type Page = {
  number: number;
  bytes: Buffer;
  kind: number;
  /** Offsets of the cells. */ cells: number[];
  rightmost: number;
};

/** A page as a node of a tree, or null when its content is not a node. */
function toPage(image: PageImage, number: number): Page | null {
  const bytes = image.page(number);
  const start = number === 1 ? FILE_HEADER : 0;
  const kind = bytes[start]!;
  const interior = kind === TABLE_INTERIOR || kind === INDEX_INTERIOR;
  if (!interior && kind !== TABLE_LEAF && kind !== INDEX_LEAF) return null;
  const count = bytes.readUInt16BE(start + 3);
  const pointers = start + (interior ? 12 : 8);
  if (pointers + count * 2 > bytes.length) return null;
  const cells = Array.from({ length: count }, (_, index) => bytes.readUInt16BE(pointers + index * 2));
  if (cells.some((at) => at < pointers + count * 2 || at >= bytes.length)) return null;
  return { number, bytes, kind, cells, rightmost: interior ? bytes.readUInt32BE(start + 8) : 0 };
}

const isLeaf = (page: Page): boolean => page.kind === TABLE_LEAF || page.kind === INDEX_LEAF;
const isTable = (page: Page): boolean => page.kind === TABLE_LEAF || page.kind === TABLE_INTERIOR;

/** A varint of one to nine bytes, and its end offset. */
function varint(bytes: Uint8Array, at: number): [value: bigint, end: number] {
  let value = 0n;
  for (let length = 1; length <= 9; length++) {
    const byte = bytes[at + length - 1];
    if (byte === undefined) throw new UnreadablePageError("a number goes beyond the page");
    if (length === 9) return [BigInt.asIntN(64, (value << 8n) | BigInt(byte)), at + 9];
    value = (value << 7n) | BigInt(byte & 0x7f);
    if (byte < 0x80) return [value, at + length];
  }
  throw new UnreadablePageError("a number does not end");
}

function size(bytes: Uint8Array, at: number, most: number): [value: number, end: number] {
  const [value, end] = varint(bytes, at);
  if (value < 0n || value > BigInt(most)) throw new UnreadablePageError("an impossible length");
  return [Number(value), end];
}

const toNumber = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;

/** The payload of a cell, including its overflow pages. */
function payload(image: PageImage, page: Page, at: number, bytes: number): Buffer {
  const usable = image.pageBytes;
  const most = isTable(page) ? usable - 35 : Math.floor(((usable - 12) * 64) / 255) - 23;
  if (bytes <= most) return local(page, at, bytes);
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const wanted = least + ((bytes - least) % (usable - 4));
  const here = wanted <= most ? wanted : least;
  const parts = [local(page, at, here)];
  let next = local(page, at + here, 4).readUInt32BE(0);
  for (let left = bytes - here; left > 0;) {
    if (next === 0 || next > image.pageCount) throw new UnreadablePageError("a chain of overflow pages is broken");
    const overflow = image.page(next);
    parts.push(overflow.subarray(4, 4 + Math.min(left, usable - 4)));
    left -= usable - 4;
    next = overflow.readUInt32BE(0);
  }
  return Buffer.concat(parts);
}

function local(page: Page, at: number, bytes: number): Buffer {
  if (at + bytes > page.bytes.length) throw new UnreadablePageError("a cell goes beyond its page");
  return page.bytes.subarray(at, at + bytes);
}

const MAX_PAYLOAD = 1_073_741_824;
const TEXT = new TextDecoder("utf-8", { fatal: true });

function values(record: Buffer): SqlValue[] {
  const [headerEnd, start] = size(record, 0, record.length);
  const out: SqlValue[] = [];
  let body = headerEnd;
  for (let at = start; at < headerEnd;) {
    const [type, end] = size(record, at, MAX_PAYLOAD);
    at = end;
    const bytes = bytesOf(type);
    if (body + bytes > record.length) throw new UnreadablePageError("a value goes beyond its record");
    out.push(valueOf(type, record.subarray(body, body + bytes)));
    body += bytes;
  }
  if (body !== record.length) throw new UnreadablePageError("a record of another length");
  return out;
}

function bytesOf(type: number): number {
  if (type >= 12) return Math.floor((type - 12) / 2);
  return [0, 1, 2, 3, 4, 6, 8, 8, 0, 0][type] ?? fail("a type that does not exist");
}

function fail(why: string): never {
  throw new UnreadablePageError(why);
}

function valueOf(type: number, bytes: Buffer): SqlValue {
  if (type === 0) return null;
  if (type <= 5) return bytes.readIntBE(0, bytes.length);
  if (type === 6) return toNumber(bytes.readBigInt64BE(0));
  if (type === 7) return bytes.readDoubleBE(0);
  if (type === 8 || type === 9) return type - 8;
  if (type % 2 === 0) return Buffer.from(bytes);
  try {
    return TEXT.decode(bytes);
  } catch (err) {
    throw new UnreadablePageError("a text is not UTF-8", { cause: err });
  }
}

function recordAt(image: PageImage, page: Page, at: number): StoredRecord {
  const skip = page.kind === INDEX_INTERIOR ? 4 : 0;
  const [bytes, afterSize] = size(page.bytes, at + skip, MAX_PAYLOAD);
  if (!isTable(page)) return { rowid: null, values: values(payload(image, page, afterSize, bytes)) };
  const [rowid, start] = varint(page.bytes, afterSize);
  return { rowid: toNumber(rowid), values: values(payload(image, page, start, bytes)) };
}

/** Result of a walk over a tree, besides its records. */
export type TreeWalk = {
  /** Pages of the tree, each once. */ readonly visited: Set<number>;
  /** Pages that belong to no tree, or to another one. */ damagedPages: number;
  /** Unreadable records on readable pages. */ damagedRecords: number;
};

export const createWalk = (visited = new Set<number>()): TreeWalk => ({ visited, damagedPages: 0, damagedRecords: 0 });

/** Every record of the tree at `root`, in order; damaged pages and records are counted and skipped. */
export function* walkRecords(image: PageImage, root: number, table: boolean, walk: TreeWalk): Generator<StoredRecord> {
  const pending = [root];
  while (pending.length > 0) {
    const at = pending.pop()!;
    if (at < 1 || at > image.pageCount || walk.visited.has(at)) {
      walk.damagedPages++;
      continue;
    }
    walk.visited.add(at);
    const page = toPage(image, at);
    if (!page || isTable(page) !== table) {
      walk.damagedPages++;
      continue;
    }
    if (!isLeaf(page)) {
      const children = page.cells.map((cell) => page.bytes.readUInt32BE(Math.min(cell, page.bytes.length - 4)));
      pending.push(...[...children, page.rightmost].toReversed());
    }
    if (isLeaf(page) || !table) yield* recordsOn(image, page, walk);
  }
}

function* recordsOn(image: PageImage, page: Page, walk: TreeWalk): Generator<StoredRecord> {
  for (const cell of page.cells) {
    let record: StoredRecord;
    try {
      record = recordAt(image, page, cell);
    } catch (err) {
      if (!(err instanceof UnreadablePageError)) throw err;
      walk.damagedRecords++;
      continue;
    }
    yield record;
  }
}

/** Records of leaf pages that no walk has reached and that are not free; one list per page. */
export function* unreachableRecords(image: PageImage, visited: ReadonlySet<number>, free: ReadonlySet<number>): Generator<StoredRecord[]> {
  for (let number = 2; number <= image.pageCount; number++) {
    if (visited.has(number) || free.has(number)) continue;
    const page = toPage(image, number);
    if (page?.kind === TABLE_LEAF) yield [...recordsOn(image, page, createWalk())];
  }
}

/** Pages of the freelist, as far as it is readable. */
export function freePages(image: PageImage): Set<number> {
  const free = new Set<number>();
  let trunk = image.page(1).readUInt32BE(32);
  while (trunk > 1 && trunk <= image.pageCount && !free.has(trunk)) {
    free.add(trunk);
    const page = image.page(trunk);
    const count = Math.min(page.readUInt32BE(4), image.pageBytes / 4 - 2);
    for (let index = 0; index < count; index++) free.add(page.readUInt32BE(8 + index * 4));
    trunk = page.readUInt32BE(0);
  }
  return free;
}
