import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHeader } from "./front-matter.ts";
import { installersOf } from "./installers.ts";

const SHA = "a".repeat(64);

/** What a header says -> the command that people read. */
const COMMANDS: readonly (readonly [entry: object, command: string | null])[] = [
  [{ kind: "brew", formula: "vault" }, "brew install vault"],
  [{ kind: "brew", formula: "example/tap/vault" }, "brew install example/tap/vault"],
  [{ kind: "brew", formula: "vault", tap: "example/tap" }, "brew install example/tap/vault"],
  [{ kind: "node", package: "@example/vault" }, "npm install -g @example/vault"],
  [{ kind: "go", module: "example.org/vault/cmd/vault" }, "go install example.org/vault/cmd/vault@latest"],
  [{ kind: "go", module: "example.org/vault@v1.2.0" }, "go install example.org/vault@v1.2.0"],
  [{ kind: "uv", package: "vault-cli" }, "uv tool install vault-cli"],
  [{ kind: "download", url: "https://example.org/v1/vault.tar.gz" }, "curl -fL -o vault.tar.gz https://example.org/v1/vault.tar.gz"],
  [
    { kind: "download", url: "https://example.org/vault.tgz", sha256: SHA },
    `curl -fL -o vault.tgz https://example.org/vault.tgz && echo "${SHA}  vault.tgz" | sha256sum -c`,
  ],
  [{ kind: "brew" }, null],
  [{ kind: "brew", formula: "--build-from-source" }, null],
  [{ kind: "brew", formula: "vault; rm -rf ~" }, null],
  [{ kind: "brew", formula: "vault", tap: "$(id)" }, null],
  [{ kind: "node", package: "vault && curl evil" }, null],
  [{ kind: "node", package: "`id`" }, null],
  [{ kind: "go", module: "a|b" }, null],
  [{ kind: "uv", package: ["a", "b"] }, null],
  [{ kind: "download", url: "http://example.org/vault" }, null],
  [{ kind: "download", url: "https://example.org/" }, null],
  [{ kind: "download", url: "https://example.org/-o" }, null],
  [{ kind: "download", url: "https://example.org/v?a=$(id)" }, null],
  [{ kind: "apt", package: "vault" }, null],
  [{ kind: "constructor", package: "vault" }, null],
  [{}, null],
];
for (const [entry, command] of COMMANDS)
  test(`${JSON.stringify(entry)} is shown as ${command ?? "nothing to run"}`, () =>
    assert.equal(installersOf([entry])[0]!.command, command));

/** Every key that the headers of the skills of the npm package use, in a text of this project. */
const EVERY_KEY = `name: depot
description: Finds a parcel by its number.
homepage: https://depot.example/cli
user-invocable: false
metadata:
  {
    "openclaw":
      {
        "emoji": "📦",
        "os": ["macos", "linux"],
        "primaryEnv": "DEPOT_KEY",
        "requires":
          { "bins": ["depot"], "anyBins": ["jq", "gojq"], "env": ["DEPOT_KEY"], "config": ["channels.depot"] },
        "install":
          [
            { "id": "tap", "kind": "brew", "formula": "depot", "tap": "depot/tools", "bins": ["depot"], "label": "Homebrew", "os": ["darwin"] },
            { "id": "npm", "kind": "node", "package": "depot-cli", "bins": ["depot"], "label": "npm" },
            { "id": "mod", "kind": "go", "module": "depot.example/cmd/depot", "bins": ["depot"], "label": "Go" },
            { "id": "py", "kind": "uv", "package": "depot-py", "bins": ["depot"], "label": "uv" },
            {
              "id": "tar",
              "kind": "download",
              "url": "https://depot.example/depot-linux.tar.gz",
              "sha256": "${SHA}",
              "archive": "tar.gz",
              "extract": true,
              "stripComponents": 1,
              "targetDir": "tools/depot",
              "os": ["linux"],
              "label": "Archive",
            },
          ],
      },
  }`;

test("a header with every key that skills of OpenClaw use is read", () => {
  const parsed = parseHeader(`---\n${EVERY_KEY}\n---\n\n# Depot\n`, "folder");
  assert.ok("header" in parsed);
  const { install, ...header } = parsed.header;
  assert.deepEqual(header, {
    name: "depot",
    description: "Finds a parcel by its number.",
    homepage: "https://depot.example/cli",
    emoji: "📦",
    key: "depot",
    primaryEnv: "DEPOT_KEY",
    isAlways: false,
    os: ["darwin", "linux"],
    requires: { bins: ["depot"], anyBins: ["jq", "gojq"], env: ["DEPOT_KEY"], config: ["channels.depot"] },
    isUserInvocable: false,
    isModelInvocable: true,
  });
  assert.deepEqual(
    install.map(({ id, kind, label, bins, os, command }) => [id, kind, label, bins, os, command?.split(" ").slice(0, 3).join(" ")]),
    [
      ["tap", "brew", "Homebrew", ["depot"], ["darwin"], "brew install depot/tools/depot"],
      ["npm", "node", "npm", ["depot"], [], "npm install -g"],
      ["mod", "go", "Go", ["depot"], [], "go install depot.example/cmd/depot@latest"],
      ["py", "uv", "uv", ["depot"], [], "uv tool install"],
      ["tar", "download", "Archive", [], ["linux"], "curl -fL -o"],
    ],
  );
});
