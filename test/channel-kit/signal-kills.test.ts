import { playKills } from "./random-kills.ts";

await playKills("signal");
