import type { JsonObject } from "../core/json.ts";
import type { MethodTable } from "../protocol/method.ts";

export type HooksDeps = {
  deliveries: (query: { limit?: number; hook?: string }) => Promise<Record<string, unknown>>;
  /** Internal hooks, as those of one agent. */
  status: (agentId: string | undefined) => Promise<Record<string, unknown>>;
  test: (request: { hook: string; payload?: JsonObject; headers?: JsonObject }) => Promise<Record<string, unknown>>;
};

/** hooks.*: requests of other programs, and what became of them. */
export function hooksMethods({ deliveries, status, test }: HooksDeps) {
  return {
    "hooks.status": { scope: "operator.read", run: ({ agentId }) => status(agentId) },
    "hooks.deliveries": {
      scope: "operator.read",
      run: ({ limit, hook }) => deliveries({ ...(limit !== undefined && { limit }), ...(hook !== undefined && { hook }) }),
    },
    "hooks.test": {
      scope: "operator.admin",
      run: ({ hook, payload, headers }) => test({ hook, ...(payload && { payload }), ...(headers && { headers }) }),
    },
  } satisfies MethodTable;
}
