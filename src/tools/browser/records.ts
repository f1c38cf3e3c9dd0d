import type { Duplex } from "node:stream";
import type { ProxyRoutes } from "../upstream-proxy.ts";
import { BROWSER_LIMITS } from "./limits.ts";
import type { RunningBrowser } from "./profiles.ts";

/** Bytes in front of a record that say how long it is. */
const HEADER_BYTES = 4;

/** The descriptor of the driver by which it talks to the gateway. */
export const DRIVER_DESCRIPTOR = 3;

/** Programs by which a process becomes another user, with its files. */
export type OtherUserPrograms = { perl: string; setpriv: string; architecture: "x64" | "arm64" };

/** What holds for the browsers, from the configuration. */
export type BrowserSettings = {
  executable: string;
  headless: boolean;
  /** Chromium runs without its own sandbox. */
  noSandbox: boolean;
  /** By which a gateway that runs as root has the browser run as another user; null: it runs as the gateway's user. */
  otherUser: OtherUserPrograms | null;
  extraArgs: readonly string[];
  /** The running browser that is used instead of one that is started. */
  attach: RunningBrowser | null;
  evaluateEnabled: boolean;
  allowPrivateNetwork: boolean;
  allowedHostnames: readonly string[];
  /** By which the gateway's own requests leave this machine. */
  proxies: ProxyRoutes;
};

/** A browser of an agent. */
export type BrowserName = { agent: string; profile: string };

/** One action for a session. */
export type DriverRequest = BrowserName & {
  id: number;
  session: string;
  /** Absolute path of the directory of the agent's browser with this profile. */
  directory: string;
  action: string;
  args: Readonly<Record<string, unknown>>;
  settings: BrowserSettings;
};

/**
 * What an operator reads or changes of a browser beside its pages, in one tab. Agents have none of it: cookies and storage are the logins of
 * sites, and a trace has them too.
 */
export type InspectRequest =
  | { what: "cookies"; operation: "get"; values: boolean }
  | { what: "cookies"; operation: "set"; name: string; value: string; url?: string }
  | { what: "cookies"; operation: "clear" }
  | { what: "storage"; area: StorageArea; operation: "get"; values: boolean; key?: string }
  | { what: "storage"; area: StorageArea; operation: "set"; key: string; value: string }
  | { what: "storage"; area: StorageArea; operation: "clear" }
  | { what: "highlight"; ref: string }
  | {
      what: "trace";
      operation: "start";
      screenshots: boolean;
      snapshots: boolean;
      /** Absolute path of the file that it will be. */ path: string;
    }
  | { what: "trace"; operation: "stop" };
export type StorageArea = "local" | "session";

/** What a person asks about browsers that run; it starts none. */
export type OperatorQuestion =
  | { ask: "overview" }
  | (BrowserName & { ask: "inspect"; session: string; /** Default: the current tab. */ targetId?: string; request: InspectRequest })
  | (BrowserName & { ask: "stop" })
  | (BrowserName & { ask: "picture"; session: string; targetId: string });
export type OperatorRequest = { id: number; question: OperatorQuestion };
export type DriverInput = DriverRequest | OperatorRequest | { cancel: number } | { endSession: string };

/** A tab for people. All texts but the id are from a page. */
export type TabOverview = {
  session: string;
  targetId: string;
  url: string;
  title: string;
  isCurrent: boolean;
  /** Errors of the console and requests that failed, the last ones. */
  problems: readonly string[];
};
export type BrowserOverview = BrowserName & { version: string; isAttached: boolean; hasSandbox: boolean; tabs: readonly TabOverview[] };

/** Text of a page, which is never to be obeyed. */
export type PageContent = { url: string; text: string };

/** What an action gave. `text` and `notes` are the driver's own words; nothing of them is from a page. */
export type DriverAnswer = {
  text: string;
  content?: PageContent;
  notes?: readonly string[];
  image?: { mimeType: string; data: string };
  /** A file of the driver that the gateway moves to the workspace. */
  file?: { path: string; name: string };
  /** For programs. */
  data?: unknown;
};

/** Why an action gave nothing. `code` is for programs. */
export type DriverProblem = { code: string; message: string; content?: PageContent };
export type DriverOutput = { id: number; tabs: number; browsers: number } & ({ answer: DriverAnswer } | { problem: DriverProblem });

/** A record as it is sent. */
export function encodeRecord(record: DriverInput | DriverOutput): Buffer {
  const body = Buffer.from(JSON.stringify(record));
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32BE(body.length);
  return Buffer.concat([header, body]);
}

/** Calls `onRecord` with each record; destroys the stream when one is longer than the limit. */
export function readRecords(stream: Duplex, onRecord: (record: unknown) => void): void {
  let chunks: Buffer[] = [];
  let size = 0;
  let wanted = HEADER_BYTES;
  let isHeader = true;
  const take = (): Buffer => {
    const all = Buffer.concat(chunks);
    chunks = [all.subarray(wanted)];
    size -= wanted;
    return all.subarray(0, wanted);
  };
  stream.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    while (size >= wanted) {
      const bytes = take();
      if (isHeader) wanted = bytes.readUInt32BE();
      else {
        wanted = HEADER_BYTES;
        onRecord(JSON.parse(bytes.toString()));
      }
      isHeader = !isHeader;
      if (wanted > BROWSER_LIMITS.recordBytes) return void stream.destroy(new Error("a record is too long"));
    }
  });
}
