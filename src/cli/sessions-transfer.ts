import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { expandPath } from "../config/paths.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { fileProblemOf, writePartsAtomic } from "../core/files.ts";
import { asString, fieldsOf, isObject, tryParseJson } from "../core/json.ts";
import type { ProtocolClient } from "../client/client.ts";
import type { CommandHandler } from "./command.ts";
import { withGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { plural, safeJsonLine, sanitizeLine } from "./terminal-text.ts";

type Page = { session: Record<string, unknown>; messages: { id: string; at: number; body: unknown }[]; nextAfter: number | null };
type Imported = { key: string; added: number; skipped: number };

const VERSION = 1;
/** Messages and characters of one request. */
const CHUNK = 100;
const CHUNK_CHARS = 4_000_000;

const pathOf = ({ host }: Invocation, text: string): string => expandPath(text, host.env["HOME"] || "/", host.cwd);

async function* lines(client: ProtocolClient, key: string, count: { messages: number }): AsyncGenerator<string> {
  let after: number | null = 0;
  let isFirst = true;
  while (after !== null) {
    const page: Page = await client.request<Page>("sessions.export", { key, after });
    if (isFirst) yield JSON.stringify({ type: "session", version: VERSION, ...page.session });
    isFirst = false;
    for (const message of page.messages) {
      count.messages++;
      yield JSON.stringify({ type: "message", ...message });
    }
    after = page.nextAfter;
  }
}

/** `openclaw sessions export <key>` */
export const sessionsExport: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const output = invocation.text("output");
  const count = { messages: 0 };
  await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client }) => {
    const source = lines(client, invocation.arg(0), count);
    if (output === undefined && out.json) out.data(await toValue(source));
    else if (output === undefined) for await (const line of source) out.line(safeJsonLine(line));
    else await writePartsAtomic(pathOf(invocation, output), encoded(source));
  });
  if (output !== undefined)
    out.result({ ok: true, file: pathOf(invocation, output), messages: count.messages }, () =>
      out.line(`${plural(count.messages, "message")} written to ${sanitizeLine(pathOf(invocation, output))}`),
    );
};

async function toValue(source: AsyncIterable<string>): Promise<object> {
  const records: object[] = [];
  for await (const line of source) records.push(fieldsOf(tryParseJson(line)));
  const [session, ...messages] = records;
  return { session, messages };
}

async function* encoded(source: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const line of source) yield Buffer.from(`${line}\n`);
}

/** `openclaw sessions import <file>` */
export const sessionsImport: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const path = pathOf(invocation, invocation.arg(0));
  const records = readRecords(path);
  const first = (await records.next()).value;
  if (first === undefined || first["type"] !== "session" || first["version"] !== VERSION)
    throw bad(path, 1, "it does not begin with a session");
  const key = invocation.text("key") ?? asString(first["key"]);
  const session = {
    key,
    importId: asString(first["sessionId"]) || key,
    ...pick(first, ["chatKind", "channel", "label", "title"]),
  };
  const total = await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client }) => {
    const sum = { added: 0, skipped: 0 };
    const send = async (messages: unknown[]): Promise<void> => {
      const { added, skipped } = await client.request<Imported>("sessions.import", { ...session, messages });
      sum.added += added;
      sum.skipped += skipped;
    };
    let chunk: unknown[] = [];
    let chars = 0;
    for await (const { type, ...message } of records) {
      if (type !== "message") continue;
      chunk.push(message);
      chars += JSON.stringify(message).length;
      if (chunk.length < CHUNK && chars < CHUNK_CHARS) continue;
      await send(chunk);
      chunk = [];
      chars = 0;
    }
    await send(chunk);
    return sum;
  });
  out.result({ ok: true, key, ...total }, () =>
    out.line(
      `${plural(total.added, "message")} imported into ${sanitizeLine(key)}${total.skipped > 0 ? `, ${total.skipped} were there` : ""}`,
    ),
  );
};

const pick = (from: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(names.flatMap((name) => (typeof from[name] === "string" && from[name] !== "" ? [[name, from[name]]] : [])));

const bad = (path: string, line: number, why: string): CliError =>
  new CliError(`${sanitizeLine(path)} cannot be imported`, {
    why: `line ${line}: ${why}.`,
    fix: "use a file of openclaw sessions export",
    exit: EXIT.failure,
  });

async function* readRecords(path: string): AsyncGenerator<Record<string, unknown>> {
  let number = 0;
  try {
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
      number++;
      if (line.trim() === "") continue;
      const record = tryParseJson(line);
      if (!isObject(record)) throw bad(path, number, "it is not a JSON object");
      yield { ...fieldsOf(record) };
    }
  } catch (err) {
    if (err instanceof CliError || (err as NodeJS.ErrnoException).code === undefined) throw err;
    throw new CliError(`${sanitizeLine(path)} cannot be read`, {
      why: `${fileProblemOf(err)}.`,
      fix: "name a file of openclaw sessions export",
      cause: err,
    });
  }
}
