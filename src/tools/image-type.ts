/** Enough of a file to see its type. */
export const IMAGE_HEADER_BYTES = 4_100;

const startsWith = (bytes: Buffer, text: string, at = 0): boolean => bytes.subarray(at, at + text.length).toString("latin1") === text;

/** The type of an image that models and the scaling can read, by its first bytes, or null. An animated PNG is none. Pure. */
export function imageTypeOf(bytes: Buffer): string | null {
  if (startsWith(bytes, "\xFF\xD8\xFF")) return bytes[3] === 0xf7 ? null : "image/jpeg";
  if (startsWith(bytes, "\x89PNG\r\n\x1A\n")) return startsWith(bytes, "\0\0\0\rIHDR", 8) && !isAnimated(bytes) ? "image/png" : null;
  if (startsWith(bytes, "GIF87a") || startsWith(bytes, "GIF89a")) return "image/gif";
  if (startsWith(bytes, "RIFF") && startsWith(bytes, "WEBP", 8)) return "image/webp";
  return startsWith(bytes, "BM") && isBitmap(bytes) ? "image/bmp" : null;
}

/** Whether an animation chunk comes before the image data. */
function isAnimated(png: Buffer): boolean {
  for (let at = 8; at + 8 <= png.length; at += 12 + png.readUInt32BE(at)) {
    if (startsWith(png, "acTL", at + 4)) return true;
    if (startsWith(png, "IDAT", at + 4)) return false;
  }
  return false;
}

/** "BM" also begins texts: the sizes in the headers must be possible. */
function isBitmap(bytes: Buffer): boolean {
  if (bytes.length < 30) return false;
  const [fileSize, pixels, header] = [bytes.readUInt32LE(2), bytes.readUInt32LE(10), bytes.readUInt32LE(14)];
  if ((header !== 12 && (header < 40 || header > 124)) || pixels < 14 + header) return false;
  if (fileSize !== 0 && pixels >= fileSize) return false;
  const at = header === 12 ? 22 : 26;
  return bytes.readUInt16LE(at) === 1 && [1, 4, 8, 16, 24, 32].includes(bytes.readUInt16LE(at + 2));
}
