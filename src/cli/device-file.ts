import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomicSync, ensureDirectorySync } from "../core/files.ts";
import { Secret } from "../core/secret.ts";
import { createDevice, toDevice, type DeviceIdentity } from "../client/device.ts";

/** The key of this installation, and the tokens that gateways gave it, each for the gateway that issued it. */
export type SavedDevice = { readonly identity: DeviceIdentity; readonly tokens: ReadonlyMap<string, Secret> };

const deviceFilePath = (gatewayDir: string): string => join(gatewayDir, "cli-device.json");

/** Reads the key for gateways on other machines, or makes it. Mode 0600. Throws when the file is damaged: a key is not replaced silently. */
export function openDevice(gatewayDir: string): SavedDevice {
  const text = tryRead(deviceFilePath(gatewayDir));
  if (text === null) {
    const made = { identity: createDevice(), tokens: new Map<string, Secret>() };
    writeDeviceFile(gatewayDir, made);
    return made;
  }
  const { privateKey, tokens } = JSON.parse(text) as { privateKey: string; tokens: Record<string, string> };
  const secrets = Object.entries(tokens).map(([url, token]) => [url, new Secret(token)] as const);
  return { identity: toDevice(new Secret(privateKey)), tokens: new Map(secrets) };
}

/** Keeps the token that the gateway at `url` issued to this device. */
export function saveToken(gatewayDir: string, url: string, token: string): void {
  const { identity, tokens } = openDevice(gatewayDir);
  if (tokens.get(url)?.reveal() === token) return;
  writeDeviceFile(gatewayDir, { identity, tokens: new Map([...tokens, [url, new Secret(token)]]) });
}

function tryRead(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw err;
  }
}

function writeDeviceFile(gatewayDir: string, device: SavedDevice): void {
  ensureDirectorySync(gatewayDir);
  const tokens = Object.fromEntries([...device.tokens].map(([url, token]) => [url, token.reveal()]));
  const content = JSON.stringify({ privateKey: device.identity.privateKey.reveal(), tokens }, null, 2);
  writeFileAtomicSync(deviceFilePath(gatewayDir), `${content}\n`);
}
