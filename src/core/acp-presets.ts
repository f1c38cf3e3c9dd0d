/**
 * Programs of well-known agents, as their packages install them. Nothing is downloaded: a program that is not on the PATH is an error
 * that says so.
 */
export const ACP_PRESETS: Readonly<Record<string, { argv: readonly string[]; install: string }>> = {
  claude: { argv: ["claude-agent-acp"], install: "npm install -g @zed-industries/claude-agent-acp" },
  codex: { argv: ["codex-acp"], install: "npm install -g @zed-industries/codex-acp" },
  copilot: { argv: ["copilot", "--acp"], install: "npm install -g @github/copilot" },
  gemini: { argv: ["gemini", "--acp"], install: "npm install -g @google/gemini-cli" },
  goose: { argv: ["goose", "acp"], install: "see the documentation of goose" },
  kimi: { argv: ["kimi", "acp"], install: "see the documentation of Kimi CLI" },
  opencode: { argv: ["opencode", "acp"], install: "npm install -g opencode-ai" },
  pi: { argv: ["pi-acp"], install: "npm install -g pi-acp @earendil-works/pi-coding-agent" },
  qwen: { argv: ["qwen", "--acp"], install: "npm install -g @qwen-code/qwen-code" },
};
