import { closeSync, lstatSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import { LIMITS } from "../core/limits.ts";
import { reasonOf } from "../core/errors.ts";
import { openRegularFileSync, readAtMostSync, UnsafePathError, isBeneath } from "../core/files.ts";
import type { Secret } from "../core/secret.ts";
import { memberOf, type ObjectTree, type Tree } from "./json5.ts";

/** A reference to a secret that lives elsewhere. */
export type SecretRef = { readonly source: "env" | "file" | "exec" | "store"; readonly provider: string; readonly id: string };

/** The part of `secrets.providers.<name>` that decides where a reference is looked up. */
export type SecretProvider = {
  readonly source: SecretRef["source"];
  readonly allowlist?: readonly string[];
  readonly path?: string;
  readonly mode?: "singleValue" | "json";
  readonly maxBytes?: number;
  readonly command?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, Secret>>;
  readonly passEnv?: readonly string[];
  readonly trustedDirs?: readonly string[];
  readonly jsonOnly?: boolean;
  readonly timeoutMs?: number;
  readonly noOutputTimeoutMs?: number;
  readonly maxOutputBytes?: number;
  readonly cacheMs?: number;
};

export type SecretLookup = { readonly text: string; readonly warning?: string } | { readonly problem: string; readonly fix?: string };

/** `unread`: only the gateway reads it. */
export type ReferenceLookup = SecretLookup | { readonly unread: string };

/**
 * Values of the sources `exec` and `store`. They were read before: checking a text starts no program and waits for nothing. Null for one
 * that was not read.
 */
export type ExternalSecrets = (ref: SecretRef, provider: SecretProvider | undefined) => SecretLookup | null;

/** Converts a configured value to the text of a secret. Problems never contain the text. */
export type SecretResolver = {
  /** Replaces `${NAME}` (upper case); `$${NAME}` stays as `${NAME}`. */
  substitute(text: string): SecretLookup;
  /** The content of a file, without the line break at its end. */
  file(path: string): SecretLookup;
  /** The value of a `{ source, provider, id }` object. */
  reference(tree: ObjectTree): ReferenceLookup;
};

const SECRET_KEY = /token|secret|passw|passphrase|api[-_]?key|private[-_]?key|credential|authorization|signing[-_]?key|access[-_]?key/i;
const NOT_SECRET =
  /^(max|min|num|reserve|budget|soft|keep)?[-_]?(tokens?|Tokens)$|tokens$|tokens?(Limit|Count|Budget|Threshold)|File$|Path$|Env$|Url$|Mode$/;

/** Whether a key of a part that the schema does not describe holds a credential. In doubt, it is hidden. */
export function isSecretKey(key: string): boolean {
  return key === "token" || (SECRET_KEY.test(key) && !NOT_SECRET.test(key));
}

const VARIABLE = /(\$?)\$\{([A-Z_][A-Z0-9_]*)\}/g;

/** Looks a variable up: first in the environment, then in `env.vars` of the file. */
export type Variables = (name: string) => string | undefined;

export type SecretProviders = Readonly<Record<string, SecretProvider>>;

export function createSecretResolver(variables: Variables, providers: SecretProviders, external?: ExternalSecrets): SecretResolver {
  const substitute = (text: string): SecretLookup => {
    if (!text.includes("${")) return { text };
    let missing: string | undefined;
    const out = text.replaceAll(VARIABLE, (whole, escape: string, name: string) => {
      if (escape) return whole.slice(1);
      const value = variables(name);
      if (value === undefined || value === "") missing ??= name;
      return value ?? "";
    });
    return missing === undefined ? { text: out } : missingVariable(missing);
  };
  return {
    substitute,
    file: (path) => readSecretFile(path, LIMITS.secretFileBytes),
    reference: (tree) => {
      const ref = toRef(tree);
      if ("problem" in ref) return ref;
      const provider = providerOf(ref, providers);
      if (provider && "problem" in provider) return provider;
      if (ref.source === "env") return resolveFromEnvironment(ref, provider, variables);
      if (ref.source === "file") return resolveFromFile(ref, provider);
      return resolveExternal(ref, provider, external);
    },
  };
}

function providerOf(ref: SecretRef, providers: SecretProviders): SecretProvider | { problem: string } | undefined {
  const provider = Object.hasOwn(providers, ref.provider) ? providers[ref.provider]! : undefined;
  if (provider === undefined || provider.source === ref.source) return provider;
  return { problem: `secrets.providers.${ref.provider} has the source "${provider.source}", not "${ref.source}"` };
}

const IDS = {
  store: { pattern: /^[A-Z][A-Z0-9_]{0,127}$/, description: "capital letters, digits and _" },
  exec: { pattern: /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[A-Za-z0-9][A-Za-z0-9._:/#-]{0,255}$/, description: "letters, digits and . _ : / # -" },
};

function resolveExternal(ref: SecretRef, provider: SecretProvider | undefined, external: ExternalSecrets | undefined): ReferenceLookup {
  const { pattern, description } = IDS[ref.source as keyof typeof IDS];
  if (!pattern.test(ref.id)) return { problem: `the id of a secret of the source "${ref.source}" has ${description} only` };
  if (ref.source === "exec" && provider?.command === undefined) {
    return {
      problem: `secrets.providers.${ref.provider} does not name a program`,
      fix: `add secrets.providers.${ref.provider} with "source": "exec" and a "command"`,
    };
  }
  return (
    external?.(ref, provider) ?? { unread: `the gateway reads it, from ${ref.source === "store" ? "its encrypted store" : "a program"}` }
  );
}

/** The references of a text to secrets of the sources `exec` and `store`, each once; with what the resolver would say of a wrong one left out. */
export function externalRefs(tree: Tree): SecretRef[] {
  const found = new Map<string, SecretRef>();
  const visit = (each: Tree): void => {
    if (each.kind === "array") return each.items.forEach(visit);
    if (each.kind !== "object") return;
    const ref = toRef(each);
    if (!("problem" in ref) && (ref.source === "exec" || ref.source === "store") && IDS[ref.source].pattern.test(ref.id))
      found.set(JSON.stringify(ref), ref);
    for (const { value } of each.members) visit(value);
  };
  visit(tree);
  return [...found.values()];
}

function missingVariable(name: string): SecretLookup {
  return { problem: `the environment variable ${name} is not set`, fix: `set ${name} where the gateway is started, or under env.vars` };
}

function toRef(tree: ObjectTree): SecretRef | { problem: string } {
  const [source, provider, id] = ["source", "provider", "id"].map((key) => {
    const value = memberOf(tree, key)?.value;
    return value?.kind === "scalar" && typeof value.value === "string" ? value.value : undefined;
  });
  if (source !== "env" && source !== "file" && source !== "exec" && source !== "store") {
    return { problem: 'a reference to a secret needs "source": "env", "file", "exec" or "store"' };
  }
  if (id === undefined || id === "") return { problem: 'a reference to a secret needs an "id"' };
  return { source, provider: provider ?? "default", id };
}

function resolveFromEnvironment(ref: SecretRef, provider: SecretProvider | undefined, variables: Variables): SecretLookup {
  if (provider?.allowlist && !provider.allowlist.includes(ref.id)) {
    return { problem: `secrets.providers.${ref.provider}.allowlist does not have ${ref.id}`, fix: `add "${ref.id}" to the list` };
  }
  const text = variables(ref.id);
  return text === undefined || text === "" ? missingVariable(ref.id) : { text };
}

function resolveFromFile(ref: SecretRef, provider: SecretProvider | undefined): SecretLookup {
  if (provider?.path === undefined) {
    return {
      problem: `secrets.providers.${ref.provider} does not name a file`,
      fix: `add secrets.providers.${ref.provider} with "source": "file" and a "path"`,
    };
  }
  const content = readSecretFile(provider.path, provider.maxBytes ?? LIMITS.configFileBytes);
  if ("problem" in content || provider.mode === "singleValue") return content;
  return fromJson(content.text, ref.id, provider.path);
}

/** `id` is a JSON pointer (`/a/b`); the problem names the file and the pointer only. */
function fromJson(text: string, id: string, path: string): SecretLookup {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (err) {
    if (!(err instanceof SyntaxError)) throw err;
    return { problem: `${path} is not JSON` };
  }
  for (const part of id.replace(/^\//, "").split("/")) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    value = typeof value === "object" && value !== null && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
  }
  return typeof value === "string" ? { text: value } : { problem: `${path} has no text at "${id}"` };
}

/**
 * Reads a regular file. Devices and pipes are refused, and so are links, which would make the secret depend on someone else; but
 * for those that orchestrators make: from a mounted directory to a file inside of it.
 */
function readSecretFile(path: string, limitBytes: number): SecretLookup {
  let descriptor: number;
  try {
    descriptor = openRegularFileSync(innerTarget(path) ?? path);
  } catch (err) {
    return { problem: err instanceof UnsafePathError ? `${path} is not a regular file` : openProblem(path, err) };
  }
  try {
    const bytes = readAtMostSync(descriptor, limitBytes + 1);
    if (bytes.length > limitBytes) return { problem: `${path} is larger than ${limitBytes} bytes` };
    return {
      text: bytes
        .toString("utf8")
        .replace(/^\uFEFF/, "")
        .replace(/\r?\n$/, ""),
    };
  } catch (err) {
    return { problem: `${path} cannot be read: ${codeOf(err)}` };
  } finally {
    closeSync(descriptor);
  }
}

/**
 * What a link points to, when that is below the link's own directory, and link and file belong to this user or to root and no one
 * else may write the file. Null for everything else, links that lead out of the directory among them.
 */
function innerTarget(path: string): string | null {
  const link = lstatSync(path, { throwIfNoEntry: false });
  if (!link?.isSymbolicLink() || !isTrusted(link.uid)) return null;
  const real = realpathSync(path);
  if (!isBeneath(realpathSync(dirname(path)), real)) return null;
  const file = lstatSync(real);
  return isTrusted(file.uid) && (file.mode & 0o002) === 0 ? real : null;
}

const isTrusted = (uid: number): boolean => uid === 0 || uid === process.getuid?.();

function openProblem(path: string, err: unknown): string {
  const code = codeOf(err);
  if (code === "ENOENT") return `${path} does not exist`;
  if (code === "ELOOP")
    return `${path} is a symbolic link out of its directory, or to a file that others may write; name the file that it points to`;
  return `${path} cannot be read: ${code}`;
}

function codeOf(err: unknown): string {
  return typeof err === "object" && err !== null && "code" in err ? String(err.code) : reasonOf(err);
}
