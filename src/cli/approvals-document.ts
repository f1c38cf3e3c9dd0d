import { readFileSync } from "node:fs";
import { ClientError } from "../client/errors.ts";
import { CliError, EXIT, reasonOf } from "../core/errors.ts";
import { asString, isObject } from "../core/json.ts";
import { argumentsText } from "./approval-view.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway, withGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAgent } from "./known-names.ts";
import { readStdin } from "./stdin.ts";
import { formatAge, plural, revealLine } from "./terminal-text.ts";

type Entry = { id?: string; pattern: string; argPattern?: string; source?: string; commandText?: string; lastUsedAt?: number };
type Limits = { security?: string; ask?: string };
type Section = Limits & { allowlist?: Entry[] };
type Document = { version: 1; defaults?: Limits; agents?: Record<string, Section> };
type DocumentAnswer = {
  path: string;
  exists: boolean;
  hash: string;
  file: Document;
  resolvedDefaults?: { security: string; ask: string };
};

const ADMIN = ["operator.admin"] as const;
/** The section that counts for every agent. */
const EVERY_AGENT = "*";

const sectionsOf = ({ agents = {} }: Document): [id: string, section: Section][] => Object.entries(agents);
const agentText = (id: string): string => (id === EVERY_AGENT ? "every agent" : `agent ${revealLine(id)}`);

/** `openclaw approvals get` */
export const approvalsGet: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const answer = await callGateway<DocumentAnswer>(invocation, ADMIN, "exec.approvals.get");
  out.result(answer, () => {
    const { file, resolvedDefaults } = answer;
    const limited = sectionsOf(file).filter(([, { security, ask }]) => security !== undefined || ask !== undefined);
    out.pairs([
      ["kept in", answer.path],
      ["limits", limitsText({ ...resolvedDefaults, ...file.defaults })],
      ...limited.map(([id, section]): [string, string] => [agentText(id), limitsText(section)]),
    ]);
    out.line();
    const entries = sectionsOf(file).flatMap(([agent, { allowlist = [] }]) => allowlist.map((entry) => ({ agent, entry })));
    if (entries.length === 0) out.line("No program is always allowed.");
    else
      out.table(
        [
          { title: "pattern" },
          { title: "arguments", truncate: true },
          { title: "agent" },
          { title: "id" },
          { title: "allowed for", truncate: true },
          { title: "since", align: "right" },
        ],
        entries.map(({ agent, entry }) => [
          revealLine(entry.pattern),
          revealLine(argumentsText(entry)),
          agent,
          entry.id ?? "-",
          entry.commandText === undefined ? "-" : revealLine(entry.commandText),
          formatAge(entry.lastUsedAt, host.now()),
        ]),
      );
    out.note("openclaw exec-policy show says what holds for an agent: the stricter of this and the configuration.");
  });
};

/** The limits with what they amount to: "security full, ask off: no limit". */
const limitsText = (limits: Limits): string => {
  const { security = "full", ask = "off" } = limits;
  return `security ${security}, ask ${ask}: ${limitsMeaning({ security, ask })}`;
};

function limitsMeaning({ security, ask }: Required<Limits>): string {
  if (security === "deny") return "no command runs";
  if (ask === "always") return "a person is asked about every command that does more than read";
  if (ask === "on-miss") return "a person is asked, except about commands that only read and about programs of the allowlist";
  return security === "allowlist" ? "only commands that read, and programs of the allowlist, run" : "no limit";
}

/** `openclaw approvals set <file>` */
export const approvalsSet: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const given = await readGiven(invocation);
  const answer = await withGateway(invocation, { scopes: ADMIN }, async ({ client }) => {
    const baseHash = given.hash ?? (await client.request<DocumentAnswer>("exec.approvals.get")).hash;
    const params = { file: given.document, baseHash };
    return await client.request<DocumentAnswer>("exec.approvals.set", params).catch((err: unknown) => {
      throw toDocumentError(err, given.from);
    });
  });
  out.result(answer, () => {
    const sections = sectionsOf(answer.file);
    const programs = sections.reduce((sum, [, { allowlist = [] }]) => sum + allowlist.length, 0);
    out.line(`Replaced (${limitsText(answer.file.defaults ?? {})}); ${plural(programs, "program")} always allowed.`);
  });
};

/** `hash`: the version that the document was made from, where the file says so. */
async function readGiven(invocation: Invocation): Promise<{ document: unknown; hash: string | undefined; from: string }> {
  const name = invocation.arg(0);
  const text = name === "-" ? await readStdin(invocation, "Paste the document") : readText(name);
  const from = name === "-" ? "standard input" : name;
  const value = parseObject(text, from);
  const { file, hash } = value;
  return isObject(file) && typeof hash === "string" ? { document: file, hash, from } : { document: value, hash: undefined, from };
}

/** What the schema says of a document, in words with the place in it; other errors as they are. */
function toDocumentError(err: unknown, from: string): unknown {
  const said = err instanceof ClientError ? (err.gatewayMessage ?? "") : "";
  const [, path = "", problem] = /^invalid exec\.approvals\.set params: at \/file(\S*): (.+)$/.exec(said) ?? [];
  if (problem === undefined) return err;
  const place = path
    .slice(1)
    .replaceAll("/", ".")
    .replaceAll(/\.(\d+)(?=\.|$)/g, "[$1]");
  const [, wording = problem] = PROBLEMS.find(([pattern]) => pattern.test(`${place} ${problem}`)) ?? [];
  return new CliError(`${revealLine(from)} is not a valid document`, {
    why: revealLine(`${place === "" ? "it" : place} ${wording}.`),
    fix: EXAMPLE_FIX,
    exit: EXIT.usage,
    cause: err,
  });
}

