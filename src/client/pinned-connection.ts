import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
import { formatFingerprint, parseFingerprint } from "../core/tls-pin.ts";
import { ClientError } from "./errors.ts";

type ConnectOptions = { host?: string | null | undefined; port?: number | string | null | undefined };
type Connected = (err: Error | null, socket: Duplex) => void;

/**
 * Connects over TLS and hands the socket on only after its certificate was found to be the pinned one: nothing of the request is sent to
 * another. Who issued the certificate, its names and its dates do not matter.
 */
export function connectPinned(pin: string): (options: ConnectOptions, connected: Connected) => undefined {
  return ({ host, port }, connected) => {
    const name = host ?? "localhost";
    const socket = connect({
      host: name,
      port: Number(port),
      ...(isIP(name) === 0 ? { servername: name } : {}),
      minVersion: "TLSv1.2",
      ALPNProtocols: ["http/1.1"],
      rejectUnauthorized: false,
    });
    const onError = (err: Error): void => connected(err, socket);
    socket.once("error", onError);
    socket.once("secureConnect", () => {
      socket.off("error", onError);
      const seen = fingerprintOf(socket);
      if (seen === pin) return connected(null, socket);
      socket.destroy();
      connected(pinMismatch(seen), socket);
    });
    return undefined;
  };
}

const fingerprintOf = (socket: TLSSocket): string | null => parseFingerprint(socket.getPeerCertificate().fingerprint256 ?? "");

const pinMismatch = (seen: string | null): ClientError =>
  new ClientError(
    "untrusted",
    seen === null
      ? "it showed no certificate"
      : `its certificate has the fingerprint ${formatFingerprint(seen)}, which is not the pinned one; nothing was sent`,
  );

/** Codes of Node and OpenSSL for a certificate that is not trusted, with what they mean. */
const CERTIFICATE_PROBLEMS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed, and no fingerprint is pinned for it",
  SELF_SIGNED_CERT_IN_CHAIN: "the authority of its certificate is not trusted here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the authority of its certificate is not trusted here, or its chain is incomplete",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the authority of its certificate is not trusted here",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet; a clock may be wrong",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
};

/** What is wrong with the certificate of the other side, if that is why a connection failed. */
export const certificateProblemOf = (err: NodeJS.ErrnoException): string | null => CERTIFICATE_PROBLEMS[err.code ?? ""] ?? null;
