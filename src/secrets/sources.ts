import { createHash } from "node:crypto";
import { join } from "node:path";
import type { ExternalSecrets, SecretLookup, SecretProvider, SecretProviders, SecretRef } from "../config/secret-refs.ts";
import { backoffDelay } from "../core/async.ts";
import type { Clock } from "../core/clock.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { ensureDirectory } from "../core/files.ts";
import { asNumber, asObject, asString, fieldsOf, isObject, tryParseJson } from "../core/json.ts";
import type { Metrics } from "../core/metrics.ts";
import { Secret } from "../core/secret.ts";
import { findKeyring } from "./keyring.ts";
import { createKey, openKey, openKeySync, type Keyring } from "./keys.ts";
import { SECRET_LIMITS } from "./limits.ts";
import { programEnvironment, runSecretProgram, type SecretOutput, type SecretProgram } from "./program.ts";
import { readSealedFile, unseal, writeSealedFile } from "./sealed-file.ts";
import { SecretStore } from "./store.ts";

export type SecretSourcesDeps = {
  /** `<state>/gateway`. */
  readonly dir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly metrics?: Pick<Metrics, "count">;
  /** For tests. */
  readonly keyring?: Keyring;
  readonly run?: (program: SecretProgram, input: string, clock: Clock) => Promise<SecretOutput>;
};

/** How the last read of one provider ended. `stale`: it failed, and the values of an earlier read are in use. */
export type ProviderReport = {
  readonly name: string;
  readonly source: "exec" | "store";
  readonly state: "ready" | "stale" | "failing";
  readonly problem: string | null;
  /** When the values in use were read; null: there are none. */
  readonly readAt: number | null;
};

type Value = { readonly secret: Secret; readonly readAt: number };
type Failure = { readonly problem: string; readonly fix?: string };
type Entry = { readonly value: Value | null; readonly failure: Failure | null; readonly failedAt?: number };
type Group = {
  readonly refs: readonly SecretRef[];
  readonly provider: SecretProvider | undefined;
  /** What is known of each of the references. */
  readonly known: readonly Entry[];
  readonly fresh: boolean;
};
type Wanted = { readonly refs: readonly SecretRef[]; readonly providers: SecretProviders };

const CACHE_FILE = "secrets-cache.sealed";

/**
 * Values of the sources `exec` and `store`. They are read together and replace each other as a whole; a value that cannot be read now is
 * the last one that could, also that of an earlier process, which is kept encrypted.
 */
export class SecretSources {
  readonly store: SecretStore;
  readonly #deps: SecretSourcesDeps;
  #entries = new Map<string, Entry>();
  #reports: readonly ProviderReport[] = [];
  #kept: Map<string, Value> | null = null;
  #cacheProblem: string | null = null;
  /** Of the programs that were asked, by provider. */
  readonly #lifetimes = new Map<string, { readAt: number; lifetimeMs: number }>();
  #reading: Promise<unknown> = Promise.resolve();

  constructor(deps: SecretSourcesDeps) {
    this.#deps = deps;
    const { dir, env, clock } = deps;
    const keyring = deps.keyring ?? findKeyring(env, clock);
    this.store = new SecretStore({ dir, env, now: clock.now, ...(keyring && { keyring }) });
  }

  readonly lookup: ExternalSecrets = (ref, provider) => {
    const entry = this.#entries.get(nameOf(ref, provider));
    if (!entry) return null;
    return toLookup(entry);
  };

  get reports(): readonly ProviderReport[] {
    return this.#reports;
  }

  /** Why the values cannot be kept for the next start; null: they are. */
  get cacheProblem(): string | null {
    return this.#cacheProblem;
  }

  /** Reads what is wanted. `fresh`: programs are asked although their values are young. Resolves to whether a value is another one now. */
  read(wanted: Wanted, fresh: boolean): Promise<boolean> {
    const result = this.#reading.then(() => this.#read(wanted, fresh));
    this.#reading = result.catch(() => undefined);
    return result;
  }

