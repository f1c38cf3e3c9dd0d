import { getAt, setAt, unsetAt } from "../config/edit.ts";
import { detailError, GatewayError } from "../core/errors.ts";
import { isObject } from "../core/json.ts";
import { PEER_NAME } from "../core/peer-address.ts";
import { parseFingerprint } from "../core/tls-pin.ts";
import type { Caller, MethodParams, MethodTable } from "../protocol/method.ts";
import type { PeerService } from "../peers/peer-service.ts";
import { editConfig, type ConfigDeps } from "./config-edit.ts";

export type PeersDeps = ConfigDeps & {
  /** Whether there is a link, or something that one has left. Without, nothing is loaded for a question. */
  isInUse: () => boolean;
  /** Loaded with the first link. */
  peers: () => Promise<PeerService>;
};

/** Characters of a request that carries a packet: the longest envelope, escaped. */
const PACKET_BYTES = 12_000_000;

/** peers.*: the links to other gateways. peer.*: what the gateway at the other end of a link may call, and nothing else. */
export function peersMethods(deps: PeersDeps) {
  const { peers } = deps;
  return {
    "peer.hello": { scope: "peer", run: async ({ nonce }, caller) => (await peers()).hello(nonce, keyOf(caller)) },
    "peer.push": {
      scope: "peer",
      maxBytes: PACKET_BYTES,
      run: async ({ packet }, caller) => (await peers()).receive(keyOf(caller), packet),
    },
    "peer.ack": {
      scope: "peer",
      maxBytes: PACKET_BYTES,
      run: async ({ id, packet }, caller) => (await peers()).acknowledge(caller.conn, id, packet),
    },
    "peers.list": {
      scope: "operator.read",
      run: async () => {
        if (!deps.isInUse()) return { fingerprint: null, links: [], unknownKeys: [] };
        const service = await peers();
        return { fingerprint: service.fingerprint, links: service.reports(), unknownKeys: service.unknownKeys() };
      },
    },
    "peers.test": { scope: "operator.write", run: async ({ name }) => (await peers()).test(name) },
    "peers.pair": {
      scope: "operator.admin",
      run: async ({ name, code }) => {
        const service = await peers();
        return code === undefined ? service.makeCode(name) : await service.pairWith(name, code);
      },
    },
    "peers.approve": { scope: "operator.admin", run: async ({ name, fingerprint }) => (await peers()).approve(name, fingerprint) },
    "peers.rotate": { scope: "operator.admin", run: async ({ name }) => (await peers()).rotate(name) },
    "peers.add": { scope: "operator.admin", run: (params) => addLink(deps, params) },
    "peers.remove": { scope: "operator.admin", run: ({ name }) => removeLink(deps, name) },
  } satisfies MethodTable;
}

/** A connection in the role `peer` has always shown a key. */
const keyOf = ({ device }: Caller): string => device ?? "";

/** Writes a link into the configuration; what is not named stays as it is there. */
async function addLink(deps: PeersDeps, params: MethodParams<"peers.add">): Promise<unknown> {
  const { name, url, tlsFingerprint, accept, send, transport, token, outboundToken } = params;
  if (!PEER_NAME.test(name))
    throw new GatewayError("INVALID_REQUEST", `${JSON.stringify(name)} cannot be the name of a link`, {
      fix: "Use lower-case letters, digits, - and _, at most 32.",
    });
  checkLink(params, (transport ?? getAt(deps.read().raw ?? "", ["peers", name, "transport"])) === "a2a");
  let isNew = false;
  const { needsRestart } = await editConfig(deps, (raw) => {
    isNew = !isObject(getAt(raw, ["peers", name]));
    let text = isNew ? setAt(raw, ["peers", name], {}) : raw;
    const put = (path: readonly string[], value: unknown): void => {
      if (value !== undefined) text = setAt(text, ["peers", name, ...path], value);
    };
    put(["transport"], transport);
    put(["url"], url);
    put(["token"], token);
    put(["outboundToken"], outboundToken);
    put(["tlsFingerprint"], tlsFingerprint);
    put(["accept", "agents"], accept);
    put(["send", "agents"], send);
    return text;
  });
  return { ok: true, name, isNew, needsRestart };
}

const invalid = (message: string, fix: string): GatewayError => new GatewayError("INVALID_REQUEST", message, { fix });

/** A credential is a reference: what a file, a log or a history of commands could show names only where it is. */
const REFERENCE = /^\$\{[A-Za-z_][A-Za-z0-9_]{0,127}\}$/;

function checkLink({ url, token, outboundToken, tlsFingerprint }: MethodParams<"peers.add">, isA2a: boolean): void {
  if (url !== undefined && !isA2a && !/^wss?:\/\/\S+$/.test(url))
    throw invalid("url: not a WebSocket address", "Write it as ws://host:port or wss://host:port; for an agent that speaks A2A add --a2a.");
  if (url !== undefined && isA2a && !/^https?:\/\/\S+$/.test(url))
    throw invalid("url: not the address of an A2A endpoint", "Write it as https://host/a2a/v1.");
  for (const [field, value] of Object.entries({ token, outboundToken })) {
    if (value === undefined) continue;
    if (!isA2a)
      throw invalid(`${field}: only a link with transport a2a has tokens`, "Links between gateways have keys: openclaw peers pair.");
    if (!REFERENCE.test(value))
      throw invalid(`${field}: not a reference to a variable`, "Write it as ${NAME}, and set the variable for the gateway.");
  }
  if (tlsFingerprint !== undefined && parseFingerprint(tlsFingerprint) === null)
    throw invalid("tlsFingerprint: not a SHA-256 fingerprint", "Take the one that openclaw gateway status shows there.");
}

/** Revokes the key first: the connection ends even if the file cannot be written. */
async function removeLink(deps: PeersDeps, name: string): Promise<unknown> {
  const service = await deps.peers();
  const isConfigured = isObject(getAt(deps.read().raw ?? "", ["peers", name]));
  const revoked = await service.revoke(name);
  if (!isConfigured && !revoked.wasPaired) throw detailError("PEER_NOT_LINKED", `the link ${JSON.stringify(name)} does not exist`);
  if (isConfigured) await editConfig(deps, (raw) => unsetAt(raw, ["peers", name]));
  return { ok: true, name, ...revoked };
}
