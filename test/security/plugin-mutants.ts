import type { Mutant } from "./mutant.ts";

const POLICY = "src/tools/policy.test.ts";
const DESCRIPTION = "src/tools/plugins/description.test.ts";
const SCHEMA = "src/tools/plugins/schema-problem.test.ts";
const PLUGINS = "src/tools/plugins/tool-plugins.test.ts";
const IMAGES = "src/tools/view-image/view-image.test.ts";

/** Guards of the tools of plugins, and of the tool for images. */
export const PLUGIN_MUTANTS: readonly Mutant[] = [
  {
    invariant: 7,
    breaks: "who denies a built-in tool denies those of plugins with the same effect",
    file: "src/tools/policy.ts",
    text: "isDenied: (list) => isNamed(list) || expand(list).some((denied) => effectOf(denied) === effect)",
    broken: "isDenied: isNamed",
    tests: [POLICY],
    title: "same effect",
  },
  {
    invariant: 7,
    breaks: "a list opens only the tool of a plugin that it names",
    file: "src/tools/policy.ts",
    text: "list.some((entry) => entry.trim().toLowerCase() === name);",
    broken: "list.some((entry) => entry.trim().toLowerCase() === name || mayBePluginTool(entry));",
    tests: [POLICY],
    title: "a tool of a plugin",
  },
  {
    invariant: 7,
    breaks: "a plugin that is switched off is not loaded",
    file: "src/tools/plugins/plugin-report.ts",
    text: 'if (deny.includes(id) || deny.includes("*"))',
    broken: 'if (deny.includes("*"))',
    tests: [PLUGINS],
    title: "switches off",
  },
  {
    invariant: 13,
    breaks: "a plugin cannot take the name of a built-in tool",
    file: "src/tools/plugins/description.ts",
    text: "if (findToolName(name) !== null || RESERVED.includes(name))",
    broken: "if (RESERVED.includes(name))",
    tests: [DESCRIPTION],
  },
  {
    invariant: 6,
    breaks: "a schema of which not everything is checked is refused",
    file: "src/tools/plugins/schema-problem.ts",
    text: "if (stray !== undefined) return",
    broken: "if (stray === type) return",
    tests: [SCHEMA],
  },
  {
    invariant: 4,
    breaks: "the thread of a plugin has no secret of the gateway's environment",
    file: "src/tools/plugins/plugin-thread.ts",
    text: "      env,\n",
    broken: "      env: process.env,\n",
    tests: [PLUGINS],
    title: "runs them with checked arguments",
  },
  {
    invariant: 10,
    breaks: "a thread that blocks is ended",
    file: "src/tools/plugins/plugin-thread.ts",
    text: "if (this.#silentMs >= limits.stuckMs) return",
    broken: "if (this.#silentMs < 0) return",
    tests: [PLUGINS],
    title: "blocks its thread",
  },
  {
    invariant: 8,
    breaks: "code that others can change is not loaded",
    file: "src/core/plugin-module.ts",
    text: "(mode & 0o002) !== 0)",
    broken: "(mode & 0o002) < 0)",
    tests: [PLUGINS],
    title: "code is found",
  },
  {
    invariant: 7,
    breaks: "who may not read the web does not fetch images",
    file: "src/tools/view-image/view-image.ts",
    text: 'if (!caller.tools.includes("web_fetch")) return',
    broken: 'if (caller.tools.includes("none" as never)) return',
    tests: [IMAGES],
    title: "may not read the web",
  },
  {
    invariant: 12,
    breaks: "what another model says about an image is a quotation",
    file: "src/tools/view-image/view-image.ts",
    text: "text: frameWebContent({ source: `What the model ${model} says about it`, text, notes })",
    broken: "text: [text, ...notes].join(model)",
    tests: [IMAGES],
    title: "is a quotation",
  },
  {
    invariant: 6,
    breaks: "a call about which a person is asked does not run without an agreement",
    file: "src/gateway/tool-sources.ts",
    text: "if (refusal !== null) return errorResult(",
    broken: "if (refusal === '') return errorResult(",
    tests: ["src/gateway/mcp-servers.test.ts"],
  },
  {
    invariant: 6,
    breaks: "what a person has seen of a call is what runs",
    file: "src/gateway/tool-sources.ts",
    text: "question === undefined ? call : structuredClone(call)",
    broken: "call",
    tests: ["src/gateway/mcp-servers.test.ts"],
  },
];
