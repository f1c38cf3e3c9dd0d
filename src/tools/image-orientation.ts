export type Pixels = { pixels: Uint8Array; width: number; height: number };

/** EXIF orientation -> where the pixel (x, y) of the upright image lies in one of size w x h that is not. */
const SOURCES: Readonly<Record<number, (x: number, y: number, w: number, h: number) => [number, number]>> = {
  2: (x, y, w) => [w - 1 - x, y],
  3: (x, y, w, h) => [w - 1 - x, h - 1 - y],
  4: (x, y, _w, h) => [x, h - 1 - y],
  5: (x, y) => [y, x],
  6: (x, y, _w, h) => [y, h - 1 - x],
  7: (x, y, w, h) => [w - 1 - y, h - 1 - x],
  8: (x, y, w) => [w - 1 - y, x],
};
/** From this orientation on, width and height are exchanged. */
const FIRST_TURNED = 5;

/** The upright image, or null when it already is. `file` is the encoded image; its pixels are read only when needed. Pure. */
export function toUpright(file: Uint8Array, decode: () => Pixels): Pixels | null {
  const orientation = orientationOf(Buffer.from(file.buffer, file.byteOffset, file.byteLength));
  const source = SOURCES[orientation];
  if (source === undefined) return null;
  const { pixels, width: w, height: h } = decode();
  const from = new Uint32Array(pixels.slice().buffer);
  const to = new Uint32Array(from.length);
  const [width, height] = orientation >= FIRST_TURNED ? [h, w] : [w, h];
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 1) {
      const [sourceX, sourceY] = source(x, y, w, h);
      to[at] = from[sourceY * w + sourceX]!;
    }
  }
  return { pixels: new Uint8Array(to.buffer), width, height };
}

const ORIENTATION_TAG = 0x0112;
/** Cameras write the EXIF segment of a JPEG first. */
const JPEG_HEADER_BYTES = 131_072;

/** The orientation that a JPEG or WebP file asks for, 1 to 8; 1 when there is none. Pure. */
export function orientationOf(file: Buffer): number {
  const tiff = tiffStart(file);
  if (tiff === -1 || tiff + 8 > file.length) return 1;
  const isLittle = file.toString("latin1", tiff, tiff + 2) === "II";
  const word = (at: number): number => (at + 2 > file.length ? 0 : isLittle ? file.readUInt16LE(at) : file.readUInt16BE(at));
  const directory = tiff + (isLittle ? file.readUInt32LE(tiff + 4) : file.readUInt32BE(tiff + 4));
  const entries = word(directory);
  for (let entry = 0; entry < entries; entry += 1) {
    const at = directory + 2 + entry * 12;
    if (at + 12 > file.length) return 1;
    if (word(at) !== ORIENTATION_TAG) continue;
    const value = word(at + 8);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** Where the TIFF header of the EXIF data lies, or -1. */
function tiffStart(file: Buffer): number {
  if (file[0] === 0xff && file[1] === 0xd8) {
    const exif = file.subarray(0, JPEG_HEADER_BYTES).indexOf("Exif\0\0", 2, "latin1");
    return exif === -1 ? -1 : exif + 6;
  }
  if (file.toString("latin1", 8, 12) !== "WEBP") return -1;
  for (let at = 12; at + 8 <= file.length; at += 8 + file.readUInt32LE(at + 4) + (file.readUInt32LE(at + 4) % 2)) {
    if (file.toString("latin1", at, at + 4) !== "EXIF") continue;
    return file.toString("latin1", at + 8, at + 14) === "Exif\0\0" ? at + 14 : at + 8;
  }
  return -1;
}
