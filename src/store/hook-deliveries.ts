import type { Store } from "./open.ts";
import { decodeRow, decodeRows } from "./row-decoding.ts";

/** A request to a hook that was taken. */
export type HookDeliveryRow<A = unknown> = {
  seq: number;
  hook: string;
  key: string;
  digest: string | null;
  at: number;
  peer: string;
  action: string;
  bytes: number;
  answer: A;
};

type SqlRow = Omit<HookDeliveryRow, "answer"> & { answer: string };

const COLUMNS = "seq, hook, key, digest, at, peer, action, bytes, answer";
const keyOf = ({ seq }: SqlRow): string => `hook_deliveries ${seq}`;
const toRow = <A>(row: SqlRow): HookDeliveryRow<A> => ({ ...row, answer: JSON.parse(row.answer) as A });

export type HookDeliveries<A = unknown> = ReturnType<typeof createHookDeliveries<A>>;

/** Requests to hooks that were taken: none of them is taken twice, also not after a restart. Rows are added inside a `store.write`. */
export const createHookDeliveries = <A>(store: Store) => ({
  /** A delivery of this name, or with this signed content. */
  find: (hook: string, key: string, digest: string | null): HookDeliveryRow<A> | undefined =>
    decodeRow(
      store,
      store.get<SqlRow>(`SELECT ${COLUMNS} FROM hook_deliveries WHERE hook = ? AND key = ?`, hook, key) ??
        (digest === null
          ? undefined
          : store.get<SqlRow>(`SELECT ${COLUMNS} FROM hook_deliveries WHERE hook = ? AND digest = ?`, hook, digest)),
      keyOf,
      toRow<A>,
    ),

  /** False when it was taken before. */
  add: ({ hook, key, digest, at, peer, action, bytes, answer }: Omit<HookDeliveryRow<A>, "seq">): boolean =>
    store.run(
      "INSERT INTO hook_deliveries (hook, key, digest, at, peer, action, bytes, answer) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      hook,
      key,
      digest,
      at,
      peer,
      action,
      bytes,
      JSON.stringify(answer),
    ) > 0,

  /** The newest first. */
  recent: (limit: number, hook?: string): HookDeliveryRow<A>[] =>
    decodeRows(
      store,
      store.all<SqlRow>(
        `SELECT ${COLUMNS} FROM hook_deliveries ${hook === undefined ? "" : "WHERE hook = ?"} ORDER BY seq DESC LIMIT ?`,
        ...(hook === undefined ? [] : [hook]),
        limit,
      ),
      keyOf,
      toRow<A>,
    ),

  /** Removes at most `limit` rows from before. True: more are left. */
  prune: (before: number, limit: number): boolean =>
    store.run(
      "DELETE FROM hook_deliveries WHERE seq IN (SELECT seq FROM hook_deliveries WHERE at < ? ORDER BY at LIMIT ?)",
      before,
      limit,
    ) >= limit,
});
