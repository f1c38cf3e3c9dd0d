import { backoffDelay, sleep, untilAborted, type BackoffPolicy } from "../../core/async.ts";
import { GatewayError, reasonOf } from "../../core/errors.ts";
import { asNumber, asObjects, asString, fieldsOf, isObject } from "../../core/json.ts";
import type { LinkAnswer, LinkConnection, PeerOutcome, PeersContext, UnaddressedEnvelope } from "../context.ts";
import type { RequestEnvelope } from "../envelope.ts";
import { PEER_LIMITS } from "../limits.ts";
import type { Outgoing } from "../outgoing.ts";
import { sendToAgent, type AgentAnswer, type A2aTarget } from "./http.ts";
import { A2A_LIMITS } from "./limits.ts";
import { A2A_ERRORS, A2aError, HOPS_KEY, PATH_KEY, readTask, type RemoteTask } from "./wire.ts";

export type A2aLinkDeps = Pick<PeersContext, "clock" | "log" | "rows" | "settings" | "store" | "newId"> & {
  random: () => number;
  outgoing: Outgoing;
  opened: (name: string, connection: LinkConnection) => void;
  closed: (name: string, connection: LinkConnection) => void;
  failed: (name: string, cause: string) => void;
  send?: typeof sendToAgent;
};

const BACKOFF: BackoffPolicy = { minMs: PEER_LIMITS.dialMinMs, maxMs: PEER_LIMITS.dialMaxMs, jitter: 0.25 };
const POLL: BackoffPolicy = { minMs: A2A_LIMITS.pollMinMs, maxMs: A2A_LIMITS.pollMaxMs };

/** The agent that a link without a name of one is for. */
export const DEFAULT_AGENT = "default";

/**
 * Keeps the way to an agent that speaks A2A until `signal` aborts. HTTP has no connection: the way counts as open while requests are
 * answered, and is tried again with a growing delay. The ends of tasks are asked for.
 */
export async function keepA2aLink(deps: A2aLinkDeps, name: string, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const lost = Promise.withResolvers<void>();
    let hasWorked = false;
    const way = new A2aWay(
      deps,
      name,
      () => (hasWorked = true),
      () => lost.resolve(),
      signal,
    );
    try {
      await way.probe();
      if (!signal.aborted) await hold(deps, name, { way, lost: lost.promise, signal });
    } catch (err) {
      if (!signal.aborted) deps.failed(name, reasonOf(err));
    }
    way.end();
    failures = hasWorked ? 1 : failures + 1;
    await sleep(deps.clock, backoffDelay(BACKOFF, failures, deps.random()), signal);
  }
}

async function hold(
  deps: A2aLinkDeps,
  name: string,
  { way, lost, signal }: { way: A2aWay; lost: Promise<void>; signal: AbortSignal },
): Promise<void> {
  deps.opened(name, way);
  for (const row of deps.rows.openOutgoing(name)) if (row.kind === "request" && row.remoteTask !== null) way.delivered(row.id);
  await Promise.race([lost, untilAborted(signal)]);
  deps.closed(name, way);
}

class A2aWay implements LinkConnection {
  readonly direction = "outbound";
  readonly since: number;
  readonly #deps: A2aLinkDeps;
  readonly #name: string;
  readonly #onWorked: () => void;
  readonly #onLost: () => void;
  readonly #signal: AbortSignal;
  readonly #ended = new AbortController();
  readonly #polled = new Set<string>();

  constructor(deps: A2aLinkDeps, name: string, onWorked: () => void, onLost: () => void, signal: AbortSignal) {
    this.#deps = deps;
    this.#name = name;
    this.#onWorked = onWorked;
    this.#onLost = onLost;
    this.#signal = AbortSignal.any([signal, this.#ended.signal]);
    this.since = deps.clock.now();
  }

  /** Rejects when nothing answers there, or not to this token. An agent needs no card. */
  async probe(): Promise<void> {
    const { status } = await this.#getCard();
    if (status === 401 || status === 403 || status >= 500) throw new Error(problemOf(status));
  }

  send(): Promise<never> {
    return Promise.reject(new Error("nothing is signed over A2A"));
  }

  close(): void {
    this.#onLost();
  }

  end(): void {
    this.#ended.abort();
  }