/** What a validator says, and the same for people. */
const PROBLEMS: readonly [pattern: RegExp, wording: string][] = [
  [/^version must be equal to constant/, "must be 1"],
  [/\.source must be equal to constant/, 'must be "allow-always", or left out'],
  [/must NOT have fewer than 1 characters/, "must not be empty"],
];

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (err) {
    throw new CliError(`${path} cannot be read`, {
      why: `${reasonOf(err)}.`,
      fix: "check the path; - reads standard input.",
      exit: EXIT.usage,
      cause: err,
    });
  }
}

/** Throws CliError (exit 2). `from`: the file, for messages. */
function parseObject(text: string, from: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch (err) {
    if (!(err instanceof SyntaxError)) throw err;
    throw new CliError(`${from} is not JSON`, { why: `${err.message}.`, fix: EXAMPLE_FIX, exit: EXIT.usage, cause: err });
  }
  throw new CliError(`${from} is not a JSON object`, { why: "the document is one.", fix: EXAMPLE_FIX, exit: EXIT.usage });
}

const EXAMPLE_FIX = "openclaw approvals get --json prints one to start from.";

/** `openclaw approvals allowlist add|remove <pattern>` */
export const approvalsAllowlist: CommandHandler = (invocation) =>
  invocation.arg(0) === "add" ? addProgram(invocation) : removeProgram(invocation);

async function addProgram(invocation: Invocation): Promise<void> {
  const { out } = invocation;
  const pattern = invocation.arg(1);
  const agent = agentOf(invocation) ?? EVERY_AGENT;
  const isAnyUse = (entry: Entry): boolean => entry.pattern === pattern && entry.argPattern === undefined;
  const added = await editDocument(invocation, (document) => {
    const section = document.agents?.[agent] ?? {};
    const { allowlist = [] } = section;
    if (allowlist.some(isAnyUse)) return null;
    return { ...document, agents: { ...document.agents, [agent]: { ...section, allowlist: [...allowlist, { pattern }] } } };
  });
  out.result({ ok: true, pattern, agent, added }, () =>
    out.line(`${revealLine(pattern)} ${added ? "is" : "was already"} allowed for ${agentText(agent)}, with any arguments.`),
  );
}

async function removeProgram(invocation: Invocation): Promise<void> {
  const { out } = invocation;
  const wanted = invocation.arg(1);
  const agent = agentOf(invocation);
  const isWanted = (entry: Entry): boolean => entry.pattern === wanted || entry.id === wanted;
  let removed: { agent: string; pattern: string; argPattern?: string }[] = [];
  await editDocument(invocation, (document) => {
    const chosen = sectionsOf(document).filter(([id]) => agent === undefined || id === agent);
    removed = chosen.flatMap(([id, { allowlist = [] }]) =>
      allowlist
        .filter(isWanted)
        .map(({ pattern, argPattern }) => ({ agent: id, pattern, ...(argPattern !== undefined && { argPattern }) })),
    );
    if (removed.length === 0) throw noSuchProgram(wanted, agent);
    const kept = chosen.map(([id, section]): [string, Section] => [
      id,
      { ...section, ...(section.allowlist && { allowlist: section.allowlist.filter((entry) => !isWanted(entry)) }) },
    ]);
    return { ...document, agents: { ...document.agents, ...Object.fromEntries(kept) } };
  });
  out.result({ ok: true, removed }, () => {
    for (const each of removed)
      out.line(`${revealLine(each.pattern)} (${revealLine(argumentsText(each))}) is not allowed for ${agentText(each.agent)} any more.`);
  });
}

const noSuchProgram = (wanted: string, agent: string | undefined): CliError =>
  new CliError(`No program "${revealLine(wanted)}" is allowed${agent === undefined ? "" : ` for ${agentText(agent)}`}`, {
    why: "neither a pattern nor an id of the allowlist is like that.",
    fix: "openclaw approvals get lists them.",
    exit: EXIT.failure,
  });

/** The section of the document that --agent names. */
function agentOf(invocation: Invocation): string | undefined {
  const id = invocation.text("agent");
  return id === EVERY_AGENT ? id : requireKnownAgent(invocation, id)?.toLowerCase();
}

/** Reads the document, changes it and writes it, once more when someone else was faster. False: `change` had nothing to change. */
const editDocument = (invocation: Invocation, change: (document: Document) => Document | null): Promise<boolean> =>
  withGateway(invocation, { scopes: ADMIN }, async ({ client }) => {
    const edit = async (): Promise<boolean> => {
      const { file, hash } = await client.request<DocumentAnswer>("exec.approvals.get");
      const changed = change(file);
      if (changed === null) return false;
      await client.request("exec.approvals.set", { file: changed, baseHash: hash });
      return true;
    };
    try {
      return await edit();
    } catch (err) {
      if (!(err instanceof ClientError) || err.reason !== "APPROVALS_CHANGED") throw toPatternError(err);
      return await edit();
    }
  });

/** What the gateway says of a pattern, without its place in a document that the person has not written; other errors as they are. */
function toPatternError(err: unknown): unknown {
  if (!(err instanceof ClientError)) return err;
  const [, pattern, problem] = /\.pattern ("(?:[^"\\]|\\.)*") (.+)$/.exec(err.gatewayMessage ?? "") ?? [];
  if (pattern === undefined) return err;
  return new CliError(`${revealLine(pattern)} cannot be on the allowlist`, {
    why: revealLine(`it ${problem}.`),
    fix: asString(err.details["fix"]),
    exit: EXIT.failure,
    cause: err,
  });
}
