/** The agents, and the files of their workspaces that become part of their system prompts. */
import { batch, computed, signal } from "@preact/signals";
import { isConnectionLost, RequestError } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

export type AgentRow = {
  id: string;
  name?: string;
  identity?: { name?: string; emoji?: string };
  workspace: string;
  model?: { primary: string; fallbacks: readonly string[] };
};
export type FileRow = { name: string; path: string; missing: boolean; size?: number; updatedAtMs?: number; content?: string };

type Opened = { agentId: string; file: FileRow; text: string };

export const agents = signal<readonly AgentRow[] | null>(null);
export const defaultId = signal("");
export const chosen = signal<string | null>(null);
export const files = signal<{ agentId: string; files: readonly FileRow[] } | null>(null);
/** The file in the editor; its text may differ from what is stored. */
export const opened = signal<Opened | null>(null);
/** Why the last reading failed; null when it did not. */
export const failed = signal<string | null>(null);
/** Why the file was not saved, and what to do about it. */
export const problem = signal<{ text: string; fix: string | null } | null>(null);
export const busy = signal(false);
/** The file was changed since it was opened; saving would overwrite that. */
export const isStale = signal(false);

export const isChanged = computed(() => opened.value !== null && opened.value.text !== (opened.value.file.content ?? ""));

const ABOUT: Readonly<Record<string, string>> = {
  "AGENTS.md": "How the agent works: rules and habits.",
  "SOUL.md": "Its character and tone.",
  "USER.md": "What it knows of you.",
  "IDENTITY.md": "Its name and emoji.",
  "TOOLS.md": "Notes about its tools.",
  "MEMORY.md": "What it wrote down to remember.",
};

/** What a file is for. Pure. */
export const aboutFile = (name: string): string => ABOUT[name] ?? "";

/** The name that people know an agent by. Pure. */
export const nameOf = ({ id, name, identity }: Pick<AgentRow, "id" | "name" | "identity">): string =>
  [identity?.emoji, identity?.name ?? name ?? id].filter((each) => each !== undefined).join(" ");

/** `1.2 KB`. Pure. */
export const sizeText = (bytes: number): string => (bytes < 1_024 ? `${bytes} bytes` : `${(bytes / 1_024).toFixed(1)} KB`);

let latest = 0;

/** Reads the agents, and the files of the chosen one. Never throws: `failed` says why there is nothing newer. */
export async function loadAgents(): Promise<void> {
  if (!store.isOnline.value) return;
  latest += 1;
  const mine = latest;
  try {
    const client = requireClient();
    const list = await client.request<{ agents: readonly AgentRow[]; defaultId: string }>("agents.list", {});
    const wanted = list.agents.find(({ id }) => id === chosen.value)?.id ?? list.defaultId;
    const found = await client.request<{ agentId: string; files: readonly FileRow[] }>("agents.files.list", { agentId: wanted });
    if (mine !== latest) return;
    batch(() => {
      agents.value = list.agents;
      defaultId.value = list.defaultId;
      chosen.value = wanted;
      files.value = found;
      failed.value = null;
    });
  } catch (error) {
    if (mine === latest && !isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

export function choose(agentId: string): void {
  batch(() => {
    chosen.value = agentId;
    files.value = null;
    close();
  });
  void loadAgents();
}

export function close(): void {
  opened.value = null;
  problem.value = null;
  isStale.value = false;
}

const readFile = async (agentId: string, name: string): Promise<FileRow> =>
  (await requireClient().request<{ file: FileRow }>("agents.files.get", { agentId, name })).file;

async function run(work: () => Promise<void>): Promise<void> {
  busy.value = true;
  problem.value = null;
  try {
    await work();
  } catch (error) {
    problem.value = isConnectionLost(error)
      ? { text: "The connection was lost before the answer came.", fix: "The text is kept here; save it again when the page is connected." }
      : { text: errorMessage(error), fix: error instanceof RequestError ? error.fix : null };
  }
  busy.value = false;
}

export const open = (agentId: string, name: string): Promise<void> =>
  run(async () => {
    const file = await readFile(agentId, name);
    batch(() => {
      opened.value = { agentId, file, text: file.content ?? "" };
      isStale.value = false;
    });
  });

export function write(text: string): void {
  if (opened.value !== null) opened.value = { ...opened.value, text };
}

/** Saves the text. A file that was changed meanwhile, by the agent or in an editor, is overwritten on request only. */
export const save = (overwrite = false): Promise<void> =>
  run(async () => {
    const now = opened.value;
    if (now === null) return;
    const { agentId, file, text } = now;
    const stored = await readFile(agentId, file.name);
    if (!overwrite && (stored.content ?? "") !== (file.content ?? "")) {
      isStale.value = true;
      return;
    }
    const answer = await requireClient().request<{ file: FileRow }>("agents.files.set", { agentId, name: file.name, content: text });
    batch(() => {
      // What was typed meanwhile stays.
      if (opened.value?.file.name === file.name) opened.value = { ...opened.value, file: answer.file };
      isStale.value = false;
    });
    store.showToast(`${file.name} is saved, and counts from the next message on.`);
    await loadAgents();
  });
