import { createHmac, randomBytes } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { createKeyValueStore, type KeyValueStore } from "../store/key-value.ts";
import type { Store } from "../store/open.ts";
import { sharedSecret } from "./basis.ts";
import type { AuthSettings } from "./credentials.ts";
import type { Devices } from "./devices.ts";

/** Key of the row with the fingerprint of the last shared secret. */
const KEY = "auth.sharedSecret";

type SecretFingerprint = { salt: string; mac: string };

/**
 * Detects a changed shared secret, also if it was replaced while the gateway was stopped. Devices that the
 * old one paired without approval lose access: a leaked secret must not remain usable through a device.
 */
export class SharedSecretWatch {
  readonly #options: { store: Store; clock: Clock; log: Log; devices: Devices };
  readonly #keyValue: KeyValueStore;

  constructor(options: { store: Store; clock: Clock; log: Log; devices: Devices }) {
    this.#options = options;
    this.#keyValue = createKeyValueStore(options.store);
  }

  /** Settings without a shared secret change nothing: the next secret is compared with the last known one. */
  check(settings: AuthSettings): void {
    const secret = sharedSecret(settings);
    if (!secret) return;
    const kept = this.#storedFingerprint();
    if (kept && macOf(secret.reveal(), kept.salt) === kept.mac) return;
    const salt = randomBytes(16).toString("base64url");
    const mark: SecretFingerprint = { salt, mac: macOf(secret.reveal(), salt) };
    const { store, clock, log, devices } = this.#options;
    const keep = (): void => this.#keyValue.set(KEY, mark, clock.now());
    const failed = (err: unknown): void =>
      log.error("the change of the shared secret was not stored; devices that it paired are refused until a restart", {
        cause: reasonOf(err),
      });
    if (!kept) return void store.write(keep).catch(failed);
    devices.revokeSilentGrants(keep).then((count) => {
      if (count > 0) log.warn("the shared secret was replaced: devices that it had paired without approval must sign in again", { count });
    }, failed);
  }

  #storedFingerprint(): SecretFingerprint | null {
    const value = this.#keyValue.get(KEY) as Partial<SecretFingerprint> | null;
    return typeof value?.salt === "string" && typeof value.mac === "string" ? (value as SecretFingerprint) : null;
  }
}

const macOf = (secret: string, salt: string): string => createHmac("sha256", salt).update(secret).digest("base64url");
