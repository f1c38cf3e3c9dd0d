/** The PNG files that the screenshot tests read and write: no interlacing, eight bits, RGB, RGBA or a palette. */
import { crc32, deflateSync, inflateSync } from "node:zlib";

export type Thumbnail = { width: number; height: number; /** Three bytes a pixel. */ rgb: Uint8Array };

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const CHANNELS: Readonly<Record<number, number>> = { 2: 3, 3: 1, 6: 4 };

/** Throws for a file that is none of the supported kinds. */
export function decodePng(file: Buffer): Thumbnail {
  const chunks = chunksOf(file);
  const header = chunks.find(({ type }) => type === "IHDR")!.data;
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const [depth, kind] = [header[8]!, header[9]!];
  const channels = CHANNELS[kind];
  if (channels === undefined || depth !== 8 || header[12] !== 0)
    throw new Error(`this kind of PNG is not supported: ${depth} bits, type ${kind}`);
  const raw = inflateSync(Buffer.concat(chunks.filter(({ type }) => type === "IDAT").map(({ data }) => data)));
  const pixels = unfilter(raw, width * channels, height, channels);
  const palette = chunks.find(({ type }) => type === "PLTE")?.data;
  if (channels === 3) return { width, height, rgb: pixels };
  const rgb = new Uint8Array(width * height * 3);
  for (let at = 0; at < width * height; at += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      rgb[at * 3 + channel] = palette ? palette[pixels[at]! * 3 + channel]! : pixels[at * channels + channel]!;
    }
  }
  return { width, height, rgb };
}

function chunksOf(file: Buffer): { type: string; data: Buffer }[] {
  const chunks: { type: string; data: Buffer }[] = [];
  for (let at = SIGNATURE.length; at < file.length;) {
    const length = file.readUInt32BE(at);
    chunks.push({ type: file.toString("latin1", at + 4, at + 8), data: file.subarray(at + 8, at + 8 + length) });
    at += length + 12;
  }
  return chunks;
}

function unfilter(raw: Buffer, stride: number, height: number, channels: number): Uint8Array {
  const out = new Uint8Array(stride * height);
  for (let y = 0; y < height; y += 1) {
    const filter = raw[y * (stride + 1)]!;
    const from = y * (stride + 1) + 1;
    const to = y * stride;
    // Most rows are stored as they are, or as the difference from the one above.
    if (filter === 0) out.set(raw.subarray(from, from + stride), to);
    else if (filter === 2 && y > 0) for (let x = 0; x < stride; x += 1) out[to + x] = raw[from + x]! + out[to + x - stride]!;
    else
      for (let x = 0; x < stride; x += 1) {
        const left = x >= channels ? out[to + x - channels]! : 0;
        const up = y > 0 ? out[to + x - stride]! : 0;
        const corner = x >= channels && y > 0 ? out[to + x - stride - channels]! : 0;
        out[to + x] = raw[from + x]! + predict(filter, left, up, corner);
      }
  }
  return out;
}

function predict(filter: number, left: number, up: number, corner: number): number {
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  if (filter !== 4) return 0;
  const base = left + up - corner;
  const a = Math.abs(base - left);
  const b = Math.abs(base - up);
  const c = Math.abs(base - corner);
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

/** Scaled down by a whole number: each pixel is the mean of a square, with 16 steps for each channel. */
export function toThumbnail({ width, height, rgb }: Thumbnail, scale: number): Thumbnail {
  const [w, h] = [Math.floor(width / scale), Math.floor(height / scale)];
  const small = new Uint8Array(w * h * 3);
  const sums = new Uint32Array(w * 3);
  for (let y = 0; y < h; y += 1) {
    sums.fill(0);
    for (let dy = 0; dy < scale; dy += 1) {
      let at = (y * scale + dy) * width * 3;
      for (let x = 0; x < w * 3; x += 3) {
        for (let dx = 0; dx < scale; dx += 1, at += 3) {
          sums[x]! += rgb[at]!;
          sums[x + 1]! += rgb[at + 1]!;
          sums[x + 2]! += rgb[at + 2]!;
        }
      }
    }
    for (let x = 0; x < w * 3; x += 1) small[y * w * 3 + x] = Math.round(sums[x]! / (scale * scale) / 17) * 17;
  }
  return { width: w, height: h, rgb: small };
}

/** As a PNG with a palette; with more than 256 colors the rare ones become the nearest of the others. */
export function encodePng({ width, height, rgb }: Thumbnail): Buffer {
  const counts = new Map<number, number>();
  const colourAt = (at: number): number => (rgb[at * 3]! << 16) | (rgb[at * 3 + 1]! << 8) | rgb[at * 3 + 2]!;
  for (let at = 0; at < width * height; at += 1) counts.set(colourAt(at), (counts.get(colourAt(at)) ?? 0) + 1);
  const palette = [...counts]
    .toSorted((a, b) => b[1] - a[1])
    .slice(0, 256)
    .map(([colour]) => colour);
  const index = new Map(palette.map((colour, at) => [colour, at]));
  const rows = Buffer.alloc((width + 1) * height);
  for (let at = 0; at < width * height; at += 1) {
    const colour = colourAt(at);
    if (!index.has(colour)) index.set(colour, nearest(palette, colour));
    rows[Math.floor(at / width) * (width + 1) + 1 + (at % width)] = index.get(colour)!;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    chunk("PLTE", colours),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function nearest(palette: readonly number[], colour: number): number {
  const distance = (other: number): number =>
    Math.abs((other >> 16) - (colour >> 16)) +
    Math.abs(((other >> 8) & 255) - ((colour >> 8) & 255)) +
    Math.abs((other & 255) - (colour & 255));
  return palette.reduce((best, other, at) => (distance(other) < distance(palette[best]!) ? at : best), 0);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
