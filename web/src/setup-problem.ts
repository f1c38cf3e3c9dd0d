/** Why an account could not be connected, in words for the form: under the field it belongs to, and without commands. Pure. */
import type { ChannelCard, SetupField } from "./channel-card.ts";
import type { RequestError } from "./client.ts";

export type SetupProblem = {
  /** For the form as a whole; null when every problem belongs to a field. */
  text: string | null;
  fix: string | null;
  fields: Readonly<Record<string, string>>;
};

const ABBREVIATIONS: Readonly<Record<string, string>> = { url: "URL", tls: "TLS", sasl: "SASL", cli: "CLI", api: "API", id: "ID" };

/** `botToken` as a person says it: Bot token. */
export function toFieldLabel(key: string): string {
  const words = key
    .replaceAll(".", " ")
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(" ")
    .map((word) => ABBREVIATIONS[word] ?? word)
    .join(" ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const sentence = (text: string): string => {
  const whole = text.trim().replace(/[.:]$/, "");
  return `${whole.charAt(0).toUpperCase()}${whole.slice(1)}.`;
};

/** "is not a bot token: those begin with xoxb-" as the text under the field. */
export function toFieldMessage(label: string, message: string): string {
  if (message === "is missing") return `Enter the ${label.toLowerCase()}.`;
  const [, article, thing, those] = /^is not (an?) ([^:]+): those (.+)$/.exec(message) ?? [];
  if (thing !== undefined) return `That isn't ${article} ${thing}. ${sentence(`${thing}s ${those}`)}`;
  const [, rest] = /^(?:is not|cannot be) (an? .+)$/.exec(message) ?? [];
  return rest === undefined ? sentence(message) : sentence(`That isn't ${rest}`);
}

/** The form is in front of the person: keys of the configuration and commands say nothing to them. */
export function withoutCommands(fix: string): string | null {
  const kept = fix
    .split(/(?<=[.;])\s+/)
    .map((part) => part.replace(/,?\s*(?:and\s+)?(?:set|into|in)\s+`?channels\.\S+.*$/i, "").replace(/,?\s*then:?\s+`?openclaw .*$/i, ""))
    .filter((part) => part.trim() !== "" && !/`?openclaw \w|channels\.\w/.test(part))
    .join(" ");
  return kept.trim() === "" ? null : sentence(kept);
}

/** The text without the first of these that it begins with. */
function withoutStart(text: string, starts: readonly string[]): string {
  const start = starts.find((one) => text.startsWith(one));
  return start === undefined ? text : text.slice(start.length);
}

/** The key that was refused: the named one, else the only secret that is needed. */
function invalidField(key: unknown, fields: readonly SetupField[]): SetupField | undefined {
  const secrets = fields.filter((field) => field.secret && field.required);
  return fields.find((field) => field.key === key) ?? (secrets.length === 1 ? secrets[0] : undefined);
}

/** `error` is what the gateway answered; null for everything else, of which `text` is known. */
export function toSetupProblem(error: Pick<RequestError, "fix" | "details"> | null, text: string, card: ChannelCard): SetupProblem {
  const { code, issues, key } = error?.details ?? {};
  const fix = error?.fix ? withoutCommands(error.fix) : null;
  if (code === "ACCOUNT_INCOMPLETE" && Array.isArray(issues)) return ofIssues(issues as readonly Issue[], card);
  if (code === "CREDENTIAL_REFUSED") {
    const field = invalidField(key, card.fields);
    const said = withoutStart(text, [`${card.label} rejected this account: `, `${card.label} refuses it: `]);
    if (field === undefined) return { text: sentence(`${card.label} refused the connection: ${said}`), fix, fields: {} };
    const reason = /[:(]\s*([a-z]+(?:_[a-z]+)+)\)?$/.exec(said)?.[1];
    const what = toFieldLabel(field.key)
      .toLowerCase()
      .replace(/^bot token$/, "token");
    return {
      text: null,
      fix,
      fields: { [field.key]: `${card.label} rejected this ${what}${reason === undefined ? "" : ` (${reason})`}.` },
    };
  }
  if (code === "PLATFORM_UNREACHABLE") {
    const why = withoutStart(text, [`Can't reach ${card.label}: `, `${card.label} could not be asked: `]).replace(
      /^connect ECONNREFUSED (.*)$/,
      "connection refused at $1",
    );
    return { text: `Can't reach ${card.label} (${why}).`, fix, fields: {} };
  }
  return { text: sentence(text), fix, fields: {} };
}

type Issue = { path: string; message: string };

function ofIssues(issues: readonly Issue[], { fields }: ChannelCard): SetupProblem {
  const placed: Record<string, string> = {};
  const others: string[] = [];
  for (const { path, message } of issues) {
    const field = fields.find(({ key }) => path === key || path.startsWith(`${key}[`));
    if (field === undefined) others.push(`${toFieldLabel(path)}: ${sentence(message)}`);
    else placed[field.key] ??= toFieldMessage(toFieldLabel(field.key), message);
  }
  return { text: others.length === 0 ? null : others.join(" "), fix: null, fields: placed };
}
