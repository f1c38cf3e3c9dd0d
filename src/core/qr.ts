import { encode } from "uqr";

/** Rows of modules, true for dark. */
export type QrMatrix = readonly (readonly boolean[])[];

/** The QR code of a text at error correction level L, without a margin. Throws RangeError beyond 2953 bytes. */
export const qrMatrix = (text: string): QrMatrix => encode(text, { ecc: "L", border: 0 }).data;

/** The code for a terminal: half blocks of two modules, dark modules left empty in a light field with a margin of two. */
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
