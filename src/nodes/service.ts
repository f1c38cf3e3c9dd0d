import type { Clock } from "../core/clock.ts";
import { detailError, GatewayError, missingScope } from "../core/errors.ts";
import { fieldsOf, tryParseJson, type JsonObject } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { InvocationRow, NodeAnswer, NodeAsker, NodeRow, NodeRows } from "../store/nodes.ts";
import type { NodeClaims } from "./claims.ts";
import { COMMAND_REASONS, scopeOfCommand, type NodeCommandConfig } from "./command-policy.ts";
import { NodeEvents, type EventOutcome } from "./events.ts";
import { Invocations, type InvocationEnd } from "./invocations.ts";
import { NODE_LIMITS } from "./limits.ts";
import { PendingQueue } from "./pending.ts";
import type { NodePush, WakeOutcome } from "./push.ts";
import { nameOf, NodeRegistry, type LiveNode, type RegistryEvents } from "./registry.ts";
import { parseShellRequest, shellDigest, shellText, toRunParams, toShellPlan, type ShellPlan, type ShellRequest } from "./shell.ts";
import { toNodeDetails, toNodeWire, toPairedWire, toRequestWire } from "./wire.ts";

/** A question to a person about a program on a node. */
export type ShellQuestion = {
  node: Pick<NodeRow, "nodeId"> & { name: string };
  plan: ShellPlan;
  text: string;
  digest: string;
  asker: NodeAsker;
};

/** Asks people about programs on nodes, and takes their answers once. */
export type ShellDesk = {
  /** Resolves with the id of the approval. Rejects with the reason when a person said no, or no one answered. */
  ask(question: ShellQuestion, signal: AbortSignal): Promise<string>;
  /** Takes an agreement that another program has asked for. Rejects when it is not exactly about this. */
  use(id: string, question: Pick<ShellQuestion, "digest" | "node">): Promise<void>;
};

export type NodeServiceDeps = {
  rows: NodeRows;
  write: <T>(change: () => T) => Promise<T>;
  config: () => NodeCommandConfig;
  /** To one connection. */
  send: (conn: string, event: string, payload: object) => void;
  events: RegistryEvents;
  desk: ShellDesk;
  /** Inside a transaction: the audit of an invocation; `end` null: it begins. */
  record: (row: Pick<InvocationRow, "id" | "nodeId" | "command" | "params" | "asker">, end: InvocationEnd | null) => void;
  /** Null: no push relay is configured. */
  push: () => Promise<NodePush | null>;
  crashPoint: (point: string) => void;
  newId: () => string;
  clock: Clock;
  log: Log;
  metrics: Metrics;
};

export type InvokeRequest = {
  /** Id, name, or a unique beginning of one. */
  node: string;
  command: string;
  params: unknown;
  timeoutMs?: number | undefined;
  key: string;
  asker: NodeAsker;
  /** Null: a part of the gateway asks, which has decided by itself. */
  scopes: ReadonlySet<string> | null;
  /** A program runs without a question: the settings of an agent say so. */
  isShellAllowed?: boolean;
  onProgress?: (chunk: string) => void;
};

export type InvokeResult = { nodeId: string; command: string; payload: unknown; payloadJSON: string | null };

/** Time for a node to plan a command before a person is asked. */
const PREPARE_MS = 10_000;
/** What a command on a node has beyond its own deadline, until its result is there. */
const RESULT_MARGIN_MS = 5_000;

/** Nodes as the rest of the gateway sees them. Loaded with the first node or the first request about one. */
export class NodeService {
  readonly registry: NodeRegistry;
  readonly pending: PendingQueue;
  readonly #deps: NodeServiceDeps;
  readonly #invocations: Invocations;
  readonly #events: NodeEvents;
  /** By node and key: calls that wait for a person. */
  readonly #starting = new Map<string, Promise<InvocationEnd>>();
  /** By node: calls that wait until it is connected. */
  readonly #awaited = new Map<string, Set<() => void>>();

