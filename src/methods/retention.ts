import type { MethodTable } from "../protocol/method.ts";

export type RetentionMethodDeps = {
  retention: {
    /** What a run would remove, what the last one removed, and the state of the stored files. */
    status(): Promise<object>;
    /** Removes everything that is expired now. */
    run(): Promise<object>;
  };
};

/** retention.*: what is not kept any longer (`session.maintenance`, `store.retention`). */
export function retentionMethods({ retention }: RetentionMethodDeps) {
  return {
    "retention.run": { scope: "operator.admin", waits: true, run: () => retention.run() },
    "retention.status": { scope: "operator.read", waits: true, run: () => retention.status() },
  } satisfies MethodTable;
}
