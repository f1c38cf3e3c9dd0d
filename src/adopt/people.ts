import { join } from "node:path";
import { loadChannel } from "../channels/registry.ts";
import { asId, type ChannelId } from "../core/ids.ts";
import { asStrings, fieldsOf } from "../core/json.ts";
import { openForeignDatabase } from "../store/foreign-database.ts";
import type { AdoptItem } from "./item.ts";
import { namesIn, readJsonFile, type Original } from "./original.ts";
import { attempt } from "./sessions.ts";

/** Someone whom the owner has approved on a channel. */
export type OriginalPerson = { readonly channel: string; readonly account: string; readonly sender: string };

/** The people who were approved by a pairing code: rows of the database, and the files of earlier releases. */
export function readPeople(
  original: Original,
  channels: readonly string[],
): { people: readonly OriginalPerson[]; problems: readonly AdoptItem[] } {
  const people = new Map<string, OriginalPerson>();
  const problems: AdoptItem[] = [];
  const add = (channel: string, account: string, sender: string): void => {
    const person = { channel, account: account || "default", sender };
    people.set(JSON.stringify(person), person);
  };
  const database = join(original.dir, "state", "openclaw.sqlite");
  const read = (): void => {
    const db = openForeignDatabase(database);
    if (db === null) return;
    try {
      if (!db.has("channel_pairing_allow_entries", ["channel_key", "account_id", "entry"])) return;
      const sql = "SELECT channel_key AS channel, account_id AS account, entry AS sender FROM channel_pairing_allow_entries";
      for (const { channel, account, sender } of db.all<OriginalPerson>(sql)) add(channel, account, sender);
    } finally {
      db.close();
    }
  };
  attempt(problems, database, read, "person");
  const folder = join(original.dir, "credentials");
  for (const name of namesIn(folder)) {
    const base = /^(.+)-allowFrom\.json$/.exec(name)?.[1];
    if (base === undefined) continue;
    const path = join(folder, name);
    const channel = channels.find((each) => base === each || base.startsWith(`${each}-`)) ?? base;
    const readFile = (): void => {
      for (const sender of asStrings(fieldsOf(readJsonFile(path))["allowFrom"])) add(channel, base.slice(channel.length + 1), sender);
    };
    attempt(problems, path, readFile, "person");
  }
  return { people: [...people.values()], problems };
}

/** The id as our channel writes it; the original puts a prefix in front of some. Null: it names everybody, or no one. */
export async function toSenderId(channel: string, sender: string): Promise<string | null> {
  const text = sender.trim().replace(new RegExp(`^${channel}:`, "i"), "");
  if (text === "" || text === "*") return null;
  const loaded = await loadChannel(asId<ChannelId>(channel));
  return loaded?.canonicalId?.(text) ?? text;
}