  constructor(deps: NodeServiceDeps) {
    this.#deps = deps;
    this.registry = new NodeRegistry(deps);
    this.pending = new PendingQueue(deps);
    this.#invocations = new Invocations({ ...deps, send: (nodeId, event, payload) => this.#send(nodeId, event, payload) });
    this.#events = new NodeEvents({
      registry: this.registry,
      isOwnRun: (nodeId, runId) => this.#isOwnRun(nodeId, runId),
      registerPush: (nodeId, payload) => this.#registerPush(nodeId, payload),
      clock: deps.clock,
    });
    deps.metrics.sample("gateway_nodes_open_invocations", () => this.#invocations.size);
  }

  /** Takes up what an earlier process left. */
  start(): void {
    this.#invocations.recover();
    for (const { nodeId, keepsAnswers } of this.registry.connections()) this.#invocations.nodeBack(nodeId, keepsAnswers);
  }

  connected(conn: string, claims: NodeClaims): void {
    const live = this.registry.connected(conn, claims);
    this.#invocations.nodeBack(live.nodeId, live.keepsAnswers);
    for (const resolve of this.#awaited.get(live.nodeId) ?? []) resolve();
  }

  disconnected(conn: string): void {
    const nodeId = this.registry.disconnected(conn);
    if (nodeId !== null) this.#invocations.nodeGone(nodeId);
  }

  async list(): Promise<JsonObject> {
    await this.registry.settled();
    return { ts: this.#deps.clock.now(), nodes: this.registry.rows().map((row) => toNodeWire(this.registry, row)) };
  }

  async describe(node: string): Promise<JsonObject> {
    await this.registry.settled();
    const row = this.registry.require(node);
    const recent = this.#deps.rows.recentInvocations(row.nodeId, NODE_LIMITS.recentInvocations);
    return { ts: this.#deps.clock.now(), ...toNodeDetails(this.registry, row, recent) };
  }

  async requests(): Promise<JsonObject> {
    await this.registry.settled();
    const rows = this.registry.rows();
    return {
      pending: rows.filter(({ requestId }) => requestId !== null).map((row) => toRequestWire(this.registry, row)),
      paired: rows.filter(({ approved }) => approved !== null).map((row) => toPairedWire(this.registry, row)),
    };
  }

  async approve(requestId: string, scopes: ReadonlySet<string>): Promise<JsonObject> {
    await this.registry.settled();
    const known = this.registry.rows().find((row) => row.requestId?.startsWith(requestId));
    const row = await this.registry.approve(requestId, scopes);
    return { requestId: known?.requestId ?? requestId, node: toPairedWire(this.registry, row) };
  }

  async reject(requestId: string): Promise<JsonObject> {
    await this.registry.settled();
    const row = await this.registry.reject(requestId);
    return { requestId: row.requestId, nodeId: row.nodeId };
  }

  async rename(node: string, displayName: string): Promise<JsonObject> {
    const row = await this.registry.rename(node, displayName);
    return { nodeId: row.nodeId, displayName: nameOf(row) };
  }

  /** The node is removed from the list; what it runs counts as lost. */
  async remove(nodeId: string): Promise<void> {
    await this.#invocations.nodeRemoved(nodeId);
    await (await this.#deps.push())?.forget(nodeId);
    await this.registry.remove(nodeId);
  }

  /** Runs a command on a node. Rejects with the reason where it was not run, or did not succeed. */
  async invoke(request: InvokeRequest, signal: AbortSignal): Promise<InvokeResult> {
    await this.registry.settled();
    const { command, scopes } = request;
    const scope = scopeOfCommand(command);
    // Before a node is looked up: who may not call it learns nothing about nodes.
    if (scopes !== null && scope !== null) {
      if (!scopes.has(scope) && !scopes.has("operator.admin")) throw missingScope(scope);
    }
    const row = this.registry.require(request.node);
    this.#requireCommand(row, request);
    await this.#reach(row, request, signal);
    const reached = this.registry.require(row.nodeId);
    this.#requireAllowed(reached, request);
    const end = command === "system.run" ? await this.#runShell(row, request, signal) : await this.#run(row, request, signal);
    return await this.#toResult(row, command, end);
  }

  /** The caller of a method is a node: its connection. Throws for a connection of which nothing is known. */
  liveOf(conn: string, nodeId: string): LiveNode {
    const live = this.registry.live(nodeId);
    if (live?.conn === conn) return live;
    throw new GatewayError("UNAVAILABLE", "another connection of this node has replaced this one", {
      retryable: false,
      fix: "Run one node with each device identity.",
    });
  }

  /** The result of a command. Only the node that was asked can give it. */
  async result(nodeId: string, id: string, answer: NodeAnswer): Promise<{ ok: true; ignored?: true }> {
    this.registry.seen(nodeId, "result");
    const isKnown = await this.#invocations.answer(nodeId, id, answer);
    // A node that gets an error sends it again: what is not waited for is taken as well.
    return isKnown ? { ok: true } : { ok: true, ignored: true };
  }

  progress(nodeId: string, id: string, piece: { seq: number; chunk: string }): { ok: boolean } {
    return { ok: this.#invocations.progress(nodeId, id, piece) };
  }

  async event(live: LiveNode, event: string, payload: unknown): Promise<EventOutcome> {
    return await this.#events.handle(live, event, payload);
  }

  async #registerPush(nodeId: string, payload: unknown): Promise<EventOutcome> {
    const push = await this.#deps.push();
    return push === null ? { handled: false, reason: "no push relay is configured" } : await push.register(nodeId, payload);
  }

  /** Wakes a node that is not connected. */
  async wake(nodeId: string, why: string): Promise<WakeOutcome> {
    const push = this.registry.isConnected(nodeId) ? null : await this.#deps.push();
    return (await push?.wake(nodeId, why)) ?? NOT_WOKEN;
  }

  /** For a node that is not connected: wakes it, and waits until it is there, or for so long as the command may take. */
  async #reach({ nodeId }: NodeRow, { key, timeoutMs }: InvokeRequest, signal: AbortSignal): Promise<void> {
    if (this.registry.isConnected(nodeId) || this.#deps.rows.invocationByKey(nodeId, key) !== undefined) return;
    const wake = await this.wake(nodeId, "node.invoke");
    if (wake.path !== "sent" && !wake.throttled) {
      if (wake.available) throw notConnected(this.registry.require(nodeId), wake);
      return;
    }
    await this.#untilConnected(nodeId, Math.min(timeoutMs || NODE_LIMITS.invokeMs, NODE_LIMITS.wakeWaitMs), signal);
    if (!this.registry.isConnected(nodeId)) throw notConnected(this.registry.require(nodeId), wake);
  }

  async #untilConnected(nodeId: string, ms: number, signal: AbortSignal): Promise<void> {
    if (this.registry.isConnected(nodeId)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#awaited.get(nodeId) ?? new Set();
    this.#awaited.set(nodeId, waiting.add(resolve));
    const cancel = this.#deps.clock.after(ms, resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
    await promise;
    cancel();
    waiting.delete(resolve);
    if (waiting.size === 0) this.#awaited.delete(nodeId);
    // What it declares now is on disk.
    await this.registry.settled();
  }

  #send(nodeId: string, event: string, payload: object): boolean {
    const live = this.registry.live(nodeId);
    if (live) this.#deps.send(live.conn, event, payload);
    return live !== null;
  }

  #isOwnRun(nodeId: string, runId: string): boolean {
    const recent = this.#deps.rows.recentInvocations(nodeId, NODE_LIMITS.recentInvocations);
    return recent.some(({ id, asker }) => id === runId || asker.approvalId === runId);
  }

  /** The command is one of the node's own, and the caller may call it. */
  #requireCommand(row: NodeRow, { command, scopes }: Pick<InvokeRequest, "command" | "scopes">): void {
    if (scopes !== null && scopeOfCommand(command) === null) throw notAllowed(row, command, "reserved");
    const { isAllowed, reason } = this.registry.decide(row, command);
    if (!isAllowed) throw notAllowed(row, command, reason);
  }

  /** What holds for every command: it may be called, and the node is there. */
  #requireAllowed(row: NodeRow, { command, scopes, key }: InvokeRequest): void {
    this.#requireCommand(row, { command, scopes });
    const isRepeat = this.#deps.rows.invocationByKey(row.nodeId, key) !== undefined;
    if (!isRepeat && !this.registry.isConnected(row.nodeId)) throw notConnected(row);
  }

  async #run(row: NodeRow, request: InvokeRequest, signal: AbortSignal): Promise<InvocationEnd> {
    const { command, params, key, asker, onProgress } = request;
    const paramsJSON = params === undefined ? null : JSON.stringify(params);
    if (paramsJSON !== null && paramsJSON.length > NODE_LIMITS.paramsChars)
      throw new GatewayError("TOO_LARGE", `the parameters of ${command} are longer than ${NODE_LIMITS.paramsChars} characters`);
    const timeoutMs = Math.min(request.timeoutMs || NODE_LIMITS.invokeMs, NODE_LIMITS.maxInvokeMs);
    const { nodeId } = row;
    return await this.#invocations.run({ nodeId, command, paramsJSON, timeoutMs, key, asker, ...(onProgress && { onProgress }) }, signal);
  }

  /** A program: the node plans it, a person agrees to exactly that, and exactly that is sent. Two calls with one key ask once. */
  async #runShell(row: NodeRow, request: InvokeRequest, signal: AbortSignal): Promise<InvocationEnd> {
    const { key } = request;
    const known = this.#deps.rows.invocationByKey(row.nodeId, key);
    const place = JSON.stringify([row.nodeId, key]);
    const shell = parseShellRequest(request.params);
    if (known) return await this.#run(row, { ...request, params: tryParseJson(known.params ?? "null") ?? undefined }, signal);
    const starting = this.#starting.get(place);
    if (starting) return await starting;
    const started = this.#approveAndRun(row, request, shell, signal);
    this.#starting.set(place, started);
    try {
      return await started;
    } finally {
      this.#starting.delete(place);
    }
  }

  async #approveAndRun(row: NodeRow, request: InvokeRequest, shell: ShellRequest, signal: AbortSignal): Promise<InvocationEnd> {
    const { desk } = this.#deps;
    const plan = await this.#planShell(row, request, shell, signal);
    const node = { nodeId: row.nodeId, name: nameOf(row) };
    const question = { node, plan, text: shellText(plan), digest: shellDigest(row.nodeId, plan), asker: request.asker };
    const { approvalId } = shell;
    if (approvalId !== null) await desk.use(approvalId, question);
    const allowed = approvalId ?? (request.isShellAllowed === true ? null : await desk.ask(question, signal));
    // The answer of a person takes its time: what held before may not hold now.
    this.#requireAllowed(this.registry.require(row.nodeId), request);
    const asker = { ...request.asker, ...(allowed !== null && { approvalId: allowed }) };
    const params = toRunParams(plan, shell, allowed);
    const timeoutMs = Math.max(request.timeoutMs ?? 0, (shell.timeoutMs ?? NODE_LIMITS.invokeMs) + RESULT_MARGIN_MS);
    return await this.#run(row, { ...request, asker, params, timeoutMs }, signal);
  }

  async #planShell(row: NodeRow, request: InvokeRequest, shell: ShellRequest, signal: AbortSignal): Promise<ShellPlan> {
    if (!this.registry.decide(row, "system.run.prepare").isAllowed) return toShellPlan(shell, null);
    const { argv, cwd, agentId, sessionKey } = shell;
    const params = { command: argv, ...(cwd && { cwd }), ...(agentId && { agentId }), ...(sessionKey && { sessionKey }) };
    const key = `${request.key}:prepare:${this.#deps.newId()}`;
    const end = await this.#run(row, { ...request, command: "system.run.prepare", params, key, timeoutMs: PREPARE_MS }, signal);
    if (end.state === "timeout" || end.state === "lost")
      throw detailError(
        "NODE_NOT_PLANNED",
        `${nameOf(row)} did not plan the command ${end.state === "lost" ? "before it went away" : "in time"}; nothing was run`,
        {
          details: { nodeId: row.nodeId },
          fix: "Call it again; the same idempotency key can be used.",
        },
      );
    const { payload } = await this.#toResult(row, "system.run.prepare", end);
    return toShellPlan(shell, payload);
  }

  async #toResult(row: NodeRow, command: string, { id, state, answer }: InvocationEnd): Promise<InvokeResult> {
    const { nodeId } = row;
    const name = nameOf(row);
    if (state !== "done") throw endedWithout(name, command, state);
    if (answer === null)
      throw detailError(
        "NODE_RESULT_NOT_KEPT",
        `${command} ran on ${name}; its result was given once and is not kept: it was too large, or newer ones took its place`,
        {
          fix: "Call it again with a new idempotency key.",
        },
      );
    if (answer.ok) {
      const { payloadJSON } = answer;
      return { nodeId, command, payload: payloadJSON === null ? null : (tryParseJson(payloadJSON) ?? payloadJSON), payloadJSON };
    }
    if (answer.code === "NODE_BACKGROUND_UNAVAILABLE") throw await this.#queueForForeground(row, command, id);
    throw detailError("NODE_COMMAND_FAILED", `${command} failed on ${name}: ${answer.message}`, {
      details: { nodeId, command, nodeError: { code: answer.code, message: answer.message } },
      fix: (Object.hasOwn(FIXES, answer.code) ? FIXES[answer.code] : undefined) ?? "Look at the log of the node.",
    });
  }

  /** The app is in the background: it takes the command when a person opens it. */
  async #queueForForeground(row: NodeRow, command: string, id: string): Promise<GatewayError> {
    const params = this.#deps.rows.invocation(id)?.params ?? null;
    const push = await this.#deps.push();
    const wake = (await push?.wake(row.nodeId, "node.invoke")) ?? NOT_WOKEN;
    const { id: queuedActionId, expiresAt } = await this.pending.queueAction(row.nodeId, id, { command, paramsJSON: params });
    return detailError("QUEUED_UNTIL_FOREGROUND", `${command} waits until the app of ${nameOf(row)} is in the foreground`, {
      details: { nodeId: row.nodeId, command, queuedActionId, expiresAtMs: expiresAt, wake },
      fix: "Open the app on the device.",
    });
  }

  /** Commands that wait for the app of a node, as far as they may still run. */
  async actionsFor(nodeId: string): Promise<JsonObject[]> {
    await this.registry.settled();
    const row = this.#deps.rows.node(nodeId);
    if (!row) return [];
    return this.pending.actions(nodeId).flatMap(({ id, content, createdAt }) => {
      const { command, paramsJSON = null } = fieldsOf(content);
      if (typeof command !== "string" || !this.registry.decide(row, command).isAllowed) return [];
      return [{ id, command, paramsJSON, enqueuedAtMs: createdAt }];
    });
  }
}

