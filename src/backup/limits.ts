/** Limits of backups, each with what happens at its edge. */
export const BACKUP_LIMITS = {
  /** Pages of the store that are copied in one step, 256 KiB with pages of 4 KiB: a write waits for one step at most. */
  stepPages: 64,
  /** Bytes of the copy after which it is brought to the disk meanwhile, so that its end does not have to wait for all of it. */
  syncBytes: 8_388_608,
  /** Attempts to begin a copy while a transaction runs; then the backup has failed. */
  copyAttempts: 50,
  /** Bytes of a manifest that are read; a larger one is refused. */
  manifestBytes: 268_435_456,
  /** Files of one backup; more are refused, because a directory of something else was configured as a workspace. */
  files: 500_000,
  /** Backups that are listed; older ones are left out. */
  listed: 200,
  /** How long packing and checking may take; then the backup has failed. */
  packMs: 4 * 3_600_000,
  /** What is kept of the output of the process that packs. */
  outputBytes: 1_048_576,
  /** A scheduled backup that was due while the gateway was down begins so long after its start. */
  catchUpMs: 300_000,
  /** How often the gateway looks whether a backup is due: its clock may be set meanwhile. */
  checkMs: 3_600_000,
  /** After a scheduled backup has failed, the next attempt. */
  retryMs: 3_600_000,
  /** `openclaw doctor` reports when there was no backup for so long, without and with a schedule. */
  remindMs: 14 * 86_400_000,
  overdueMs: 26 * 3_600_000,
} as const;
