/**
 * The shared host: one process on Pi's SDK that serves all Pi sessions of a trust domain. Records are those of Pi's RPC mode, one JSON
 * object per line, with the number of the session in `s`. It has no tools of its own and runs under Node's permission model without
 * child processes: each tool call is a record that the gateway answers.
 *
 * Arguments: URL of the SDK, directory of Pi's configuration. File descriptor 3: provider keys as JSON.
 */
import { readFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { LIMITS } from "../../../core/limits.ts";
import { GUIDE_PROVIDER } from "../../../core/guide-model.ts";
import { createJsonlSplitter } from "../jsonl.ts";
import { HOST, type HostVitals, type ToolReply } from "../records.ts";
import { guideProvider } from "./guide-provider.ts";
import { HostOutput } from "./host-output.ts";
import { currentRun, HostSession, type HostParts, type SessionCommand } from "./host-session.ts";
import { takeProviderKeys } from "./keys.ts";
import { wrapFetch } from "./provider-fetch.ts";
import { loadSdk, type PiModelRuntime, type PiSdk } from "./sdk.ts";
import { runDryTurn } from "./warm-up.ts";

/** The dry turn waits this long for a first message, which must not wait for it. */
const WARM_UP_DELAY_MS = 100;

type Command = SessionCommand & { id?: string; s?: number };

/** Node's own requests end after five minutes of silence; a longer limit, or a proxy, needs the dispatcher of the package. */
async function useLongWaits(): Promise<void> {
  const { EnvHttpProxyAgent, fetch, setGlobalDispatcher } = await import("undici");
  setGlobalDispatcher(new EnvHttpProxyAgent({ bodyTimeout: 0, headersTimeout: 0, allowH2: false }));
  globalThis.fetch = fetch as unknown as typeof globalThis.fetch;
}

async function createModels(sdk: PiSdk, agentDir: string): Promise<PiModelRuntime> {
  const models = await sdk.ModelRuntime.create({
    authPath: join(agentDir, "auth.json"),
    modelsPath: join(agentDir, "models.json"),
    allowModelNetwork: false,
  });
  models.registerProvider(
    GUIDE_PROVIDER,
    guideProvider(() => currentRun.getStore()?.facts ?? {}),
  );
  return models;
}

/** Runs the commands of the gateway; those of a session are run by its HostSession. */
class AgentHost {
  readonly #parts: HostParts;
  /** Sessions, also those that are being opened. */
  readonly #sessions = new Map<number, Promise<HostSession>>();

  constructor(parts: HostParts) {
    this.#parts = parts;
  }

  /** Handles one record of the gateway; answers it when it has an id. */
  async onCommand(command: Command): Promise<void> {
    const { id, s, type } = command;
    try {
      const data = await this.#run(command);
      if (id !== undefined)
        this.#parts.output.send({ ...(s === undefined ? {} : { s }), id, type: "response", command: type, success: true, data });
    } catch (err) {
      const error = err instanceof Error ? err.message : String(err);
      if (id !== undefined)
        this.#parts.output.send({ ...(s === undefined ? {} : { s }), id, type: "response", command: type, success: false, error });
    }
  }

  /** Runs a dry turn unless a session has been opened, which then does as much. */
  async warmUp(): Promise<void> {
    if (this.#sessions.size > 0) return;
    try {
      await runDryTurn(this.#parts);
    } catch (err) {
      console.error("the dry turn failed:", err);
    }
  }

  async #run(command: Command): Promise<unknown> {
    const { s, type } = command;
    if (type === HOST.ping) return { residentBytes: process.memoryUsage.rss() } satisfies HostVitals;
    if (s === undefined) throw new Error(`Unknown command: ${type}`);
    if (type === HOST.open) return this.#open(s, String(command["path"]), String(command["cwd"]));
    if (type === HOST.close) return this.#close(s);
    const session = await this.#sessions.get(s);
    if (!session) throw new Error("This session is not open.");
    if (type === HOST.toolUpdate || type === HOST.toolResult)
      return session.onToolReply(String(command["call"]), command["reply"] as ToolReply);
    return session.run(command);
  }

  async #open(s: number, path: string, cwd: string): Promise<unknown> {
    if (this.#sessions.has(s)) throw new Error("This session is open already.");
    const opening = HostSession.open(s, path, cwd, this.#parts);
    this.#sessions.set(s, opening);
    try {
      return (await opening).state();
    } catch (err) {
      this.#sessions.delete(s);
      throw err;
    }
  }

  async #close(s: number): Promise<void> {
    const session = await this.#sessions.get(s);
    this.#sessions.delete(s);
    await session?.close();
  }
}

async function main(): Promise<void> {
  const [sdkUrl, agentDir] = process.argv.slice(2) as [string, string];
  process.title = "openclaw-pi";
  process.env["PI_CODING_AGENT"] = "true";
  process.env["AI_AGENT"] = "pi";
  const { secrets, queries } = takeProviderKeys();
  // Before the SDK's own listeners.
  process.on("SIGTERM", () => process.exit(143));
  if (process.env["OPENCLAW_LONG_WAITS"]) await useLongWaits();
  const sdk = await loadSdk(sdkUrl);
  wrapFetch(queries, currentRun);
  const settings = JSON.parse(readFileSync(join(agentDir, "settings.json"), "utf8")) as Record<string, unknown>;
  // process.stdout would block the event loop while the gateway does not read.
  const output = new HostOutput(new Socket({ fd: 1, readable: false, writable: true }));
  const host = new AgentHost({ sdk, models: await createModels(sdk, agentDir), settings, agentDir, secrets, output });
  const splitter = createJsonlSplitter(LIMITS.piRecordChars);
  process.stdin.on("data", (chunk: Buffer) => {
    for (const record of splitter.push(chunk)) {
      if ("text" in record) void host.onCommand(JSON.parse(record.text) as Command);
      else console.error(`a record of ${record.tooLongChars} characters was skipped`);
    }
  });
  process.stdin.on("end", () => process.exit(0));
  process.on("unhandledRejection", (err) => console.error("unhandled rejection:", err));
  output.send({ type: "ready" });
  setTimeout(() => void host.warmUp(), WARM_UP_DELAY_MS);
}

await main();
