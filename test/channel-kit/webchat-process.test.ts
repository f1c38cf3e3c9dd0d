import { defineProcessTests } from "./process.ts";

await defineProcessTests("webchat");
