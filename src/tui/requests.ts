import { ANSWER_KEYS, isOffered } from "../cli/approval-answers.ts";
import { contextLine, isPlugin, requestLines, shortId, summaryOf, type PendingApproval } from "../cli/approval-view.ts";
import { formatAge, revealLine, wrapText } from "../cli/terminal-text.ts";
import type { ProtocolClient, ServerEvent } from "../client/protocol-client.ts";
import { asObjects, asString, fieldsOf, type JsonObject } from "../core/json.ts";
import { breakAnywhere } from "./markdown-lines.ts";
import type { Palette } from "./palette.ts";

/** Something that a person decides: a question about a command, a device that wants in, a person on a channel. */
export type PendingRequest =
  | { readonly kind: "approval"; readonly id: string; readonly approval: PendingApproval }
  | { readonly kind: "device"; readonly id: string; readonly row: JsonObject }
  | { readonly kind: "person"; readonly id: string; readonly row: JsonObject };

/** What one key answers, as a call of the gateway. */
export type Choice = {
  readonly key: string;
  readonly text: string;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** It gives something away: only after the whole request was on the screen. */
  readonly grants: boolean;
};

export function choicesOf(request: PendingRequest): readonly Choice[] {
  if (request.kind === "approval") return approvalChoices(request.approval);
  if (request.kind === "device") {
    const params = { requestId: asString(request.row["requestId"]) };
    return [
      { key: "a", text: "approve", method: "device.pair.approve", params, grants: true },
      { key: "d", text: "reject", method: "device.pair.reject", params, grants: false },
    ];
  }
  const { channel, accountId, requestId } = request.row;
  const params = { channel, accountId, requestId };
  return [
    { key: "a", text: "approve and say so", method: "channels.pairing.approve", params: { ...params, notify: true }, grants: true },
    { key: "d", text: "dismiss", method: "channels.pairing.dismiss", params, grants: false },
  ];
}

function approvalChoices({ id, approvalKind: kind = "exec", request }: PendingApproval): readonly Choice[] {
  return Object.entries(ANSWER_KEYS)
    .filter(([, answer]) => isOffered(answer, request))
    .map(([key, { text, decision, grant }]) => ({
      key,
      text,
      method: "approval.resolve",
      params: { id, kind, decision, ...(grant !== undefined && { grant }) },
      grants: decision !== "deny",
    }));
}

/** In one line what waits. */
export function requestSummary(request: PendingRequest): string {
  if (request.kind === "approval")
    return `${revealLine(request.approval.request.agentId ?? "An agent")} ${isPlugin(request.approval.request) ? "asks" : "wants to run"}: ${revealLine(summaryOf(request.approval.request))}`;
  if (request.kind === "device") return `wants access: ${revealLine(deviceName(request.row))}`;
  return `wants to talk: ${revealLine(personName(request.row))}`;
}

const deviceName = (row: JsonObject): string => asString(row["displayName"]) || asString(row["clientId"]) || asString(row["deviceId"]);
const personName = (row: JsonObject): string =>
  `${asString(row["senderLabel"])} on ${asString(row["channelLabel"]) || asString(row["channel"])}`;

/** The whole request, so that the answer covers nothing that was not shown. Lines end before `width`. */
export function requestText(palette: Palette, request: PendingRequest, width: number, now: number): readonly string[] {
  const names = {
    bold: palette.bold,
    dim: palette.dim,
    red: palette.bad,
    green: palette.good,
    yellow: palette.warning,
    cyan: palette.accent,
  };
  if (request.kind === "approval") {
    const { approval } = request;
    const head = wrapText(`${shortId(approval.id)}  ${contextLine(approval, now)}`, width).map(palette.dim);
    const body = requestLines((style, text) => names[style](text), approval.request).flatMap(({ text, wraps }) =>
      wraps ? wrapText(text, width, "  ") : breakAnywhere(text, width),
    );
    return [...head, "", ...body.flatMap((line) => breakAnywhere(line, width))];
  }
  const rows = request.kind === "device" ? deviceRows(request.row, now) : personRows(request.row, now);
  return rows.flatMap(([name, value]) => breakAnywhere(`${name.padEnd(9)} ${revealLine(value)}`, width));
}

type Row = readonly [name: string, value: string];

