import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { decodePng, encodePng, toThumbnail } from "./png.ts";
import { checkScreenshots, findDifference, FONT, WIDTHS } from "./screenshots.ts";
import type { Thumbnail } from "./png.ts";

/** A picture with a dark box on a light ground. */
function box(left: number): Thumbnail {
  const [width, height] = [60, 40];
  const rgb = new Uint8Array(width * height * 3).fill(238);
  for (let y = 10; y < 30; y += 1) for (let x = left; x < left + 20; x += 1) rgb.fill(34, (y * width + x) * 3, (y * width + x) * 3 + 3);
  return { width, height, rgb };
}

test("a picture survives being written and read", () => {
  assert.deepEqual(decodePng(encodePng(box(10))), box(10));
  assert.equal(toThumbnail(box(10), 2).width, 30);
});

test("a moved box is a difference, the same one is none, and neither are pictures of two sizes the same", () => {
  assert.equal(findDifference(box(10), box(10)), 0);
  assert.ok(findDifference(box(10), box(14)) > 0.05);
  assert.equal(findDifference(box(10), toThumbnail(box(10), 2)), 1);
});

for (const width of WIDTHS) {
  const skip = existsSync(FONT) ? false : `${FONT} is not installed`;
  test(`every state of the page at ${width.width} px looks as its kept picture`, { skip }, async () => {
    const differences = await checkScreenshots(false, [width]);
    assert.deepEqual(differences, [], "look at the new pictures; when they are right: npm run screenshots -- --update");
  });
}
