import { defineCrashTests } from "./random-crashes.ts";

await defineCrashTests("telegram");
