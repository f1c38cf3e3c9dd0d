/** Which credential is shown to the gateway, and where it is kept while it is needed. */
import type { PageCredentialKind } from "./connect-failure.ts";
import type { KeyVault } from "./device-identity.ts";

export type PageCredential = { kind: PageCredentialKind; value: string };

const TYPED_SECRET_KEY = "gateway.token";

/** The code of a one-time link (`#k=…`), taken out of the address bar at once; null when there is none. */
export function takeLinkCode(location: Location, history: History): string | null {
  const code = /^#k=([A-Za-z0-9_.~-]{4,512})$/.exec(location.hash)?.[1] ?? null;
  if (location.hash.startsWith("#k=")) history.replaceState(null, "", location.pathname + location.search);
  return code;
}

/** The session key in an address (`#s=…`); null when there is none, or when it is not valid percent-encoding. */
export function sessionKeyFromHash(hash: string): string | null {
  const key = /^#s=(.+)$/.exec(hash)?.[1];
  if (key === undefined) return null;
  try {
    return decodeURIComponent(key);
  } catch (error) {
    console.info("The address names no valid session.", error);
    return null;
  }
}

export class CredentialStore {
  #link: string | null = null;
  #typed: string | null;
  #device: string | null = null;
  readonly #vault: KeyVault;
  readonly #session: Storage | null;

  constructor(vault: KeyVault, session: Storage | null) {
    this.#vault = vault;
    this.#session = session;
    this.#typed = session?.getItem(TYPED_SECRET_KEY) ?? null;
  }

  /** Reads what an earlier visit was given. */
  async load(): Promise<void> {
    const stored = await this.#vault.get("deviceToken");
    this.#device = typeof stored === "string" ? stored : null;
  }

  setLinkCode(code: string): void {
    this.#link = code;
  }

  /** A typed token lives in this tab only, and only until the gateway has given this browser a token of its own. */
  setTypedSecret(token: string): void {
    this.#typed = token;
    this.#device = null;
    this.#session?.setItem(TYPED_SECRET_KEY, token);
  }

  /** The strongest claim first: a fresh link, then what was typed, then what this browser was given. */
  current(): PageCredential {
    if (this.#link !== null) return { kind: "link", value: this.#link };
    if (this.#typed !== null) return { kind: "token", value: this.#typed };
    if (this.#device !== null) return { kind: "device", value: this.#device };
    return { kind: "none", value: "" };
  }

  /** After a successful connect. */
  async onAccepted(deviceToken: string | undefined): Promise<void> {
    if (deviceToken === undefined) return;
    this.#device = deviceToken;
    await this.#vault.put("deviceToken", deviceToken);
    this.#link = null;
    this.#dropTyped();
  }

  /** After a refusal that names the credential. Returns true when there is another one worth trying. */
  async onRefused(kind: PageCredentialKind, clearDevice: boolean): Promise<boolean> {
    if (kind === "link") this.#link = null;
    if (kind === "token") this.#dropTyped();
    if (kind === "device" && clearDevice) {
      this.#device = null;
      await this.#vault.remove("deviceToken");
    }
    return kind !== "none" && this.current().kind !== "none";
  }

  async signOut(): Promise<void> {
    this.#link = null;
    this.#device = null;
    this.#dropTyped();
    await this.#vault.remove("deviceToken");
  }

  #dropTyped(): void {
    this.#typed = null;
    this.#session?.removeItem(TYPED_SECRET_KEY);
  }
}
