import { enumOf, object } from "../../core/config-schema.ts";

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
  },
  { effect: "applied", unserved: ["wideArea"] },
);
