import type { MethodParams, MethodTable } from "../protocol/method.ts";

export type BackupRequest = MethodParams<"backup.create">;

/** How a backup ended. */
export type LastBackup = {
  readonly at: number;
  readonly ok: boolean;
  readonly kind: "manual" | "scheduled";
  readonly file: string | null;
  readonly bytes: number | null;
  readonly error: string | null;
};

export type BackupStatus = {
  readonly enabled: boolean;
  readonly at: string;
  readonly keep: number;
  readonly dir: string;
  readonly isRunning: boolean;
  readonly last: LastBackup | null;
  /** When the last backup that did not fail was made. */
  readonly lastGoodAt: number | null;
  readonly nextAt: number | null;
  readonly backups: readonly { readonly file: string; readonly kind: string; readonly createdAt: number; readonly bytes: number }[];
};

export type BackupDeps = {
  backups: { create(request: BackupRequest): Promise<object>; status(): Promise<BackupStatus> };
};

/** backup.*: archives of the state directory, made while the gateway runs. */
export function backupMethods({ backups }: BackupDeps) {
  return {
    "backup.create": {
      scope: "operator.admin",
      waits: true,
      run: async ({ output, includeWorkspace, secrets, onlyConfig, verify }) => ({
        ok: true,
        ...(await backups.create({
          ...(output !== undefined && { output }),
          ...(includeWorkspace !== undefined && { includeWorkspace }),
          ...(secrets !== undefined && { secrets }),
          ...(onlyConfig !== undefined && { onlyConfig }),
          ...(verify !== undefined && { verify }),
        })),
      }),
    },
    "backup.status": { scope: "operator.read", run: () => backups.status() },
  } satisfies MethodTable;
}
