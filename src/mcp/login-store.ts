import { fieldsOf, tryParseJson, type JsonObject } from "../core/json.ts";

/** What one sign-in has: the client as it was registered, tokens, and where they are from. */
export type LoginPart = {
  /** `client_information`, `tokens` and `discovery` of the client library, as it gives them. */
  client?: JsonObject;
  tokens?: JsonObject;
  discovery?: JsonObject;
  verifier?: string;
  state?: string;
  redirectUrl?: string;
  /** When the access token expires, ms since the epoch; absent: not known. */
  expiresAt?: number;
};

/** The sign-in at one server. It counts only for the address that it was made for. */
export type Login = {
  url: string;
  active?: LoginPart;
  /** A sign-in that was begun and not completed. */
  pending?: LoginPart;
  /** Rights that the server has asked for in vain. */
  wantedScope?: string;
};

/** Keeps secrets; as `createVault`. */
export type SecretVault = {
  read(key: string): Promise<Uint8Array | null>;
  write(key: string, value: Uint8Array): Promise<void>;
  clear(): Promise<void>;
};

const KEY = "login";

/** The sign-in at one server, in a vault. */
export class LoginStore {
  readonly #vault: SecretVault;
  readonly #url: string;

  constructor(vault: SecretVault, url: string) {
    this.#vault = vault;
    this.#url = url;
  }

  /** Empty without a sign-in at this address. */
  async read(): Promise<Login> {
    const bytes = await this.#vault.read(KEY);
    const login = bytes === null ? {} : fieldsOf(tryParseJson(Buffer.from(bytes).toString("utf8")));
    return login["url"] === this.#url ? (login as Login) : { url: this.#url };
  }

  async write(login: Login): Promise<void> {
    await this.#vault.write(KEY, Buffer.from(JSON.stringify(login)));
  }

  clear(): Promise<void> {
    return this.#vault.clear();
  }
}
