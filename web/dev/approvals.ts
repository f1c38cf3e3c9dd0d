/** Invented questions about commands for the scripted gateway: asked, answered once, kept in a history, and the allowlist. */
import { createHash, randomBytes } from "node:crypto";

type Params = Record<string, unknown>;
type Publish = (event: string, payload: Params) => void;

export type Asked = {
  command: string;
  cwd?: string;
  host?: "gateway" | "sandbox";
  agentId?: string;
  sessionKey?: string;
  runId?: string | null;
  callId?: string;
  warnings?: readonly string[];
  patterns?: readonly { pattern: string; argPattern: string }[];
  /** It may be allowed for some time. */
  isGrantable?: boolean;
  /** Another program asks, in its own words. */
  plugin?: { title: string; description: string; detail?: string; pluginId: string } | null;
  /** When it was asked; now by default. */
  at?: number;
};
export type Ended = {
  status: "allowed" | "denied" | "expired" | "cancelled";
  decision?: string;
  reason?: string;
  by?: string;
  at?: number;
  grant?: { scope: "time" | "session"; untilMs: number };
};
type Row = Required<Omit<Asked, "at">> & { id: string; createdAt: number; end: (Ended & { at: number }) | null };
type Entry = { id: string; pattern: string; argPattern?: string; commandText?: string; lastUsedAt?: number };

const LIFE_MS = 30 * 60_000;

export class Approvals {
  readonly #publish: Publish;
  #rows: Row[] = [];
  #grants: Params[] = [];
  #waiters = new Map<string, (status: string) => void>();
  document: { version: 1; defaults: Params; agents: Record<string, { allowlist: Entry[] }> } = { version: 1, defaults: {}, agents: {} };

  constructor(publish: Publish) {
    this.#publish = publish;
  }

  clear(): void {
    this.#rows = [];
    this.#grants = [];
    this.#waiters.clear();
    this.document = { version: 1, defaults: {}, agents: {} };
  }

  /** Asks, and returns the id of the question. */
  ask(asked: Asked): string {
    const row: Row = {
      cwd: "/srv/agent",
      host: "gateway",
      agentId: "main",
      sessionKey: "agent:main:main",
      runId: null,
      callId: "call_1",
      warnings: [],
      patterns: [],
      isGrantable: false,
      plugin: null,
      ...asked,
      id: randomBytes(16).toString("hex"),
      createdAt: asked.at ?? Date.now(),
      end: null,
    };
    this.#rows.push(row);
    this.#publish(`${kindOf(row)}.approval.requested`, toRequested(row));
    return row.id;
  }

  /** Ends a question, as a person on a channel, a timer or a restart would. False when it has ended before. */
  end(id: string, ended: Ended): boolean {
    const row = this.#find(id);
    if (row.end !== null) return false;
    row.end = { at: Date.now(), ...ended };
    if (ended.decision === "allow-always") this.#allow(row);
    this.#publish(`${kindOf(row)}.approval.resolved`, toResolved(row));
    this.#waiters.get(id)?.(ended.status);
    return true;
  }

