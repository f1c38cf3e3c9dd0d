// The process that packs and checks a backup of a running gateway, which must not wait for that: a job comes as JSON on standard input, its
// result goes to standard output.
import { setPriority } from "node:os";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { packBackup, type PackJob } from "./pack.ts";

const NICE = 10;

async function main(): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  try {
    return { ok: await packBackup(JSON.parse(Buffer.concat(chunks).toString()) as PackJob) };
  } catch (err) {
    if (!(err instanceof GatewayError)) return { error: { code: "UNAVAILABLE", message: reasonOf(err) } };
    return { error: { code: err.code, message: err.message, ...(err.fix && { fix: err.fix }) } };
  }
}

try {
  setPriority(NICE);
} catch {
  // Not permitted in some containers; it is only politeness.
}
process.stdout.write(JSON.stringify(await main()));
