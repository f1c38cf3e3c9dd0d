import { CliError } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { formatAge, sanitizeLine } from "./terminal-text.ts";

/** What is read of a link of `peers.list`. */
export type LinkView = {
  name: string;
  /** Missing from gateways before A2A. */
  transport?: string;
  state: string;
  cause: string | null;
  since: number | null;
  direction: string | null;
  url: string | null;
  fingerprint: string | null;
  /** Missing from gateways before keys could be replaced. */
  ownFingerprint?: string | null;
  pendingFingerprint?: string | null;
  previousFingerprint?: string | null;
  shownFingerprint: string | null;
  queued: number;
  unanswered: number;
  oldestAt: number | null;
};
export type LinksAnswer = {
  /** Null before the first link, when this gateway has no key yet. */
  fingerprint: string | null;
  links: LinkView[];
  unknownKeys: { fingerprint: string; address: string; at: number }[];
};

const readLinks = (invocation: Invocation): Promise<LinksAnswer> =>
  callGateway<LinksAnswer>(invocation, ["operator.read"], "peers.list", {});

/** One link in one line, for `status --all`. */
export const formatLink = ({ name, state, cause, queued, unanswered }: LinkView): string =>
  sanitizeLine(`${name}: ${state}${cause === null ? "" : ` (${cause})`}; ${queued} queued, ${unanswered} unanswered`);

/** `openclaw peers list` */
export const peersList: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const answer = await readLinks(invocation);
  out.result(answer, () => {
    if (answer.links.length === 0) return out.line("No links to other gateways. openclaw peers add <name> makes one.");
    const now = host.now();
    out.table(
      [
        { title: "link" },
        { title: "state" },
        { title: "since" },
        { title: "queued", align: "right" },
        { title: "unanswered", align: "right" },
        { title: "oldest" },
        { title: "cause", truncate: true },
      ],
      answer.links.map((link) => [
        link.name,
        link.state,
        link.since === null ? "-" : formatAge(link.since, now),
        String(link.queued),
        String(link.unanswered),
        link.oldestAt === null ? "-" : formatAge(link.oldestAt, now),
        link.cause ?? "",
      ]),
    );
  });
};

/** `openclaw peers status [name]` */
export const peersStatus: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const answer = await readLinks(invocation);
  const name = invocation.args[0];
  const links = answer.links.filter((link) => name === undefined || link.name === name);
  if (name !== undefined && links.length === 0) throw new CliError(`Unknown link "${sanitizeLine(name)}".`, { fix: "openclaw peers list" });
  out.result({ ...answer, links }, () => {
    const now = host.now();
    out.pairs([["key of this gateway", answer.fingerprint ?? "made with the first link"]]);
    for (const link of links) {
      out.line();
      out.pairs([
        ["link", link.transport === "a2a" ? `${link.name} (A2A)` : link.name],
        ["state", link.cause === null ? link.state : `${link.state}: ${link.cause}`],
        ["since", link.since === null ? "-" : formatAge(link.since, now)],
        ["connection", link.direction ?? "-"],
        ["url", link.url ?? "-"],
        ["pinned key", link.transport === "a2a" ? "none: A2A has tokens" : (link.fingerprint ?? "-")],
        ["key of this gateway", link.ownFingerprint ?? "-"],
        ["queued", String(link.queued)],
        ["unanswered", String(link.unanswered)],
      ]);
      if (link.pendingFingerprint) out.note(`The new key ${link.pendingFingerprint} is announced when the link is up.`);
      if (link.previousFingerprint) out.note(`The key before, ${link.previousFingerprint}, is accepted a little longer.`);
      if (link.shownFingerprint !== null)
        out.note(`It shows another key. If that is right: openclaw peers approve ${link.name} ${link.shownFingerprint}`);
    }
    for (const { fingerprint, address, at } of answer.unknownKeys)
      out.note(`A gateway at ${sanitizeLine(address)} showed the unknown key ${fingerprint} ${formatAge(at, now)}.`);
  });
};

