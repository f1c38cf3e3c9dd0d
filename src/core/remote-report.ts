/** How other machines reach the gateway, as `status` says it. */
export type RemoteReport = {
  /** Address for another device. */
  address: string;
  /** Addresses at which it listens for other machines; none on loopback. */
  urls: readonly string[];
  tls: { fingerprint: string; expiresAt: number } | null;
  tailscale: { mode: "off" | "serve" | "funnel"; url: string | null };
  mdns: "off" | "minimal" | "full";
  /** Domain of the zone for the tailnet; null: none is written. */
  zone: string | null;
};
