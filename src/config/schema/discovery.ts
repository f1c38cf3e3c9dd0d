import { enumOf, object, string } from "../../core/config-schema.ts";

/** How the gateway is found. */
export const discovery = object(
  "How clients find the gateway on the local network.",
  {
    mdns: object("Multicast DNS (Bonjour, Avahi): the service `_openclaw-gw._tcp`.", {
      mode: enumOf(
        "`minimal` announces name, port and certificate; `full` also the tailnet name, the path of the program and the port of SSH.",
        ["off", "minimal", "full"],
        { default: "off", onInvalid: "off" },
      ),
    }),
    wideArea: object("Unicast DNS-SD: a zone file for a DNS server of your tailnet.", {
      domain: string(
        "Domain of the zone, e.g. `openclaw.internal`. The file is `dns/<domain>.db` in the state directory; without a domain there is none.",
        {
          pattern: {
            regex: "(?!.*\\.local\\.?$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?){1,7}\\.?",
            description: "a domain in lower-case letters, digits and dashes, not in .local",
          },
          maxChars: 200,
        },
      ),
    }),
  },
  { effect: "applied" },
);
