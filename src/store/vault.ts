import { LIMITS } from "../core/limits.ts";
import { GatewayError } from "../core/errors.ts";
import type { Store } from "./open.ts";

/**
 * Secrets that the platform of one account requires a client to keep. They are never listed, logged or sent to a client; a write has reached the
 * disk when its promise resolves.
 */
export function createVault(store: Store, channel: string, account: string) {
  return {
    read: async (key: string): Promise<Uint8Array | null> =>
      store.get<{ value: Uint8Array }>("SELECT value FROM vault WHERE channel = ? AND account = ? AND key = ?", channel, account, key)
        ?.value ?? null,

    async write(key: string, value: Uint8Array): Promise<void> {
      if (value.byteLength > LIMITS.vaultValueBytes)
        throw new GatewayError("TOO_LARGE", `${channel}/${account} tried to store ${value.byteLength} bytes under one key`);
      await store.write(() =>
        store.run(
          "INSERT INTO vault (channel, account, key, value) VALUES (?, ?, ?, ?) ON CONFLICT (channel, account, key) DO UPDATE SET value = excluded.value",
          channel,
          account,
          key,
          value,
        ),
      );
    },

    async clear(): Promise<void> {
      await store.write(() => store.run("DELETE FROM vault WHERE channel = ? AND account = ?", channel, account));
    },
  };
}
