import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";

const WAL_HEADER = 32;
const FRAME_HEADER = 24;
const WAL_MAGIC = 0x377f0682;
/** The page size of every database that this gateway creates. */
export const PAGE_BYTES = 4_096;

/** Content of the write-ahead log, by its checksums. */
export type WalScan = {
  /** Page number -> offset of its newest committed content. */
  readonly pages: ReadonlyMap<number, number>;
  /** Size of the database after the last commit, in pages. */
  readonly pageCount: number;
  /** Frames whose checksum does not match although later ones do. */
  readonly damagedFrames: number;
  /**
   * Complete commits after the first damaged frame. A power failure can tear the last, unacknowledged commit; two
   * or more prove that acknowledged commits follow the damage, which SQLite would drop.
   */
  readonly commitsAfterDamage: number;
};

const EMPTY: WalScan = { pages: new Map(), pageCount: 0, damagedFrames: 0, commitsAfterDamage: 0 };

type Sums = [number, number];

/** The checksum of the log: 32-bit words in pairs, each sum fed by the other. `bytes` starts at a multiple of four. */
function checksum(bytes: Buffer, [first, second]: Sums): Sums {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  let a = first;
  let b = second;
  for (let at = 0; at < words.length; at += 2) {
    a = (a + words[at]! + b) >>> 0;
    b = (b + words[at + 1]! + a) >>> 0;
  }
  return [a, b];
}

/** Reads a write-ahead log and continues after damaged frames: each frame has the sum that the next one continues. */
export function scanWal(path: string, pageBytes = PAGE_BYTES): WalScan {
  if (!existsSync(path)) return EMPTY;
  const fd = openSync(path, "r");
  try {
    return scanFrames(fd, fstatSync(fd).size, pageBytes);
  } finally {
    closeSync(fd);
  }
}

function scanFrames(fd: number, bytes: number, pageBytes: number): WalScan {
  const frameBytes = FRAME_HEADER + pageBytes;
  const frames = Math.floor((bytes - WAL_HEADER) / frameBytes);
  if (frames <= 0) return EMPTY;
  const header = Buffer.alloc(WAL_HEADER);
  readSync(fd, header, 0, WAL_HEADER, 0);
  const sound = header.readUInt32BE(0) === WAL_MAGIC && header.readUInt32BE(8) === pageBytes && sumsFit(header);
  let salt = sound ? header.subarray(16, 24) : null;
  let running: Sums | null = sound ? [header.readUInt32BE(24), header.readUInt32BE(28)] : null;
  const frame = Buffer.from(new ArrayBuffer(frameBytes));
  const pages = new Map<number, number>();
  const open = new Map<number, number>();
  let [pageCount, suspected, damagedFrames, commitsAfterDamage] = [0, sound ? 0 : 1, 0, 0];
  for (let index = 0; index < frames; index++) {
    const offset = WAL_HEADER + index * frameBytes;
    readSync(fd, frame, 0, frameBytes, offset);
    salt ??= Buffer.from(frame.subarray(8, 16));
    const stored: Sums = [frame.readUInt32BE(16), frame.readUInt32BE(20)];
    const fits = running !== null && salt.equals(frame.subarray(8, 16)) && equal(frameSums(frame, running), stored);
    running = stored;
    if (!fits) {
      suspected++;
      continue;
    }
    damagedFrames += suspected;
    suspected = 0;
    open.set(frame.readUInt32BE(0), offset + FRAME_HEADER);
    const size = frame.readUInt32BE(4);
    if (size === 0) continue;
    for (const [page, at] of open) pages.set(page, at);
    open.clear();
    pageCount = size;
    if (damagedFrames > 0) commitsAfterDamage++;
  }
  return { pages, pageCount, damagedFrames, commitsAfterDamage };
}

const equal = (a: Sums, b: Sums): boolean => a[0] === b[0] && a[1] === b[1];
const sumsFit = (header: Buffer): boolean => {
  const copy = Buffer.from(new ArrayBuffer(24));
  header.copy(copy, 0, 0, 24);
  return equal(checksum(copy, [0, 0]), [header.readUInt32BE(24), header.readUInt32BE(28)]);
};
const frameSums = (frame: Buffer, running: Sums): Sums => checksum(frame.subarray(FRAME_HEADER), checksum(frame.subarray(0, 8), running));

/** The pages of a database file with its write-ahead log applied. Numbers start at 1, as in the file format. */
export class PageImage {
  readonly pageBytes = PAGE_BYTES;
  readonly pageCount: number;
  readonly wal: WalScan;
  readonly #file: number | null;
  readonly #log: number | null;

  constructor(path: string) {
    this.wal = scanWal(`${path}-wal`);
    this.#file = existsSync(path) ? openSync(path, "r") : null;
    this.#log = this.wal.pages.size > 0 ? openSync(`${path}-wal`, "r") : null;
    const inFile = this.#file === null ? 0 : Math.ceil(fstatSync(this.#file).size / PAGE_BYTES);
    this.pageCount = Math.max(inFile, this.wal.pageCount, ...this.wal.pages.keys());
  }

  /** A copy of a page; zeros for a page beyond the end of the file. */
  page(number: number): Buffer {
    const page = Buffer.alloc(PAGE_BYTES);
    const inLog = this.wal.pages.get(number);
    if (inLog !== undefined) readSync(this.#log!, page, 0, PAGE_BYTES, inLog);
    else if (this.#file !== null) readSync(this.#file, page, 0, PAGE_BYTES, (number - 1) * PAGE_BYTES);
    return page;
  }

  close(): void {
    for (const fd of [this.#file, this.#log]) if (fd !== null) closeSync(fd);
  }
}
