import { randomBytes } from "node:crypto";
import { createServer, request as openRequest, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, isIP, type AddressInfo, type Socket } from "node:net";
import { pipeline, type Duplex } from "node:stream";
import { contain } from "../core/contain.ts";
import { secureEquals } from "../core/secure-compare.ts";
import { RefusedError } from "./egress-rules.ts";
import { TOOL_LIMITS } from "./limits.ts";
import { openThrough, routeTo, type ProxyRoutes } from "./upstream-proxy.ts";

/** A page that only the proxy has: by it, a browser gets the credential, and shows that it uses the proxy. */
const OWN_ORIGIN = "http://egress.invalid";
/** Headers that are for this connection only. */
const HOP_HEADERS = new Set(
  "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade".split(" "),
);

export type EgressTarget = { host: string; port: number };

/** What may be reached, and how this machine is left. */
export type EgressRules = {
  /** The addresses of a host to which a connection may be made. Rejects with RefusedError for one that may not be reached. */
  addressesOf: (target: EgressTarget) => Promise<readonly string[]>;
  /** The proxies of the gateway's environment. */
  proxies: ProxyRoutes;
};

export type EgressProxyOptions = {
  /** Its name in the credential, and in what it answers. */
  user: string;
  /** Called for each connection that a program asked for. `refusal`: why it may not reach the host. */
  onConnection?: (outcome: "opened" | "refused" | "failed", target: EgressTarget, refusal?: RefusedError) => void;
};

/**
 * The only way of programs to the network that have no other: browsers, which are started with it as their proxy and resolve no names
 * themselves, and commands in the sandbox. Each name is resolved here, all its addresses must be allowed, and the connection uses these
 * addresses. Other programs cannot use the proxy: it asks for a random password.
 */
export class EgressProxy {
  readonly credential: { readonly username: string; readonly password: string };
  readonly #server: Server;
  readonly #onConnection: NonNullable<EgressProxyOptions["onConnection"]>;
  readonly #tunnels = new Set<Duplex>();
  readonly #refusals = new Map<string, RefusedError>();
  #rules: EgressRules = NOTHING;

