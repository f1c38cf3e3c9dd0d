import { isLoopbackHost } from "../core/peer-address.ts";
import { toSentence } from "../core/text.ts";
import type { ProtocolClient } from "../client/client.ts";
import { findingUnless, okFinding, type DoctorFinding } from "./doctor-finding.ts";
import type { LinksAnswer, LinkView } from "./peers.ts";
import { formatAge, plural, sanitizeLine } from "./terminal-text.ts";

/** A link that has been down for this long while something waits for it. */
const DOWN_MS = 600_000;

/** The links to other gateways; none when the gateway does not serve them. */
export async function checkLinks(client: ProtocolClient, now: number): Promise<DoctorFinding[]> {
  if (!client.serves("peers.list")) return [];
  const { links } = await client.request<LinksAnswer>("peers.list");
  return links.flatMap((link) => [linkFinding(link, now), ...encryptionFinding(link)]);
}

function linkFinding(link: LinkView, now: number): DoctorFinding {
  const name = sanitizeLine(link.name);
  const check = `link:${name}`;
  switch (link.state) {
    case "unpaired":
      return {
        check,
        severity: "warning",
        title: `the link ${name} is not paired`,
        why: "neither gateway trusts the other before both have the other's key.",
        fix: `openclaw peers pair ${name}`,
      };
    case "key-changed":
      return {
        check,
        severity: "problem",
        title: `the gateway behind the link ${name} shows another key`,
        why: "it was installed again, or another machine answers at its address; nothing is sent to it.",
        fix: `compare the fingerprint with the other gateway (openclaw peers status there), then openclaw peers approve ${name} ${link.shownFingerprint ?? "<fingerprint>"}`,
      };
    case "down": {
      const waits = link.queued + link.unanswered;
      const isLong = link.since !== null && now - link.since > DOWN_MS;
      return findingUnless(!(waits > 0 && isLong), check, `the link ${name} is down, and nothing waits for it`, {
        severity: "warning",
        title: `the link ${name} is down, and ${plural(waits, "message")} wait for it`,
        why: `${toSentence(sanitizeLine(link.cause ?? "the cause is not known"))} It went down ${formatAge(link.since ?? now, now)}.`,
        fix: `openclaw peers test ${name}`,
      });
    }
    default:
      return okFinding(check, `the link ${name} is ${link.state}`);
  }
}

/** Signatures protect what is sent from changes, not from readers. */
function encryptionFinding({ name, url, transport }: LinkView): DoctorFinding[] {
  if (url === null || !/^(?:ws|http):/.test(url) || isLoopbackHost(URL.parse(url)?.hostname ?? "")) return [];
  return [
    {
      check: `link-encryption:${sanitizeLine(name)}`,
      severity: "warning",
      title: `the link ${sanitizeLine(name)} is not encrypted`,
      why:
        transport === "a2a"
          ? "others on the way can read and change the messages, and take the token."
          : "others on the way can read the messages, though not change them.",
      fix: `switch on TLS there and use ${transport === "a2a" ? "https" : "wss"}:// in peers.${sanitizeLine(name)}.url, or connect over Tailscale or SSH.`,
    },
  ];
}
