/** The configuration file, the draft of its next version, and the versions before. */
import { batch, computed, signal } from "@preact/signals";
import { isConnectionLost, RequestError } from "./client.ts";
import { diffLines } from "./line-diff.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";
import type { KeyPath } from "../../src/config/key-path.ts";
import type { Hints, Schema } from "./config-schema.ts";

export type Issue = { severity?: string; path: string; message: string; line?: number; column?: number; fix?: string };
export type Effect = "applied" | "restart-channel" | "restart-gateway";
export type Change = { path: string; effect: Effect };

export type ConfigFile = {
  path: string;
  exists: boolean;
  raw: string | null;
  parsed: unknown;
  hash: string;
  source: string;
  issues: readonly Issue[];
  warnings: readonly Issue[];
};

export type Plan = {
  raw: string;
  parsed: unknown;
  valid: boolean;
  issues: readonly Issue[];
  changes: readonly Change[];
  requiresRestart: boolean;
  restartsChannels: readonly string[];
  stale: boolean;
};

export type Version = { id: number; at: number; author: string | null; changes: readonly Change[]; bytes: number; current: boolean };

/** A value of the form: what a key gets, or that it is removed. */
export type Edit = { path: KeyPath; value: unknown } | { path: KeyPath; unset: true };

const PLAN_MS = 350;

/** The file as it was read last. */
export const file = signal<ConfigFile | null>(null);
export const schema = signal<{ schema: Schema; uiHints: Hints } | null>(null);
/** The text that is being written; null while it is that of the file. */
export const draft = signal<string | null>(null);
/** What the draft would change; null until the gateway has said it. */
export const plan = signal<Plan | null>(null);
export const versions = signal<readonly Version[] | null>(null);
/** Why the last reading failed; null when it did not. */
export const failed = signal<string | null>(null);
/** Why the draft could not be checked or applied, and what to do about it. */
export const problem = signal<{ text: string; fix: string | null } | null>(null);
export const busy = signal<"applying" | "restoring" | null>(null);
/** The file is another one than the draft began with. */
export const isStale = signal(false);

/** The text in the editor. */
export const text = computed(() => draft.value ?? file.value?.raw ?? "");
/** The values of the form: those of the draft, or the last ones that could be read. */
export const values = computed(() => plan.value?.parsed ?? file.value?.parsed ?? {});
export const isChanged = computed(() => draft.value !== null && draft.value !== (file.value?.raw ?? ""));
export const difference = computed(() => (isChanged.value ? diffLines(file.value?.raw ?? "", draft.value ?? "") : []));
export const issues = computed((): readonly Issue[] =>
  plan.value === null ? [...(file.value?.issues ?? []), ...(file.value?.warnings ?? [])] : plan.value.issues,
);

/** The findings about one key. */
export const issuesAt = (path: string): readonly Issue[] => issues.value.filter((issue) => issue.path === path);

/** What has to happen for the changes to work, as a sentence. Pure. */
export function effectText({
  changes,
  requiresRestart,
  restartsChannels,
}: Pick<Plan, "changes" | "requiresRestart" | "restartsChannels">): string {
  if (changes.length === 0) return "No setting changes; only the text does.";
  const count = changes.length === 1 ? "1 setting changes" : `${changes.length} settings change`;
  if (requiresRestart) return `${count}. The gateway restarts, which takes a moment; messages that arrive meanwhile are not lost.`;
  if (restartsChannels.length > 0) return `${count}. These channels connect again: ${restartsChannels.join(", ")}.`;
  return `${count}, without a restart.`;
}

/** What one change needs. Pure. */
export const changeText = ({ effect }: Change): string =>
  effect === "restart-gateway" ? "needs a restart" : effect === "restart-channel" ? "the channel connects again" : "at once";

let reading = 0;

