/** The first screen: a model, a channel, done. It stays until the person is done, also when a model answers already. */
import { signal } from "@preact/signals";
import { GUIDE_PROVIDER } from "../../src/core/guide-model.ts";
import type { AgentRow, ModelChoice } from "./model-providers.ts";
import * as models from "./model-providers.ts";
import * as store from "./state.ts";
import { ignoreConnectionLoss, loadLists, loadSessions } from "./sync.ts";

/** `offered`: shown where no model is connected. `open`: someone works on it. `done`: not shown again on this page. */
export const progress = signal<"offered" | "open" | "done">("offered");

/** Whether the empty conversation is the first screen. */
export function isFirstRun(scripted: boolean): boolean {
  if (!store.mayAdminister.value || !store.isServed("models.key.set")) return false;
  return progress.value === "open" || (progress.value === "offered" && scripted);
}

export type FirstModel = {
  /** What answers for the default agent: a name for people; null: nothing but the guide. */
  name: string | null;
  /** Others that could. */
  others: readonly ModelChoice[];
};

/** What answers now, and what could. Pure. */
export function toFirstModel(agents: readonly AgentRow[], defaultId: string, known: readonly ModelChoice[]): FirstModel {
  const usable = known.filter(({ provider, available }) => provider !== GUIDE_PROVIDER && available !== false);
  const primary = agents.find(({ id }) => id === defaultId)?.model?.primary;
  const isAnswering = primary !== undefined && !primary.startsWith(`${GUIDE_PROVIDER}/`);
  const current = usable.find((each) => models.refOf(each) === primary);
  return {
    name: isAnswering ? (current?.name ?? primary) : null,
    others: usable.filter((each) => models.refOf(each) !== primary),
  };
}

/** A model was connected: the rest of the page learns what answers now. */
export async function onModelConnected(): Promise<void> {
  await loadLists();
  await ignoreConnectionLoss(loadSessions());
}
