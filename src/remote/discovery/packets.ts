import { decode, encode, type Answer, type Packet, type RecordType, type StringAnswer } from "dns-packet";
import { isIP } from "node:net";
import { SERVICE_TYPE } from "./service.ts";

// Multicast DNS (RFC 6762) with the types of DNS-SD (RFC 6763) that a gateway needs.

export type { Answer } from "dns-packet";

/** What is announced: names are complete. */
export type ServiceRecords = { instance: string; host: string; port: number; txt: readonly string[] };

const HOST_TTL_S = 120;
const SERVICE_TTL_S = 4_500;
const META_QUERY = "_services._dns-sd._udp.local";
/** The library knows it, its types do not. */
const ANY = "ANY" as unknown as RecordType;

export function parsePacket(bytes: Buffer): Packet | null {
  try {
    return decode(bytes);
  } catch {
    return null; // anyone in the network can send anything
  }
}

/** Labels and their case do not matter to DNS. */
export const isSameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** All records for one interface. `ttl` 0 takes them back. Host addresses may come from other responders of this machine as well. */
export function recordsOf({ instance, host, port, txt }: ServiceRecords, addresses: readonly string[], ttl?: number): Answer[] {
  const serviceTtl = ttl ?? SERVICE_TTL_S;
  const hostTtl = ttl ?? HOST_TTL_S;
  // A link-local IPv6 address is of no use without the name of the interface.
  const own = addresses.filter((address) => !/^fe80:/i.test(address));
  return [
    { type: "PTR", name: SERVICE_TYPE, ttl: serviceTtl, data: instance },
    { type: "SRV", name: instance, ttl: hostTtl, flush: true, data: { priority: 0, weight: 0, port, target: host } },
    { type: "TXT", name: instance, ttl: serviceTtl, flush: true, data: [...txt] },
    ...own.map((address): StringAnswer => ({ type: isIP(address) === 4 ? "A" : "AAAA", name: host, ttl: hostTtl, data: address })),
    { type: "PTR", name: META_QUERY, ttl: serviceTtl, data: SERVICE_TYPE },
  ];
}

export const encodeAnnouncement = (answers: Answer[]): Buffer => encode({ type: "response", id: 0, flags: 0x0400, answers });

/** Asks whether someone has the names already, and says what they would be here. */
export function encodeProbe(records: ServiceRecords): Buffer {
  const { instance, host, port, txt } = records;
  const [, srv] = recordsOf({ instance, host, port, txt }, []);
  return encode({
    type: "query",
    id: 0,
    questions: [
      { type: ANY, name: instance },
      { type: ANY, name: host },
    ],
    authorities: [{ ...srv!, flush: false } as Answer],
  });
}

export const encodeQuery = (questions: readonly { type: "PTR" | "SRV" | "TXT" | "A" | "AAAA"; name: string }[]): Buffer =>
  encode({ type: "query", id: 0, questions: questions.map((each) => ({ ...each })) });

/** Which records a query asks for, less those that the asker knows. Null: none. Pure. */
export function answersTo(query: Packet, records: readonly Answer[]): Answer[] | null {
  const asked = query.questions ?? [];
  const known = query.answers ?? [];
  const wanted = records.filter(
    (record) =>
      asked.some(({ name, type }) => isSameName(name, record.name) && (type === ANY || type === record.type)) &&
      !known.some((each) => isKnown(each, record)),
  );
  if (wanted.length === 0) return null;
  // A client that asks for the service asks for the rest next.
  const isBrowse = wanted.some(({ type, name }) => type === "PTR" && isSameName(name, SERVICE_TYPE));
  return isBrowse ? records.filter(({ name }) => !isSameName(name, META_QUERY)) : wanted;
}

/** A known answer counts while half of its time is left (RFC 6762 7.1). */
const isKnown = (known: Answer, record: Answer): boolean =>
  known.type === "PTR" &&
  record.type === "PTR" &&
  isSameName(known.name, record.name) &&
  isSameName(String(known.data), String(record.data)) &&
  (known.ttl ?? 0) * 2 >= (record.ttl ?? 0);

/** An answer to a client without a responder: with its question and id, and short times (RFC 6762 6.7). */
export function encodeLegacyAnswer(query: Packet, answers: readonly Answer[]): Buffer {
  const short = answers.map((answer) => ({ ...answer, ttl: Math.min(10, (answer as { ttl?: number }).ttl ?? 10), flush: false }) as Answer);
  return encode({ type: "response", id: query.id ?? 0, flags: 0x0400, questions: query.questions ?? [], answers: short });
}

/** Which of our unique names an answer of another responder claims for itself. Pure. */
export function conflictsIn(
  packet: Packet,
  records: ServiceRecords,
  ownAddresses: ReadonlySet<string>,
): { instance: boolean; host: boolean } {
  const answers = [...(packet.answers ?? []), ...(packet.additionals ?? [])].filter(({ type }) => type !== "OPT") as Answer[];
  const isOther = (answer: Answer): boolean => {
    if (answer.type !== "SRV" || !isSameName(answer.name, records.instance) || answer.ttl === 0) return false;
    return answer.data.port !== records.port || !isSameName(answer.data.target, records.host);
  };
  return {
    instance: answers.some(isOther),
    host: answers.some(
      (answer) => answer.type === "A" && isSameName(answer.name, records.host) && answer.ttl !== 0 && !ownAddresses.has(answer.data),
    ),
  };
}
