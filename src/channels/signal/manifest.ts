import { defineManifest } from "../manifest.ts";
import { DESCRIPTION } from "./description.ts";
import { schema } from "./schema.ts";

export const manifest = defineManifest(DESCRIPTION, schema, () => import("./index.ts"));
