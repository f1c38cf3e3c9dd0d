import type { Caller, MethodTable } from "../protocol/method.ts";

export type RestartDeps = {
  now: () => number;
  /** Ends this process in good order after `delayMs` and sees to it that another one takes over. */
  restart: (request: { reason: string; delayMs: number }) => void;
};

/** Time for the answer to reach its client. */
const DELAY_MS = 500;

/** gateway.restart.request: a graceful restart; running turns are resumed or closed by the next process. */
export function restartMethods(deps: RestartDeps) {
  return {
    "gateway.restart.request": {
      scope: "operator.admin",
      run: ({ reason, delayMs = DELAY_MS }: { reason?: string; delayMs?: number }, caller: Caller) => {
        deps.restart({ reason: reason ?? `asked for by ${caller.client.id}`, delayMs });
        return { ok: true, status: "scheduled", delayMs, at: deps.now() + delayMs };
      },
    },
  } satisfies MethodTable;
}
