/** This browser's identity: an Ed25519 key that cannot be exported, and the device token that a gateway gave it. */

import type { DeviceSigner } from "../../src/client/protocol-client.ts";

const DATABASE = "openclaw-gateway";
const STORE = "identity";

/** Remembers values under names that belong to one gateway (origin by the browser, base path by `scope`). */
export type KeyVault = {
  get: (name: string) => Promise<unknown>;
  put: (name: string, value: unknown) => Promise<void>;
  remove: (name: string) => Promise<void>;
};

/** Opens the vault; where the browser has no lasting storage, it lasts as long as the page. */
export async function openKeyVault(scope: string): Promise<KeyVault> {
  const database = await openDatabase();
  if (database === null) {
    const memory = new Map<string, unknown>();
    return {
      get: async (name) => memory.get(name),
      put: async (name, value) => void memory.set(name, value),
      remove: async (name) => void memory.delete(name),
    };
  }
  const run = <T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = act(transaction.objectStore(STORE));
      transaction.addEventListener("complete", () => resolve(request.result));
      transaction.addEventListener("abort", () => reject(transaction.error ?? new Error("The browser's storage refused.")));
    });
  const at = (name: string): string => `${scope}|${name}`;
  return {
    get: (name) => run("readonly", (store) => store.get(at(name)) as IDBRequest<unknown>),
    put: async (name, value) => void (await run("readwrite", (store) => store.put(value, at(name)))),
    remove: async (name) => void (await run("readwrite", (store) => store.delete(at(name)))),
  };
}

function openDatabase(): Promise<IDBDatabase | null> {
  return new Promise((resolve) => {
    const refuse = (cause: unknown): void => {
      console.warn("This browser keeps nothing for this page; you will have to sign in again next time.", cause);
      resolve(null);
    };
    try {
      const request = indexedDB.open(DATABASE, 1);
      request.addEventListener("upgradeneeded", () => void request.result.createObjectStore(STORE));
      request.addEventListener("success", () => resolve(request.result));
      request.addEventListener("error", () => refuse(request.error));
      request.addEventListener("blocked", () => refuse("blocked"));
    } catch (error) {
      refuse(error);
    }
  });
}

/** The identity of this browser, made on first use; null where the browser cannot keep such a key (no https, or too old). */
export async function loadIdentity(vault: KeyVault): Promise<DeviceSigner | null> {
  if (!globalThis.isSecureContext || globalThis.crypto?.subtle === undefined) return null;
  const known = await vault.get("keys");
  const keys = isKeyPair(known) ? known : await createKeys();
  if (keys === null) return null;
  if (keys !== known) await vault.put("keys", keys);
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", keys.publicKey));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", raw));
  return {
    id: [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
    publicKey: toBase64Url(raw),
    sign: async (text) => toBase64Url(new Uint8Array(await crypto.subtle.sign("Ed25519", keys.privateKey, new TextEncoder().encode(text)))),
  };
}

async function createKeys(): Promise<CryptoKeyPair | null> {
  try {
    return (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
  } catch (error) {
    console.warn("This browser has no Ed25519 keys; signing in without a device identity.", error);
    return null;
  }
}

const isKeyPair = (value: unknown): value is CryptoKeyPair =>
  typeof value === "object" && value !== null && (value as CryptoKeyPair).privateKey instanceof CryptoKey;

export function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}
