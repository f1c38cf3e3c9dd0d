import { isIP } from "node:net";
import type { OriginPolicy } from "./deps.ts";

/** `host` of a Host header or origin, split; null when it is not one. Names in lower case, IPv6 without brackets. */
export function parseHost(value: string): { name: string; port: string } | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(value);
  if (!match) return null;
  const name = (match[1] ?? match[2]!).toLowerCase();
  if (match[1] !== undefined && isIP(name) !== 6) return null;
  return { name, port: match[3] ?? "" };
}

const hostOf = (origin: string): string | null => {
  try {
    return new URL(origin).host.toLowerCase();
  } catch {
    return null;
  }
};

const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "::1"]);

/**
 * A name is ours when it cannot be pointed at us by someone else's DNS: loopback names, the address that the socket really
 * has, and what the configuration names.
 */
export function isHostAllowed(host: string | undefined, localAddress: string | undefined, surface: OriginPolicy): boolean {
  const parsed = host === undefined ? null : parseHost(host);
  if (!parsed) return false;
  const { name } = parsed;
  if (LOOPBACK.has(name)) return true;
  const local = localAddress?.startsWith("::ffff:") ? localAddress.slice(7) : localAddress?.split("%")[0];
  if (isIP(name) !== 0 && name === local) return true;
  if (surface.hostNames.some((known) => known.toLowerCase() === name)) return true;
  const origins = surface.publicOrigin === null ? surface.allowedOrigins : [...surface.allowedOrigins, surface.publicOrigin];
  return origins.some((origin) => {
    const known = hostOf(origin);
    return known !== null && parseHost(known)?.name === name;
  });
}

/**
 * A page may talk to us when it is our own (the same host and port as the Host header, which was checked before) or when the
 * configuration lists its exact origin.
 */
export function isOriginAllowed(origin: string, host: string, surface: OriginPolicy): boolean {
  if (!/^https?:\/\//.test(origin)) return false;
  const own = hostOf(origin);
  if (own === null || new URL(origin).origin !== origin.toLowerCase()) return false;
  const listed = surface.publicOrigin === null ? surface.allowedOrigins : [...surface.allowedOrigins, surface.publicOrigin];
  if (listed.some((each) => normalizeOrigin(each) === origin.toLowerCase())) return true;
  return own === host.toLowerCase();
}

function normalizeOrigin(origin: string): string | null {
  try {
    return new URL(origin).origin.toLowerCase();
  } catch {
    return null;
  }
}
