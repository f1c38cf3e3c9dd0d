/** QR codes (ISO/IEC 18004): byte mode, error correction L, versions 1 to 40. Enough for login links and pairing data. */

/** Rows of modules, true for dark. */
export type QrMatrix = readonly (readonly boolean[])[];

/** Error correction codewords per block, and number of blocks, of level L by version. */
const ECC_PER_BLOCK = [
  7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30, 30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30,
  30, 30, 30, 30, 30,
];
const BLOCKS = [
  1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25,
];
const FORMAT_L = 1;

/** Modules that carry data in a symbol of this version: all but the patterns and the format and version areas. */
function rawModules(version: number): number {
  const aligns = version === 1 ? 0 : Math.floor(version / 7) + 2;
  const alignment = version === 1 ? 0 : (25 * aligns - 10) * aligns - 55;
  return (16 * version + 128) * version + 64 - alignment - (version >= 7 ? 36 : 0);
}

const dataCodewords = (version: number): number => Math.floor(rawModules(version) / 8) - ECC_PER_BLOCK[version - 1]! * BLOCKS[version - 1]!;

function versionFor(bytes: number): number {
  for (let version = 1; version <= 40; version++) {
    if (4 + (version < 10 ? 8 : 16) + 8 * bytes <= 8 * dataCodewords(version)) return version;
  }
  throw new RangeError(`${bytes} bytes do not fit into a QR code`);
}

function toCodewords(data: Uint8Array, version: number): Uint8Array {
  const bits: number[] = [];
  const push = (value: number, length: number): void => {
    for (let at = length - 1; at >= 0; at--) bits.push((value >>> at) & 1);
  };
  push(0b0100, 4);
  push(data.length, version < 10 ? 8 : 16);
  for (const byte of data) push(byte, 8);
  const capacity = dataCodewords(version) * 8;
  push(0, Math.min(4, capacity - bits.length));
  push(0, (8 - (bits.length % 8)) % 8);
  for (let pad = 0xec; bits.length < capacity; pad ^= 0xec ^ 0x11) push(pad, 8);
  return Uint8Array.from({ length: capacity / 8 }, (_, index) =>
    bits.slice(index * 8, index * 8 + 8).reduce((sum, bit) => sum * 2 + bit, 0),
  );
}

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let at = 7; at >= 0; at--) {
    product = (product << 1) ^ ((product >>> 7) * 0x11d);
    product ^= ((b >>> at) & 1) * a;
  }
  return product;
}

function generator(degree: number): Uint8Array {
  const poly = new Uint8Array(degree);
  poly[degree - 1] = 1;
  let root = 1;
  for (let step = 0; step < degree; step++) {
    for (let at = 0; at < degree; at++) poly[at] = multiply(poly[at]!, root) ^ (poly[at + 1] ?? 0);
    root = multiply(root, 2);
  }
  return poly;
}

function remainder(data: Uint8Array, divisor: Uint8Array): Uint8Array {
  const rest = new Uint8Array(divisor.length);
  for (const byte of data) {
    const factor = byte ^ rest[0]!;
    rest.copyWithin(0, 1);
    rest[rest.length - 1] = 0;
    for (let at = 0; at < rest.length; at++) rest[at]! ^= multiply(divisor[at]!, factor);
  }
  return rest;
}

/** Data and error correction, block by block, in the order in which they are drawn. */
function interleave(data: Uint8Array, version: number): number[] {
  const count = BLOCKS[version - 1]!;
  const divisor = generator(ECC_PER_BLOCK[version - 1]!);
  const total = Math.floor(rawModules(version) / 8);
  const short = Math.floor(total / count) - divisor.length;
  const longs = total % count;
  const blocks: { data: Uint8Array; ecc: Uint8Array }[] = [];
  for (let index = 0, from = 0; index < count; index++) {
    const length = short + (index >= count - longs ? 1 : 0);
    const part = data.subarray(from, from + length);
    blocks.push({ data: part, ecc: remainder(part, divisor) });
    from += length;
  }
  const columns = (pick: (block: { data: Uint8Array; ecc: Uint8Array }) => Uint8Array, length: number): number[] =>
    Array.from({ length }, (_, at) => blocks.flatMap((block) => (at < pick(block).length ? [pick(block)[at]!] : []))).flat();
  return [...columns((block) => block.data, short + 1), ...columns((block) => block.ecc, divisor.length)];
}

function alignmentCentres(version: number): number[] {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = Math.floor((version * 8 + count * 3 + 5) / (count * 4 - 4)) * 2;
  const size = version * 4 + 17;
  return [6, ...Array.from({ length: count - 1 }, (_, index) => size - 7 - (count - 2 - index) * step)];
}

type Canvas = { size: number; dark: boolean[][]; fixed: boolean[][] };

function setFixed({ size, dark, fixed }: Canvas, x: number, y: number, value: boolean): void {
  if (x < 0 || y < 0 || x >= size || y >= size) return;
  dark[y]![x] = value;
  fixed[y]![x] = true;
}

