import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createTcp, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTls } from "node:tls";

export type Certificate = { key: string; cert: string; sha256: string };

/** A self-signed certificate for `localhost`, or null when openssl is missing. */
export function createCertificate(): Certificate | null {
  const dir = mkdtempSync(join(tmpdir(), "cert-"));
  try {
    const files = ["-keyout", join(dir, "key.pem"), "-out", join(dir, "cert.pem")];
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        ...files,
      ],
      {
        stdio: "ignore",
      },
    );
    const print = execFileSync("openssl", ["x509", "-in", join(dir, "cert.pem"), "-noout", "-fingerprint", "-sha256"], {
      encoding: "utf8",
    });
    const sha256 = print.split("=")[1]!.trim();
    return { key: readFileSync(join(dir, "key.pem"), "utf8"), cert: readFileSync(join(dir, "cert.pem"), "utf8"), sha256 };
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw err;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export type Script = { on(line: string, say: (line: string) => void, socket: Socket): void | Promise<void> };
export type ScriptedIrc = { port: number; lines: string[]; sockets: Set<Socket>; close(): Promise<void> };

/** A server that answers each line as the script says. Keeps every line it has read. */
export async function startScriptedIrc(script: Script, certificate?: Certificate): Promise<ScriptedIrc> {
  const lines: string[] = [];
  const sockets = new Set<Socket>();
  const serve = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    let buffer = "";
    socket.on("data", (chunk: Buffer) => {
      const parts = (buffer + chunk.toString("utf8")).split("\r\n");
      buffer = parts.pop() ?? "";
      for (const line of parts) {
        lines.push(line);
        void script.on(line, (text) => socket.write(`${text}\r\n`), socket);
      }
    });
  };
  const server = certificate ? createTls({ key: certificate.key, cert: certificate.cert }, serve) : createTcp(serve);
  server.on("tlsClientError", () => undefined);
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    lines,
    sockets,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
