import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { CliError } from "../core/errors.ts";
import { CancelledError } from "./cancelled-error.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownServer } from "./known-names.ts";
import { sanitizeLine } from "./terminal-text.ts";

/** How long a person may take. */
const WAIT_MS = 600_000;
/** A sign-in asks several addresses one after the other. */
const REQUEST_MS = 90_000;

/** `openclaw mcp login <name>`: prints the address of the sign-in, and waits here for the browser to come back. */
export const mcpLogin: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = requireKnownServer(invocation, invocation.arg(0))!;
  const callback = invocation.text("code") ?? (await waitForBrowser(invocation, name));
  const answer = await callGateway<object>(invocation, ["operator.admin"], "mcp.login.finish", { name, callback }, REQUEST_MS);
  out.result(answer, () => {
    out.line(sanitizeLine(`Signed in at ${name}.`));
    out.note(`Check it with: openclaw mcp probe ${name}`);
  });
};

async function waitForBrowser(invocation: Invocation, name: string): Promise<string> {
  const { out } = invocation;
  const { promise: callback, resolve } = Promise.withResolvers<string>();
  const server = await listen(resolve);
  try {
    const redirectUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`;
    const { url } = await callGateway<{ url: string }>(
      invocation,
      ["operator.admin"],
      "mcp.login.start",
      { name, redirectUrl },
      REQUEST_MS,
    );
    out.note("Open this address in a browser on this machine, and agree:");
    // On a terminal a note is wrapped, which an address must not be.
    if (out.json) out.note(sanitizeLine(url));
    else out.line(sanitizeLine(url));
    out.note(`With a browser elsewhere, copy the address of the page that it ends on: openclaw mcp login ${name} --code '<address>'`);
    return await withinTime(callback, invocation);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Answers one browser on a free port of this machine, and passes on where it was sent. */
async function listen(onCallback: (address: string) => void): Promise<Server> {
  const server = createServer((request, response) => {
    const address = request.url ?? "/";
    const isCallback = request.method === "GET" && /^\/callback\?(.*&)?(code|error)=/.test(address);
    response.writeHead(isCallback ? 200 : 404, { "content-type": "text/plain; charset=utf-8", connection: "close" });
    response.end(isCallback ? "You can close this page and return to the terminal.\n" : "Not found.\n");
    if (isCallback) onCallback(address);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return server;
}

function withinTime(callback: Promise<string>, { host }: Invocation): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () =>
        reject(
          new CliError("no one has signed in", {
            why: `the browser did not come back within ${WAIT_MS / 60_000} minutes.`,
            fix: "run the command again, or pass the address of the last page with --code.",
          }),
        ),
      WAIT_MS,
    );
    const onAbort = (): void => reject(new CancelledError());
    host.signal.addEventListener("abort", onAbort, { once: true });
    callback.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      host.signal.removeEventListener("abort", onAbort);
    });
  });
}

/** `openclaw mcp logout <name>` */
export const mcpLogout: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = requireKnownServer(invocation, invocation.arg(0))!;
  const answer = await callGateway<object>(invocation, ["operator.admin"], "mcp.logout", { name });
  out.result(answer, () => out.line(sanitizeLine(`The sign-in at ${name} is forgotten here; the server itself may still list it.`)));
};
