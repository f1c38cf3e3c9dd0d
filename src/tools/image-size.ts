/** Width and height from the headers of an image, or null when they cannot be read; nothing is decoded. Pure. */
export function sizeOf(file: Buffer, mimeType: string): { width: number; height: number } | null {
  try {
    return READERS[mimeType]?.(file) ?? null;
  } catch (err) {
    // The file ends within its headers.
    if (err instanceof RangeError) return null;
    throw err;
  }
}

type Size = { width: number; height: number };

const READERS: Readonly<Record<string, (file: Buffer) => Size | null>> = {
  "image/png": (file) => ({ width: file.readUInt32BE(16), height: file.readUInt32BE(20) }),
  "image/gif": (file) => ({ width: file.readUInt16LE(6), height: file.readUInt16LE(8) }),
  "image/bmp": (file) =>
    file.readUInt32LE(14) === 12
      ? { width: file.readUInt16LE(18), height: file.readUInt16LE(20) }
      : { width: Math.abs(file.readInt32LE(18)), height: Math.abs(file.readInt32LE(22)) },
  "image/webp": sizeOfWebp,
  "image/jpeg": sizeOfJpeg,
};

function sizeOfWebp(file: Buffer): Size | null {
  const kind = file.toString("latin1", 12, 16);
  if (kind === "VP8X") return { width: file.readUIntLE(24, 3) + 1, height: file.readUIntLE(27, 3) + 1 };
  if (kind === "VP8 ") return { width: file.readUInt16LE(26) & 0x3fff, height: file.readUInt16LE(28) & 0x3fff };
  if (kind !== "VP8L") return null;
  const bits = file.readUInt32LE(21);
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
}

/** The frame header is the first segment C0 to CF but C4 (Huffman tables), C8 and CC (arithmetic coding). */
function sizeOfJpeg(file: Buffer): Size | null {
  for (let at = 2; at + 9 <= file.length;) {
    const marker = file.readUInt8(at + 1);
    if (file.readUInt8(at) !== 0xff) return null;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return { width: file.readUInt16BE(at + 7), height: file.readUInt16BE(at + 5) };
    at += 2 + file.readUInt16BE(at + 2);
  }
  return null;
}
