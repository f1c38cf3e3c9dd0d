import type { ImageModels } from "../../src/tools/image-models.ts";

/** No model takes images. */
export const noImageModels: ImageModels = {
  routeFor: () => {
    throw new Error("no model takes images");
  },
  ask: () => Promise.reject(new Error("no model takes images")),
};
