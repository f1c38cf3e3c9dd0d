import type { JsonObject } from "../core/json.ts";
import type { PeersContext } from "./context.ts";
import { unseal } from "./envelope.ts";

type Signer = Pick<PeersContext, "own" | "keysOf">;

/** The content of a packet of a link, with the keys that it is of and for: either side may have another one since. */
export function openPacket(
  { own, keysOf }: Signer,
  peer: string,
  packet: unknown,
): { content: JsonObject; from: string; to: string } | null {
  for (const { keyId: from, publicKey } of keysOf(peer))
    for (const to of own.acceptedOf(peer)) {
      const content = unseal(packet, { publicKey, from, to });
      if (content !== null) return { content, from, to };
    }
  return null;
}