  /** Ends what a stopped turn has asked. */
  cancelRun(runId: string): void {
    for (const { id } of this.#rows.filter((row) => row.runId === runId)) this.end(id, { status: "cancelled", reason: "run-aborted" });
  }

  /** Those that wait, the oldest first. */
  pending(): readonly { id: string; command: string }[] {
    return this.#rows.filter(({ end }) => end === null);
  }

  /** Resolves with the status in which a question ends. */
  ended(id: string): Promise<string> {
    return new Promise((resolve) => this.#waiters.set(id, resolve));
  }

  /** Undefined for a method that is none of these; `device` is who asks. Throws Error for a refusal. */
  answer(method: string, params: Params, device: string): unknown {
    const list = /^(exec|plugin)\.approval\.list$/.exec(method)?.[1];
    if (list !== undefined) return this.#rows.filter((row) => row.end === null && kindOf(row) === list).map(toRequested);
    if (method === "exec.approval.grants.list") return { grants: this.#grants };
    if (method === "exec.approval.grants.revoke") {
      const grant = this.#grants.find(({ grantId }) => grantId === params["grantId"]);
      if (grant) grant["revokedAtMs"] = Date.now();
      return { outcome: grant ? "revoked" : "not-found" };
    }
    if (method === "approval.history") return this.#history(params);
    if (method === "approval.resolve") {
      const { id, decision, grant: word } = params as { id: string; decision: string; grant?: string };
      const status = decision === "deny" ? "denied" : "allowed";
      const untilMs = Date.now() + (word === "session" ? 24 : 1) * 3_600_000;
      const grant = word === undefined ? {} : { grant: { scope: word === "session" ? ("session" as const) : ("time" as const), untilMs } };
      const applied = this.end(id, { status, decision, reason: "user", by: device, ...grant });
      if (applied && word !== undefined) this.#grant(this.#find(id), untilMs);
      return { applied, approval: toSnapshot(this.#find(id)) };
    }
    if (method === "exec.approvals.get") return this.#document();
    if (method === "exec.approvals.set") {
      if (params["baseHash"] !== this.#hash()) throw new ApprovalRefusal("the allowlist was changed meanwhile", "APPROVALS_CHANGED");
      this.document = params["file"] as typeof this.document;
      return this.#document();
    }
    return undefined;
  }

  #find(id: string): Row {
    const row = this.#rows.find((each) => each.id === id);
    if (row === undefined) throw new ApprovalRefusal(`there is no approval ${JSON.stringify(id)}`, "APPROVAL_NOT_FOUND");
    return row;
  }

  #history({ cursor, limit = 50 }: { cursor?: string; limit?: number }): Params {
    const ended = this.#rows.filter(({ end }) => end !== null).toSorted((a, b) => b.end!.at - a.end!.at);
    const from = cursor === undefined ? 0 : ended.findIndex(({ id }) => id === cursor) + 1;
    const items = ended.slice(from, from + limit);
    return { items: items.map(toSnapshot), ...(items.length === limit && { nextCursor: items.at(-1)!.id }) };
  }

  #allow({ agentId, patterns, command }: Row): void {
    const { allowlist } = (this.document.agents[agentId] ??= { allowlist: [] });
    allowlist.push(
      ...patterns.map((pattern, at) => ({ id: `${command.length}${at}`, ...pattern, commandText: command, lastUsedAt: Date.now() })),
    );
  }

  #grant({ id, agentId, sessionKey, command, cwd }: Row, expiresAtMs: number): void {
    const bound = { agentId, cronJobId: sessionKey, cronJobName: `session ${sessionKey}`, command, cwd };
    const state = { createdAtMs: Date.now(), expiresAtMs, revokedAtMs: null, revokedBy: null, lastUsedAtMs: null, useCount: 0 };
    this.#grants.unshift({ grantId: randomBytes(16).toString("hex"), mintedByApprovalId: id, ...bound, ...state });
  }

  #hash(): string {
    return createHash("sha256").update(JSON.stringify(this.document)).digest("hex");
  }

  #document(): Params {
    return { path: "gateway.db#exec-approvals", exists: true, hash: this.#hash(), file: structuredClone(this.document) };
  }
}

/** A refusal with the details that the gateway would give. */
export class ApprovalRefusal extends Error {
  readonly details: Params;

  constructor(message: string, code: string) {
    super(message);
    this.details = { code };
  }
}

const kindOf = ({ plugin }: Row): "exec" | "plugin" => (plugin === null ? "exec" : "plugin");
const decisionsOf = ({ patterns }: Row): string[] => ["allow-once", ...(patterns.length > 0 ? ["allow-always"] : []), "deny"];
const warningText = ({ warnings }: Row): string | null => (warnings.length === 0 ? null : warnings.join(" "));

function toRequested(row: Row): Params {
  const { id, command, cwd, host, agentId, sessionKey, runId, callId, warnings, patterns, createdAt } = row;
  return {
    approvalKind: kindOf(row),
    id,
    shortId: id.slice(0, 4),
    request: {
      ...(row.plugin ?? { command, cwd, host }),
      isGrantable: row.isGrantable,
      warningText: warningText(row),
      warnings,
      patterns,
      allowedDecisions: decisionsOf(row),
      agentId,
      sessionKey,
      runId,
      toolCallId: callId,
    },
    createdAtMs: createdAt,
    expiresAtMs: createdAt + LIFE_MS,
  };
}

function toResolved(row: Row): Params {
  const { status, decision, reason, by, at, grant } = row.end!;
  return {
    id: row.id,
    ...(grant && { grant }),
    decision: decision ?? "deny",
    status,
    reason: reason ?? "user",
    resolvedBy: by ?? null,
    ts: at,
    request: toRequested(row)["request"],
  };
}

function toSnapshot(row: Row): Params {
  const { status, decision, reason, by, at } = row.end!;
  return {
    id: row.id,
    status,
    ...(decision !== undefined && { decision }),
    reason: reason ?? "user",
    urlPath: `/approve/${row.id}`,
    createdAtMs: row.createdAt,
    expiresAtMs: row.createdAt + LIFE_MS,
    resolvedAtMs: at,
    presentation: {
      kind: kindOf(row),
      ...(row.plugin ?? {
        commandText: row.command,
        commandPreview: null,
        warningText: warningText(row),
        host: row.host,
        nodeId: null,
      }),
      agentId: row.agentId,
      allowedDecisions: decisionsOf(row),
    },
    source: { agentId: row.agentId, sessionKey: row.sessionKey },
    ...(by !== undefined && { resolver: { kind: by.includes(":") ? "channel" : "device", id: by } }),
  };
}
