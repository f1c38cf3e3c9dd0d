// Loaded into the gateway with --import: watches how long one turn of its loop keeps the thread, in CPU time and so free of what
// other processes do, and tells file descriptor 3.
import { writeSync } from "node:fs";

const TICK_MS = 4;
const TELL_MS = 8;

let before = process.threadCpuUsage();
const timer = setInterval(() => {
  const now = process.threadCpuUsage();
  const ms = (now.user + now.system - before.user - before.system) / 1_000;
  before = now;
  if (ms >= TELL_MS) writeSync(3, `${Date.now()} ${ms.toFixed(1)}\n`);
}, TICK_MS);
timer.unref();
