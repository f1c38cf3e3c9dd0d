import type { Config } from "../config/schema.ts";
import type { SignatureSettings } from "./signatures.ts";
import { HOOK_LIMITS } from "./limits.ts";
import type { TransformSettings } from "./transform-process.ts";

export type HookTrust = "none" | "owner";

/** One hook, with everything that the configuration or a preset says of it. */
export type Hook = {
  /** For lists, deliveries and budgets. */
  id: string;
  /** The last part of its address. */
  path: string;
  /** `direct`: the request itself says what is asked. */
  kind: "direct-wake" | "direct-agent" | "mapping";
  action: "wake" | "agent";
  /** Only payloads with this `source`. */
  source?: string;
  /** Null: the token. `missing`: the one that it names does not exist, so that nothing is taken. */
  signature: SignatureSettings | "missing" | null;
  trust: HookTrust;
  name: string;
  wakeMode: "now" | "next-heartbeat";
  agentId?: string;
  sessionKey?: string;
  sessionMode: "isolated" | "persistent";
  template: string | null;
  forEach?: string;
  /** Code that changes or drops requests. */
  transform?: TransformSettings;
  /** What such code has written, in place of the template. */
  text?: string;
  deliver: boolean;
  channel?: string;
  to?: string;
  model?: string;
  thinking?: string;
  timeoutMs: number | null;
  /** Names a delivery, where the sender has no better header for it. */
  keyPath?: string;
  /** Why it takes nothing. */
  problem?: string;
};

type HooksConfig = NonNullable<Config["hooks"]>;
type Mapping = HooksConfig["mappings"][number];

export const PRESETS = ["github", "gmail", "generic"] as const;

type Preset = Pick<Mapping, "messageTemplate" | "sessionKey" | "forEach" | "sessionMode"> & { name: string; keyPath?: string };

const PRESET_HOOKS: Readonly<Record<(typeof PRESETS)[number], Preset>> = {
  github: {
    name: "GitHub",
    messageTemplate:
      "An event of GitHub: {{headers.x-github-event}}, action {{action}}, repository {{repository.full_name}}, by {{sender.login}}.\nTitle: {{pull_request.title}} {{issue.title}}\nWhat was written:\n{{comment.body}}\nSay in a few sentences what happened and whether something should be done.",
  },
  gmail: {
    name: "Gmail",
    forEach: "messages",
    keyPath: "messages[0].id",
    messageTemplate:
      "A new mail from {{messages[0].from}}, subject {{messages[0].subject}}.\nIts beginning:\n{{messages[0].snippet}}\nIts text:\n{{messages[0].body}}\nSay in a few sentences what it is about and whether it needs an answer.",
  },
  generic: {
    name: "Webhook",
    messageTemplate: "A program has sent this:\n{{payload}}\nSay in a few sentences what it is about and whether something should be done.",
  },
};

/** Every hook that the configuration has, in the order in which they are looked at. */
export function hooksOf(config: Config): readonly Hook[] {
  const { hooks } = config;
  if (!hooks.enabled) return [];
  const direct = (kind: "direct-wake" | "direct-agent", action: "wake" | "agent"): Hook => ({
    id: action,
    path: action,
    kind,
    action,
    signature: null,
    trust: hooks.trust,
    name: action,
    wakeMode: "now",
    sessionMode: "isolated",
    template: null,
    deliver: false,
    timeoutMs: null,
    ...(hooks.defaultSessionKey !== undefined && { sessionKey: hooks.defaultSessionKey, sessionMode: "persistent" as const }),
  });
  const own = hooks.mappings.map((mapping, index) => toHook(mapping, index, hooks));
  const presets = hooks.presets.map((preset) => toPresetHook(preset, hooks));
  return [direct("direct-wake", "wake"), direct("direct-agent", "agent"), ...own, ...presets];
}

function signatureOf(name: string | undefined, { signatures }: HooksConfig): Hook["signature"] {
  if (name === undefined) return null;
  const found = Object.hasOwn(signatures, name) ? signatures[name] : undefined;
  if (found === undefined) return "missing";
  const { scheme, secret, toleranceSeconds } = found;
  return { scheme, secret, toleranceMs: toleranceSeconds === undefined ? HOOK_LIMITS.toleranceMs : toleranceSeconds * 1_000 };
}

/** A preset uses the signature of its name, where there is one. */
function toPresetHook(preset: (typeof PRESETS)[number], hooks: HooksConfig): Hook {
  const { keyPath, name, ...mapping } = PRESET_HOOKS[preset];
  const signature = Object.hasOwn(hooks.signatures, preset) ? { signature: preset } : {};
  const hook = toHook({ id: preset, match: { path: preset }, action: "agent", name, ...mapping, ...signature }, 0, hooks);
  return keyPath === undefined ? hook : { ...hook, keyPath };
}

function toHook(mapping: Mapping, index: number, hooks: HooksConfig): Hook {
  const {
    id,
    match,
    action,
    name,
    wakeMode,
    agentId,
    sessionKey,
    sessionMode,
    forEach,
    deliver,
    channel,
    to,
    model,
    thinking,
    timeoutSeconds,
  } = mapping;
  const path = (match?.path ?? "").replace(/^\/+|\/+$/g, "");
  const problem = problemOf(mapping, path);
  return {
    id: id ?? (path || `mapping-${index + 1}`),
    path,
    kind: "mapping",
    action: action ?? "agent",
    signature: signatureOf(mapping.signature, hooks),
    trust: mapping.trust ?? "none",
    name: name ?? id ?? path,
    wakeMode: wakeMode ?? "now",
    sessionMode: sessionMode ?? (sessionKey === undefined ? "isolated" : "persistent"),
    template: mapping.messageTemplate ?? mapping.textTemplate ?? null,
    deliver: deliver ?? (channel !== undefined || to !== undefined),
    timeoutMs: timeoutSeconds === undefined ? null : timeoutSeconds * 1_000,
    ...(match?.source !== undefined && { source: match.source }),
    ...(agentId !== undefined && { agentId }),
    ...(sessionKey !== undefined && { sessionKey }),
    ...(forEach !== undefined && { forEach }),
    ...(mapping.transform !== undefined && { transform: mapping.transform }),
    ...(channel !== undefined && { channel }),
    ...(to !== undefined && { to }),
    ...(model !== undefined && { model }),
    ...(thinking !== undefined && { thinking }),
    ...(problem !== null && { problem }),
  };
}

function problemOf({ transform, match, forEach }: Mapping, path: string): string | null {
  if (transform !== undefined && forEach !== undefined) return "transform and forEach cannot be used together";
  if (match === undefined || path === "") return "match.path is not set";
  return path === "wake" || path === "agent" ? `the address ${path} belongs to a hook of its own` : null;
}
