import { playProcess } from "./process.ts";

await playProcess("webchat");
