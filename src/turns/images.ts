import type { InlineImage, MediaStore, StoredImage } from "../store/media.ts";

/** Stores the pictures of a message that are not in the media store yet. */
export const saveImages = (media: MediaStore, images: readonly StoredImage[]): Promise<StoredImage[]> =>
  Promise.all(images.map((image) => ("data" in image ? media.saveImage(image) : image)));

/** Pictures of a stored message, ready for an agent. Throws UNAVAILABLE when one can no longer be read. */
export const loadImages = (media: MediaStore, images: readonly StoredImage[]): Promise<InlineImage[]> =>
  Promise.all(images.map((image) => media.loadImage(image)));
