import { randomBytes } from "node:crypto";
import type { SessionKey } from "../core/ids.ts";
import type { Store } from "./open.ts";

export type NewButtons = {
  /** Where the buttons are shown; a click from anywhere else is ignored. See conversationOf. */
  conversation: string;
  sessionKey: SessionKey;
  /** The only person whose click counts; null for everyone who is answered there. */
  sender: string | null;
  /** The text that a click sends as if the person had written it; one per button. */
  values: readonly string[];
  ttlMs: number;
  now: number;
};

export type StoredButton = {
  token: string;
  conversation: string;
  sessionKey: SessionKey;
  sender: string | null;
  value: string;
  expiresAt: number;
  usedAt: number | null;
};

export type Buttons = ReturnType<typeof createButtons>;

/** Buttons under sent messages. The value of a click stays here; the platform only gets an unguessable token. */
export function createButtons(store: Store) {
  return {
    /** Stores one button for each value; its tokens in the same order ([A-Za-z0-9_-], 24 characters). Inside a `store.write`. */
    issue(buttons: NewButtons): string[] {
      return buttons.values.map((value) => {
        const token = randomBytes(18).toString("base64url");
        store.run(
          "INSERT INTO buttons (token, conversation, session_key, sender, value, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
          token,
          buttons.conversation,
          buttons.sessionKey,
          buttons.sender,
          value,
          buttons.now + buttons.ttlMs,
        );
        return token;
      });
    },

    get: (token: string): StoredButton | undefined =>
      store.get<StoredButton>(
        "SELECT token, conversation, session_key AS sessionKey, sender, value, expires_at AS expiresAt, used_at AS usedAt FROM buttons WHERE token = ?",
        token,
      ),

    /** False when it was used before. Runs inside the `store.write` that admits the click. */
    consume: (token: string, at: number): boolean =>
      store.run("UPDATE buttons SET used_at = ? WHERE token = ? AND used_at IS NULL", at, token) > 0,
  };
}
