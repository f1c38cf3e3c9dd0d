/** Why another gateway may not connect. */
export type PeerGateRefusal =
  /** The pairing code was used, has ended or is unknown. */
  | { kind: "code" }
  /** It means another key than the one of this gateway; `publicKey` is this gateway's. */
  | { kind: "other-key"; publicKey: string }
  /** Its key belongs to no link that is used. */
  | { kind: "unknown"; fingerprint: string };

/** Decides about other gateways that connect. `keyId`: the id of a key whose signature was verified. */
export type PeerGate = {
  admit(claim: {
    keyId: string;
    publicKey: string;
    token: string;
    address: string;
  }): Promise<{ name: string } | { refused: PeerGateRefusal }>;
  /** Whether a connection of this link with this key may go on. */
  isLinked(name: string, keyId: string): boolean;
};
