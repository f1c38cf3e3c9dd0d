import { detailError, GatewayError } from "../core/errors.ts";

/** The numeric SQLite result code of an error, without its extension bits; 0 for other errors. */
export function sqliteCode(err: unknown): number {
  const code = (err as { errcode?: number } | null)?.errcode;
  return typeof code === "number" ? code & 0xff : 0;
}

const ERROR = 1;
const PERMISSION = 3;
const BUSY = 5;
const READ_ONLY = 8;
const IO = 10;
const CORRUPT = 11;
const FULL = 13;
const CANNOT_OPEN = 14;
const NOT_A_DATABASE = 26;

/** The disk failed the whole transaction, not one change of it. */
export const isDiskFailure = (err: unknown): boolean =>
  [FULL, IO, CORRUPT, NOT_A_DATABASE, READ_ONLY, CANNOT_OPEN].includes(sqliteCode(err));
export const isDamage = (err: unknown): boolean => sqliteCode(err) === CORRUPT || sqliteCode(err) === NOT_A_DATABASE;
export const isBusy = (err: unknown): boolean => sqliteCode(err) === BUSY;
/** "no such table" and similar: only for a file that was just opened, where it means an unexpected schema. */
export const isForeignSchema = (err: unknown): boolean => sqliteCode(err) === ERROR;

export const damageError = (message: string): Error => Object.assign(new Error(message), { errcode: CORRUPT });

const RETRY_MS = 1_000;

/** The error of a rejected write: nothing of it is stored. */
export function toStoreError(err: unknown): GatewayError {
  if (err instanceof GatewayError) return err;
  const code = sqliteCode(err);
  if (code === FULL) {
    return detailError("STORAGE_FULL", "the disk is full; nothing was stored", {
      cause: err,
      retryAfterMs: RETRY_MS,
      fix: "Free some space on the disk of the state directory; the gateway goes on by itself.",
    });
  }
  if (code === READ_ONLY || code === CANNOT_OPEN || code === PERMISSION) {
    return detailError("STORAGE_READ_ONLY", "the state directory is read-only; nothing was stored", {
      cause: err,
      retryAfterMs: RETRY_MS,
      fix: "Mount the file system of the state directory writable, or make the directory belong to the gateway's user.",
    });
  }
  if (isDamage(err)) {
    return detailError("STORAGE_DAMAGED", "the store is damaged; nothing was stored", {
      cause: err,
      retryAfterMs: RETRY_MS,
      fix: "openclaw gateway restart repairs it.",
    });
  }
  return detailError("STORAGE_FAILED", "the store could not write; nothing was stored", {
    cause: err,
    retryAfterMs: RETRY_MS,
    fix: "Look at the disk of the state directory; the gateway goes on by itself when it can write again.",
  });
}

/** Why the gateway cannot use its directory at all: what, why and fix for the person who starts it. */
export function unusableDirError(path: string, err: unknown): GatewayError {
  const code = (err as NodeJS.ErrnoException).code ?? "";
  const [why, fix] = REASONS[code] ?? [`the system says ${code || String(err)}`, "Look at the path and its file system."];
  return detailError("STATE_DIR_UNUSABLE", `${path} cannot be used: ${why}`, {
    cause: err,
    details: { system: code },
    fix,
  });
}

const CHOWN_FIX = "Make it belong to the user that runs the gateway (chown -R), or set OPENCLAW_STATE_DIR to a directory of that user.";
const REASONS: Readonly<Record<string, readonly [why: string, fix: string]>> = {
  EACCES: ["this user may not write there", CHOWN_FIX],
  EPERM: ["this user may not write there", CHOWN_FIX],
  EROFS: ["its file system is read-only", "Mount it writable, or set OPENCLAW_STATE_DIR to a directory that can be written."],
  ENOSPC: ["the disk is full", "Free some space on that disk and start again."],
  EDQUOT: ["the disk quota of this user is used up", "Free some space of that user and start again."],
  ENOTDIR: ["a part of the path is a file, not a directory", "Move that file away, or set OPENCLAW_STATE_DIR to another directory."],
  EEXIST: ["there is a file where a directory is needed", "Move that file away, or set OPENCLAW_STATE_DIR to another directory."],
  ENOENT: ["a part of the path does not exist and cannot be made", "Make the directory, or set OPENCLAW_STATE_DIR to one that exists."],
  ELOOP: ["its links form a loop", "Repair the links, or set OPENCLAW_STATE_DIR to another directory."],
  EMFILE: ["no file descriptors are left", "Raise the limit of open files (ulimit -n) and start again."],
  ENFILE: ["the system has no file descriptors left", "Close other programs, or raise fs.file-max."],
};
