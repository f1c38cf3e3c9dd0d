import type { MethodTable } from "../protocol/method.ts";

/** As OpenClaw's clients read it. */
export type UpdateStatus = {
  /** How the last update of this state directory ended. */
  readonly sentinel: object | null;
  readonly updateAvailable: UpdateAvailable | null;
  readonly effectiveChannel: "stable" | "beta" | "dev";
  readonly schedule: {
    readonly channel: string;
    readonly autoEnabled: boolean;
    readonly install: { readonly kind: "package" | "git" | "unknown" };
  };
};

export type UpdateAvailable = {
  readonly currentVersion: string;
  readonly latestVersion: string;
  readonly channel: string;
  readonly upstreamRef?: string;
  readonly upstreamSha?: string;
  readonly commitsBehind?: number;
};

export type UpdateDeps = { updates: { status(options: { refresh: boolean }): Promise<UpdateStatus> } };

/** update.status: what is installed, and what was found when someone last looked. */
export function updateMethods({ updates }: UpdateDeps) {
  return {
    "update.status": {
      scope: "operator.admin",
      waits: true,
      run: ({ refreshCheckout }) => updates.status({ refresh: refreshCheckout === true }),
    },
  } satisfies MethodTable;
}
