import { readProxySettings } from "../core/proxy.ts";
import { okFinding, type DoctorFinding } from "./doctor-finding.ts";
import type { Invocation } from "./invocation.ts";

/** The proxies of this environment: which are used, and which cannot be. The gateway uses those of its own environment. */
export function checkProxies(env: Invocation["host"]["env"]): DoctorFinding[] {
  const { http, https, problems } = readProxySettings(env);
  const used = [https && `https through ${https.host}`, http && `http through ${http.host}`].filter(Boolean).join(", ");
  return [
    ...problems.map(({ name, message, fix }): DoctorFinding => ({
      check: "proxy",
      severity: name.toLowerCase() === "all_proxy" ? "warning" : "problem",
      title: `${name} ${message}`,
      why:
        name.toLowerCase() === "all_proxy"
          ? "only HTTP_PROXY and HTTPS_PROXY are used here."
          : "connections through it fail; they do not bypass it.",
      fix,
    })),
    ...(problems.length === 0 ? [okFinding("proxy", used === "" ? "no proxy is set" : `channels, models and tools connect: ${used}`)] : []),
  ];
}
