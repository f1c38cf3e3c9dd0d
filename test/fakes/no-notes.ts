import type { BuiltInToolOptions } from "../../src/tools/built-in.ts";

/** Agents without notes. */
export const noNotes: BuiltInToolOptions["notes"] = {
  search: () => Promise.resolve({ found: [], isAll: true, notes: [] }),
  read: () => Promise.resolve(null),
};