function drawPatterns(canvas: Canvas, version: number): void {
  const { size } = canvas;
  for (let at = 0; at < size; at++) {
    setFixed(canvas, 6, at, at % 2 === 0);
    setFixed(canvas, at, 6, at % 2 === 0);
  }
  for (const [cx, cy] of [
    [3, 3],
    [size - 4, 3],
    [3, size - 4],
  ] as const)
    for (let dy = -4; dy <= 4; dy++)
      for (let dx = -4; dx <= 4; dx++) {
        const ring = Math.max(Math.abs(dx), Math.abs(dy));
        setFixed(canvas, cx + dx, cy + dy, ring !== 2 && ring !== 4);
      }
  const centres = alignmentCentres(version);
  const last = centres.length - 1;
  for (const [i, cx] of centres.entries())
    for (const [j, cy] of centres.entries()) {
      if ((i === 0 && j === 0) || (i === 0 && j === last) || (i === last && j === 0)) continue;
      for (let dy = -2; dy <= 2; dy++)
        for (let dx = -2; dx <= 2; dx++) setFixed(canvas, cx + dx, cy + dy, Math.max(Math.abs(dx), Math.abs(dy)) !== 1);
    }
  if (version < 7) return;
  let rest = version;
  for (let step = 0; step < 12; step++) rest = (rest << 1) ^ ((rest >>> 11) * 0x1f25);
  const bits = (version << 12) | rest;
  for (let at = 0; at < 18; at++) {
    const a = size - 11 + (at % 3);
    const b = Math.floor(at / 3);
    setFixed(canvas, a, b, ((bits >>> at) & 1) === 1);
    setFixed(canvas, b, a, ((bits >>> at) & 1) === 1);
  }
}

function drawFormat(canvas: Canvas, mask: number): void {
  const { size } = canvas;
  const data = (FORMAT_L << 3) | mask;
  let rest = data;
  for (let step = 0; step < 10; step++) rest = (rest << 1) ^ ((rest >>> 9) * 0x537);
  const bits = ((data << 10) | rest) ^ 0x5412;
  const bit = (at: number): boolean => ((bits >>> at) & 1) === 1;
  for (let at = 0; at <= 5; at++) setFixed(canvas, 8, at, bit(at));
  setFixed(canvas, 8, 7, bit(6));
  setFixed(canvas, 8, 8, bit(7));
  setFixed(canvas, 7, 8, bit(8));
  for (let at = 9; at < 15; at++) setFixed(canvas, 14 - at, 8, bit(at));
  for (let at = 0; at < 8; at++) setFixed(canvas, size - 1 - at, 8, bit(at));
  for (let at = 8; at < 15; at++) setFixed(canvas, 8, size - 15 + at, bit(at));
  setFixed(canvas, 8, size - 8, true);
}

/** The zigzag from the lower right corner, two columns at a time, past the vertical timing pattern. */
function drawData({ size, dark, fixed }: Canvas, codewords: readonly number[]): void {
  let at = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step++)
      for (const x of [right, right - 1]) {
        const y = ((right + 1) & 2) === 0 ? size - 1 - step : step;
        if (fixed[y]![x] || at >= codewords.length * 8) continue;
        dark[y]![x] = ((codewords[at >>> 3]! >>> (7 - (at & 7))) & 1) === 1;
        at++;
      }
  }
}

const MASKS: readonly ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

/** How hard a symbol is to read: long runs, blocks, what looks like a finder, an uneven share of dark. Lower is better. */
function penalty(dark: readonly (readonly boolean[])[]): number {
  const size = dark.length;
  const lines = [...dark, ...dark.map((_, x) => dark.map((row) => row[x]!))].map((line) => line.map((on) => (on ? "1" : "0")).join(""));
  let sum = 0;
  for (const line of lines) {
    for (const [run] of line.matchAll(/0{5,}|1{5,}/g)) sum += run.length - 2;
    sum += 40 * [...line.matchAll(/(?=10111010000|00001011101)/g)].length;
  }
  for (let y = 0; y + 1 < size; y++)
    for (let x = 0; x + 1 < size; x++)
      if (dark[y]![x] === dark[y]![x + 1] && dark[y]![x] === dark[y + 1]![x] && dark[y]![x] === dark[y + 1]![x + 1]) sum += 3;
  const share = (dark.flat().filter(Boolean).length * 20) / (size * size);
  return sum + 10 * Math.floor(Math.abs(share - 10));
}

/** The QR code of a text, without a margin. Throws RangeError beyond 2953 bytes. */
export function qrMatrix(text: string): QrMatrix {
  const data = new TextEncoder().encode(text);
  const version = versionFor(data.length);
  const size = version * 4 + 17;
  const grid = (): boolean[][] => Array.from({ length: size }, () => Array.from({ length: size }, () => false));
  const canvas: Canvas = { size, dark: grid(), fixed: grid() };
  drawPatterns(canvas, version);
  drawFormat(canvas, 0);
  drawData(canvas, interleave(toCodewords(data, version), version));
  let best: { dark: boolean[][]; score: number } | null = null;
  for (const [mask, flips] of MASKS.entries()) {
    const masked: Canvas = {
      ...canvas,
      dark: canvas.dark.map((row, y) => row.map((on, x) => on !== (!canvas.fixed[y]![x] && flips(x, y)))),
    };
    drawFormat(masked, mask);
    const score = penalty(masked.dark);
    if (!best || score < best.score) best = { dark: masked.dark, score };
  }
  return best!.dark;
}

/** The code in half blocks, two modules high each, light on dark terminals as well: dark modules are left empty in a light field. */
export function qrText(text: string): string {
  const matrix = qrMatrix(text);
  const size = matrix.length;
  const light = (x: number, y: number): boolean => !(matrix[y]?.[x] ?? false);
  const lines: string[] = [];
  for (let y = -2; y < size + 2; y += 2) {
    let line = "";
    for (let x = -2; x < size + 2; x++) line += light(x, y) ? (light(x, y + 1) ? "█" : "▀") : light(x, y + 1) ? "▄" : " ";
    lines.push(line);
  }
  return lines.join("\n");
}
