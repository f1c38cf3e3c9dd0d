import { channelIds, channelManifest } from "../channels/registry.ts";

/**
 * Keys that a person changes in everyday use, by their path (`*`: one step, whatever its name). Forms show them first and fold all
 * others as advanced settings.
 */
export const COMMON_KEYS: readonly string[] = [
  "gateway.port",
  "gateway.bind",
  "gateway.publicOrigin",
  "gateway.auth.mode",
  "gateway.auth.token",
  "gateway.auth.password",
  "gateway.controlUi.enabled",
  "gateway.controlUi.allowedOrigins",
  "gateway.http.endpoints.chatCompletions.enabled",
  "gateway.http.endpoints.responses.enabled",
  "agents.defaults.model.primary",
  "agents.defaults.model.fallbacks",
  "agents.defaults.workspace",
  "agents.defaults.thinkingDefault",
  "agents.defaults.timeoutSeconds",
  "agents.defaults.maxConcurrent",
  "agents.defaults.userTimezone",
  "agents.defaults.typingMode",
  "agents.defaults.compaction.enabled",
  "agents.entries.*.name",
  "agents.entries.*.default",
  "agents.entries.*.workspace",
  "agents.entries.*.model.primary",
  "agents.entries.*.thinkingDefault",
  "agents.entries.*.identity.name",
  "agents.entries.*.identity.emoji",
  "agents.entries.*.tools.profile",
  "models.providers.*.baseUrl",
  "models.providers.*.apiKey",
  "models.providers.*.api",
  "models.providers.*.models[].id",
  "models.providers.*.models[].name",
  "bindings[].agentId",
  "bindings[].match.channel",
  "bindings[].match.accountId",
  "bindings[].match.peer.kind",
  "bindings[].match.peer.id",
  "session.dmScope",
  "session.groupScope",
  "session.reset.mode",
  "session.reset.atHour",
  "session.reset.idleMinutes",
  "session.typingMode",
  "messages.responsePrefix",
  "messages.ackReaction",
  "messages.groupChat.mentionPatterns",
  "messages.queue.mode",
  "messages.queue.debounceMs",
  "commands.ownerAllowFrom",
  "commands.allowFrom.*",
  "tools.profile",
  "tools.allow",
  "tools.deny",
  "logging.level",
  "logging.consoleLevel",
  "channels.*.enabled",
  "channels.*.dmPolicy",
  "channels.*.allowFrom",
  "channels.*.groupPolicy",
  "channels.*.groupAllowFrom",
  "channels.*.groups.*.enabled",
  "channels.*.groups.*.requireMention",
  "channels.*.responsePrefix",
  ...channelIds.flatMap((id) => channelManifest(id)!.commonKeys.map((key) => `channels.${id}.${key}`)),
];

const commonKeys = COMMON_KEYS.map((path) => path.split("."));

/** Whether a path begins as `pattern` does, step by step: it is the key itself, or one above it. */
const isPrefixOf = (pattern: readonly string[], steps: readonly string[]): boolean =>
  steps.length <= pattern.length &&
  steps.every((step, index) => pattern[index] === "*" || pattern[index] === step || pattern[index] === `${step}[]`);

/** Whether forms show a key without unfolding the advanced ones: a common key, or one above it. */
export function isCommon(path: string): boolean {
  const steps = path.split(".");
  return commonKeys.some((pattern) => isPrefixOf(pattern, steps));
}