const NOT_WOKEN: WakeOutcome = { available: false, throttled: false, path: "no-relay" };

const wakeText = ({ path, throttled, apnsReason = "no reason given" }: WakeOutcome): string =>
  path === "sent" || throttled ? "; it was woken, and did not come in time" : `; the push relay could not wake it (${apnsReason})`;

/** What helps against errors of nodes. */
const FIXES: Readonly<Record<string, string>> = {
  SYSTEM_RUN_DENIED: "The node's own rules refuse it. Change them on that machine: openclaw node allow <program>.",
  CAMERA_DISABLED: "Allow the camera in the settings of the app.",
  LOCATION_DISABLED: "Allow the location in the settings of the app.",
  PAYLOAD_TOO_LARGE: "Ask for less: a smaller picture or a shorter clip.",
};

function notAllowed(row: NodeRow, command: string, reason: keyof typeof COMMAND_REASONS): GatewayError {
  const fixes: Partial<Record<typeof reason, string>> = {
    "not-approved": row.requestId === null ? "Reconnect the node, and approve it." : `openclaw nodes approve ${row.requestId.slice(0, 8)}`,
    "opt-in": `openclaw config set gateway.nodes.commands.allow '["${command}"]'`,
    platform: `openclaw config set gateway.nodes.commands.allow '["${command}"]'`,
    denied: "Remove it from gateway.nodes.commands.deny.",
    "not-declared": "openclaw nodes describe shows what the node offers.",
    reserved: "Use openclaw approvals get --node and set --node.",
  };
  return detailError("NODE_COMMAND_NOT_ALLOWED", `${command} does not run on ${nameOf(row)}: ${COMMAND_REASONS[reason]}`, {
    details: { reason, command, nodeId: row.nodeId },
    ...(fixes[reason] !== undefined && { fix: fixes[reason] }),
  });
}

const notConnected = (row: NodeRow, wake?: WakeOutcome): GatewayError =>
  detailError("NOT_CONNECTED", `${nameOf(row)} is not connected${wake ? wakeText(wake) : ""}`, {
    details: { nodeId: row.nodeId, ...(row.seenAt !== null && { lastSeenAtMs: row.seenAt }), ...(wake && { wake }) },
    fix: "Start it there: openclaw node run, or open the app.",
  });

function endedWithout(name: string, command: string, state: Exclude<InvocationEnd["state"], "done">): GatewayError {
  if (state === "timeout")
    return detailError("NODE_TIMEOUT", `${name} did not answer ${command} in time; whether it ran is not known`, {
      fix: "Give it more time with timeoutMs, and a new idempotency key.",
    });
  if (state === "cancelled") return detailError("NODE_CANCELLED", `${command} on ${name} was stopped`);
  return detailError("NODE_DISCONNECTED", `${name} went away while it ran ${command}, and did not come back; whether it ran is not known`, {
    fix: "Look there before it is repeated, with a new idempotency key.",
  });
}