  constructor({ user, onConnection = () => {} }: EgressProxyOptions) {
    this.credential = { username: user, password: randomBytes(24).toString("base64url") };
    this.#onConnection = onConnection;
    this.#server = createServer((request, response) =>
      contain(
        () => response.destroy(),
        () => this.#forward(request, response),
      )(),
    );
    this.#server.maxConnections = TOOL_LIMITS.egressConnections;
    this.#server.on("connect", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      contain(
        () => socket.destroy(),
        () => this.#tunnel(request, socket, head),
      )(),
    );
    this.#server.on("clientError", (_err, socket) => socket.destroy());
  }

  /** The page that shows whether the proxy is used. */
  get ownUrl(): string {
    return `${OWN_ORIGIN}/`;
  }

  /** Resolves to the port. */
  async listen(): Promise<number> {
    await this.#listen({ host: "127.0.0.1", port: 0 });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Listens on a Unix socket. */
  async listenAt(path: string): Promise<void> {
    await this.#listen({ path });
  }

  async #listen(where: { host: string; port: number } | { path: string }): Promise<void> {
    await new Promise<void>((resolve, reject) => this.#server.once("error", reject).listen(where, resolve));
    this.#server.unref();
  }

  /** What connections from now on may reach; those that may no longer be are not cut. */
  configure(rules: EgressRules): void {
    this.#rules = rules;
  }

  /** Why a host was refused last, once; null when it was not. */
  takeRefusal(host: string): RefusedError | null {
    const reason = this.#refusals.get(host) ?? null;
    this.#refusals.delete(host);
    return reason;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    for (const socket of this.#tunnels) socket.destroy();
  }

  get #challenge(): string {
    return `Proxy-Authenticate: Basic realm="${this.credential.username}"\r\nConnection: close`;
  }

  #isAuthorized({ headers }: IncomingMessage): boolean {
    const { username, password } = this.credential;
    const expected = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
    return secureEquals(headers["proxy-authorization"] ?? "", expected);
  }

  /** A connection to a checked address of a host, through the proxy of the gateway's environment if there is one. */
  async #open(scheme: "http" | "https", target: EgressTarget): Promise<Socket> {
    const { host, port } = target;
    try {
      const proxy = routeTo(scheme, target, this.#rules.proxies);
      const addresses = await this.#addressesOf(target, proxy);
      const socket = await (proxy === null ? openSocket(addresses, port) : openThrough(proxy, addresses, port));
      this.#onConnection("opened", target);
      return socket;
    } catch (err) {
      if (!(err instanceof RefusedError)) this.#onConnection("failed", target);
      else {
        this.#noteRefusal(host, err);
        this.#onConnection("refused", target, err);
      }
      throw err;
    }
  }

  async #addressesOf(target: EgressTarget, proxy: URL | null): Promise<readonly string[]> {
    try {
      return await this.#rules.addressesOf(target);
    } catch (err) {
      if (err instanceof RefusedError || proxy === null) throw err;
      throw new RefusedError(
        "this machine cannot resolve its name",
        "Names are checked here also behind a proxy: the machine needs a name server.",
      );
    }
  }

  #noteRefusal(host: string, refusal: RefusedError): void {
    this.#refusals.delete(host);
    this.#refusals.set(host, refusal);
    if (this.#refusals.size > TOOL_LIMITS.egressRefusals) this.#refusals.delete(this.#refusals.keys().next().value!);
  }

  /** TLS and WebSockets: bytes both ways, as fast as the slower side reads. */
  async #tunnel(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    client.on("error", () => client.destroy());
    if (!this.#isAuthorized(request)) return void client.end(`HTTP/1.1 407 Proxy Authentication Required\r\n${this.#challenge}\r\n\r\n`);
    const target = parseAuthority(request.url ?? "");
    if (target === null) return void client.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    try {
      const site = await this.#open("https", target);
      for (const socket of [client, site]) {
        this.#tunnels.add(socket);
        socket.once("close", () => this.#tunnels.delete(socket));
      }
      (client as Socket).setTimeout(TOOL_LIMITS.egressSilentMs, () => client.destroy());
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      site.write(head);
      // The end of either side ends the other.
      pipeline(client, site, () => site.destroy());
      pipeline(site, client, () => client.destroy());
    } catch (err) {
      client.end(`HTTP/1.1 ${err instanceof RefusedError ? "403 Forbidden" : "502 Bad Gateway"}\r\nConnection: close\r\n\r\n`);
    }
  }

  /** Plain HTTP. */
  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#isAuthorized(request)) {
      response.writeHead(407, { "proxy-authenticate": `Basic realm="${this.credential.username}"` }).end();
      return;
    }
    const url = URL.parse(request.url ?? "");
    if (url === null || url.protocol !== "http:") return void response.writeHead(400).end();
    if (url.origin === OWN_ORIGIN) return void response.writeHead(url.pathname === "/" ? 200 : 404, { "content-type": "text/html" }).end();
    try {
      const target = { host: hostOf(url), port: Number(url.port || 80) };
      const site = await this.#open("http", target);
      if (response.destroyed) return void site.destroy();
      await this.#answer({ request, response, url, site });
    } catch (err) {
      if (response.headersSent) return void response.destroy();
      const reason = err instanceof RefusedError ? err.message : "it cannot be reached";
      // With its own words: those of the site may be what could not be written.
      const [status, words] = err instanceof RefusedError ? ([403, "Forbidden"] as const) : ([502, "Bad Gateway"] as const);
      response.writeHead(status, words, { "content-type": "text/plain" }).end(`${hostOf(url)} was not opened: ${reason}.`);
    }
  }

  #answer({ request, response, url, site }: Forwarding): Promise<void> {
    return new Promise((resolve, reject) => {
      const outgoing = openRequest({
        method: request.method,
        path: url.pathname + url.search,
        headers: { ...endToEnd(request.headers), host: url.host },
        createConnection: () => site,
        timeout: TOOL_LIMITS.egressSilentMs,
      });
      outgoing.on("timeout", () => outgoing.destroy());
      outgoing.on("error", reject);
      outgoing.on(
        "response",
        // What Node reads of a site, such as the status 099, it does not always write.
        contain(
          (err) => {
            outgoing.destroy();
            reject(err);
          },
          (answer: IncomingMessage) => {
            response.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer.headers));
            pipeline(answer, response, () => resolve());
          },
        ),
      );
      response.once("close", () => outgoing.destroy());
      pipeline(request, outgoing, (err) => void (err && reject(err)));
    });
  }
}

type Forwarding = { request: IncomingMessage; response: ServerResponse; url: URL; site: Socket };

/** Before it is configured. */
const NOTHING: EgressRules = {
  addressesOf: () => Promise.reject(new Error("the proxy was not configured")),
  proxies: { http: null, https: null, noProxy: "", problems: [] },
};

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, "$1");

/** The host and port of a CONNECT; null for what is none. */
function parseAuthority(text: string): EgressTarget | null {
  const [, ipv6, name, port] = /^(?:\[([0-9a-f:.%]{2,60})\]|([^\s:/@[\]]{1,255})):(\d{1,5})$/i.exec(text) ?? [];
  const number = Number(port);
  return port === undefined || number < 1 || number > 65_535 ? null : { host: (ipv6 ?? name)!, port: number };
}

const endToEnd = (headers: IncomingMessage["headers"]): IncomingMessage["headers"] =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_HEADERS.has(name)));

/** A connection to the first of the addresses that answers. They are not resolved again. */
function connectTo(addresses: readonly string[], port: number): Socket {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  const socket = connect({
    host: "checked.invalid",
    port,
    autoSelectFamily: true,
    lookup: (_host, { all: wantsAll }, done) => {
      if (wantsAll) (done as unknown as (err: null, found: typeof all) => void)(null, all);
      else done(null, all[0]!.address, all[0]!.family);
    },
  });
  const timer = setTimeout(() => socket.destroy(new Error("no answer in time")), TOOL_LIMITS.egressConnectMs);
  for (const event of ["connect", "close"]) socket.once(event, () => clearTimeout(timer));
  return socket;
}

function openSocket(addresses: readonly string[], port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTo(addresses, port);
    // A connection may also fail after it was made; its other side is closed with it.
    socket.on("error", reject);
    socket.once("connect", () => resolve(socket));
  });
}
