import type { ProtocolClient, ServerEvent } from "../client/client.ts";
import { ClientError } from "../client/errors.ts";
import { keepConnected } from "../client/reconnect.ts";
import { EXIT } from "../core/errors.ts";
import { asString } from "../core/json.ts";
import { toSentence } from "../core/text.ts";
import {
  APPROVALS,
  contextLine,
  outcomeText,
  resolverText,
  shortId,
  showRequest,
  type ApprovalEnding,
  type PendingApproval,
} from "./approval-view.ts";
import { ANSWER_KEYS, isOffered, UNREAD_MS, type KeyAnswer } from "./approval-answers.ts";
import { listPending } from "./approvals.ts";
import type { CommandHandler } from "./command.ts";
import { toCliError, toClientOptions } from "./connect.ts";
import { resolveTarget } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { formatDuration, sanitizeLine } from "./terminal-text.ts";

/** The payload of `exec.approval.resolved`, as far as it is shown. */
type EndedApproval = ApprovalEnding & { readonly id: string; readonly resolvedBy?: string | null };

type Request = PendingApproval["request"];

const CTRL_C = "\u0003";

/** `openclaw approvals watch`: until Ctrl-C. */
export const approvalsWatch: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const target = resolveTarget(invocation);
  const leave = new AbortController();
  const onAbort = (): void => leave.abort();
  host.signal.addEventListener("abort", onAbort, { once: true });
  const isInteractive = host.stdin.isTTY === true && out.interactive && !out.json;
  const watch = new ApprovalWatch(invocation, isInteractive);
  const stopKeys = isInteractive ? readKeys(invocation, (key) => (key === CTRL_C ? leave.abort() : watch.press(key))) : () => {};
  try {
    await keepConnected(
      await toClientOptions(invocation, target, { scopes: APPROVALS }),
      {
        onConnected: (client) => watch.attach(client),
        onDisconnected: (err, retryInMs) => {
          // Without a first connection there is nothing to resume.
          if (!watch.hasConnected) throw err;
          watch.detach();
          out.note(`(${sanitizeLine(err.message)}; retrying in ${formatDuration(retryInMs)})`);
        },
      },
      leave.signal,
    );
  } catch (err) {
    throw err instanceof ClientError ? toCliError(err, target, invocation) : err;
  } finally {
    stopKeys();
    host.signal.removeEventListener("abort", onAbort);
  }
  return EXIT.ok;
};

type Terminal = NodeJS.ReadableStream & { setRawMode?: (mode: boolean) => unknown };

/** Calls `onKey` for each key. A paste, which arrives as several at once, answers nothing. Returns the function that stops it. */
function readKeys({ host }: Invocation, onKey: (key: string) => void): () => void {
  const stdin = host.stdin as Terminal;
  const onData = (chunk: Buffer | string): void => {
    const text = String(chunk);
    if (text.includes(CTRL_C)) onKey(CTRL_C);
    else if (text.length === 1) onKey(text.toLowerCase());
  };
  stdin.setRawMode?.(true);
  stdin.on("data", onData);
  stdin.resume();
  return () => {
    stdin.off("data", onData);
    stdin.setRawMode?.(false);
    stdin.pause();
  };
}

/** The questions that wait, of which the first is on the screen. */
class ApprovalWatch {
  readonly #invocation: Invocation;
  readonly #isInteractive: boolean;
  readonly #pending = new Map<string, PendingApproval>();
  #client: ProtocolClient | null = null;
  /** What a key would answer. */
  #shown: { approval: PendingApproval; at: number } | null = null;
  #isAnswering = false;
  #hasConnected = false;

  constructor(invocation: Invocation, isInteractive: boolean) {
    this.#invocation = invocation;
    this.#isInteractive = isInteractive;
  }

  get hasConnected(): boolean {
    return this.#hasConnected;
  }

