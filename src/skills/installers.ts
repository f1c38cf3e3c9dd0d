import { asArray, asObjects, type JsonObject } from "../core/json.ts";
import { listOf, textOf } from "./header-values.ts";
import { SKILL_LIMITS } from "./limits.ts";
import { toPlatform, type SkillInstaller } from "./skill.ts";

/** What a name of a package, a module or an address may consist of, so that a shell reads it as one word and no program as a flag. */
const WORD = /^(?!-)[\w@%+:,./~^-]{1,400}$/;
const SHA256 = /^[0-9a-f]{64}$/i;

/** A value that may be part of a command; null for any other. */
function wordOf(value: unknown): string | null {
  const text = textOf(value);
  return WORD.test(text) ? text : null;
}

const commandWith = (start: string, word: string | null): string | null => (word === null ? null : `${start} ${word}`);

/** What a person would run, by the kind of the entry. */
const COMMANDS: Readonly<Record<string, (entry: JsonObject) => string | null>> = {
  brew: ({ formula, tap }) => {
    const word = wordOf(formula);
    if (word === null || tap === undefined || word.includes("/")) return commandWith("brew install", word);
    const from = wordOf(tap);
    return from === null ? null : `brew install ${from}/${word}`;
  },
  node: ({ package: name }) => commandWith("npm install -g", wordOf(name)),
  go: ({ module }) => {
    const word = wordOf(module);
    return commandWith("go install", word === null || word.includes("@") ? word : `${word}@latest`);
  },
  uv: ({ package: name }) => commandWith("uv tool install", wordOf(name)),
  download: ({ url, sha256 }) => {
    const address = wordOf(url);
    if (address === null || !address.startsWith("https://")) return null;
    const file = address.slice(address.lastIndexOf("/") + 1);
    const fetch = `curl -fL -o ${file} ${address}`;
    if (!/^[\w][\w.+-]*$/.test(file)) return null;
    return SHA256.test(textOf(sha256)) ? `${fetch} && echo "${textOf(sha256).toLowerCase()}  ${file}" | sha256sum -c` : fetch;
  },
};

/** The ways to install what a skill needs, as the header names them, for people to read. Nothing of them is ever run. Pure. */
export const installersOf = (value: unknown): readonly SkillInstaller[] =>
  asObjects(asArray(value))
    .slice(0, SKILL_LIMITS.installers)
    .map((entry, index) => {
      const kind = textOf(entry["kind"]) || "other";
      const bins = listOf(entry["bins"]);
      return {
        id: textOf(entry["id"]) || `${kind}-${index}`,
        kind,
        label: textOf(entry["label"]) || `Install ${bins.join(", ") || kind}`,
        bins,
        os: listOf(entry["os"]).map(toPlatform),
        command: Object.hasOwn(COMMANDS, kind) ? COMMANDS[kind]!(entry) : null,
      };
    });
