import { Worker } from "node:worker_threads";
import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { asArray, asString, isObject } from "../../core/json.ts";
import { clip, toWellFormed } from "../../core/text.ts";
import { INTERNAL_LIMITS, type InternalEvent } from "./events.ts";
import type { InternalHook } from "./folders.ts";

/**
 * The thread of one run: it gets the code that was read and checked, not a path, so that what runs is what was enabled. Such a
 * module is not a file and has no files beside it: only modules of Node can be imported.
 */
const THREAD = `
const { parentPort, workerData } = require("node:worker_threads");
const { code, language, event } = workerData;
(async () => {
  const js = language === "ts" ? require("node:module").stripTypeScriptTypes(code) : code;
  const { default: handler } = await import("data:text/javascript;base64," + Buffer.from(js).toString("base64"));
  if (typeof handler !== "function") throw new Error("the handler has no default export that is a function");
  const given = { ...event, timestamp: new Date(event.timestamp), messages: [] };
  await handler(given);
  parentPort.postMessage({ messages: given.messages.map(String) });
})().catch((err) => parentPort.postMessage({ error: String(err && err.message || err).slice(0, 500) }));
`;

export type HandlerResult = { messages: readonly string[] } | { error: string };

export type HandlerOptions = { clock: Pick<Clock, "after" | "now">; env: Readonly<Record<string, string>>; runMs: number };

/** Runs a handler once, in a thread of its own. Never rejects. */
export function runHandler(
  { code, language }: Pick<InternalHook, "code" | "language">,
  event: InternalEvent,
  { clock, env, runMs }: HandlerOptions,
): Promise<HandlerResult> {
  const [type, action] = event.name.split(":");
  const { sessionKey, context } = event;
  return new Promise((resolve) => {
    let worker: Worker;
    const end = (result: HandlerResult): void => {
      cancel();
      resolve(result);
      worker.terminate().catch(() => {});
    };
    const cancel = clock.after(runMs, () => end({ error: `it did not end within ${runMs / 1_000} s` }));
    try {
      worker = new Worker(THREAD, {
        eval: true,
        env: { ...env },
        workerData: { code, language, event: { type, action, sessionKey, context, timestamp: clock.now() } },
        stdout: true,
        stderr: true,
        resourceLimits: { maxOldGenerationSizeMb: INTERNAL_LIMITS.heapMb, maxYoungGenerationSizeMb: INTERNAL_LIMITS.youngHeapMb },
      });
    } catch (err) {
      cancel();
      return resolve({ error: reasonOf(err) });
    }
    worker.unref();
    worker.on("message", (message: unknown) => end(toResult(message)));
    worker.on("error", (err: unknown) =>
      end({
        error:
          isObject(err) && err["code"] === "ERR_WORKER_OUT_OF_MEMORY"
            ? `it needed more than ${INTERNAL_LIMITS.heapMb} MiB of memory`
            : shown(reasonOf(err)),
      }),
    );
    worker.on("exit", () => end({ error: "its code ended its thread" }));
  });
}

/** What the thread says is that of other people's code. */
function toResult(message: unknown): HandlerResult {
  if (!isObject(message)) return { error: "it answered what cannot be read" };
  if (message["error"] !== undefined) return { error: shown(asString(message["error"])) };
  const messages = (asArray(message["messages"]) ?? []).slice(0, INTERNAL_LIMITS.messages);
  return {
    messages: messages.map((text) => clip(toWellFormed(asString(text)), INTERNAL_LIMITS.messageChars)).filter((text) => text.trim() !== ""),
  };
}

const shown = (text: string): string =>
  clip(
    toWellFormed(text)
      .replaceAll(/[\p{Cc}\s]+/gu, " ")
      .trim(),
    300,
  );
