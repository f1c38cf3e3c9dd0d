/**
 * Runs inside Pi, loaded with `-e`. Its tasks:
 *
 * 1. Each run requests its system prompt and granted tools from the gateway, over Pi's stdin and stdout.
 *    The question has an id that Pi generates; text of a sender cannot answer it. No answer means no tools.
 * 2. A tool that was not granted is neither offered nor run; a granted one runs when the gateway has approved that call.
 * 3. Provider keys arrive once over file descriptor 3. They are readable by name for Pi's providers, but not part of the
 *    environment: tools do not inherit them, and `/proc/<pid>/environ` does not have them.
 * 4. When Pi ends, also because the gateway was killed, all processes of its tools end with it.
 * 5. The setup guide is registered as a provider.
 * 6. A key that a provider repeats in an error does not reach the transcript or a person.
 * 7. A provider that answers "too many requests" with a delay is retried after it, within the limit of the turn, and
 *    the gateway is notified. Secret URL queries are added here, so that no file contains them.
 */
import { closeSync, readdirSync, readFileSync } from "node:fs";
import { GUIDE_MODEL, GUIDE_NAME, GUIDE_PROVIDER, guideReply, type GuideFacts } from "./guide.ts";

/** Names of the keys that contain the secret query of a URL. */
const QUERY_PREFIX = "OPENCLAW_QUERY_";

/** The longest single delay for a provider. */
const LONGEST_WAIT_MS = 60_000;

/** The title of the question; the gateway answers it and cancels every other one. */
export const TURN_REQUEST = "openclaw:turn";

/** The title of the question before each tool call; `placeholder` is the call as JSON. */
export const TOOL_REQUEST = "openclaw:tool";

/** Prefix of a notice that a provider requested a delay: ` <ms> waits` or ` <ms> fails`. */
export const WAIT_NOTICE = "openclaw:wait";

/** The gateway's answer to the first question, as JSON. `providerWaitMs`: total delay that providers may cause in this turn. */
export type TurnGrant = { system: string; tools: readonly string[]; facts?: GuideFacts; providerWaitMs?: number };
/** The gateway's answer to the second one. */
export type ToolVerdict = { allow: true } | { allow: false; reason: string };

type ExtensionContext = {
  ui: {
    input(title: string, placeholder: string, options?: { signal?: AbortSignal | undefined }): Promise<string | undefined>;
    notify(message: string, type?: string): void;
  };
  signal?: AbortSignal | undefined;
};
type Handler<E> = (event: E, context: ExtensionContext) => unknown;
type PiApi = {
  on(event: "before_agent_start", handler: Handler<unknown>): void;
  on(event: "tool_call", handler: Handler<{ toolName: string; toolCallId: string; input: unknown }>): void;
  on(event: "user_bash", handler: Handler<unknown>): void;
  on(event: "session_start", handler: Handler<unknown>): void;
  on(event: "message_end", handler: Handler<{ message: { role: string; errorMessage?: string } }>): void;
  setActiveTools(names: readonly string[]): void;
  registerProvider(name: string, provider: Record<string, unknown>): void;
};

/** Variables that configure Pi itself and must not reach commands of tools. */
const PRIVATE_VARIABLE = /^(NODE_COMPILE_CACHE|PI_(OFFLINE|TELEMETRY|SKIP_VERSION_CHECK|CODING_AGENT_DIR))$/;

/** Shorter values ("none", "ollama") are words, not secrets. */
const MIN_KEY_CHARS = 8;

/** The extension is reloaded at each change of the session; this state must survive that. */
const STATE_SYMBOL = Symbol.for("openclaw.pi.extension");
type ExtensionState = {
  facts: GuideFacts;
  granted: ReadonlySet<string>;
  keys: readonly string[];
  /** Remaining delay that providers may cause in this turn. */
  remainingWaitMs: number;
  notify: (message: string) => void;
  /** Secret queries by URL. */
  queries: readonly { base: string; query: string }[];
};

