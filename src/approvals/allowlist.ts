import { createHash } from "node:crypto";
import { detailError, GatewayError } from "../core/errors.ts";
import { parseArgPattern } from "../core/arg-pattern.ts";
import { fieldsOf, isObject } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { KeyValueStore } from "../store/key-value.ts";

/** One program that is always allowed. */
export type AllowlistEntry = {
  id?: string;
  /** A real path, with `*` for any part of a name, or the name of a program that is found through PATH. */
  pattern: string;
  /** The kinds of arguments, as this gateway writes them; absent: any. */
  argPattern?: string;
  source?: "allow-always";
  /** The command for which a person allowed it. */
  commandText?: string;
  /** When it was added. */
  lastUsedAt?: number;
  lastUsedCommand?: string;
  lastResolvedPath?: string;
};

const SECURITY = ["deny", "allowlist", "full"] as const;
const ASK = ["off", "on-miss", "always"] as const;
export type Security = (typeof SECURITY)[number];
export type Ask = (typeof ASK)[number];

type Limits = { security?: string; ask?: string; askFallback?: string; autoAllowSkills?: boolean };
type AgentSection = Limits & { allowlist?: AllowlistEntry[]; mcpTools?: unknown[] };

/** What people have allowed, in the form of OpenClaw's document. `agents["*"]` counts for every agent. */
export type AllowlistDocument = { version: 1; socket?: object; defaults?: Limits; agents?: Record<string, AgentSection> };

/** What a document permits at most; absent: it limits nothing. */
export type DocumentLimits = { security?: Security; ask?: Ask };

const NAME = "exec-approvals";
/** Stands for a stored document that cannot be read. */
const UNREADABLE: AllowlistDocument = { version: 1, defaults: { security: "deny" }, agents: {} };
const EMPTY: AllowlistDocument = { version: 1, defaults: {}, agents: {} };
/** Every agent. */
const ALL = "*";

export type AllowlistDeps = { keyValue: KeyValueStore; now: () => number; log: Log };

/** The programs that people always allow, and how far commands may go at all. */
export class CommandAllowlist {
  readonly #deps: AllowlistDeps;
  #isReported = false;

  constructor(deps: AllowlistDeps) {
    this.#deps = deps;
  }

  /** A document that cannot be read permits nothing: the limits in it are not known any more. */
  get document(): AllowlistDocument {
    const value = this.#deps.keyValue.get(NAME);
    if (value === null) return this.#deps.keyValue.isDamaged(NAME) ? this.#unreadable() : EMPTY;
    return isDocument(value) ? value : this.#unreadable();
  }

  #unreadable(): AllowlistDocument {
    if (!this.#isReported)
      this.#deps.log.error("the allowlist cannot be read, and no command runs", { fix: "openclaw approvals set with a document of yours" });
    this.#isReported = true;
    return UNREADABLE;
  }

  /** Names this version of the document, for a change that must not overwrite another one. */
  get hash(): string {
    return hashOf(this.document);
  }

  entries(agentId: string): readonly AllowlistEntry[] {
    const { agents = {} } = this.document;
    return [ALL, agentId].flatMap((id) => agents[id]?.allowlist ?? []);
  }

  /** The stricter of what the document says about every agent, about all, and about this one. */
  limits(agentId: string): DocumentLimits {
    const { defaults = {}, agents = {} } = this.document;
    const sections = [defaults, agents[ALL] ?? {}, agents[agentId] ?? {}];
    const security = SECURITY.find((each) => sections.some((section) => section.security === each));
    const ask = ASK.toReversed().find((each) => sections.some((section) => section.ask === each));
    return { ...(security && { security }), ...(ask && { ask }) };
  }

  /** Replaces the document. Inside a `store.write`. Throws GatewayError for one that says what has no effect here, and when it was changed meanwhile. */
  replace(document: AllowlistDocument, baseHash: string | undefined): void {
    if (baseHash !== undefined && baseHash !== this.hash)
      throw detailError("APPROVALS_CHANGED", "the allowlist was changed meanwhile", { fix: "Read it again and repeat the change." });
    checkDocument(document);
    this.#set(document);
  }