  async attach(client: ProtocolClient): Promise<void> {
    const { out } = this.#invocation;
    client.on((event) => this.#onEvent(event));
    const pending = await listPending(client);
    this.#client = client;
    if (!this.#hasConnected && pending.length === 0 && !out.json) out.note("No questions wait for an answer. Ctrl-C ends this.");
    this.#hasConnected = true;
    const waiting = new Set(pending.map(({ id }) => id));
    for (const id of this.#pending.keys()) if (!waiting.has(id)) this.#remove(id, "ended while the gateway was away");
    for (const approval of pending) this.#add(approval);
    this.#showNext();
  }

  detach(): void {
    this.#client = null;
  }

  press(key: string): void {
    const { host, out } = this.#invocation;
    const answer = ANSWER_KEYS[key];
    const shown = this.#shown;
    if (answer === undefined || shown === null || this.#client === null || this.#isAnswering) return;
    const { request } = shown.approval;
    if (!isOffered(answer, request)) return out.note(`(not offered; ${keysText(request)})`);
    if (Math.abs(host.now() - shown.at) < UNREAD_MS) return out.note("(too soon after the question: press the key again)");
    this.#isAnswering = true;
    void this.#answer(this.#client, shown.approval, answer).finally(() => {
      this.#isAnswering = false;
      this.#showNext();
    });
  }

  /** What has become of it arrives as an event, as it does when someone else answers. */
  async #answer(
    client: ProtocolClient,
    { id, approvalKind: kind = "exec" }: PendingApproval,
    { decision, grant }: KeyAnswer,
  ): Promise<void> {
    try {
      const params = { id, kind, decision, ...(grant !== undefined && { grant }) };
      const { approval } = await client.request<{ approval: EndedApproval }>("approval.resolve", params);
      this.#remove(id, endingOf(approval));
    } catch (err) {
      if (!(err instanceof ClientError)) throw err;
      const words = [toSentence(err.gatewayMessage ?? err.message), asString(err.details["fix"])].filter(Boolean).join(" ");
      this.#invocation.out.note(`(${shortId(id)} was not answered: ${sanitizeLine(words)})`);
      this.#shown = null;
    }
  }

  #onEvent({ event, payload }: ServerEvent): void {
    const { out } = this.#invocation;
    const phase = /^(?:exec|plugin)\.approval\.(requested|resolved)$/.exec(event)?.[1];
    if (phase === undefined) return;
    if (phase === "requested") this.#add(payload as PendingApproval);
    else {
      const ended = payload as EndedApproval;
      if (out.json) out.data({ event: "resolved", approval: ended });
      this.#remove(ended.id, endingOf(ended));
    }
    this.#showNext();
  }

  #add(approval: PendingApproval): void {
    const { out, host } = this.#invocation;
    if (this.#pending.has(approval.id)) return;
    this.#pending.set(approval.id, approval);
    if (out.json) out.data({ event: "requested", approval });
    else if (!this.#isInteractive) showQuestion(this.#invocation, approval, host.now());
  }

  #remove(id: string, ending: string): void {
    const { out } = this.#invocation;
    if (!this.#pending.delete(id)) return;
    if (this.#shown?.approval.id === id) this.#shown = null;
    if (!out.json) out.line(`${out.paint("bold", shortId(id))}  ${ending}`);
  }

  /** At a terminal one question after the other: a key answers the one that was read. */
  #showNext(): void {
    const { out, host } = this.#invocation;
    if (!this.#isInteractive || this.#shown !== null || this.#isAnswering || this.#client === null) return;
    const [approval] = this.#pending.values();
    if (approval === undefined) return;
    showQuestion(this.#invocation, approval, host.now());
    const more = this.#pending.size > 1 ? `   (${this.#pending.size - 1} more)` : "";
    out.line(`  ${out.paint("cyan", keysText(approval.request))}${more}`);
    this.#shown = { approval, at: host.now() };
  }
}

const keysText = (request: Request): string =>
  Object.entries(ANSWER_KEYS)
    .filter(([, answer]) => isOffered(answer, request))
    .map(([key, { text }]) => `${key} ${text}`)
    .join("   ");

/** The answer of a method names the resolver, the event its id alone. */
const endingOf = (ended: EndedApproval): string => {
  const by = ended.resolvedBy ?? resolverText(ended);
  return sanitizeLine(`${outcomeText(ended)}${by === "-" ? "" : ` by ${by}`}`);
};

function showQuestion({ out }: Invocation, approval: PendingApproval, now: number): void {
  out.line();
  out.line(`${out.paint("bold", shortId(approval.id))}  ${contextLine(approval, now)}`);
  showRequest(out, approval.request);
}