function extensionState(): ExtensionState {
  const home = globalThis as { [STATE_SYMBOL]?: ExtensionState };
  if (!home[STATE_SYMBOL]) {
    const keys = readKeys();
    hideKeys(keys);
    process.once("exit", killLeftoverProcesses);
    const queries = Object.entries(keys).flatMap(([name, value]) =>
      name.startsWith(QUERY_PREFIX) ? [JSON.parse(value) as ExtensionState["queries"][number]] : [],
    );
    const secrets = Object.values(keys).filter((key) => key.length >= MIN_KEY_CHARS);
    home[STATE_SYMBOL] = { facts: {}, granted: new Set(), keys: secrets, remainingWaitMs: 0, notify: () => {}, queries };
    wrapFetch(home[STATE_SYMBOL]);
  }
  return home[STATE_SYMBOL];
}

/** Requests of all providers: adds secret queries, and retries after the delay that a provider requested. */
function wrapFetch(state: ExtensionState): void {
  const plain = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const target = withQuery(input, state.queries);
    for (;;) {
      const response = await plain(target, init);
      const ms = retryAfterOf(response);
      if (ms === null) return response;
      const waits = ms <= Math.min(state.remainingWaitMs, LONGEST_WAIT_MS) && canRepeat(target, init);
      state.notify(`${WAIT_NOTICE} ${ms} ${waits ? "waits" : "fails"}`);
      if (!waits) return response;
      state.remainingWaitMs -= ms;
      await response.body?.cancel();
      await sleep(ms, init?.signal ?? undefined);
    }
  };
}

function withQuery(input: string | URL | Request, queries: ExtensionState["queries"]): string | URL | Request {
  if (typeof input !== "string" && !(input instanceof URL)) return input;
  const url = String(input);
  const found = queries.find(({ base }) => url.startsWith(base));
  return found ? `${url}${url.includes("?") ? "&" : "?"}${found.query}` : input;
}

/** The delay that a provider's response requests, in milliseconds; null if none. */
function retryAfterOf({ status, headers }: Response): number | null {
  if (status !== 429 && status !== 503 && status !== 529) return null;
  const exact = Number.parseFloat(headers.get("retry-after-ms") ?? "");
  const given = headers.get("retry-after") ?? "";
  const seconds = /^\s*\d+(\.\d+)?\s*$/.test(given) ? Number(given) : (Date.parse(given) - Date.now()) / 1_000;
  const ms = Math.ceil(Number.isNaN(exact) ? seconds * 1_000 : exact);
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, 10 ** 12) : null;
}

const canRepeat = (input: unknown, init: RequestInit | undefined): boolean =>
  !(input instanceof Request) && (init?.body === undefined || init.body === null || typeof init.body === "string");

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", leave);
      resolve();
    }, ms);
    if (signal?.aborted) leave();
    else signal?.addEventListener("abort", leave, { once: true });
  });
}

function readKeys(): Record<string, string> {
  const text = readFileSync(3, "utf8");
  closeSync(3);
  return JSON.parse(text) as Record<string, string>;
}

function hideKeys(keys: Record<string, string>): void {
  const hidden = new Map(Object.entries(keys));
  process.env = new Proxy(process.env, {
    get: (target, name) => hidden.get(name as string) ?? target[name as string],
    has: (target, name) => hidden.has(name as string) || name in target,
    ownKeys: (target) => Reflect.ownKeys(target).filter((name) => !PRIVATE_VARIABLE.test(String(name))),
  });
}

/** Pi ends the process groups of its tools; this finds processes that have left them, by the inherited mark. */
function killLeftoverProcesses(): void {
  const marker = process.env["OPENCLAW_RUNNER"];
  if (process.platform !== "linux" || !marker) return;
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isSafeInteger(pid) || pid === process.pid) continue;
    try {
      const marked = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`OPENCLAW_RUNNER=${marker}`);
      if (marked) process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile or belongs to another user; nothing to do.
      continue;
    }
  }
}

/** The value with all keys in it replaced; the same value if there are none. */
function redactKeys<T>(value: T, keys: readonly string[]): T {
  let text = JSON.stringify(value);
  const found = keys.map((key) => JSON.stringify(key).slice(1, -1)).filter((key) => text.includes(key));
  for (const key of found) text = text.replaceAll(key, "[secret]");
  return found.length === 0 ? value : (JSON.parse(text) as T);
}

