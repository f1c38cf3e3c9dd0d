import { playFeatures } from "./features.ts";

await playFeatures("telegram");
