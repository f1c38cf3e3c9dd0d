import { parse, YAMLError } from "yaml";
import { asObject, fieldsOf, type JsonObject } from "../core/json.ts";
import { clip } from "../core/text.ts";
import { listOf, textOf } from "./header-values.ts";
import { installersOf } from "./installers.ts";
import { SKILL_LIMITS } from "./limits.ts";
import { isSkillName, toPlatform, type SkillHeader } from "./skill.ts";

/** A header, or why there is none. */
export type ParsedHeader = { header: SkillHeader } | { problem: string };

/** The text between the two lines of hyphens at the start of a file. */
const FRONT_MATTER = /^\uFEFF?---[ \t]*\r?\n([^]*?)(?:^|\n)---[ \t]*(?:\r?\n|$)/m;

/**
 * The header of a `SKILL.md`. `directory` is the name of its directory, which the skill has where the header names none. Facts that only
 * OpenClaw knows are in `metadata.openclaw`, or `metadata.clawdbot` in older files. Pure.
 */
export function parseHeader(text: string, directory: string): ParsedHeader {
  const fields = readFields(text);
  if (typeof fields === "string") return { problem: fields };
  const metadata = metadataOf(fields);
  if (metadata === null) return { problem: "its metadata is not an object" };
  const name = textOf(fields["name"]) || directory.normalize("NFC");
  if (!isSkillName(name))
    return {
      problem: `its name ${JSON.stringify(clip(name, 80))} has other characters than letters, digits, blanks and . _ + -, or more than 64`,
    };
  const description = textOf(fields["description"]);
  if (description === "") return { problem: "it has no description" };
  const requires = fieldsOf(metadata["requires"]);
  return {
    header: {
      name,
      description: clip(description, SKILL_LIMITS.descriptionChars),
      homepage: webAddress(metadata["homepage"] ?? fields["homepage"]),
      emoji: clip(textOf(metadata["emoji"] ?? fields["emoji"]), 16) || null,
      key: textOf(metadata["skillKey"]) || name,
      primaryEnv: textOf(metadata["primaryEnv"]) || null,
      isAlways: metadata["always"] === true,
      os: listOf(metadata["os"]).map(toPlatform),
      requires: {
        bins: listOf(requires["bins"]),
        anyBins: listOf(requires["anyBins"]),
        env: listOf(requires["env"]),
        config: listOf(requires["config"]),
      },
      install: installersOf(metadata["install"]),
      isUserInvocable: switchOf(fields["user-invocable"], true),
      isModelInvocable: !switchOf(fields["disable-model-invocation"], false),
    },
  };
}

/** The fields at the beginning of a file, and of its `metadata` what only OpenClaw knows; or why they cannot be read. Pure. */
export function parseFrontMatter(text: string): { fields: JsonObject; metadata: JsonObject } | { problem: string } {
  const fields = readFields(text);
  if (typeof fields === "string") return { problem: fields };
  const metadata = metadataOf(fields);
  return metadata === null ? { problem: "its metadata is not an object" } : { fields, metadata };
}

/** The fields, or why they cannot be read. */
function readFields(text: string): JsonObject | string {
  const yaml = text.startsWith("---") || text.startsWith("\uFEFF---") ? FRONT_MATTER.exec(text)?.[1] : undefined;
  if (yaml === undefined) return "it does not begin with front matter between two lines of ---";
  if (yaml.length > SKILL_LIMITS.frontMatterChars) return `its front matter is longer than ${SKILL_LIMITS.frontMatterChars} characters`;
  const value = parseYaml(yaml);
  if ("fields" in value) return value.fields;
  const lines = value.isSyntax ? readPlainLines(yaml) : null;
  return lines ?? `its front matter ${value.problem}`;
}

function parseYaml(yaml: string): { fields: JsonObject } | { problem: string; isSyntax: boolean } {
  try {
    // Without aliases, a short text cannot stand for a large value.
    const fields = asObject(parse(yaml, { schema: "core", maxAliasCount: 0, logLevel: "error" }));
    return fields ? { fields } : { problem: "is not a list of keys and values", isSyntax: false };
  } catch (err) {
    if (err instanceof YAMLError) return { problem: `is not valid YAML: ${firstLine(err.message)}`, isSyntax: true };
    // Aliases are refused with an error of another kind.
    if (err instanceof ReferenceError) return { problem: "has aliases, which are not supported", isSyntax: false };
    throw err;
  }
}

/**
 * One key and its text in each line: what people write as `description: Use it so: ...` without quotes, which is not YAML. Null for
 * everything that has more structure.
 */
function readPlainLines(yaml: string): JsonObject | null {
  const fields: Record<string, unknown> = {};
  for (const line of yaml.split(/\r?\n/).filter((each) => each.trim() !== "" && !each.startsWith("#"))) {
    const [, key, text] = /^([A-Za-z][\w-]*):(?:[ \t]+(.*))?$/.exec(line) ?? [];
    if (key === undefined || Object.hasOwn(fields, key)) return null;
    const alone = parseYaml(`${key}: ${text ?? ""}`);
    if ("fields" in alone) fields[key] = alone.fields[key];
    else if (alone.isSyntax && !/^["'[{|>&*!%@`]/.test(text!)) fields[key] = text;
    else return null;
  }
  return fields;
}

const firstLine = (text: string): string => clip(text.split("\n", 1)[0]!.replace(/:$/, ""), 200);

/** Null for a value that is not an object. Some files have it as a text in JSON. */
function metadataOf(fields: JsonObject): JsonObject | null {
  const given = fields["metadata"] ?? {};
  const value = typeof given === "string" ? readFields(`---\n${given}\n---\n`) : given;
  const metadata = asObject(value);
  return metadata && fieldsOf(metadata["openclaw"] ?? metadata["clawdbot"]);
}

function switchOf(value: unknown, absent: boolean): boolean {
  if (typeof value === "boolean") return value;
  const word = textOf(value).toLowerCase();
  return ["true", "yes", "on", "1"].includes(word) || (["false", "no", "off", "0"].includes(word) ? false : absent);
}

function webAddress(value: unknown): string | null {
  const text = textOf(value);
  return /^https?:\/\/\S+$/i.test(text) && text.length <= 2_000 ? text : null;
}
