import type { JsonObject } from "../../core/json.ts";
import type { PluginModule, PluginSdk } from "../../core/plugin-module.ts";
import type { PluginCallContext } from "./sdk.ts";

/** What a thread is started with. */
export type PluginThreadData = { module: PluginModule; sdk: PluginSdk; loadMs: number };

/** A call without what cannot be sent to a thread. */
export type PluginCallFacts = Omit<PluginCallContext, "config" | "signal" | "update" | "log">;

export type ToPluginMessage =
  | { t: "configure"; config: JsonObject }
  | { t: "call"; call: number; tool: string; args: JsonObject; facts: PluginCallFacts }
  | { t: "abort"; call: number }
  | { t: "ping" };

/** What a thread says. The code in it is that of others: the fields are checked before they are used. */
export type FromPluginMessage =
  | { t: "loaded"; description: unknown }
  | { t: "failed"; cause: string; fix?: string }
  | { t: "update"; call: number; content: unknown }
  | { t: "done"; call: number; result: unknown }
  | { t: "threw"; call: number; message: string }
  | { t: "log"; call: number; level: string; message: string; fields: string }
  | { t: "pong" };
