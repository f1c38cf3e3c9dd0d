import { defineFeatureTests } from "./features.ts";

await defineFeatureTests("discord");
