// A stand-in for the program signal-cli, with the arguments that matter: `[--config DIR] [-a NUMBER] daemon --http HOST:PORT ...`.
// SIGNAL_CLI_STAGE in its environment would not reach it, so a file beside its --config, `stage.json`, says what it does.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ADA, NUMBER, SignalServer } from "./signal-server.ts";

type Stage = { fails?: string; code?: number; slowMs?: number; ignoresTerm?: boolean; environment?: true };

const args = process.argv.slice(2);
const after = (name: string): string | undefined => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
const dir = after("--config")!;
const file = join(dir, "stage.json");
const stage = (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {}) as Stage;
writeFileSync(join(dir, "started.json"), JSON.stringify({ args, pid: process.pid, env: Object.keys(process.env) }));
if (stage.ignoresTerm) process.on("SIGTERM", () => undefined);
if (stage.fails !== undefined) {
  console.error(stage.fails);
  process.exit(stage.code ?? 1);
}
await new Promise((resolve) => setTimeout(resolve, stage.slowMs ?? 0));
const server = await SignalServer.start(Number(after("--http")!.split(":").at(-1)));
server.only = after("-a") ?? null;
if (!server.only) {
  server.accounts.clear();
  setTimeout(() => server.scan(NUMBER), 300);
}
server.say("hello from the program", { from: ADA });
console.error("INFO  HttpServerHandler - Started HTTP server");
