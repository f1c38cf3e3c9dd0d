/** The limits of the tool for images: unit at the end of the name, behavior in the comment. */
export const VIEW_IMAGE_LIMITS = {
  /** Images of one call unless it says otherwise, and the most that it may say; a call with more is refused. */
  images: 20,
  /** Bytes of one image unless the call says less; a larger one is refused. */
  imageMb: 10,
  /** Characters of base64 of all images of a call: each is scaled down to its share. */
  totalChars: 16_777_216,
  /** A fetch of an image that takes longer fails. */
  fetchMs: 30_000,
  /** Characters of a question. */
  promptChars: 8_000,
} as const;
