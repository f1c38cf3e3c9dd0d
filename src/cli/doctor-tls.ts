import { GatewayError } from "../core/errors.ts";
import { formatFingerprint } from "../core/tls-pin.ts";
import { toSentence } from "../core/text.ts";
import { okFinding, type DoctorFinding } from "./doctor-finding.ts";
import { configOf, pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";

/** The certificate of the gateway's own port, from its files. */
export async function checkTls(invocation: Invocation): Promise<DoctorFinding[]> {
  const { tls } = configOf(invocation).config.gateway;
  if (!tls.enabled) return [];
  const check = "tls-certificate";
  const [{ readTlsPair, tlsPaths }, { validityOf }] = await Promise.all([
    import("../remote/tls/pair.ts"),
    import("../remote/tls/expiry.ts"),
  ]);
  const paths = tlsPaths(tls, pathsOf(invocation).gateway);
  try {
    const pair = readTlsPair(paths);
    const { state, text } = validityOf(pair, invocation.host.now());
    if (state === "valid") return [okFinding(check, `the certificate ${formatFingerprint(pair.fingerprint)}: ${text}`)];
    return [
      {
        check,
        severity: state === "expires-soon" ? "warning" : "problem",
        title: `the certificate in ${paths.cert} needs replacing`,
        why: toSentence(text),
        fix: `put a new pair at ${paths.cert} and ${paths.key}; the gateway uses it at once. Clients that pin the old one need the new fingerprint.`,
      },
    ];
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    const isAbsent = tls.autoGenerate && /does not exist/.test(err.message);
    if (isAbsent) return [okFinding(check, "the gateway makes its certificate at the next start")];
    return [
      { check, severity: "problem", title: "TLS cannot be used", why: toSentence(err.message), fix: err.fix ?? `correct ${paths.cert}.` },
    ];
  }
}
