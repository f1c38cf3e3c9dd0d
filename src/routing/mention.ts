import { LIMITS } from "../core/limits.ts";
import type { AccountPolicy } from "./account-policy.ts";
import { compilePattern, type SafePattern } from "../core/safe-pattern.ts";
import { ownProperty, type RoutingAgent, type RoutingConfig } from "./types.ts";

/** Patterns of one agent or of the whole gateway that are looked at; the rest are reported as problems. */
const PATTERNS = LIMITS.mentionPatterns;

export type MentionPatterns = { patterns: readonly SafePattern[]; problems: readonly { source: string; problem: string }[] };

/** As `compilePattern` reads it: every escaped sign means itself. */
const escape = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

/** What calls an agent by its own name when nothing is configured: the identity's name as a word, and its emoji. */
function identityPatterns(agent: RoutingAgent | undefined): readonly string[] {
  const name = agent?.identity?.name?.trim();
  const emoji = agent?.identity?.emoji?.trim();
  const sources: string[] = [];
  // A word edge exists only beside a letter, a digit or "_" of the name.
  if (name) sources.push(`${/^\w/.test(name) ? "\\b" : ""}${escape(name)}${/\w$/.test(name) ? "\\b" : ""}`);
  if (emoji) sources.push(escape(emoji));
  return sources;
}

/**
 * The patterns that call `agentId`: its own list, else the gateway's, else its identity. An empty list on a level means
 * none. A pattern that cannot be used is left out and reported, so that one mistake does not silence the others.
 */
export function mentionPatterns(config: RoutingConfig, agentId: string): MentionPatterns {
  const agent = ownProperty(config.agents?.entries, agentId);
  const sources = agent?.groupChat?.mentionPatterns ?? config.messages?.groupChat?.mentionPatterns ?? identityPatterns(agent);
  const patterns: SafePattern[] = [];
  const problems: { source: string; problem: string }[] = [];
  for (const [index, source] of sources.entries()) {
    const result = index < PATTERNS ? compilePattern(source) : { problem: `only the first ${PATTERNS} patterns are used` };
    if ("pattern" in result) patterns.push(result.pattern);
    else problems.push({ source, problem: result.problem });
  }
  return { patterns, problems };
}

/** Whether text patterns count in this conversation at all; native mentions always do. `denyIn` wins over `allowIn`. */
export function mentionPatternsApply(policy: AccountPolicy, conversation: readonly string[]): boolean {
  const { mode, allowIn, denyIn } = policy.mentionPatterns;
  if (conversation.some((id) => denyIn.includes(id))) return false;
  return mode === "allow" || conversation.some((id) => allowIn.includes(id));
}
