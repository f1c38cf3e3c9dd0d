import { parseProxyUrl } from "../core/proxy.ts";
import type { AccountIssue } from "./channel.ts";

/** Whether a host name means this machine. */
export function isLoopbackHostname(hostname: string): boolean {
  return /^(127(\.\d+){3}|localhost|\[::1\])$/.test(hostname);
}

/**
 * Whether a credential may go to that address: encrypted, or on this machine; and without a name and password of its own, which would be
 * shown wherever the address is.
 */
export function isSafeUrl(address: string, secure: "https:" | "wss:", plain: "http:" | "ws:"): boolean {
  const url = URL.parse(address);
  if (!url || url.username !== "" || url.password !== "") return false;
  return url.protocol === secure || (url.protocol === plain && isLoopbackHostname(url.hostname));
}

/** The address of a configuration key, complete; the empty text and an issue when no credential may go there. */
export function parseHttpsUrl(value: string, path: string, issues: AccountIssue[]): string {
  if (isSafeUrl(value, "https:", "http:") && !value.includes("#")) return URL.parse(value)!.href;
  issues.push({
    path,
    message: "must be an address that begins with https://",
    fix: "Plain http:// is accepted only for this machine (127.0.0.1, localhost, ::1).",
  });
  return "";
}

/** The key `proxy` of an account: the address of an HTTP proxy; null without one. */
export function parseProxySetting(value: string | undefined, issues: AccountIssue[]): string | null {
  if (value === undefined || value === "") return null;
  const parsed = parseProxyUrl(value);
  if ("url" in parsed) return parsed.url.href;
  issues.push({ path: "proxy", ...parsed });
  return null;
}
