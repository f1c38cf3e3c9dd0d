import { array, boolean, enumOf, object, record, string, unknown } from "../../core/config-schema.ts";

/** The id is also the name of a file. */
const PLUGIN_ID = {
  regex: "[a-z0-9]+(?:[._-][a-z0-9]+)*",
  description: "lower-case letters and digits, with single dots, - and _ between them",
} as const;

const entry = object(
  "One plugin: the file `tools/<id>.mjs` (or `.js`, `.ts`) in the state directory, the folder `tools/<id>` there, what `load.paths` names, or a package.",
  {
    enabled: boolean("Use the plugin.", { default: true, onInvalid: false }),
    package: string("An npm package with its code, installed in the state directory: `npm install --prefix ~/.openclaw NAME`."),
    ask: enumOf(
      "Whether a person is asked before a call of its tools: `never`, of those that do more than read (`acting`), or `always`; without this, where the tool says so.",
      ["never", "acting", "always"],
      { onInvalid: "always" },
    ),
    config: unknown("Its settings. The plugin itself says which it has; they are checked when it is loaded (`openclaw plugins inspect`)."),
  },
  { unserved: ["apiKey", "env", "hooks", "subagent", "llm"] },
);

/** Code of others that adds tools. */
export const plugins = object(
  "Plugins: code of others that adds tools. Each runs in a thread of its own, with the rights of the gateway's user.",
  {
    enabled: boolean("Use plugins.", { default: true, onInvalid: false }),
    allow: array("Only these plugins; all entries when it is not set.", string("Id of a plugin."), { onInvalid: [], strict: true }),
    deny: array("Never these plugins, whatever allows them.", string("Id of a plugin, or `*`."), {
      default: [],
      onInvalid: ["*"],
      strict: true,
    }),
    load: object("Where the code of plugins may be besides the state directory.", {
      paths: array(
        "A file whose name is the id of its plugin, or a directory with files and folders of plugins.",
        string("A path.", { format: "path" }),
        {
          default: [],
        },
      ),
    }),
    entries: record("Plugins by their ids. What is not named here is not loaded.", "<id>", entry, { keyPattern: PLUGIN_ID }),
  },
  { unserved: ["slots", "bundledDiscovery", "installs"] },
);
