import assert from "node:assert/strict";
import { createServer, type AddressInfo, type Server } from "node:net";
import { after, before, test } from "node:test";
import { GatewayError } from "../../core/errors.ts";
import { guardedFetch, type GuardedFetchOptions } from "./guarded-fetch.ts";
import { isFetchableAddress } from "../public-address.ts";

/** Addresses that no form of a URL may reach. The first one is of this machine, and a server that counts connections listens on it. */
const PRIVATE = ["127.0.0.2", "10.0.0.7", "169.254.169.254", "192.168.1.1", "172.16.5.4", "100.64.0.1", "0.0.0.0"] as const;

const hex = (value: number): string => value.toString(16);
const octal = (value: number): string => value.toString(8);
const fullWidth = (text: string): string => text.replaceAll(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)));

/** How URL parsers, browsers and libraries write the address of IPv4 `a.b.c.d`. */
function formsOfV4(address: string): string[] {
  const parts = address.split(".").map(Number) as [number, number, number, number];
  const [a, b, c, d] = parts;
  const number = ((a * 256 + b) * 256 + c) * 256 + d;
  const mapped = `${hex(a * 256 + b)}:${hex(c * 256 + d)}`;
  return [
    address,
    `${address}.`,
    String(number),
    `0x${hex(number)}`,
    `0X${hex(number).toUpperCase()}`,
    `0${octal(number)}`,
    parts.map((each) => `0x${hex(each)}`).join("."),
    parts.map((each) => `0${octal(each)}`).join("."),
    parts.map((each) => `000${octal(each)}`).join("."),
    `0x${hex(a)}.${b}.0${octal(c)}.${d}`,
    `${a}.${b * 65_536 + c * 256 + d}`,
    `${a}.${b}.${c * 256 + d}`,
    fullWidth(address),
    address.replaceAll(".", "\u3002"),
    address.replaceAll(".", "\uff0e"),
    address.replaceAll(".", "\uff61"),
    address.replaceAll(".", "%2e"),
    [...address].map((char) => `%${hex(char.codePointAt(0)!)}`).join(""),
    `[::ffff:${address}]`,
    `[::ffff:${mapped}]`,
    `[0:0:0:0:0:FFFF:${mapped}]`,
    `[::${address}]`,
    `[::ffff:0:${address}]`,
    `[64:ff9b::${address}]`,
    `[64:ff9b:1::${address}]`,
    `[2002:${mapped}::1]`,
  ];
}

const OTHER_HOSTS = [
  "[::1]",
  "[::]",
  "[0:0:0:0:0:0:0:1]",
  "[0000:0000:0000:0000:0000:0000:0000:0001]",
  "[fe80::1]",
  "[fe80::1%25eth0]",
  "[fe80::1%eth0]",
  "[fc00::1]",
  "[fd00:ec2::254]",
  "[ff02::1]",
  "[2001:0:7f00:1::1]",
  "[2001:db8::1]",
  "[100::1]",
  "[::ffff:127.2]",
  "localhost",
  "LOCALHOST",
  "localhost.",
  "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
  "127.2",
  "127.2.",
  "0",
  "00",
  "0x0",
  "inside.example",
  "INSIDE.example.",
  "mixed.example",
  "mixed-first.example",
  "mapped.example",
  "v6.example",
  "zone.example",
  "number.example",
  "empty.example",
  "absent.example",
  "127.0.0.2.rebind.example",
];
/** What a resolver says. An answer that is not an address in its plain form must not pass as a public one. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  localhost: ["::1", "127.0.0.2"],
  "inside.example": ["127.0.0.2"],
  "mixed.example": ["93.184.216.34", "127.0.0.2"],
  "mixed-first.example": ["127.0.0.2", "93.184.216.34"],
  "mapped.example": ["::ffff:127.0.0.2"],
  "v6.example": ["::1"],
  "zone.example": ["fe80::1%lo"],
  "number.example": ["2130706434"],
  "empty.example": [],
  "127.0.0.2.rebind.example": ["127.0.0.2"],
  "public.example": ["127.0.0.1"],
};

/** HOST is the address with the counting server, PORT its port. */
const OTHER_URLS = [
  "http://public.example@HOST:PORT/",
  "http://public.example:80@HOST:PORT/",
  "http://public.example%40@HOST:PORT/",
  "http://user:password@public.example:PORT/",
  "http://@HOST:PORT/",
  "http://:@HOST:PORT/",
  "http://HOST:PORT#@public.example/",
  "http://HOST:PORT?@public.example/",
  "http://HOST:PORT\\@public.example/",
  "http://HOST:PORT/@public.example/",
  "http:HOST:PORT/",
  "http:/HOST:PORT/",
  "http:///HOST:PORT/",
  "http:////HOST:PORT/",
  "http:\\\\HOST:PORT/",
  "http:/\\HOST:PORT/",
  "HTTP://HOST:PORT/",
  "hTtP://HOST:PORT/",
  " http://HOST:PORT/",
  "\thttp://HOST:PORT/",
  "\u0000http://HOST:PORT/",
  "\u0001\u001fhttp://HOST:PORT/",
  "http://HOST:PORT/ ",
  "ht\ttp://HOST:PORT/",
  "ht\ntp://HOST:PORT/",
  "http://HOST\t:PORT/",
  "http://127.0\n.0.2:PORT/",
  "http://127.0.0.2\u0000.public.example:PORT/",
  "http://127.0.0.2%00.public.example:PORT/",
  "http://127.0.0.2%00:PORT/",
  "http://127.0.0.2 .public.example:PORT/",
  "http://127.0.0.2%20:PORT/",
  "http://127.0.0.2%0d%0a:PORT/",
  "http://\u00ad127.0.0.2:PORT/",
  "http://127.0\u200b.0.2:PORT/",
  "http://\u2060127.0.0.2:PORT/",
  "http://127.0.0.2:PORT/%2e%2e/",
  "http://127.0.0.2:00PORT/",
  "http://127.0.0.256:PORT/",
  "http://256.256.256.256:PORT/",
  "http://127.0.0.0.2:PORT/",
  "http://127.0.0.0x2:PORT/",
  "http://[127.0.0.2]:PORT/",
  "http://[::1:PORT/",
  "http://::1:PORT/",
  "http://[::1]:99999/",
  "http://:PORT/",
  "http://",
  "http:",
  "//HOST:PORT/",
  "/etc/passwd",
  "HOST:PORT",
  "",
  "file:///etc/passwd",
  "file://HOST/etc/passwd",
  "ftp://HOST:PORT/",
  "gopher://HOST:PORT/_",
  "dict://HOST:PORT/",
  "ldap://HOST:PORT/",
  "tftp://HOST:PORT/",
  "sftp://HOST:PORT/",
  "ws://HOST:PORT/",
  "wss://HOST:PORT/",
  "data:text/html,x",
  "javascript:alert(1)",
  "about:blank",
  "blob:http://HOST:PORT/1",
  "view-source:http://HOST:PORT/",
  "jar:http://HOST:PORT/!/",
  "url:http://HOST:PORT/",
  "http+unix://%2Frun%2Fdocker.sock/",
  "unix:///run/docker.sock",
  "http2://HOST:PORT/",
  "https+http://HOST:PORT/",
  "\u200bhttp://HOST:PORT/",
  "\ufeffhttp://HOST:PORT/",
];

