/** The skills of an agent, as `skills.status` says it. */
import { computed, signal } from "@preact/signals";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";
import { agentId, loadAgents } from "./tool-access.ts";

export type SkillRow = {
  name: string;
  description: string;
  source: string;
  skillKey: string;
  emoji?: string;
  homepage?: string;
  eligible: boolean;
  disabled: boolean;
  modelVisible: boolean;
  reason?: string;
  /** How a person could install its programs, as its author says. */
  install?: readonly { id: string; label: string; os?: readonly string[]; command?: string | null }[];
  missing?: { bins?: readonly string[]; anyBins?: readonly string[] };
};
type SkillsAnswer = {
  agentId: string;
  workspaceDir: string;
  skills: readonly SkillRow[];
  problems?: readonly { path: string; reason: string }[];
};

const answer = signal<SkillsAnswer | null>(null);
/** Why the last reading or change failed; null when it did not. */
export const failed = signal<string | null>(null);
/** The key of the skill that is being switched. */
export const switching = signal<string | null>(null);

export const skills = computed(() => answer.value?.skills ?? null);
export const problems = computed(() => answer.value?.problems ?? []);
export const workspace = computed(() => answer.value?.workspaceDir ?? "");

const SOURCES: Readonly<Record<string, string>> = {
  "openclaw-workspace": "workspace",
  "agents-skills-project": "workspace (.agents)",
  "agents-skills-personal": "personal",
  "openclaw-managed": "state directory",
  "openclaw-extra": "extra directory",
};
/** Where a skill is from. Pure. */
export const sourceText = (source: string): string => SOURCES[source] ?? source;

/** The commands that could install what a skill lacks; none for one that lacks no program. Pure. */
export function commandsFor({
  install = [],
  missing = {},
}: Pick<SkillRow, "install" | "missing">): readonly { label: string; command: string }[] {
  if ((missing.bins ?? []).length + (missing.anyBins ?? []).length === 0) return [];
  return install.flatMap(({ label, os = [], command }) =>
    command ? [{ label: os.length === 0 ? label : `${label} (${os.join(", ")})`, command }] : [],
  );
}

/** What people see of the state of a skill. Pure. */
export const stateText = ({ eligible, modelVisible }: Pick<SkillRow, "eligible" | "modelVisible">): string =>
  eligible ? (modelVisible ? "On" : "On, only for /skill") : "Off";

let latest = 0;

/** Reads the skills of the chosen agent. Never throws: `failed` says why there is nothing newer. */
export async function loadSkills(): Promise<void> {
  if (!store.isOnline.value) return;
  latest += 1;
  const mine = latest;
  try {
    if (agentId.value === null) await loadAgents();
    const found = await requireClient().request<SkillsAnswer>("skills.status", { agentId: agentId.value ?? "main" });
    if (mine !== latest) return;
    answer.value = found;
    failed.value = null;
  } catch (error) {
    if (mine === latest && !isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

export function chooseAgent(id: string): void {
  agentId.value = id;
  void loadSkills();
}

/** Switches a skill for all agents. */
export async function switchSkill({ skillKey, disabled }: SkillRow): Promise<void> {
  switching.value = skillKey;
  try {
    await requireClient().request("skills.update", { skillKey, enabled: disabled });
    await loadSkills();
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
  switching.value = null;
}
