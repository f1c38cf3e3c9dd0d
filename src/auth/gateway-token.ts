import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { GatewayError } from "../core/errors.ts";
import { ensureDirectorySync, writeFileAtomicSync } from "../core/files.ts";
import { Secret } from "../core/secret.ts";
import { mint, TOKEN_PREFIXES } from "./credentials.ts";

/**
 * The token of a gateway for which none is configured: generated at the first start and kept in `path`, readable by its owner
 * only. Throws GatewayError when the file is there but holds no token.
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

/** The kept token, or null when there is none. */
export function readGatewayToken(path: string): Secret | null {
  if (!existsSync(path)) return null;
  const text = readFileSync(path, "utf8").trim();
  return text === "" ? null : new Secret(text);
}
