// Group: wire
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { crc32, deflateSync } from "node:zlib";
import { toolContext } from "../../test/fakes/tool-context.ts";
import type { ToolContent } from "./tool.ts";
import { WorkspaceFiles } from "./workspace-files.ts";
import { sizeOf } from "./image-size.ts";
import { imageTypeOf } from "./image-type.ts";
import { orientationOf, toUpright } from "./image-orientation.ts";
import { createReadTool } from "./read/read.ts";

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const ends = [Buffer.alloc(4), Buffer.alloc(4)];
  ends[0]!.writeUInt32BE(data.length);
  ends[1]!.writeUInt32BE(crc32(body));
  return Buffer.concat([ends[0]!, body, ends[1]!]);
}

/** A gray PNG of 8 bits; `claimed` is the size in its header. */
function png(width: number, height: number, claimed = { width, height }): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(claimed.width, 0);
  header.writeUInt32BE(claimed.height, 4);
  header[8] = 8;
  const data = deflateSync(Buffer.alloc((width + 1) * height));
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1A\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", data),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** A black BMP of 24 bits. */
function bmp(width: number, height: number): Buffer {
  const row = Math.ceil((width * 3) / 4) * 4;
  const file = Buffer.alloc(54 + row * height);
  file.write("BM", "latin1");
  file.writeUInt32LE(file.length, 2);
  file.writeUInt32LE(54, 10);
  file.writeUInt32LE(40, 14);
  file.writeInt32LE(width, 18);
  file.writeInt32LE(height, 22);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  return file;
}

async function readImage(t: TestContext, file: Buffer): Promise<readonly ToolContent[]> {
  const context = toolContext(t);
  writeFileSync(join(context.workspace, "image"), file);
  return (await createReadTool(new WorkspaceFiles({ home: "/" })).run({ path: "image" }, context)).content;
}

const firstText = (content: readonly ToolContent[]): string => (content[0]?.type === "text" ? content[0].text : "");

test("an image within the limits is returned with its own bytes", async (t) => {
  const file = png(3, 2);
  assert.deepEqual(await readImage(t, file), [
    { type: "text", text: "[Image image/png, 3 x 2 pixels]" },
    { type: "image", mimeType: "image/png", data: file.toString("base64") },
  ]);
});

test("a larger image is scaled down, and the text says how coordinates relate", async (t) => {
  const content = await readImage(t, png(4_000, 100));
  assert.equal(firstText(content), "[Image image/png, 4000 x 100 pixels; shown with 2000 x 50: multiply coordinates by 2.00]");
  const shown = content[1]?.type === "image" ? Buffer.from(content[1].data, "base64") : Buffer.alloc(0);
  assert.deepEqual(sizeOf(shown, "image/png"), { width: 2_000, height: 50 });
});

test("a type that providers do not accept is converted", async (t) => {
  const content = await readImage(t, bmp(40, 30));
  assert.equal(firstText(content), "[Image image/bmp, 40 x 30 pixels, converted to image/png]");
  assert.equal(content[1]?.type === "image" && content[1].mimeType, "image/png");
});

test("an image that cannot be decoded or has too many pixels is not shown, and the text says why", async (t) => {
  assert.match(firstText(await readImage(t, png(3, 2).subarray(0, 40))), /^\[Image image\/png is not shown: it could not be decoded\./);
  const bomb = png(3, 2, { width: 50_000, height: 50_000 });
  assert.match(firstText(await readImage(t, bomb)), /is not shown: it has 50000 x 50000 pixels/);
});

test("the type follows from the first bytes; an animated PNG and a text that begins with BM are no images", () => {
  assert.equal(imageTypeOf(png(1, 1)), "image/png");
  assert.equal(imageTypeOf(bmp(1, 1)), "image/bmp");
  assert.equal(imageTypeOf(Buffer.from("GIF89a")), "image/gif");
  assert.equal(imageTypeOf(Buffer.from("RIFF1234WEBPVP8 ")), "image/webp");
  assert.equal(imageTypeOf(Buffer.from([0xff, 0xd8, 0xff, 0xe0])), "image/jpeg");
  assert.equal(imageTypeOf(Buffer.from("BM is a text with more than thirty characters")), null);
  const plain = png(1, 1);
  assert.equal(imageTypeOf(Buffer.concat([plain.subarray(0, 33), chunk("acTL", Buffer.alloc(8)), plain.subarray(33)])), null);
});

test("an image that the camera marked as turned becomes upright", () => {
  const exif = Buffer.from("FFD8FFE1001E4578696600004D4D002A000000080001011200030000000100060000", "hex");
  assert.equal(orientationOf(exif), 6);
  const pixels = new Uint8Array(new Uint32Array([1, 2, 3, 4, 5, 6]).buffer);
  const upright = toUpright(exif, () => ({ pixels, width: 3, height: 2 }));
  assert.deepEqual([upright?.width, upright?.height, [...new Uint32Array(upright!.pixels.buffer)]], [2, 3, [4, 1, 5, 2, 6, 3]]);
  assert.equal(
    toUpright(png(1, 1), () => assert.fail("nothing to turn")),
    null,
  );
});