function parseTurnGrant(answer: string | undefined): TurnGrant {
  if (answer === undefined) throw new Error("the gateway did not describe the turn");
  return JSON.parse(answer) as TurnGrant;
}

const parseVerdict = (answer: string): ToolVerdict => JSON.parse(answer) as ToolVerdict;

export default function extension(pi: PiApi): void {
  const state = extensionState();

  const withdraw = (): void => {
    state.granted = new Set();
    pi.setActiveTools([]);
  };
  pi.on("session_start", withdraw);

  pi.on("before_agent_start", async (_event, context) => {
    withdraw();
    const grant = parseTurnGrant(await context.ui.input(TURN_REQUEST, ""));
    state.granted = new Set(grant.tools);
    state.facts = grant.facts ?? {};
    state.remainingWaitMs = grant.providerWaitMs ?? 0;
    state.notify = (message) => context.ui.notify(message, "info");
    pi.setActiveTools(grant.tools);
    return { systemPrompt: grant.system };
  });

  pi.on("tool_call", async ({ toolName: name, toolCallId: id, input: args }, context) => {
    if (!state.granted.has(name)) return { block: true, reason: `The tool ${name} is not available in this conversation.` };
    const answer = await context.ui.input(TOOL_REQUEST, JSON.stringify({ id, name, args }), { signal: context.signal });
    const verdict = answer === undefined ? { allow: false as const, reason: "The call was cancelled." } : parseVerdict(answer);
    return verdict.allow ? undefined : { block: true, reason: verdict.reason };
  });

  pi.on("message_end", ({ message }) => {
    if (message.role !== "assistant" || message.errorMessage === undefined) return undefined;
    const shown = redactKeys(message, state.keys);
    return shown === message ? undefined : { message: shown };
  });

  pi.on("user_bash", () => ({ result: { output: "Not available.", exitCode: 1, cancelled: false, truncated: false } }));

  pi.registerProvider(GUIDE_PROVIDER, {
    name: GUIDE_NAME,
    api: "openclaw-guide",
    baseUrl: "http://127.0.0.1:9",
    apiKey: "none",
    models: [
      {
        id: GUIDE_MODEL,
        name: GUIDE_NAME,
        reasoning: false,
        input: ["text"],
        cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
        contextWindow: 1_000_000,
        maxTokens: 16_384,
      },
    ],
    streamSimple: (model: GuideModel, transcript: Transcript) => streamReply(model, transcript, state.facts),
  });
}

type GuideModel = { id: string; provider: string; api: string };
type TextPart = { type: string; text?: string };
type Transcript = { messages: readonly { role: string; content: string | readonly TextPart[] }[] };

function lastUserText(transcript: Transcript): string {
  const content = transcript.messages.findLast((message) => message.role === "user")?.content ?? "";
  return typeof content === "string" ? content : content.map((part) => part.text ?? "").join("");
}

/** The stream that Pi expects of a provider: an async iterable with `result()`. One delta per paragraph. */
function streamReply(model: GuideModel, transcript: Transcript, facts: GuideFacts): unknown {
  const text = guideReply(lastUserText(transcript), facts);
  const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 };
  const message = {
    role: "assistant",
    content: [] as { type: "text"; text: string }[],
    api: model.api,
    provider: model.provider,
    model: model.id,
    usage: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0, cost },
    stopReason: "stop",
    timestamp: Date.now(),
  };
  async function* events(): AsyncGenerator<unknown> {
    yield { type: "start", partial: message };
    const block = { type: "text" as const, text: "" };
    message.content.push(block);
    yield { type: "text_start", contentIndex: 0, partial: message };
    for (const delta of text.match(/[\s\S]+?(?:\n\n|$)/g) ?? [text]) {
      block.text += delta;
      yield { type: "text_delta", contentIndex: 0, delta, partial: message };
    }
    yield { type: "text_end", contentIndex: 0, content: block.text, partial: message };
    yield { type: "done", reason: "stop", message };
  }
  const iterator = events();
  const whole = { ...message, content: [{ type: "text" as const, text }] };
  return { [Symbol.asyncIterator]: () => iterator, result: () => Promise.resolve(whole) };
}
