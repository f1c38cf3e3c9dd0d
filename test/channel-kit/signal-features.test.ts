import { playFeatures } from "./features.ts";

await playFeatures("signal");
