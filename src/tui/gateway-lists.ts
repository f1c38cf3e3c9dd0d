import type { ProtocolClient } from "../client/protocol-client.ts";
import type { CommandRow, ModelRow, SessionListRow, SessionsList } from "../client/conversation/protocol-types.ts";
import { stripMarkdown, titleOf } from "../client/conversation/session-row.ts";
import { formatAge } from "../cli/terminal-text.ts";
import { TUI_LIMITS } from "./limits.ts";
import type { PickerItem } from "./picker.ts";
import type { CompletionSources } from "./slash-commands.ts";

type AgentRow = { id: string; name?: string; identity?: { name?: string }; model?: { primary?: string } };

/** What the gateway offers to choose from. Each list is asked for again when its picker opens. */
export class GatewayLists {
  commands: readonly CommandRow[] = [];
  models: readonly ModelRow[] = [];
  agents: readonly AgentRow[] = [];
  sessions: readonly SessionListRow[] = [];

  /** Rejects as requests do. */
  async loadCommands(client: ProtocolClient, sessionKey: string): Promise<void> {
    this.commands = (await client.request<{ commands: readonly CommandRow[] }>("commands.list", { sessionKey })).commands;
  }

  async loadModels(client: ProtocolClient, agentId: string): Promise<readonly PickerItem[]> {
    this.models = (await client.request<{ models: readonly ModelRow[] }>("models.list", { view: "configured", agentId })).models;
    return [{ value: "", label: "default", detail: "what the agent uses without a choice" }, ...this.models.map(toModelItem)];
  }

  async loadAgents(client: ProtocolClient): Promise<readonly PickerItem[]> {
    this.agents = (await client.request<{ agents: readonly AgentRow[] }>("agents.list", {})).agents;
    return this.agents.map(({ id, name, identity, model }) => ({
      value: id,
      label: id,
      detail: [identity?.name ?? name ?? "", model?.primary ?? ""].filter((text) => text !== "" && text !== id).join(" · "),
    }));
  }

  /** The newest sessions, or those that the gateway finds with `words`. */
  async loadSessions(client: ProtocolClient, words: string, now: number): Promise<readonly PickerItem[]> {
    const search = words === "" ? {} : { search: words };
    const params = { limit: TUI_LIMITS.pickerRows, includeDerivedTitles: true, includeLastMessage: true, ...search };
    const { sessions } = await client.request<SessionsList>("sessions.list", params);
    if (words === "") this.sessions = sessions;
    return sessions.filter(({ archived }) => archived !== true).map((row) => toSessionItem(row, now));
  }

  completions(paths: CompletionSources["paths"]): CompletionSources {
    return {
      paths,
      commands: this.commands,
      models: this.models.map(modelName),
      agents: this.agents.map(({ id }) => id),
      sessions: this.sessions.map(({ key }) => key),
    };
  }
}

export const modelName = ({ provider, id }: ModelRow): string => `${provider}/${id}`;

function toModelItem(model: ModelRow): PickerItem {
  const { name, contextWindow, reasoning, available } = model;
  const facts = [
    name ?? "",
    contextWindow === undefined ? "" : `${Math.round(contextWindow / 1_000)}k`,
    reasoning === true ? "reasoning" : "",
    available === false ? "not available" : "",
  ];
  return { value: modelName(model), label: modelName(model), detail: facts.filter((text) => text !== "").join(" · ") };
}

function toSessionItem(row: SessionListRow, now: number): PickerItem {
  const state = row.hasActiveRun === true ? "running" : row.unread === true ? "unread" : "";
  const facts = [row.agentId ?? "", formatAge(row.updatedAt, now), state, stripMarkdown(row.lastMessagePreview ?? "")];
  return { value: row.key, label: stripMarkdown(titleOf(row)), detail: facts.filter((text) => text !== "").join(" · ") };
}
