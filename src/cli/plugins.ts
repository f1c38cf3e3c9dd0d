import { EXIT } from "../core/errors.ts";
import { fieldsOf, type JsonObject } from "../core/json.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway, gatewayOrFiles } from "./connect.ts";
import { configOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownPlugin } from "./known-names.ts";
import { plural, sanitizeLine, toSafeJson } from "./terminal-text.ts";

/** A row of `plugins.status`. */
export type PluginRow = {
  id: string;
  label: string;
  enabled: boolean;
  state: string;
  cause: string | null;
  fix: string | null;
  source: string | null;
  lastFault: string | null;
  tools: { name: string; summary: string; description: string; effect: string; asks: boolean; timeoutMs: number; parameters: object }[];
  leftOut: { name: string; reason: string }[];
  configSchema: JsonObject | null;
};
type Status = { plugins: PluginRow[] };

/** The plugins in the file of this machine, none of which is loaded. */
const rowsOfFile = (invocation: Invocation): Status => ({
  plugins: Object.entries(configOf(invocation).config.plugins.entries).map(([id, entry]) => ({
    id,
    label: id,
    enabled: entry.enabled,
    state: entry.enabled ? "not loaded" : "off",
    cause: null,
    fix: null,
    source: entry.package ?? null,
    lastFault: null,
    tools: [],
    leftOut: [],
    configSchema: null,
  })),
});

const HINT = "No plugins. docs/tool-plugins.md shows how to write one; plugins.entries in the configuration names those that are used.";

/** `openclaw plugins list` */
export const pluginsList: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { plugins } = await gatewayOrFiles<Status>(
    invocation,
    ["operator.read"],
    ({ client }) => client.request("plugins.status"),
    () => rowsOfFile(invocation),
  );
  out.result({ plugins }, () => {
    if (plugins.length === 0) return out.line(HINT);
    out.table(
      [{ title: "plugin" }, { title: "state" }, { title: "tools", truncate: true }, { title: "code", truncate: true }],
      plugins.map(({ id, state, tools, source }) => [id, state, tools.map(({ name }) => name).join(", ") || "-", source ?? "-"]),
    );
    for (const row of plugins) showProblems(invocation, row);
  });
};

/** `openclaw plugins inspect <id>`; ends with an error code when the plugin is used and does not work. */
export const pluginsInspect: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const id = requireKnownPlugin(invocation, invocation.args[0]!);
  const { plugins } = await callGateway<Status>(invocation, ["operator.read"], "plugins.status", { id });
  const row = plugins[0]!;
  out.result(row, () => {
    out.pairs([
      ["plugin", row.label === row.id ? row.id : `${row.id} (${row.label})`],
      ["state", row.state],
      ["code", row.source ?? "-"],
      ["settings", settingsText(row)],
    ]);
    for (const tool of row.tools) {
      out.line("");
      out.paragraph(
        sanitizeLine(
          `${tool.name} (${tool.effect}, at most ${tool.timeoutMs / 1_000} s${tool.asks ? ", a person is asked before each call" : ""}): ${tool.description}`,
        ),
        "  ",
      );
      out.line(`  ${toSafeJson(tool.parameters)}`);
    }
    showProblems(invocation, row);
  });
  return row.enabled && row.state !== "ready" ? EXIT.failure : EXIT.ok;
};

/** The keys of `plugins.entries.<id>.config`. */
function settingsText({ configSchema }: PluginRow): string {
  if (configSchema === null) return "none";
  const required = Array.isArray(configSchema["required"]) ? configSchema["required"] : [];
  const keys = Object.entries(fieldsOf(configSchema["properties"])).map(
    ([key, schema]) => `${key} (${String(fieldsOf(schema)["type"])}${required.includes(key) ? ", required" : ""})`,
  );
  return sanitizeLine(keys.join(", ") || "any");
}

function showProblems({ out }: Invocation, { id, cause, fix, lastFault, leftOut, enabled }: PluginRow): void {
  if (cause !== null) out.paragraph(sanitizeLine(`${id}: ${cause}${enabled && fix !== null ? `. ${fix}` : ""}`), "  ");
  if (lastFault !== null) out.paragraph(sanitizeLine(`${id}: ${lastFault}`), "  ");
  for (const { name, reason } of leftOut)
    out.paragraph(sanitizeLine(`${id}: the tool ${name || "without a name"} is left out: ${reason}`), "  ");
}

/** Why a plugin does not work, for `openclaw status` and `openclaw doctor`; null when it does. */
export function pluginProblem({ enabled, state, cause, lastFault, leftOut }: PluginRow): string | null {
  if (!enabled || state === "loading") return null;
  if (state !== "ready") return cause ?? `it is ${state}`;
  if (leftOut.length > 0)
    return `${plural(leftOut.length, "tool")} left out: ${leftOut.map(({ name, reason }) => `${name || "without a name"}, ${reason}`).join("; ")}`;
  return lastFault;
}
