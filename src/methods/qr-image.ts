import { crc32, deflateSync } from "node:zlib";
import { qrMatrix } from "../core/qr.ts";

/** Pixels of one module, and the quiet zone in modules. */
const SCALE = 4;
const MARGIN = 4;

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "ascii"), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** The QR code of a text as a PNG picture (one bit per pixel) in a `data:` address. */
export function qrImage(text: string): string {
  const matrix = qrMatrix(text);
  const side = (matrix.length + 2 * MARGIN) * SCALE;
  const stride = Math.ceil(side / 8) + 1;
  const rows = Buffer.alloc(stride * side);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const dark = matrix[Math.floor(y / SCALE) - MARGIN]?.[Math.floor(x / SCALE) - MARGIN] ?? false;
      if (!dark) rows[y * stride + 1 + (x >> 3)]! |= 0x80 >> (x & 7);
    }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head[8] = 1;
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const png = Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
  return `data:image/png;base64,${png.toString("base64")}`;
}