  /** Time until programs must be asked again; null: no program is in use. `failures`: reads in a row that have failed. */
  nextReadMs(failures: number): number | null {
    if (failures > 0) return backoffDelay({ minMs: SECRET_LIMITS.retryMs, maxMs: SECRET_LIMITS.retryMaxMs }, failures - 1);
    const now = this.#deps.clock.now();
    const due = [...this.#lifetimes.values()]
      .filter(({ lifetimeMs }) => lifetimeMs > 0)
      // The clock may have been set back since: no value is in use for longer than its lifetime.
      .map(({ readAt, lifetimeMs }) => Math.min(lifetimeMs, readAt + lifetimeMs - now));
    return due.length === 0 ? null : Math.max(0, Math.min(...due)) + 1;
  }

  /** What can be known without running a program or asking a person: the store, and what was read before. Never throws. */
  readOffline({ refs, providers }: Wanted): void {
    const next = new Map<string, Entry>();
    try {
      const stored = refs.some(({ source }) => source === "store") ? this.store.valuesSync() : null;
      const kept = this.#loadKeptSync();
      for (const ref of refs) {
        const name = nameOf(ref, providerOf(ref, providers));
        const secret = ref.source === "store" ? stored?.get(ref.id) : undefined;
        const value = secret ? { secret, readAt: 0 } : kept.get(name);
        if (value) next.set(name, { value, failure: null });
        else if (ref.source === "store" && stored) next.set(name, { value: null, failure: notStored(ref.id) });
      }
    } catch (err) {
      for (const ref of refs)
        if (ref.source === "store") next.set(nameOf(ref, providerOf(ref, providers)), { value: null, failure: toFailure(err) });
    }
    this.#entries = next;
  }

  async #read({ refs, providers }: Wanted, fresh: boolean): Promise<boolean> {
    const kept = refs.some(({ source }) => source === "exec") ? await this.#loadKept() : new Map<string, Value>();
    const next = new Map<string, Entry>();
    const reports: ProviderReport[] = [];
    this.#lifetimes.clear();
    const groups = Map.groupBy(refs, (ref) => JSON.stringify([ref.source, ref.provider]));
    const work = [...groups.values()].map(async (group) => {
      const [{ source, provider: name }] = group as [SecretRef];
      const provider = providerOf(group[0]!, providers);
      const known = group.map((ref): Entry => {
        const at = nameOf(ref, provider);
        const own = this.#entries.get(at);
        return { ...own, value: own?.value ?? kept.get(at) ?? null, failure: own?.failure ?? null };
      });
      const found = await this.#readGroup({ refs: group, provider, known, fresh });
      for (const [index, ref] of group.entries()) next.set(nameOf(ref, provider), found[index]!);
      const report = toReport(name, source as "exec" | "store", found);
      reports.push(report);
      if (source === "exec" && report.readAt !== null)
        this.#lifetimes.set(name, { readAt: report.readAt, lifetimeMs: provider?.cacheMs ?? SECRET_LIMITS.cacheMs });
    });
    await Promise.all(work);
    const changed = refs.some((ref) => {
      const at = nameOf(ref, providerOf(ref, providers));
      return this.#entries.get(at)?.value?.secret.reveal() !== next.get(at)?.value?.secret.reveal();
    });
    this.#entries = next;
    this.#reports = reports.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    if (groups.size > 0) await this.#keep(refs, providers);
    return changed;
  }

  async #readGroup({ refs, provider, known, fresh }: Group): Promise<Entry[]> {
    const { clock, metrics } = this.#deps;
    const source = refs[0]!.source;
    const now = clock.now();
    const lifetimeMs = provider?.cacheMs ?? SECRET_LIMITS.cacheMs;
    if (source === "exec" && !fresh && known.every((entry, index) => this.#isSettled(entry, refs[index]!, provider, lifetimeMs)))
      return [...known];
    const answers = source === "store" ? await this.#askStore(refs) : await this.#askProgram(refs, provider);
    const failed = answers.some((answer) => "problem" in answer);
    metrics?.count("gateway_secrets_reads_total", { source, outcome: failed ? "failed" : "ok" });
    return answers.map((answer, index) =>
      "problem" in answer
        ? { value: known[index]!.value, failure: answer, failedAt: now }
        : { value: { secret: answer.secret, readAt: now }, failure: null },
    );
  }

  /** Whether a program need not be asked: its value is young, or it has failed just now. */
  #isSettled({ value, failure, failedAt }: Entry, ref: SecretRef, provider: SecretProvider | undefined, lifetimeMs: number): boolean {
    const now = this.#deps.clock.now();
    if (failure !== null) return failedAt !== undefined && now - failedAt >= 0 && now - failedAt < SECRET_LIMITS.retryMs;
    if (value === null) return false;
    // Without a lifetime, a value is good for this process.
    if (lifetimeMs === 0) return this.#entries.has(nameOf(ref, provider));
    return now >= value.readAt && now - value.readAt < lifetimeMs;
  }

