import { playBadDays } from "./bad-days.ts";

await playBadDays("slack");
