import { createHash } from "node:crypto";
import { instanceName, txtOf, type ServiceFacts } from "./service.ts";

/** What a zone of wide-area DNS-SD is made of. `host` is the first label of the machine. */
export type ZoneFacts = { domain: string; facts: ServiceFacts; ipv4: string; ipv6: string | null; isFull: boolean };

const CONTENT = "; content ";
const SERIAL = /^@ IN SOA \S+ \S+ (\d{10}) /m;

/** A label of a zone file; bytes that a file could take for something else are escaped. */
export const zoneLabel = (text: string): string =>
  [...Buffer.from(text)]
    .map((byte) => (/[A-Za-z0-9_-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : escaped(byte)))
    .join("");

const escaped = (byte: number): string => `\\${String(byte).padStart(3, "0")}`;

/** A string of a TXT record, in quotes. */
const zoneString = (text: string): string =>
  `"${[...Buffer.from(text)].map((byte) => (byte < 0x20 || byte > 0x7e || byte === 0x22 || byte === 0x5c ? escaped(byte) : String.fromCharCode(byte))).join("")}"`;

/** Not what only the local network can use, and the program and the port of SSH with mode full only. */
function zoneTxt(facts: ServiceFacts, isFull: boolean): string[] {
  const left = isFull ? ["lanHost"] : ["lanHost", "cliPath", "sshPort"];
  return txtOf(facts, "full").filter((pair) => !left.includes(pair.slice(0, pair.indexOf("="))));
}

/** The records, without the serial: what makes it move. */
function recordsOf({ facts, ipv4, ipv6, isFull }: ZoneFacts): string {
  const service = "_openclaw-gw._tcp";
  const instance = `${zoneLabel(instanceName(facts.displayName))}.${service}`;
  const host = zoneLabel(facts.hostLabel);
  return [
    "@ IN NS ns1",
    `ns1 IN A ${ipv4}`,
    `${host} IN A ${ipv4}`,
    ...(ipv6 === null ? [] : [`${host} IN AAAA ${ipv6}`]),
    `_services._dns-sd._udp IN PTR ${service}`,
    `${service} IN PTR ${instance}`,
    `${instance} IN SRV 0 0 ${facts.port} ${host}`,
    `${instance} IN TXT ${zoneTxt(facts, isFull).map(zoneString).join(" ")}`,
    "",
  ].join("\n");
}

/**
 * A zone file for a DNS server. `previous` is the file as it is: null when the new one would say the same. The serial is the day and a
 * number, and moves with every change, also when the clock went back. Pure.
 */
export function zoneFile(zone: ZoneFacts, previous: string | null, now: number): string | null {
  const records = recordsOf(zone);
  const content = createHash("sha256").update(`${zone.domain}\n${records}`).digest("hex");
  if (previous?.startsWith(CONTENT + content)) return null;
  const today = Number(new Date(now).toISOString().slice(0, 10).replaceAll("-", "")) * 100;
  const last = Number(SERIAL.exec(previous ?? "")?.[1] ?? 0);
  const serial = Math.max(today, last + 1);
  const soa = `@ IN SOA ns1 hostmaster ${serial} 7200 3600 1209600 60`;
  return `${CONTENT}${content}\n$ORIGIN ${zone.domain}.\n$TTL 60\n${soa}\n${records}`;
}