  async #askStore(refs: readonly SecretRef[]): Promise<({ secret: Secret } | Failure)[]> {
    try {
      const stored = await this.store.values();
      return refs.map(({ id }) => {
        const secret = stored.get(id);
        return secret ? { secret } : notStored(id);
      });
    } catch (err) {
      return refs.map(() => toFailure(err));
    }
  }

  async #askProgram(refs: readonly SecretRef[], provider: SecretProvider | undefined): Promise<({ secret: Secret } | Failure)[]> {
    const { env, clock, run = runSecretProgram } = this.#deps;
    if (provider?.command === undefined) return refs.map(() => ({ problem: "its provider does not name a program" }));
    const name = refs[0]!.provider;
    const program = toProgram(provider, provider.command, env);
    const ask = async (ids: readonly string[]): Promise<SecretOutput> => {
      try {
        return await run(program, `${JSON.stringify({ protocolVersion: 1, provider: name, ids })}\n`, clock);
      } catch (err) {
        return { problem: `${program.command} could not be started: ${reasonOf(err)}` };
      }
    };
    const isPlain = provider.jsonOnly === false;
    if (!isPlain) return parseAnswer(await ask(refs.map(({ id }) => id)), refs, program.command);
    const answers: ({ secret: Secret } | Failure)[] = [];
    for (const ref of refs) answers.push(...parsePlain(await ask([ref.id]), ref, program.command));
    return answers;
  }

  #loadKeptSync(): Map<string, Value> {
    const { dir, env } = this.#deps;
    const path = join(dir, CACHE_FILE);
    const file = readSealedFile(path);
    const master = file && openKeySync(file.key, { dir, env });
    return file && master ? parseKept(unseal(path, file, master)) : new Map();
  }

  /** Values of an earlier process. A file that cannot be read is the same as none: the programs are asked. */
  async #loadKept(): Promise<Map<string, Value>> {
    if (this.#kept) return this.#kept;
    try {
      this.#kept = this.#loadKeptSync();
    } catch {
      this.#kept = new Map();
    }
    return this.#kept;
  }

  async #keep(refs: readonly SecretRef[], providers: SecretProviders): Promise<void> {
    const values = new Map<string, Value>();
    for (const ref of refs) {
      const name = nameOf(ref, providerOf(ref, providers));
      const value = ref.source === "exec" ? this.#entries.get(name)?.value : null;
      if (value) values.set(name, value);
    }
    const text = encodeKept(values);
    if (this.#kept === null || text === encodeKept(this.#kept)) return;
    const { dir } = this.#deps;
    const path = join(dir, CACHE_FILE);
    try {
      await ensureDirectory(dir);
      const key = await this.#cacheKey(path);
      await writeSealedFile(path, text, key.spec, key.master);
      this.#kept = values;
      this.#cacheProblem = null;
    } catch (err) {
      this.#cacheProblem = reasonOf(err);
    }
  }

  async #cacheKey(path: string): ReturnType<typeof createKey> {
    const { dir, env } = this.#deps;
    try {
      const spec = readSealedFile(path)?.key;
      if (spec?.kind === "file") return { spec, master: await openKey(spec, { dir, env }) };
    } catch {
      // A new key opens what is written from now on; what cannot be read is of no use.
    }
    return await createKey("file", { dir, env });
  }
}

const providerOf = (ref: SecretRef, providers: SecretProviders): SecretProvider | undefined =>
  Object.hasOwn(providers, ref.provider) ? providers[ref.provider] : undefined;

/** Another program, or other arguments, are another value: what was read from one is never used for the other. */
function nameOf({ source, provider: name, id }: SecretRef, provider: SecretProvider | undefined): string {
  if (source !== "exec") return JSON.stringify([source, name, id]);
  const { command, args = [], env = {}, passEnv = [], jsonOnly = true } = provider ?? {};
  const variables = Object.entries(env).map(([key, secret]) => [key, secret.reveal()]);
  const settings = createHash("sha256")
    .update(JSON.stringify([command, args, variables, passEnv, jsonOnly]))
    .digest("base64url");
  return JSON.stringify([source, name, id, settings]);
}

