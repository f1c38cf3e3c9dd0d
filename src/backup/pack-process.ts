import { fileURLToPath } from "node:url";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { ERRORS, type ErrorCode } from "../core/error-codes.ts";
import { asString, fieldsOf, isObject, tryParseJson } from "../core/json.ts";
import { startProcess, type ChildProcessWithoutNullStreams } from "../core/start-process.ts";
import { BACKUP_LIMITS } from "./limits.ts";
import type { PackedBackup, PackJob } from "./pack.ts";

const ENTRY = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "./pack-main.ts" : "./backup-pack.mjs", import.meta.url));
const FIX = "openclaw logs --level warn --limit 20 may show more; openclaw backup create tries again.";

/** Packs a backup in a process of its own, without the credentials of this one's environment. */
export function packInProcess(job: PackJob, signal: AbortSignal): Promise<PackedBackup> {
  const { PATH, HOME, TMPDIR } = process.env;
  const env = Object.fromEntries(Object.entries({ PATH, HOME, TMPDIR }).filter(([, value]) => value !== undefined));
  return new Promise((resolve, reject) => {
    let child: ChildProcessWithoutNullStreams;
    try {
      child = startProcess(process.execPath, [ENTRY], {
        env,
        stdio: ["pipe", "pipe", "pipe"],
        timeout: BACKUP_LIMITS.packMs,
        killSignal: "SIGKILL",
        signal,
      });
    } catch (err) {
      return reject(notPacked(err));
    }
    const output = { out: "", err: "" };
    const keep = (stream: "out" | "err") => (chunk: Buffer) => {
      if (output[stream].length < BACKUP_LIMITS.outputBytes) output[stream] += chunk.toString();
    };
    child.stdout.on("data", keep("out"));
    child.stderr.on("data", keep("err"));
    child.on("error", (err) => reject(notPacked(err)));
    child.on("close", (code, killed) => {
      const answer = tryParseJson(output.out);
      if (isObject(answer) && isObject(answer["ok"])) return resolve(answer["ok"] as unknown as PackedBackup);
      reject(
        toError(
          answer,
          killed === null ? `its process ended with code ${code}: ${output.err.slice(-300)}` : `its process was ended by ${killed}`,
        ),
      );
    });
    child.stdin.on("error", () => {}); // It has ended: `close` says why.
    child.stdin.end(JSON.stringify(job));
  });
}

const notPacked = (err: unknown): GatewayError =>
  new GatewayError("UNAVAILABLE", `the backup was not packed: ${reasonOf(err)}`, { cause: err, fix: FIX });

function toError(answer: unknown, otherwise: string): GatewayError {
  const { code, message, fix } = fieldsOf(fieldsOf(answer)["error"]);
  const known = typeof code === "string" && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : "UNAVAILABLE";
  return new GatewayError(known, asString(message) || `the backup was not packed: ${otherwise}`, { fix: asString(fix) || FIX });
}
