import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { GatewayError } from "../core/errors.ts";
import { ensureDirectorySync, writeFileAtomicSync } from "../core/files.ts";
import { Secret } from "../core/secret.ts";
import { mint, TOKEN_PREFIXES } from "./credentials.ts";

/**
 * The token of a gateway without a configured one: generated at the first start and stored in `path`, readable by its owner
 * only. Throws GatewayError if the file exists without a token.
 */
export function ensureGatewayToken(path: string): Secret {
  if (existsSync(path)) {
    const kept = readGatewayToken(path);
    if (kept) return kept;
    throw new GatewayError("UNAVAILABLE", `the token file ${path} is empty`, {
      fix: `Remove ${path}; the gateway generates another token at its next start.`,
    });
  }
  const token = mint(TOKEN_PREFIXES.gatewayToken, 256);
  ensureDirectorySync(dirname(path));
  writeFileAtomicSync(path, `${token.reveal()}\n`);
  return token;
}

/** The stored token, or null. */
export function readGatewayToken(path: string): Secret | null {
  if (!existsSync(path)) return null;
  const text = readFileSync(path, "utf8").trim();
  return text === "" ? null : new Secret(text);
}