/** `openclaw peers test <name>` */
export const peersTest: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = invocation.arg(0)!;
  const answer = await callGateway<{ roundTripMs: number; agents: string[] | null }>(invocation, ["operator.write"], "peers.test", {
    name,
  });
  out.result(answer, () => {
    out.line(`The link to ${sanitizeLine(name)} works: ${answer.roundTripMs} ms.`);
    if (answer.agents !== null) out.line(`Agents that may be asked: ${answer.agents.map(sanitizeLine).join(", ") || "none"}.`);
  });
};

const listOf = (text: string | undefined): string[] | undefined =>
  text
    ?.split(",")
    .map((each) => each.trim())
    .filter(Boolean);

/** `openclaw peers add <name>` */
export const peersAdd: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = invocation.arg(0)!;
  const fields = {
    url: invocation.args[1],
    tlsFingerprint: invocation.text("certificate"),
    transport: invocation.has("a2a") ? "a2a" : undefined,
    token: invocation.text("inbound-token"),
    outboundToken: invocation.text("outbound-token"),
    accept: listOf(invocation.text("accept")),
    send: listOf(invocation.text("send")),
  };
  const params = { name, ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) };
  const answer = await callGateway<{ isNew: boolean }>(invocation, ["operator.admin"], "peers.add", params);
  out.result(answer, () => {
    out.line(answer.isNew ? `The link ${sanitizeLine(name)} is in the configuration.` : `The link ${sanitizeLine(name)} is changed.`);
    if (answer.isNew && fields.transport === "a2a") out.note(`See whether it answers: openclaw peers test ${sanitizeLine(name)}`);
    else if (answer.isNew) out.note(`Pair it with the other gateway: openclaw peers pair ${sanitizeLine(name)}`);
  });
};

/** `openclaw peers pair <name> [--code]` */
export const peersPair: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const name = invocation.arg(0)!;
  const code = invocation.text("code");
  const params = { name, ...(code !== undefined && { code }) };
  const answer = await callGateway<{ code?: string; expiresAt?: number; fingerprint?: string }>(
    invocation,
    ["operator.admin"],
    "peers.pair",
    params,
  );
  out.result(answer, () => {
    if (answer.code === undefined) {
      out.line(`Paired with ${sanitizeLine(name)}. Its key: ${answer.fingerprint}`);
      return out.note(`openclaw peers test ${sanitizeLine(name)}`);
    }
    const minutes = Math.round(((answer.expiresAt ?? 0) - host.now()) / 60_000);
    out.line(answer.code);
    out.note(`The code works once, for ${minutes} minutes. On the other gateway:`);
    out.note("  openclaw peers add <its name for this gateway> <address of this gateway>");
    out.note("  openclaw peers pair <its name for this gateway> --code <the code>");
  });
};

/** `openclaw peers approve <name> <fingerprint>` */
export const peersApprove: CommandHandler = async (invocation) => {
  const [name, fingerprint] = [invocation.arg(0)!, invocation.arg(1)!];
  const answer = await callGateway(invocation, ["operator.admin"], "peers.approve", { name, fingerprint });
  invocation.out.result(answer, () => invocation.out.line(`The key ${sanitizeLine(fingerprint)} is the key of ${sanitizeLine(name)}.`));
};

/** `openclaw peers rotate <name>` */
export const peersRotate: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = invocation.arg(0)!;
  const answer = await callGateway<{ state: string; fingerprint: string }>(invocation, ["operator.admin"], "peers.rotate", { name });
  out.result(answer, () => {
    if (answer.state === "rotated") {
      out.line(`The link ${sanitizeLine(name)} has a new key of this gateway: ${answer.fingerprint}`);
      return out.note("The other gateway accepts the old one for 10 more minutes.");
    }
    out.line(`The new key ${answer.fingerprint} waits until the link to ${sanitizeLine(name)} is up; the old one stays in use.`);
  });
};

/** `openclaw peers remove <name>` */
export const peersRemove: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = invocation.arg(0)!;
  const answer = await callGateway<{ bounced: number }>(invocation, ["operator.admin"], "peers.remove", { name });
  out.result(answer, () => {
    out.line(`The link ${sanitizeLine(name)} is removed.`);
    if (answer.bounced > 0) out.note(`${answer.bounced} waiting messages came back to their senders as not delivered.`);
  });
};
