import type { ServedMethod } from "./served-methods.ts";
import { AGENTS } from "./served-params/agents.ts";
import { AUTOMATION } from "./served-params/automation.ts";
import { CONNECTIONS } from "./served-params/connections.ts";
import { CONVERSATIONS } from "./served-params/conversations.ts";
import { OPERATIONS } from "./served-params/operations.ts";
import type { ParamRules } from "./served-params/rules.ts";

/** The rules of every method. The generator checks that each name is one of the method's schema. */
export const PARAM_RULES: Readonly<Record<ServedMethod, ParamRules>> = {
  ...CONVERSATIONS,
  ...AGENTS,
  ...AUTOMATION,
  ...CONNECTIONS,
  ...OPERATIONS,
};
