/** Invented devices for the scripted gateway. */
import { qrImage } from "../../src/methods/qr-image.ts";

type Params = Record<string, unknown>;
type Row = Record<string, unknown> & { deviceId: string };

const token = (at: number, scopes: readonly string[], more: Params = {}): Params => ({
  role: "operator",
  scopes,
  createdAtMs: at,
  ...more,
});
const ALL = ["operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing"];
const DAY = 86_400_000;
const CODE = "eyJ1cmwiOiJ3czovL2dhdGV3YXkuZXhhbXBsZSIsImJvb3RzdHJhcFRva2VuIjoiN1E0TTJYS0QifQ";

const REQUEST = {
  requestId: "9d1f0c1a-0000-4000-8000-000000000001",
  deviceId: "c3".repeat(32),
  publicKey: "k",
  displayName: "Ann's tablet",
  platform: "iPadOS 19",
  clientId: "ios",
  clientMode: "app",
  remoteIp: "192.0.2.9",
  role: "operator",
  scopes: ["operator.read", "operator.write"],
};

export class ScriptedDevices {
  #rows: Row[] = [];
  #isWaiting = false;
  #now = 0;
  #tokens: Params[] = [];

  reset(): void {
    this.#rows = [];
    this.#isWaiting = false;
    this.#tokens = [];
  }

  fill(now: number): void {
    this.#now = now;
    this.#isWaiting = true;
    this.#rows = [
      {
        deviceId: "a1".repeat(32),
        publicKey: "k",
        displayName: "Ann's laptop",
        platform: "Linux x86_64",
        clientId: "webchat-ui",
        clientMode: "webchat",
        remoteIp: "127.0.0.1",
        roles: ["operator"],
        scopes: ALL,
        approvedVia: "link",
        createdAtMs: now - 9 * DAY,
        approvedAtMs: now - 9 * DAY,
        lastSeenAtMs: now,
        connected: true,
        tokens: [token(now - 9 * DAY, ALL, { lastUsedAtMs: now - 60_000 })],
      },
      {
        deviceId: "b2".repeat(32),
        publicKey: "k",
        displayName: "Phone",
        platform: "Android 17",
        clientId: "android",
        clientMode: "app",
        roles: ["operator"],
        scopes: ["operator.read", "operator.write"],
        approvedVia: "owner",
        createdAtMs: now - 40 * DAY,
        approvedAtMs: now - 40 * DAY,
        lastSeenAtMs: now - 3 * DAY,
        connected: false,
        tokens: [token(now - 40 * DAY, ["operator.read", "operator.write"], { lastUsedAtMs: now - 3 * DAY })],
      },
    ];
    this.#tokens = [
      {
        id: "t-0011aabb",
        name: "grafana",
        scopes: ["operator.read"],
        createdAt: now - 5 * DAY,
        createdBy: "cli",
        expiresAt: now + 85 * DAY,
        lastUsedAt: now - 120_000,
      },
    ];
  }

  /** Undefined for a method that is none of these. */
  answer(method: string, params: Params): unknown {
    const row = this.#rows.find(({ deviceId }) => deviceId === params["deviceId"]);
    if (method === "tokens.list") return { tokens: this.#tokens };
    if (method === "tokens.revoke") {
      this.#tokens = [];
      return { id: params["id"], revoked: true };
    }
    if (method === "device.pair.list")
      return { pending: this.#isWaiting ? [{ ...REQUEST, ts: this.#now - 30_000 }] : [], paired: this.#rows };
    if (method === "device.pair.setupCode") return this.#code(params["bootstrapProfile"] ?? "full");
    if (method === "device.pair.approve" || method === "device.pair.reject") {
      this.#isWaiting = false;
      if (method === "device.pair.reject") return { requestId: params["requestId"], deviceId: REQUEST.deviceId };
      const at = this.#now;
      this.#rows.push({
        ...REQUEST,
        roles: ["operator"],
        createdAtMs: at,
        approvedAtMs: at,
        connected: false,
        tokens: [token(at, REQUEST.scopes)],
      });
      return { requestId: params["requestId"], device: this.#rows.at(-1) };
    }
    if (method === "device.pair.remove") this.#rows = this.#rows.filter((each) => each !== row);
    else if (method === "device.pair.rename" && row) row["displayName"] = params["label"];
    else if (method === "device.token.revoke" && row)
      row["tokens"] = (row["tokens"] as Params[]).map((each) => ({ ...each, revokedAtMs: this.#now }));
    else if (method !== "device.token.rotate") return undefined;
    return { deviceId: params["deviceId"], role: params["role"], tokenDelivery: "withheld-cross-device" };
  }

  #code(access: unknown): Params {
    return {
      setupId: "s1",
      setupCode: CODE,
      qrDataUrl: qrImage(CODE),
      ...(access === "node" ? {} : { joinUrl: "https://gateway.example.org/#k=7Q4M-2XKD" }),
      gatewayUrl: "wss://gateway.example.org",
      auth: "token",
      urlSource: "gateway.publicOrigin",
      access,
      expiresAtMs: this.#now + 600_000,
    };
  }
}
