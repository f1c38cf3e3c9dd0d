/** Every scope that can be granted. Unknown names grant nothing and are never echoed. */
export const OPERATOR_SCOPES = [
  "operator.admin",
  "operator.read",
  "operator.write",
  "operator.approvals",
  "operator.pairing",
  "operator.questions",
  "operator.talk",
  "operator.talk.secrets",
] as const;

const KNOWN: ReadonlySet<string> = new Set(OPERATOR_SCOPES);

/** Scopes that another scope includes. `admin` includes all. */
const INCLUDED: ReadonlyMap<string, readonly string[]> = new Map([["operator.write", ["operator.read", "operator.talk"]]]);

/** True when `held` satisfies `needed`. */
export function satisfies(held: Iterable<string>, needed: string): boolean {
  if (!KNOWN.has(needed)) return false;
  for (const scope of held) {
    if (scope === needed || scope === "operator.admin" || INCLUDED.get(scope)?.includes(needed)) return true;
  }
  return false;
}

/** True when `held` satisfies every one of `wanted`; unknown names are never satisfied. */
export function covers(held: Iterable<string>, wanted: Iterable<string>): boolean {
  const list = [...held];
  for (const scope of wanted) if (!satisfies(list, scope)) return false;
  return true;
}

/** The requested scopes, intersected with `granted`; each once, in the requested order. The only place that decides scopes. */
export function intersectScopes(requested: Iterable<string>, granted: Iterable<string>): string[] {
  const list = [...granted];
  return [...new Set(requested)].filter((scope) => satisfies(list, scope));
}

export const isScope = (name: string): boolean => KNOWN.has(name);
