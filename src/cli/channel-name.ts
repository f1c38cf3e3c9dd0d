import { channelManifest } from "../channels/registry.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { sanitizeLine } from "./terminal-text.ts";

/** The display name of a channel: the label of its description, or the capitalized id of a plugin. */
export const channelLabel = (id: string): string => channelManifest(id)?.label ?? id.charAt(0).toUpperCase() + id.slice(1);

/** A name of a channel or an account as it was given. Throws CliError for what can be neither. */
export function requireChannelName(text: string, what: "account" | "channel"): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(text) && text !== "__proto__") return text;
  throw new CliError(`"${sanitizeLine(text)}" is not a valid name for ${what === "account" ? "an account" : "a channel"}`, {
    why: "names consist of letters, digits, - and _.",
    fix: "choose another name.",
    exit: EXIT.usage,
  });
}
