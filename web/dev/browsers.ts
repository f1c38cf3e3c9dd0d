/** Invented browsers of agents for the scripted gateway. */
import { crc32, deflateSync } from "node:zlib";

type Params = Record<string, unknown>;
type Tab = { targetId: string; sessionKey: string; url: string; title: string; current: boolean; problems: readonly string[] };
type Browser = {
  agentId: string;
  profile: string;
  color: string;
  version: string;
  isAttached: boolean;
  hasSandbox: boolean;
  tabs: readonly Tab[];
};

const about = { version: "156.0.8078.108", color: "#FF4500" };
const shop: Tab = {
  targetId: "t1",
  sessionKey: "agent:main:main",
  url: "https://shop.example/basket?item=4711&from=a-rather-long-campaign-name-that-does-not-fit-into-one-line",
  title: "Your basket",
  current: true,
  problems: ["uncaught TypeError: total is undefined", "GET https://shop.example/api/price 500 fetch"],
};
const timetable: Tab = { ...shop, targetId: "t2", url: "https://trains.example/", title: "Timetable", current: false, problems: [] };

export class ScriptedBrowsers {
  #browsers: readonly Browser[] = [];

  reset(): void {
    this.#browsers = [];
  }

  /** Two browsers, one of which runs for someone else as well. */
  fill(): void {
    this.#browsers = [
      { ...about, agentId: "main", profile: "openclaw", isAttached: false, hasSandbox: true, tabs: [shop, timetable] },
      { ...about, agentId: "ops", profile: "desk", isAttached: true, hasSandbox: true, tabs: [] },
    ];
  }

  /** Undefined for a method that is none of these. */
  answer(method: string, params: Params): unknown {
    if (method === "browser.tabs") return { enabled: true, browsers: this.#browsers };
    if (method === "browser.screenshot") return { mimeType: "image/png", data: drawPage(String(params["targetId"])).toString("base64") };
    if (method !== "browser.request") return undefined;
    this.#act(params);
    return { content: [{ type: "text", text: "Done." }] };
  }

  #act({ action, args, agentId = "main" }: Params): void {
    const { targetId, profile } = (args ?? {}) as { targetId?: string; profile?: string };
    if (action === "start")
      this.#browsers = [{ ...about, agentId: "main", profile: "openclaw", isAttached: false, hasSandbox: true, tabs: [] }];
    else
      this.#browsers = this.#browsers.flatMap((each) => {
        if (each.agentId !== agentId || each.profile !== profile) return [each];
        return action === "stop" ? [] : [{ ...each, tabs: each.tabs.filter((tab) => tab.targetId !== targetId) }];
      });
  }
}

const [WIDTH, HEIGHT] = [640, 400];
const BAR = 48;

/** A picture that looks like a page from a distance: a bar, lines of text and a button. */
function drawPage(id: string): Buffer {
  const bar = id === "t1" ? [40, 110, 180] : [120, 60, 150];
  const rows = Array.from({ length: HEIGHT }, (_, y) => {
    const row = Buffer.alloc(1 + WIDTH * 3, 0xff);
    row[0] = 0;
    const fill = (from: number, to: number, color: readonly number[]): void => {
      for (let x = from; x < to; x += 1) row.set(color, 1 + x * 3);
    };
    if (y < BAR) fill(0, WIDTH, bar);
    else if (y > 320 && y < 360) fill(40, 180, bar);
    else if (y < 300 && (y - BAR) % 28 > 14) fill(40, 560 - (((y - BAR) / 28) | 0) * 37, [190, 195, 200]);
    return row;
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDTH, 0);
  header.writeUInt32BE(HEIGHT, 4);
  header.set([8, 2], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(Buffer.concat(rows))), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}