function toProgram(provider: SecretProvider, command: string, own: SecretSourcesDeps["env"]): SecretProgram {
  const added = Object.fromEntries(Object.entries(provider.env ?? {}).map(([name, secret]) => [name, secret.reveal()]));
  return {
    command,
    args: provider.args ?? [],
    env: programEnvironment(own, provider.passEnv ?? [], added),
    trustedDirs: provider.trustedDirs ?? [],
    timeoutMs: provider.timeoutMs ?? SECRET_LIMITS.programMs,
    noOutputTimeoutMs: provider.noOutputTimeoutMs ?? null,
    maxOutputBytes: provider.maxOutputBytes ?? SECRET_LIMITS.programBytes,
  };
}

function parseAnswer(answer: SecretOutput, refs: readonly SecretRef[], command: string): ({ secret: Secret } | Failure)[] {
  if ("problem" in answer) return refs.map(() => answer);
  const parsed = tryParseJson(answer.text);
  if (!isObject(parsed) || parsed["protocolVersion"] !== 1) {
    const failure = {
      problem: `${command} did not print {"protocolVersion":1,"values":{...}}`,
      fix: 'let it print JSON, or set "jsonOnly": false where it prints the value itself',
    };
    return refs.map(() => failure);
  }
  const [values, errors] = [fieldsOf(parsed["values"]), fieldsOf(parsed["errors"])];
  return refs.map(({ id }) => {
    if (Object.hasOwn(values, id)) return toSecret(values[id], id, command);
    // The message of a program may quote what it has read, so that only a code is repeated.
    const code = asString(fieldsOf(Object.hasOwn(errors, id) ? errors[id] : null)["code"]);
    const said = /^[A-Za-z][A-Za-z_-]{0,39}$/.test(code) ? ` (${code})` : "";
    return { problem: `${command} has no value for "${id}"${said}` };
  });
}

function parsePlain(answer: SecretOutput, ref: SecretRef, command: string): ({ secret: Secret } | Failure)[] {
  if ("problem" in answer) return [answer];
  const parsed = tryParseJson(answer.text);
  if (isObject(parsed) && parsed["protocolVersion"] === 1) return parseAnswer(answer, [ref], command);
  return [toSecret(answer.text.replace(/\r?\n$/, ""), ref.id, command)];
}

function toSecret(value: unknown, id: string, command: string): { secret: Secret } | Failure {
  if (typeof value !== "string") return { problem: `the value of "${id}" from ${command} is not a text` };
  if (value === "") return { problem: `the value of "${id}" from ${command} is empty` };
  if (Buffer.byteLength(value) > SECRET_LIMITS.valueBytes)
    return { problem: `the value of "${id}" from ${command} has more than ${SECRET_LIMITS.valueBytes} bytes` };
  return { secret: new Secret(value) };
}

const notStored = (id: string): Failure => ({
  problem: `the encrypted store does not have ${id}`,
  fix: `openclaw secrets store set ${id}`,
});

const toFailure = (err: unknown): Failure => ({
  problem: reasonOf(err),
  ...(err instanceof GatewayError && err.fix !== undefined && { fix: err.fix }),
});

function toLookup({ value, failure }: Entry): SecretLookup {
  if (value === null) return failure ?? { problem: "it was not read" };
  const text = value.secret.reveal();
  return failure === null ? { text } : { text, warning: `the last value that could be read is in use, because ${failure.problem}` };
}

function toReport(name: string, source: "exec" | "store", entries: readonly Entry[]): ProviderReport {
  const failed = entries.find(({ failure }) => failure !== null);
  const lost = entries.some(({ value }) => value === null);
  const times = entries.flatMap(({ value }) => (value === null ? [] : [value.readAt]));
  return {
    name,
    source,
    state: lost ? "failing" : failed ? "stale" : "ready",
    problem: failed?.failure?.problem ?? null,
    readAt: times.length === 0 ? null : Math.min(...times),
  };
}

const encodeKept = (values: ReadonlyMap<string, Value>): string =>
  JSON.stringify({
    values: Object.fromEntries([...values].map(([name, { secret, readAt }]) => [name, { text: secret.reveal(), readAt }])),
  });

function parseKept(text: string): Map<string, Value> {
  const rows = asObject(fieldsOf(tryParseJson(text))["values"]) ?? {};
  return new Map(
    Object.entries(rows).flatMap(([name, row]) => {
      const { text: value, readAt } = fieldsOf(row);
      return typeof value === "string" ? [[name, { secret: new Secret(value), readAt: asNumber(readAt) ?? 0 }]] : [];
    }),
  );
}
