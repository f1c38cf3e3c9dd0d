import type { Answer } from "dns-packet";
import { sleep } from "../../core/async.ts";
import type { Clock } from "../../core/clock.ts";
import { parseFingerprint } from "../../core/tls-pin.ts";
import { REMOTE_LIMITS } from "../limits.ts";
import { MDNS_PORT, MulticastGroup, networkLinks } from "./multicast.ts";
import { encodeQuery, isSameName, parsePacket } from "./packets.ts";
import { SERVICE_TYPE } from "./service.ts";

/** A gateway that was found. Nothing of it is authenticated. */
export type DiscoveredGateway = {
  instanceName: string;
  displayName: string | null;
  domain: string;
  /** From SRV and A/AAAA, never from TXT. */
  host: string | null;
  port: number | null;
  addresses: readonly string[];
  tlsFingerprint: string | null;
  usesTls: boolean;
  txt: Readonly<Record<string, string>>;
};

/** Searches the local network for `timeoutMs`. Rejects when no interface can be used. */
export async function browse({
  timeoutMs,
  clock,
  signal,
}: {
  timeoutMs: number;
  clock: Clock;
  signal: AbortSignal;
}): Promise<DiscoveredGateway[]> {
  const seen = new Map<string, Answer>();
  const errors: Error[] = [];
  const group = new MulticastGroup(
    MDNS_PORT,
    {
      onMessage: (bytes) => {
        const packet = parsePacket(bytes);
        if (packet?.type !== "response") return;
        for (const answer of [...(packet.answers ?? []), ...(packet.additionals ?? [])]) remember(seen, answer as Answer);
      },
      onError: (_link, err) => errors.push(err),
    },
    0,
  );
  try {
    await group.use(networkLinks());
    if (group.links.length === 0) throw errors[0] ?? new Error("a network interface was not found");
    const rounds = 3;
    for (let round = 0; round < rounds && !signal.aborted; round++) {
      group.send(() => encodeQuery([{ type: "PTR", name: SERVICE_TYPE }]));
      await sleep(clock, timeoutMs / (2 * rounds), signal);
      const missing = missingQuestions(seen);
      if (missing.length > 0) group.send(() => encodeQuery(missing));
      await sleep(clock, timeoutMs / (2 * rounds), signal);
    }
    return toBeacons(seen);
  } finally {
    await group.close();
  }
}

/** Keeps what belongs to the service; a goodbye removes it. */
function remember(seen: Map<string, Answer>, answer: Answer): void {
  if (!["PTR", "SRV", "TXT", "A", "AAAA"].includes(answer.type)) return;
  const data = answer.type === "PTR" || answer.type === "A" || answer.type === "AAAA" ? String(answer.data).toLowerCase() : "";
  const key = `${answer.type} ${answer.name.toLowerCase()} ${data}`;
  if ((answer as { ttl?: number }).ttl === 0) return void seen.delete(key);
  if (seen.size < REMOTE_LIMITS.discoveredGateways * 6 || seen.has(key)) seen.set(key, answer);
}

const instancesIn = (seen: ReadonlyMap<string, Answer>): string[] =>
  [...seen.values()].flatMap((answer) => (answer.type === "PTR" && isSameName(answer.name, SERVICE_TYPE) ? [answer.data] : []));

type Question = Parameters<typeof encodeQuery>[0][number];

function missingQuestions(seen: ReadonlyMap<string, Answer>): Question[] {
  return instancesIn(seen).flatMap((instance): Question[] => {
    const srv = [...seen.values()].find((each) => each.type === "SRV" && isSameName(each.name, instance));
    if (srv?.type !== "SRV")
      return [
        { type: "SRV", name: instance },
        { type: "TXT", name: instance },
      ];
    const isKnown = [...seen.values()].some(({ type, name }) => (type === "A" || type === "AAAA") && isSameName(name, srv.data.target));
    return isKnown ? [] : [{ type: "A", name: srv.data.target }];
  });
}

/** Pure. */
export function toBeacons(seen: ReadonlyMap<string, Answer>): DiscoveredGateway[] {
  const all = [...seen.values()];
  const suffix = `.${SERVICE_TYPE}`;
  const beacons = instancesIn(seen).map((instance): DiscoveredGateway => {
    const srv = all.find((each) => each.type === "SRV" && isSameName(each.name, instance));
    const text = all.find((each) => each.type === "TXT" && isSameName(each.name, instance));
    const txt = readTxt(text?.type === "TXT" ? text.data : []);
    const target = srv?.type === "SRV" ? srv.data : null;
    const hosts = all.flatMap((each) =>
      (each.type === "A" || each.type === "AAAA") && target !== null && isSameName(each.name, target.target) ? [each.data] : [],
    );
    const name = instance.toLowerCase().endsWith(suffix) ? instance.slice(0, -suffix.length) : instance;
    return {
      instanceName: name,
      displayName: txt["displayName"] ?? (name.replace(/ \(OpenClaw\)(?:-\d+)?$/, "") || null),
      domain: "local.",
      host: target?.target ?? null,
      port: target?.port ?? null,
      addresses: hosts.toSorted((a, b) => Number(a.includes(":")) - Number(b.includes(":"))),
      usesTls: txt["gatewayTls"] === "1",
      tlsFingerprint: parseFingerprint(txt["gatewayTlsSha256"] ?? ""),
      txt,
    };
  });
  return beacons.toSorted((a, b) => (a.instanceName < b.instanceName ? -1 : 1)).slice(0, REMOTE_LIMITS.discoveredGateways);
}

/** `key=value` strings; the first of a key counts (RFC 6763 6.4). */
function readTxt(data: unknown): Record<string, string> {
  const txt: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const each of Array.isArray(data) ? data : [data]) {
    const text = Buffer.isBuffer(each) ? each.toString("utf8") : typeof each === "string" ? each : "";
    const at = text.indexOf("=");
    const key = at === -1 ? text : text.slice(0, at);
    if (key !== "" && !(key in txt)) txt[key] = at === -1 ? "" : text.slice(at + 1);
  }
  return { ...txt };
}
