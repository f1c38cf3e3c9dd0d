import { globSync, readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { defineConfig } from "vite";
import type { Plugin } from "vite";

const root = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };

/** Text files beside their compressed form, so that no request waits for compression. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    closeBundle: () => {
      const out = new URL("../dist/web/", import.meta.url).pathname;
      for (const name of globSync("**/*.{html,js,css,svg}", { cwd: out })) {
        const content = readFileSync(out + name);
        if (content.length < 1_024) continue;
        writeFileSync(`${out}${name}.br`, brotliCompressSync(content));
        writeFileSync(`${out}${name}.gz`, gzipSync(content, { level: 9 }));
      }
    },
  };
}

/** Files of the views beside the conversation: a view, what it reads, and its styles. */
const VIEWS =
  "agents|approvals|audit|browser|channels|config|devices|health|logs|mcp|models|nodes|overview|schedule|sessions|settings|skills|tools|trace|usage";
const RECORDS =
  "agent-files|all-sessions|approval-records|health-report|log-tail|audit-records|branches|browser-tabs|chat-tools|config-editor|config-form|config-schema|connect-channel|device-list|device-requests|export-markdown|line-diff|model-providers|job-list|mcp-servers|overview|skill-list|tool-access|trace|timeline|usage-report|route-form|chat-search|doctor-panel|doctor-report|log-summary|install";
const ON_DEMAND = new RegExp(`/(?:(?:${VIEWS})-view|${RECORDS})\\.tsx?$|/styles/(?:config|lists|overview|trace)\\.css$`);

export default defineConfig({
  plugins: [compressed()],
  base: "./",
  define: { __PAGE_VERSION__: JSON.stringify(root.version) },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../dist/web",
    emptyOutDir: true,
    target: "es2023",
    cssTarget: ["chrome123", "safari17.5", "firefox128"],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: true,
    // What the first view needs is one chunk: one request, compressed as a whole. The views beside the conversation load when they are opened.
    rolldownOptions: {
      output: {
        codeSplitting: { groups: [{ name: "index", test: (id: string) => !ON_DEMAND.test(id) }] },
      },
    },
  },
});
