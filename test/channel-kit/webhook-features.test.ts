import { playFeatures } from "./features.ts";

await playFeatures("webhook");
