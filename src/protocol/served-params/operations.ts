import type { ServedMethod } from "../served-methods.ts";
import { any, ALWAYS_INCLUDED, type ParamRules } from "./rules.ts";

const RESTART_REPORT = any("the report about a restart goes to the log, not to a session");
const AUDIT_FILTERS = ["agentId", "sessionKey", "runId", "kind", "status", "after", "before", "limit", "cursor"] as const;

/** Configuration, state and care of the gateway itself. */
export const OPERATIONS = {
  "gateway.doctor": { served: [] },
  "gateway.identity.get": { served: [] },
  "gateway.overview": { served: [] },
  "config.apply": {
    served: ["raw", "baseHash", "restartDelayMs"],
    ignored: { sessionKey: RESTART_REPORT, deliveryContext: RESTART_REPORT, note: RESTART_REPORT },
  },
  "config.get": { served: [] },
  "config.history": { served: ["id"] },
  "config.patch": {
    served: ["raw", "baseHash", "restartDelayMs", "replacePaths"],
    ignored: { sessionKey: RESTART_REPORT, deliveryContext: RESTART_REPORT, note: RESTART_REPORT },
  },
  "config.plan": { served: ["raw", "edits", "baseHash"] },
  "config.schema": { served: [] },
  "config.schema.lookup": { served: ["path"] },
  "config.set": { served: ["raw", "baseHash"] },
  "openclaw.approval.list": { served: [] },
  "gateway.restart.request": { served: ["reason", "delayMs"] },
  health: { served: [], ignored: { probe: any("every answer is measured when it is asked for"), includeSensitive: ALWAYS_INCLUDED } },
  "logs.tail": { served: ["cursor", "limit", "maxBytes"] },
  "audit.activity.list": { served: AUDIT_FILTERS },
  "audit.details": { served: AUDIT_FILTERS },
  "audit.list": { served: AUDIT_FILTERS },
  "backup.create": { served: ["output", "includeWorkspace", "secrets", "onlyConfig", "verify"] },
  "backup.status": { served: [] },
  "retention.run": { served: [] },
  "retention.status": { served: [] },
  "update.status": { served: ["refreshCheckout"] },
  "secrets.reload": { served: [] },
  "secrets.store.list": { served: [] },
  "diagnostics.cpuProfile": { served: ["durationMs"] },
  "diagnostics.heapProfile": { served: ["durationMs"] },
  status: { served: ["includeChannelSummary", "includeCliProjection"] },
  "system-event": {
    served: [
      "text",
      "deviceId",
      "instanceId",
      "host",
      "ip",
      "mode",
      "version",
      "platform",
      "deviceFamily",
      "modelIdentifier",
      "lastInputSeconds",
      "reason",
      "roles",
      "scopes",
      "tags",
    ],
  },
  "system-presence": { served: [] },
  "system.info": { served: [] },
} satisfies Partial<Record<ServedMethod, ParamRules>>;
