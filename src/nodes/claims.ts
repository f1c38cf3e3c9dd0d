import type { NodeInfo, NodeSurface } from "../store/nodes.ts";
import { NODE_LIMITS } from "./limits.ts";

/** What a node says when it connects. */
export type NodeClaims = {
  nodeId: string;
  info: NodeInfo;
  caps: readonly string[];
  commands: readonly string[];
  permissions: Readonly<Record<string, boolean>>;
  pathEnv: string | null;
  /** An administrator has made the one-time code with which it came: that approves what it declares now. */
  hasCode: boolean;
};

const NAME = /^[A-Za-z][A-Za-z0-9]*(?:[._-][A-Za-z0-9]+)*$/;
const isName = (text: string): boolean => text.length <= NODE_LIMITS.nameChars && NAME.test(text);
const names = (list: readonly string[], limit: number): string[] => [...new Set(list.filter(isName))].slice(0, limit).toSorted();

/** What a node declares, within the limits and with usable names only. Pure. */
export const declaredSurface = ({ caps, commands, permissions }: NodeClaims): NodeSurface => ({
  caps: names(caps, NODE_LIMITS.caps),
  commands: names(commands, NODE_LIMITS.commands),
  permissions: Object.fromEntries(
    Object.entries(permissions)
      .filter(([name]) => isName(name))
      .slice(0, NODE_LIMITS.permissions),
  ),
});
