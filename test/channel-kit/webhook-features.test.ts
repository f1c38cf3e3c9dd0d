import { defineFeatureTests } from "./features.ts";

await defineFeatureTests("webhook");