  /** Adds what a person always allows; beyond the limit the oldest go. Inside a `store.write`. */
  add(agentId: string, patterns: readonly Pick<AllowlistEntry, "pattern" | "argPattern">[], commandText: string): void {
    const { document } = this;
    const known = document.agents?.[agentId]?.allowlist ?? [];
    const isSame = (a: AllowlistEntry, b: Pick<AllowlistEntry, "pattern" | "argPattern">): boolean =>
      a.pattern === b.pattern && a.argPattern === b.argPattern;
    const added = patterns
      .filter((pattern) => !known.some((entry) => isSame(entry, pattern)))
      .map((pattern): AllowlistEntry => ({
        id: createHash("sha256").update(JSON.stringify(pattern)).digest("hex").slice(0, 12),
        ...pattern,
        source: "allow-always",
        commandText,
        lastUsedAt: this.#deps.now(),
      }));
    if (added.length === 0) return;
    const all = [...known, ...added];
    const allowlist = all.slice(-LIMITS.allowedPrograms);
    const dropped = all.slice(0, -LIMITS.allowedPrograms).map(({ pattern }) => pattern);
    if (dropped.length > 0) this.#deps.log.warn("the allowlist is full, and its oldest programs were removed", { agent: agentId, dropped });
    this.#set({ ...document, agents: { ...document.agents, [agentId]: { ...document.agents?.[agentId], allowlist } } });
  }

  #set(document: AllowlistDocument): void {
    this.#deps.keyValue.set(NAME, document, this.#deps.now());
  }
}

const isDocument = (value: unknown): value is AllowlistDocument => {
  const { version, defaults = {}, agents = {} } = fieldsOf(value);
  return version === 1 && isObject(defaults) && isObject(agents) && Object.values(agents).every(isObject);
};

const hashOf = (document: AllowlistDocument): string => createHash("sha256").update(JSON.stringify(document)).digest("hex");

/** Throws INVALID_REQUEST for a setting that is unknown or has no effect here, with its place in the document. */
function checkDocument({ socket, defaults = {}, agents = {} }: AllowlistDocument): void {
  if (socket && Object.keys(socket).length > 0) throw noEffect("socket", "the gateway decides itself and listens on no socket for it");
  checkLimits("defaults", defaults);
  for (const [id, section] of Object.entries(agents)) {
    const at = `agents.${id}`;
    checkLimits(at, section);
    if (section.mcpTools && section.mcpTools.length > 0)
      throw noEffect(`${at}.mcpTools`, "mcp.servers.<name>.ask says which tools of a server people are asked about");
    for (const [index, { pattern, argPattern }] of (section.allowlist ?? []).entries()) {
      if (pattern.trim() === "")
        throw invalid(`${at}.allowlist[${index}].pattern`, "is empty; it would allow nothing", "Leave the entry out.");
      if (argPattern !== undefined && parseArgPattern(argPattern) === null)
        throw invalid(
          `${at}.allowlist[${index}].argPattern`,
          'is of another form than `words:["install","{path}"]`, which answers of the kind allow-always leave; regular expressions are not read',
          "Leave it out, and the entry covers any arguments.",
        );
    }
  }
}

function checkLimits(at: string, { security, ask, askFallback, autoAllowSkills }: Limits): void {
  if (security !== undefined && !SECURITY.some((each) => each === security))
    throw invalid(`${at}.security`, `must be one of ${SECURITY.join(", ")}`, NO_LIMIT);
  if (ask !== undefined && !ASK.some((each) => each === ask)) throw invalid(`${at}.ask`, `must be one of ${ASK.join(", ")}`, NO_LIMIT);
  if (askFallback !== undefined && askFallback !== "deny") throw noEffect(`${at}.askFallback`, "no answer always means no");
  if (autoAllowSkills === true) throw noEffect(`${at}.autoAllowSkills`, "programs of skills are asked about like all others");
}

const NO_LIMIT = "Write one of these, or leave it out: then it limits nothing.";
const invalid = (at: string, why: string, fix: string): GatewayError => new GatewayError("INVALID_REQUEST", `${at} ${why}`, { fix });
const noEffect = (at: string, why: string): GatewayError =>
  new GatewayError("INVALID_REQUEST", `${at} has no effect here: ${why}`, { fix: "Leave it out." });