/** Reads the file, the schema and the versions. Never throws: `failed` says why there is nothing newer. */
export async function loadConfig(): Promise<void> {
  if (!store.isOnline.value) return;
  reading += 1;
  const mine = reading;
  try {
    const client = requireClient();
    const [now, described, history] = await Promise.all([
      client.request<ConfigFile>("config.get", {}),
      schema.value ?? client.request<{ schema: Schema; uiHints: Hints }>("config.schema", {}),
      client.request<{ versions: readonly Version[] }>("config.history", {}),
    ]);
    if (mine !== reading) return;
    batch(() => {
      // A draft stays with the file that it was written for until the person decides.
      if (draft.value === null || file.value === null) file.value = now;
      else isStale.value = now.hash !== file.value.hash;
      schema.value = described;
      versions.value = history.versions;
      failed.value = null;
    });
  } catch (error) {
    if (mine === reading && !isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

/** One check at a time; a later one waits for the one before, so that the edits of a form are applied in their order. */
let checking: Promise<void> = Promise.resolve();
let typing: ReturnType<typeof setTimeout> | undefined;

function check(edits: readonly Edit[]): Promise<void> {
  checking = checking.then(async () => {
    const base = file.value;
    if (base === null) return;
    const raw = text.value === "" ? "{}\n" : text.value;
    try {
      const answer = await requireClient().request<Plan>("config.plan", { raw, edits, baseHash: base.hash });
      // What was typed meanwhile is newer; its own check follows, and an edit is made in it.
      const isNewest = (text.value === "" ? "{}\n" : text.value) === raw;
      if (!isNewest && edits.length > 0) void check(edits);
      batch(() => {
        if (isNewest) {
          plan.value = answer;
          if (edits.length > 0) draft.value = answer.raw;
        }
        isStale.value = answer.stale;
        problem.value = null;
      });
    } catch (error) {
      if (!isConnectionLost(error)) problem.value = toProblem(error);
    }
  });
  return checking;
}

const toProblem = (error: unknown): { text: string; fix: string | null } => ({
  text: errorMessage(error),
  fix: error instanceof RequestError ? error.fix : null,
});

/** What is typed into the text; checked after a pause. */
export function writeText(next: string): void {
  draft.value = next;
  clearTimeout(typing);
  typing = setTimeout(() => void check([]), PLAN_MS);
}

/** One field of the form. */
export const edit = (change: Edit): Promise<void> => check([change]);

export function discard(): void {
  clearTimeout(typing);
  batch(() => {
    draft.value = null;
    plan.value = null;
    problem.value = null;
    isStale.value = false;
  });
  void loadConfig();
}

/** Keeps the draft and compares it with the file as it is now. */
export async function compareWithFile(): Promise<void> {
  try {
    const now = await requireClient().request<ConfigFile>("config.get", {});
    batch(() => {
      file.value = now;
      isStale.value = false;
    });
    await check([]);
  } catch (error) {
    if (!isConnectionLost(error)) problem.value = toProblem(error);
  }
}

/** Writes the draft. A change of someone else is never overwritten: the gateway compares the hash. */
export async function apply(): Promise<void> {
  const base = file.value;
  const raw = draft.value;
  if (base === null || raw === null || busy.value !== null) return;
  busy.value = "applying";
  try {
    const { requiresRestart } = await requireClient().request<{ requiresRestart: boolean }>("config.apply", { raw, baseHash: base.hash });
    batch(() => {
      draft.value = null;
      plan.value = null;
      problem.value = null;
      isStale.value = false;
    });
    store.showToast(requiresRestart ? "Saved. The gateway restarts now." : "Saved and in use.");
    await loadConfig();
  } catch (error) {
    if (error instanceof RequestError && error.details["reason"] === "stale") isStale.value = true;
    else if (!isConnectionLost(error)) problem.value = toProblem(error);
    else
      problem.value = {
        text: "The connection was lost before the answer came.",
        fix: "Wait until the page is connected, then look at the history below.",
      };
  }
  busy.value = null;
}

/** Makes an earlier version the draft, so that its plan is seen before it is applied. */
export async function restore({ id }: Version): Promise<void> {
  busy.value = "restoring";
  try {
    const { version } = await requireClient().request<{ version: { text: string } }>("config.history", { id });
    draft.value = version.text;
    await check([]);
  } catch (error) {
    if (!isConnectionLost(error)) problem.value = toProblem(error);
  }
  busy.value = null;
}
