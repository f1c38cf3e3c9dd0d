import { GatewayError } from "../core/errors.ts";
import { firstSentence } from "../core/text.ts";
import type { Caller, MethodParams, MethodTable } from "../protocol/method.ts";
import { isAsked } from "../tools/plugins/description.ts";
import type { PluginReport } from "../tools/plugins/plugin-report.ts";

export type PluginsDeps = {
  /** The plugins of the configuration, when each of them was loaded or was not. */
  plugins: { settledReport: (signal: AbortSignal) => Promise<readonly PluginReport[]> };
};

/** plugins.*: the plugins of the configuration, what they add, and why one does not work. */
export function pluginsMethods({ plugins }: PluginsDeps) {
  return {
    "plugins.list": {
      scope: "operator.read",
      run: async (_params, caller: Caller) => {
        const reports = await plugins.settledReport(caller.signal);
        return { plugins: reports.map(toEntry), diagnostics: reports.flatMap(diagnose), mutationAllowed: false };
      },
    },
    "plugins.status": {
      scope: "operator.read",
      run: async ({ id }: MethodParams<"plugins.status">, caller: Caller) => {
        const reports = await plugins.settledReport(caller.signal);
        const wanted = id === undefined ? reports : reports.filter((each) => each.id === id);
        if (id !== undefined && wanted.length === 0)
          throw new GatewayError("NOT_FOUND", `no plugin ${JSON.stringify(id.slice(0, 64))} is configured`, {
            fix: "`openclaw plugins list` shows the plugins; plugins.entries in the configuration names them.",
          });
        return { plugins: wanted.map(toRow) };
      },
    },
  } satisfies MethodTable;
}

const STATES = { ready: "enabled", loading: "enabled", failed: "error", missing: "not-installed", off: "disabled" } as const;

/** As OpenClaw's clients list a plugin. */
const toEntry = ({ id, label, enabled, state, cause, source, tools }: PluginReport): object => ({
  id,
  name: label,
  ...(tools.length > 0 && { description: `Adds ${tools.map((tool) => tool.description.name).join(", ")}.` }),
  kind: ["tool"],
  origin: source?.startsWith("the package") ? "npm" : "path",
  installed: state !== "missing",
  enabled,
  state: STATES[state],
  ...(state === "failed" && cause !== null && { error: cause }),
  removable: false,
});

/** What people should know of a plugin that is used. */
function diagnose({ id, enabled, cause, fix, lastFault, leftOut }: PluginReport): object[] {
  if (!enabled) return [];
  return [
    ...(cause === null ? [] : [{ pluginId: id, level: "error", message: cause, ...(fix !== null && { fix }) }]),
    ...(lastFault === null ? [] : [{ pluginId: id, level: "warn", message: lastFault }]),
    ...leftOut.map(({ name, reason }) => ({
      pluginId: id,
      level: "warn",
      message: `the tool ${name || "without a name"} is left out: ${reason}`,
    })),
  ];
}

const toRow = ({ tools, ask, ...report }: PluginReport): object => ({
  ...report,
  tools: tools.map(({ description: { name, description, parameters }, effect, asks, timeoutMs }) => ({
    name,
    summary: firstSentence(description),
    description,
    effect,
    /** A person is asked before each call. */
    asks: isAsked(ask ?? undefined, { effect, asks }),
    timeoutMs,
    parameters,
  })),
});
