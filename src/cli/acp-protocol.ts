import type { Readable, Writable } from "node:stream";
import {
  agent,
  RequestError,
  type AgentContext,
  type AnyMessage,
  type SessionNotification,
  type RequestPermissionRequest,
} from "@agentclientprotocol/sdk";
import { isObject, tryParseJson } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";
import type { AcpBridge, EditorPeer } from "./acp-bridge.ts";

export type AcpServing = {
  /** Resolves when the editor has ended its side. */
  ended: Promise<void>;
  close: () => void;
};

export type AcpServeOptions = {
  bridge: AcpBridge;
  input: Readable;
  output: Writable;
  onProblem: (problem: string) => void;
};

/** A request of the editor that cannot be served, with the reason. */
const failed = (err: unknown): RequestError => {
  if (err instanceof RequestError) return err;
  return new RequestError(-32_603, err instanceof Error ? err.message : String(err));
};

const served =
  <P, R>(run: (params: P) => Promise<R> | R): ((context: { params: P }) => Promise<R>) =>
  async ({ params }) => {
    try {
      return await run(params);
    } catch (err) {
      throw failed(err);
    }
  };

/** Serves one editor over two streams, which carry nothing else. */
export function serveAcp({ bridge, input, output, onProblem }: AcpServeOptions): AcpServing {
  const stream = toStream(input, output, onProblem);
  const connection = agent({ name: "openclaw-acp" })
    .onRequest(
      "initialize",
      served((params) => bridge.initialize(params)),
    )
    .onRequest("authenticate", () => ({}))
    .onRequest(
      "session/new",
      served((params) => bridge.newSession(params)),
    )
    .onRequest(
      "session/load",
      served((params) => bridge.loadSession(params)),
    )
    .onRequest(
      "session/resume",
      served((params) => bridge.resumeSession(params)),
    )
    .onRequest(
      "session/list",
      served((params) => bridge.listSessions(params)),
    )
    .onRequest(
      "session/close",
      served((params) => bridge.closeSession(params)),
    )
    .onRequest(
      "session/set_mode",
      served((params) => bridge.setMode(params)),
    )
    .onRequest(
      "session/set_config_option",
      served((params) => bridge.setConfigOption(params)),
    )
    .onRequest(
      "session/prompt",
      served((params) => bridge.prompt(params)),
    )
    .onNotification("session/cancel", ({ params }) => bridge.cancel(params.sessionId))
    .connect(stream);
  bridge.attachEditor(toPeer(connection.client));
  return {
    ended: connection.closed,
    close: () => {
      stream.end();
      connection.close();
    },
  };
}

function toPeer(client: AgentContext): EditorPeer {
  return {
    update: (sessionId, update) =>
      void client.notify("session/update", { sessionId, update } as unknown as SessionNotification).catch(() => {}),
    askPermission: (request, signal) =>
      client.request("session/request_permission", request as unknown as RequestPermissionRequest, { cancellationSignal: signal }),
  };
}

const LINE_END = 0x0a;

type EditorStream = { readable: ReadableStream<AnyMessage>; writable: WritableStream<AnyMessage>; end: () => void };

/** One message on each line. Lines that are none are reported and passed over; one that is too long ends the connection. */
function toStream(input: Readable, output: Writable, onProblem: (problem: string) => void): EditorStream {
  let controller!: ReadableStreamDefaultController<AnyMessage>;
  let isOpen = true;
  let partial: Buffer[] = [];
  let bytes = 0;
  // Nothing is read any more, so that the input does not keep the command running.
  const end = (): void => {
    if (!isOpen) return;
    isOpen = false;
    input.off("data", onData).pause();
    controller.close();
  };
  const onLine = (line: string): void => {
    if (line.trim() === "") return;
    const message = tryParseJson(line);
    if (isObject(message)) controller.enqueue(message as AnyMessage);
    else onProblem("a line on standard input is not a message of the protocol");
  };
  const onData = (chunk: Buffer): void => {
    let rest = chunk;
    for (let at = rest.indexOf(LINE_END); at >= 0; at = rest.indexOf(LINE_END)) {
      onLine(Buffer.concat([...partial, rest.subarray(0, at)]).toString("utf8"));
      partial = [];
      bytes = 0;
      rest = rest.subarray(at + 1);
    }
    partial.push(rest);
    bytes += rest.length;
    if (bytes <= LIMITS.acpServeMessageBytes) return;
    onProblem(`a message on standard input has more than ${LIMITS.acpServeMessageBytes} bytes`);
    end();
  };
  const readable = new ReadableStream<AnyMessage>({
    start: (given) => void (controller = given),
    cancel: () => {
      isOpen = false;
      input.off("data", onData).pause();
    },
  });
  input.on("data", onData);
  for (const event of ["end", "close", "error"]) input.once(event, end);
  const writable = new WritableStream<AnyMessage>({
    write: (message) =>
      new Promise((resolve, reject) => output.write(`${JSON.stringify(message)}\n`, (err) => (err ? reject(err) : resolve()))),
  });
  return { readable, writable, end };
}
