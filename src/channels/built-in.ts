/** The built-in channels, one line each. The exported name is the channel's id. */
export { manifest as discord } from "./discord/manifest.ts";
export { manifest as irc } from "./irc/manifest.ts";
export { manifest as signal } from "./signal/manifest.ts";
export { manifest as slack } from "./slack/manifest.ts";
export { manifest as telegram } from "./telegram/manifest.ts";
export { manifest as webhook } from "./webhook/manifest.ts";
