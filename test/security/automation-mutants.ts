import type { Mutant } from "./mutant.ts";

const INGRESS = "src/hooks/ingress.test.ts";
const SIGNATURES = "src/hooks/signatures.test.ts";
const TEMPLATE = "src/hooks/template.test.ts";
const INTERNAL = "src/hooks/internal/internal-hooks.test.ts";
const HEARTBEATS = "src/schedule/heartbeats.test.ts";

/** Guards of hooks, internal hooks and heartbeats. */
export const AUTOMATION_MUTANTS: readonly Mutant[] = [
  {
    invariant: 7,
    breaks: "a hook without a configured token takes nothing",
    file: "src/hooks/ingress.ts",
    text: "return token !== undefined && token.reveal()",
    broken: "return token === undefined || token.reveal()",
    tests: [INGRESS],
    title: "take nothing",
  },
  {
    invariant: 7,
    breaks: "a signature that is not configured closes the hook",
    file: "src/hooks/hook.ts",
    text: 'if (found === undefined) return "missing";',
    broken: "if (found === undefined) return null;",
    tests: [INGRESS],
    title: "signature is not configured",
  },
  {
    invariant: 6,
    breaks: "a signed delivery counts once under every name",
    file: "src/hooks/ingress.ts",
    text: "digest = checked.digest;",
    broken: "digest = null;",
    tests: [INGRESS],
    title: "runs once",
  },
  {
    invariant: 6,
    breaks: "the time of a signature is limited",
    file: "src/hooks/signatures.ts",
    text: "if (Math.abs(now - Number(time) * 1_000) > toleranceMs)",
    broken: "if (Number.isNaN(toleranceMs))",
    tests: [SIGNATURES],
    title: "old or from the future",
  },
  {
    invariant: 6,
    breaks: "the time of a signature is part of what is signed",
    file: "src/hooks/signatures.ts",
    text: "hmac(secret, `${time}.`, body)",
    broken: "hmac(secret, body)",
    tests: [SIGNATURES],
    title: "each scheme accepts",
  },
  {
    invariant: 5,
    breaks: "a peer that keeps failing is limited",
    file: "src/hooks/peer-limits.ts",
    text: "return count > HOOK_LIMITS.failuresPerMinute ?",
    broken: "return count > Infinity ?",
    tests: [INGRESS],
    title: "answered with 429",
  },
  {
    invariant: 5,
    breaks: "tokens of hooks are not tried faster than a few in a second",
    file: "src/hooks/ingress.ts",
    text: 'if (retryAfterMs > 0) return this.#tooMany(request, "too-many-failures", retryAfterMs);',
    broken: 'if (retryAfterMs > Infinity) return this.#tooMany(request, "too-many-failures", retryAfterMs);',
    tests: [INGRESS],
    title: "who tries tokens",
  },
  {
    invariant: 11,
    breaks: "a run of a hook has no rights of the owner",
    file: "src/hooks/hook-run.ts",
    text: 'if (hook.trust === "owner")',
    broken: "if (hook.trust.length > 0)",
    tests: [INGRESS],
    title: "no rights of the owner",
  },
  {
    invariant: 11,
    breaks: "a heartbeat that reads what came from outside has no rights of the owner",
    file: "src/schedule/heartbeat-plan.ts",
    text: "if (!isExternal)",
    broken: "if (prompt.length >= 0)",
    tests: [HEARTBEATS],
    title: "rights of a sender without trust",
  },
  {
    invariant: 12,
    breaks: "a value within a line of a template is in quotation marks",
    file: "src/hooks/template.ts",
    text: "inline(toText(lookUp(path, data))))",
    broken: "toText(lookUp(path, data)))",
    tests: [TEMPLATE],
    title: "pass for what the owner has written",
  },
  {
    invariant: 6,
    breaks: "only the content that was enabled runs",
    file: "src/hooks/internal/internal-hooks.ts",
    text: "if (entry.sha256 !== hash)",
    broken: "if (entry.sha256 === undefined && entry.sha256 !== hash)",
    tests: [INTERNAL],
    title: "with the content that was enabled",
  },
];
