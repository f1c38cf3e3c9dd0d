// Runs as a thread: decodes one image, turns it upright, and encodes it within the limits of a result.
import { createRequire } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import { toUpright } from "./image-orientation.ts";
import { sizeOf } from "./image-size.ts";

export type ImageRequest = { bytes: Uint8Array; mimeType: string; side: number; chars: number; pixels: number };
export type FittedImage = {
  mimeType: string;
  /** base64 */
  data: string;
  width: number;
  height: number;
  originalWidth: number;
  originalHeight: number;
};

/** The part of Photon that is used. Pixels are RGBA, 4 bytes each; memory of an image is freed by hand. */
type PhotonImage = {
  get_width(): number;
  get_height(): number;
  get_raw_pixels(): Uint8Array;
  get_bytes(): Uint8Array;
  get_bytes_jpeg(quality: number): Uint8Array;
  free(): void;
};
type Photon = {
  PhotonImage: { new (pixels: Uint8Array, width: number, height: number): PhotonImage; new_from_byteslice(bytes: Uint8Array): PhotonImage };
  SamplingFilter: { Lanczos3: number };
  resize(image: PhotonImage, width: number, height: number, filter: number): PhotonImage;
};

/** Types that every provider accepts; others become PNG or JPEG. */
const SHOWN_TYPES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const JPEG_QUALITIES = [80, 70, 55, 40];
/** From one attempt to the next, when no encoding is small enough. */
const SHRINK = 0.75;

/** Photon comes with Pi, whose package need not lie beside this one. */
const loadPhoton = (): Photon =>
  createRequire(import.meta.resolve("@earendil-works/pi-coding-agent/rpc-entry"))("@silvia-odwyer/photon-node") as Photon;

const base64Of = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");

function fit({ bytes, mimeType, side, chars, pixels }: ImageRequest): FittedImage | { problem: string } {
  const size = sizeOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), mimeType);
  if (size !== null && size.width * size.height > pixels) return { problem: `it has ${size.width} x ${size.height} pixels` };
  const photon = loadPhoton();
  const image = decode(photon, bytes);
  if (image === null) return { problem: "it could not be decoded" };
  const [originalWidth, originalHeight] = [image.get_width(), image.get_height()];
  const original = { originalWidth, originalHeight };
  const plain = { mimeType, data: base64Of(bytes), width: originalWidth, height: originalHeight, ...original };
  const scale = Math.min(1, side / originalWidth, side / originalHeight);
  if (scale === 1 && plain.data.length < chars && SHOWN_TYPES.has(mimeType)) return plain;
  let [width, height] = [originalWidth, originalHeight].map((each) => Math.max(1, Math.round(each * scale))) as [number, number];
  for (;;) {
    const encoded = encode(photon, image, width, height, chars);
    if (encoded !== null) return { ...encoded, width, height, ...original };
    if (width === 1 && height === 1) return { problem: "no copy of it is small enough" };
    [width, height] = [Math.max(1, Math.floor(width * SHRINK)), Math.max(1, Math.floor(height * SHRINK))];
  }
}

function decode(photon: Photon, bytes: Uint8Array): PhotonImage | null {
  let image: PhotonImage;
  try {
    image = photon.PhotonImage.new_from_byteslice(bytes);
  } catch {
    // It throws a text that helps no one.
    return null;
  }
  const [width, height] = [image.get_width(), image.get_height()];
  const upright = toUpright(bytes, () => ({ pixels: image.get_raw_pixels(), width, height }));
  if (upright === null) return image;
  image.free();
  return new photon.PhotonImage(upright.pixels, upright.width, upright.height);
}

/** The image in the given size: as PNG if that is small enough, else as the best JPEG that is, else null. */
function encode(
  photon: Photon,
  image: PhotonImage,
  width: number,
  height: number,
  chars: number,
): { mimeType: string; data: string } | null {
  const resized = photon.resize(image, width, height, photon.SamplingFilter.Lanczos3);
  try {
    const png = base64Of(resized.get_bytes());
    if (png.length < chars) return { mimeType: "image/png", data: png };
    for (const quality of JPEG_QUALITIES) {
      const jpeg = base64Of(resized.get_bytes_jpeg(quality));
      if (jpeg.length < chars) return { mimeType: "image/jpeg", data: jpeg };
    }
    return null;
  } finally {
    resized.free();
  }
}

// oxlint-disable-next-line require-post-message-target-origin -- a port of Node, not a window
parentPort?.postMessage(fit(workerData as ImageRequest));