  deliver = async (envelope: UnaddressedEnvelope): Promise<LinkAnswer> => {
    if (envelope.kind === "ping") return await this.#readCard();
    if (envelope.kind !== "request") return { status: "refused", reason: "A2A has requests only" };
    try {
      const task = readTask(await this.#call("SendMessage", toParams(envelope)));
      if (task.outcome === null && task.id === null) return { status: "refused", reason: "its task has no id" };
      return { status: "stored", reason: null, task };
    } catch (err) {
      if (!(err instanceof A2aError)) throw err;
      return { status: err.code === A2A_ERRORS.busy ? "busy" : "refused", reason: err.message };
    }
  };

  /** Asks for the end of a task until there is one, or the request has ended here. */
  delivered = (id: string): void => {
    if (this.#polled.has(id)) return;
    this.#polled.add(id);
    this.#poll(id)
      .catch((err: unknown) => {
        if (!this.#signal.aborted) this.#deps.log.warn("the end of a task could not be stored", { peer: this.#name, cause: reasonOf(err) });
      })
      .finally(() => this.#polled.delete(id));
  };

  async #poll(id: string): Promise<void> {
    const { clock, rows, outgoing } = this.#deps;
    const taskId = rows.outgoing(id)?.remoteTask ?? null;
    if (taskId === null) return;
    const over = new AbortController();
    const signal = AbortSignal.any([this.#signal, over.signal]);
    const end = (): void => over.abort();
    outgoing.waitFor(id, signal).then(end, end);
    for (let looks = 1; !signal.aborted; looks++) {
      await sleep(clock, backoffDelay(POLL, looks), signal);
      if (signal.aborted) break;
      const outcome = await this.#lookAt(taskId);
      if (outcome !== null) await this.#answer(id, outcome);
    }
    // Ended here before it was answered: the other side may stop as well.
    if (!this.#signal.aborted && rows.outgoing(id)?.outcome?.status === "aborted")
      await this.#call("CancelTask", { id: taskId }).catch(() => {});
  }

  async #lookAt(taskId: string): Promise<PeerOutcome | null> {
    try {
      const task: RemoteTask = readTask(await this.#call("GetTask", { id: taskId }));
      return task.outcome;
    } catch (err) {
      if (err instanceof A2aError && err.code === A2A_ERRORS.taskNotFound)
        return { status: "bounced", text: "", reason: "the other agent does not know the task any more" };
      if (!(err instanceof A2aError)) this.#fail(err);
      return null;
    }
  }

  async #answer(id: string, outcome: PeerOutcome): Promise<void> {
    const { store, outgoing } = this.#deps;
    const isAnswered = await store.write(() => outgoing.answer(this.#name, id, outcome));
    if (isAnswered) outgoing.settled(id);
  }

  #fail(err: unknown): void {
    if (this.#signal.aborted) return;
    this.#deps.failed(this.#name, reasonOf(err));
    this.#onLost();
  }

  #target(): A2aTarget {
    const link = this.#deps.settings(this.#name);
    if (link?.url === undefined) throw new GatewayError("UNAVAILABLE", "this link is not in use");
    return { url: link.url, token: link.outboundToken, tlsFingerprint: link.tlsFingerprint };
  }

  /** Rejects with A2aError for what the other agent refuses, with another error when there was no answer. */
  async #call(method: string, params: unknown): Promise<unknown> {
    const target = this.#target();
    const body = JSON.stringify({ jsonrpc: "2.0", id: this.#deps.newId(), method, params });
    const answer = await (this.#deps.send ?? sendToAgent)(target, { method: "POST", url: target.url, body, signal: this.#signal });
    const result = readAnswer(answer);
    this.#onWorked();
    return result;
  }

  /** The card lies at the root of the address. */
  async #getCard(): Promise<AgentAnswer> {
    const target = this.#target();
    const url = new URL("/.well-known/agent-card.json", target.url).href;
    return await (this.#deps.send ?? sendToAgent)(target, { method: "GET", url, signal: this.#signal });
  }

  async #readCard(): Promise<LinkAnswer> {
    const { status, body } = await this.#getCard();
    if (status !== 200 && status !== 404) throw new GatewayError("UNAVAILABLE", problemOf(status));
    this.#onWorked();
    if (status === 404 || !isObject(body)) return { status: "pong", reason: null };
    return { status: "pong", reason: null, agents: asObjects(body["skills"]).map(({ id }) => asString(id)) };
  }
}

function readAnswer({ status, body }: AgentAnswer): unknown {
  const { result, error } = fieldsOf(body);
  if (isObject(error) && asNumber(error["code"]) !== null)
    throw new A2aError(asNumber(error["code"])!, asString(error["message"]).slice(0, 500) || `error ${asNumber(error["code"])}`);
  if (status === 429) throw new A2aError(A2A_ERRORS.busy, "it takes no more requests now");
  if (status !== 200) throw new Error(problemOf(status));
  if (result === undefined) throw new Error("the other agent did not answer in the form of A2A");
  return result;
}

const problemOf = (status: number): string =>
  status === 401 || status === 403
    ? `the other agent did not accept the token (HTTP ${status}); compare outboundToken here with the token there`
    : status === 404
      ? "the address leads to no A2A endpoint (HTTP 404)"
      : `the other agent answered HTTP ${status}`;

/** A request as a message. The same id each time, so that an agent that knows ids takes it once. */
function toParams({ id, agent, text, conversation, path, maxHops }: Omit<RequestEnvelope, "v" | "from" | "to">): Record<string, unknown> {
  const metadata = { [PATH_KEY]: path, [HOPS_KEY]: maxHops };
  const message = { messageId: id, contextId: conversation, role: "ROLE_USER", parts: [{ text }], metadata };
  return { ...(agent !== DEFAULT_AGENT && { tenant: agent }), message, configuration: { returnImmediately: true } };
}
