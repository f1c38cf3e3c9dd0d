import { formatPath } from "../config/key-path.ts";
import { mayBeStored, missingSecrets } from "../config/missing-secrets.ts";
import { createLocator } from "../config/json5.ts";
import { plaintextSecrets } from "../config/redact.ts";
import { findExternalSecrets, readTextFile } from "../config/load.ts";
import { foregroundClock } from "../core/clock.ts";
import { EXIT } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { toSentence } from "../core/text.ts";
import type { CommandHandler } from "./command.ts";
import { configOf, pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { isPlaceholder } from "./security-rules.ts";
import { plural, sanitizeLine } from "./terminal-text.ts";

/** The codes of OpenClaw that apply here. */
type SecretsCode = "PLAINTEXT_FOUND" | "LEGACY_RESIDUE" | "REF_UNRESOLVED" | "REF_SHADOWED" | "PLACEHOLDER_VALUE";

type SecretsFinding = {
  readonly code: SecretsCode;
  readonly file: string;
  /** The key. */
  readonly jsonPath: string;
  readonly line: number;
  readonly message: string;
  readonly fix: string;
};

/** `openclaw secrets audit` */
export const secretsAudit: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { path, raw } = configOf(invocation);
  if (invocation.has("allow-exec")) await askPrograms(invocation, raw ?? "");
  const findings = [...plaintext(invocation), ...residue(invocation), ...unresolved(invocation), ...shadowed(invocation)];
  const isUnresolved = findings.some(({ code }) => code === "REF_UNRESOLVED");
  const status = isUnresolved ? "unresolved" : findings.length > 0 ? "findings" : "clean";
  out.result({ version: 1, status, file: path, findings }, () => {
    for (const { code, jsonPath, line, message, fix } of findings) {
      out.paragraph(
        `${out.paint(code === "REF_UNRESOLVED" ? "red" : "yellow", "!")} ${sanitizeLine(jsonPath)} (${code}, line ${line})`,
        "  ",
      );
      out.paragraph(`  ${toSentence(sanitizeLine(message))}`, "  ");
      out.paragraph(`  Fix: ${sanitizeLine(fix)}`, "  ");
    }
    if (!invocation.has("check"))
      out.line(findings.length === 0 ? `${sanitizeLine(path)} has no credential in plain text.` : `${plural(findings.length, "finding")}`);
  });
  return isUnresolved ? EXIT.usage : findings.length > 0 ? EXIT.failure : EXIT.ok;
};

function plaintext(invocation: Invocation): SecretsFinding[] {
  const { raw, path } = configOf(invocation);
  if (raw === null) return [];
  const locate = createLocator(raw);
  return plaintextSecrets(raw).map(({ path: key, offset, text }) => {
    const isExample = isPlaceholder(text);
    const jsonPath = formatPath(key);
    return {
      code: isExample ? "PLACEHOLDER_VALUE" : "PLAINTEXT_FOUND",
      file: path,
      jsonPath,
      line: locate(offset).line,
      message: isExample ? "it has a value from an example" : "its value is in the file, and every copy of the file has it",
      fix: isExample
        ? `openclaw config set ${jsonPath} --stdin`
        : mayBeStored(key)
          ? `openclaw secrets configure --only ${jsonPath}, which moves it into the encrypted store`
          : `write \${NAME} in its place, with NAME in the environment of the gateway (<state>/service.env)`,
    };
  });
}

/** Runs the programs that the configuration refers to, as the gateway would. */
async function askPrograms(invocation: Invocation, raw: string): Promise<void> {
  const { env } = invocation.host;
  const paths = pathsOf(invocation);
  const { SecretSources } = await import("../secrets/sources.ts");
  const sources = new SecretSources({ dir: paths.gateway, env, clock: foregroundClock });
  await sources.read(findExternalSecrets(raw, { path: paths.config, env }), true);
  invocation.external = sources.lookup;
}

/** Copies of the file that the gateway keeps, with credentials that the file itself no longer has. */
function residue(invocation: Invocation): SecretsFinding[] {
  const { raw, path } = configOf(invocation);
  const own = new Set(plaintextSecrets(raw ?? "").map(({ text }) => text));
  return [`${path}.bak`, pathsOf(invocation).lastGood].flatMap((file): SecretsFinding[] => {
    const copy = readTextFile(file, LIMITS.configFileBytes);
    const first = "text" in copy ? plaintextSecrets(copy.text).find(({ text }) => !own.has(text) && !isPlaceholder(text)) : undefined;
    if (first === undefined) return [];
    return [
      {
        code: "LEGACY_RESIDUE",
        file,
        jsonPath: formatPath(first.path),
        line: 0,
        message: `an older copy of the configuration still has a credential: ${file}`,
        fix: `rm ${file}, and replace the credential where it was issued if others could read the file`,
      },
    ];
  });
}

/** References whose secret cannot be read in this environment; the gateway's may differ. */
function unresolved(invocation: Invocation): SecretsFinding[] {
  const { issues, path } = configOf(invocation);
  const keys = new Set(missingSecrets(issues));
  return issues
    .filter((issue) => issue.severity === "error" && keys.has(issue.path))
    .map(({ path: jsonPath, line, message, fix }) => ({
      code: "REF_UNRESOLVED",
      file: path,
      jsonPath,
      line,
      message,
      fix: fix ?? "set what it refers to where the gateway is started",
    }));
}

/** Variables of the file that the environment replaces with another value. */
function shadowed(invocation: Invocation): SecretsFinding[] {
  const { config, path } = configOf(invocation);
  return Object.entries(config.env.vars).flatMap(([name, secret]): SecretsFinding[] => {
    const own = invocation.host.env[name];
    if (own === undefined || own === "" || own === secret.reveal()) return [];
    return [
      {
        code: "REF_SHADOWED",
        file: path,
        jsonPath: `env.vars.${name}`,
        line: 0,
        message: `the environment has another value for ${name}, and that one is used`,
        fix: `unset ${name} where the gateway is started, or remove env.vars.${name}`,
      },
    ];
  });
}