const FORMS: readonly string[] = [
  ...PRIVATE.flatMap(formsOfV4).map((host) => `http://${host}:PORT/`),
  ...OTHER_HOSTS.map((host) => `http://${host}:PORT/`),
  ...PRIVATE.map((host) => `https://${host}:PORT/`),
  ...OTHER_URLS.map((url) => url.replaceAll("HOST", PRIVATE[0])),
];
const withPort = (form: string): string => form.replaceAll("PORT", String(port));

const servers: Server[] = [];
let connections = 0;
let port = 0;
let location = "";
let sitePort = 0;

async function listen(server: Server, host: string, wanted = 0): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(wanted, host, resolve);
  });
  servers.push(server);
  return (server.address() as AddressInfo).port;
}

/** Counts, and answers as a private service would. */
const countingServer = (): Server =>
  createServer((socket) => {
    connections += 1;
    socket.on("error", () => socket.destroy()).end("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret");
  });

before(async () => {
  port = await listen(countingServer(), PRIVATE[0]);
  await listen(countingServer(), "::1", port).catch((err: unknown) => {
    // A machine without IPv6 has nothing there that could be reached.
    if (!["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes((err as NodeJS.ErrnoException).code ?? "")) throw err;
  });
  const site = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.end(`HTTP/1.1 302 Found\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`));
  });
  sitePort = await listen(site, "127.0.0.1");
});
after(() => servers.forEach((server) => server.close()));

/** "public.example" lies on loopback here, and is allowed by that one address; everything else keeps its rule. */
const options = (): GuardedFetchOptions => ({
  maxBytes: 1_000,
  resolve: async (host) => {
    const found = NAMES[host.replace(/\.$/, "")];
    if (found === undefined) throw new Error(`there is no ${host}`);
    return found;
  },
  isAllowed: (address) => address === "127.0.0.1" || isFetchableAddress(address),
});

async function assertRefused(url: string, form: string): Promise<void> {
  const err = await guardedFetch(url, options()).then(
    ({ bytes }) => assert.fail(`${JSON.stringify(form)} was fetched: ${Buffer.from(bytes).toString()}`),
    (reason: unknown) => reason,
  );
  assert.ok(err instanceof GatewayError, `${JSON.stringify(form)} failed with ${String(err)}`);
  const unknownName = /cannot be resolved|has no address/.test(err.message);
  assert.ok(err.details?.["code"] === "ADDRESS_REFUSED" || unknownName, `${JSON.stringify(form)}: ${err.message}`);
  assert.equal(connections, 0, `${JSON.stringify(form)} reached the private server`);
}

test("no form of a URL reaches a private address", async () => {
  assert.ok(FORMS.length >= 200, `there are only ${FORMS.length} forms`);
  for (const form of FORMS) await assertRefused(withPort(form), form);
});

test("no form of a URL reaches a private address through a redirect", async () => {
  // A header cannot hold control characters; relative forms would lead back to the site.
  const forms = FORMS.filter((form) => !/\p{Cc}/u.test(form) && URL.canParse(withPort(form)));
  assert.ok(forms.length >= 200, `there are only ${forms.length} forms`);
  for (const form of forms) {
    location = withPort(form);
    await assertRefused(`http://public.example:${sitePort}/`, form);
  }
});

test("the counting server is reached by an address that is allowed", async () => {
  const all = { ...options(), isAllowed: () => true };
  assert.equal(Buffer.from((await guardedFetch(`http://${PRIVATE[0]}:${port}/`, all)).bytes).toString(), "secret");
  assert.equal(connections, 1);
});
