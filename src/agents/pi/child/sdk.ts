import type * as Sdk from "@earendil-works/pi-coding-agent";

/** The names of Pi's SDK that the shared host uses, and no others. */
export const SDK_NAMES = ["createAgentSession", "DefaultResourceLoader", "ModelRuntime", "SessionManager", "SettingsManager"] as const;

export type PiSdk = Pick<typeof Sdk, (typeof SDK_NAMES)[number]>;
export type PiSession = Sdk.AgentSession;
export type PiSessionEvent = Sdk.AgentSessionEvent;
export type PiModelRuntime = Sdk.ModelRuntime;
export type PiSettings = Sdk.SettingsManager;

/** Loads the bundled SDK (a third of the CPU of the package's public entry) and checks that it has what is used of it. */
export async function loadSdk(url: string): Promise<PiSdk> {
  const sdk = (await import(url)) as Record<string, unknown>;
  const missing = SDK_NAMES.filter((name) => typeof sdk[name] !== "function");
  if (missing.length > 0) throw new Error(`This version of Pi has no ${missing.join(", ")}.`);
  return sdk as PiSdk;
}
