// Writes docs/configuration.md and schema/openclaw.schema.json from the schema; with --check it only compares.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keyReference } from "../src/config/key-reference.ts";
import { jsonSchema } from "../src/config/json-schema.ts";

const ROOT = join(import.meta.dirname, "..");

const GUIDE = `# Configuration

<!-- Made by scripts/gen-config-docs.ts from the schema in src/config. Change the schema, then run the script. -->

The gateway reads \`openclaw.json\` in the state directory (\`~/.openclaw\`, or \`OPENCLAW_STATE_DIR\`), or the file that
\`OPENCLAW_CONFIG_PATH\` names. Without a file, the defaults below hold. The keys are those of OpenClaw, so an existing file can stay
as it is: what this gateway does not serve is left alone and named in a note.

## The file

The file is JSON5: comments, keys without quotes, single quotes and commas at the end are fine.

\`\`\`json5
{
  // One model, with a second one for when it fails.
  agents: { defaults: { model: { primary: "ollama/qwen3", fallbacks: ["openai/gpt-5"] } } },
  models: {
    providers: {
      ollama: { baseUrl: "http://127.0.0.1:11434/v1", api: "openai-completions", models: [{ id: "qwen3" }] },
      openai: { baseUrl: "https://api.openai.com/v1", api: "openai-responses", apiKey: "\${OPENAI_API_KEY}", models: [{ id: "gpt-5" }] },
    },
  },
  channels: { irc: { host: "irc.example.org", nick: "claw", channels: ["#home"], groups: { "#home": {} } } },
}
\`\`\`

An editor that knows JSON Schema completes and checks the file with \`"$schema"\` set to the path of \`schema/openclaw.schema.json\`.

**The file belongs to you.** The gateway writes it only when you ask for it (\`openclaw config set\`, the settings page, \`config.patch\`):
as a whole or not at all, with comments and layout kept, and with the version before beside it as \`openclaw.json.bak\`. A change that
would bring in a new error is refused.

## When something is wrong

Nothing in the file keeps the gateway from starting.

| What | Then |
| --- | --- |
| A key that nobody knows | A warning, with the key that was probably meant. |
| A key of OpenClaw that is not served here | A note. |
| A wrong value | An error with line and column. Only this key falls back: to its default, or to the stricter value where the default would be more open than what was meant. |
| A secret that cannot be read | An error; the key counts as not set. |
| The file is not JSON5, empty, not text, too large, or cannot be read | An error. The last good copy is used (\`gateway/openclaw.last-good.json\` in the state directory), or the defaults. |

\`openclaw config validate\` prints all of it.

## Values from the environment, and secrets

- \`\${NAME}\` in any text is replaced by the variable, which must be set and not empty. \`$\${NAME}\` stays as \`\${NAME}\`. Variables may
  also be set in the file, under \`env.vars\`; the environment of the process wins.
- Every key of the type *secret* takes a text, or a reference \`{ source: "env", provider: "default", id: "NAME" }\`, or, under the same
  name with \`File\` added (\`tokenFile\`, \`passwordFile\`, ...), the path of a file. The file must be a regular file, not a link, of at
  most 64 KiB; a line break at its end is dropped.
- References of the source \`file\` need an entry in \`secrets.providers\` that names the file.
- Secrets are never logged and never sent to a client: clients see \`__OPENCLAW_REDACTED__\`, and sending that back keeps the secret.

## When a change takes effect

With \`gateway.reload.mode\` \`hybrid\`, changes are taken from the file while the gateway runs. The column *Change* says how: *at once*;
*channel restarts* reconnects the channel, or only the account that has changed; *restart* waits for the next start of the gateway.

## All keys

Sizes are texts such as \`500mb\`. A \`*\` in a key stands for a name of your choice, \`[]\` for
each item of a list.

`;

const OUTPUTS: readonly { readonly path: string; readonly text: string }[] = [
  { path: "docs/configuration.md", text: GUIDE + keyReference() },
  { path: "schema/openclaw.schema.json", text: `${JSON.stringify(jsonSchema(), null, 1)}\n` },
];

let stale = 0;
for (const { path, text } of OUTPUTS) {
  const file = join(ROOT, path);
  if (!process.argv.includes("--check")) {
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, text);
  } else if (readFileSync(file, "utf8") !== text) {
    console.error(`${path} is not what the schema says: run node scripts/gen-config-docs.ts`);
    stale++;
  }
}
process.exit(stale > 0 ? 1 : 0);