function deviceRows(row: JsonObject, now: number): readonly Row[] {
  const scopes = Array.isArray(row["scopes"]) ? row["scopes"].join(", ") : "";
  const rows: Row[] = [
    ["device", deviceName(row)],
    ["client", [asString(row["clientId"]), asString(row["clientMode"]), asString(row["platform"])].filter(Boolean).join(", ")],
    ["asks for", `${asString(row["role"])}${scopes === "" ? "" : `: ${scopes}`}`],
    ["from", asString(row["browserOrigin"]) || asString(row["remoteIp"])],
    ["key", asString(row["deviceId"])],
    ["asked", formatAge(row["ts"], now)],
  ];
  return rows.filter(([, value]) => value !== "");
}

function personRows(row: JsonObject, now: number): readonly Row[] {
  const rows: Row[] = [
    ["name", asString(row["senderLabel"])],
    ["id", asString(row["senderId"])],
    ["channel", [asString(row["channelLabel"]), asString(row["accountId"])].filter(Boolean).join(", ")],
    ["code", asString(row["requestId"])],
    ["asked", formatAge(Date.parse(asString(row["createdAt"])), now)],
    ["expires", formatAge(Date.parse(asString(row["expiresAt"])), now)],
  ];
  return rows.filter(([, value]) => value !== "");
}

/** What waits, oldest first, over as many connections as it takes. */
export class RequestInbox {
  readonly #onChange: () => void;
  readonly #approvals = new Map<string, PendingRequest>();
  readonly #devices = new Map<string, PendingRequest>();
  #people = new Map<string, PendingRequest>();
  #seesApprovals = false;
  #seesPeople = false;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get pending(): readonly PendingRequest[] {
    return [...this.#approvals.values(), ...this.#devices.values(), ...this.#people.values()];
  }

  /** Whether this credential may see people who ask for access. */
  get seesPeople(): boolean {
    return this.#seesPeople;
  }

  /** Takes a fresh connection: what this credential may see is read, and then followed. Rejects as requests do. */
  async attach(client: ProtocolClient): Promise<void> {
    client.on((event) => this.#onEvent(event));
    const { scopes } = client.hello.auth;
    this.#seesApprovals = scopes.includes("operator.approvals") || scopes.includes("operator.admin");
    this.#seesPeople = scopes.includes("operator.pairing") || scopes.includes("operator.admin");
    await this.load(client);
  }

  /** Reads all lists again. */
  async load(client: ProtocolClient): Promise<void> {
    if (this.#seesApprovals) {
      const lists = await Promise.all(
        ["exec.approval.list", "plugin.approval.list"].map((method) => client.request<PendingApproval[]>(method)),
      );
      this.#approvals.clear();
      for (const approval of lists.flat().toSorted((a, b) => a.createdAtMs - b.createdAtMs)) this.#addApproval(approval);
    }
    if (!this.#seesPeople) return this.#onChange();
    const { pending } = await client.request<{ pending: unknown }>("device.pair.list");
    this.#devices.clear();
    for (const row of asObjects(pending)) this.#addDevice(row);
    await this.loadPeople(client);
  }

  /** Access requests of people have no event. */
  async loadPeople(client: ProtocolClient): Promise<void> {
    const { requests } = await client.request<{ requests: unknown }>("channels.pairing.list");
    const rows = asObjects(requests).map((row): PendingRequest => {
      const id = ["channel", "accountId", "requestId"].map((name) => asString(row[name])).join("/");
      return { kind: "person", id, row };
    });
    this.#people = new Map(rows.map((row) => [row.id, row]));
    this.#onChange();
  }

  remove({ id }: PendingRequest): void {
    this.#approvals.delete(id);
    this.#devices.delete(id);
    this.#people.delete(id);
    this.#onChange();
  }

  #addApproval(approval: PendingApproval): void {
    this.#approvals.set(approval.id, { kind: "approval", id: approval.id, approval });
  }

  #addDevice(row: JsonObject): void {
    const id = asString(row["requestId"]);
    if (id !== "") this.#devices.set(id, { kind: "device", id, row });
  }

  #onEvent({ event, payload }: ServerEvent): void {
    const fields = fieldsOf(payload);
    if (event === "exec.approval.requested" || event === "plugin.approval.requested") this.#addApproval(payload as PendingApproval);
    else if (event === "exec.approval.resolved" || event === "plugin.approval.resolved") this.#approvals.delete(asString(fields["id"]));
    else if (event === "device.pair.requested") this.#addDevice(fields);
    else if (event === "device.pair.resolved") this.#devices.delete(asString(fields["requestId"]));
    else return;
    this.#onChange();
  }
}
