import type { JSX } from "preact";
import { waitsInCall } from "../approvals.ts";
import { Chevron } from "./icons.tsx";
import type { LiveTool, ToolState } from "../../../src/client/conversation/live-run.ts";

const STATE_TEXT: Record<ToolState, string> = { running: "running", done: "", failed: "failed", stopped: "stopped" };

const stateText = ({ state, callId }: LiveTool): string => (state === "running" && waitsInCall(callId) ? "waiting" : STATE_TEXT[state]);

const DOTS: Record<ToolState, string> = { running: "busy", done: "done", failed: "failed", stopped: "" };

/** "0.2 s", "14 s", "3 min 5 s". */
export function formatToolDuration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 60_000) return `${Math.round(ms / 1000)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** The one argument that says most: the command, the path, the address. */
function toSummary(args: unknown): string {
  if (typeof args === "string") return args;
  if (typeof args !== "object" || args === null) return "";
  const known = args as Record<string, unknown>;
  const best = ["command", "path", "file_path", "url", "query", "pattern"]
    .map((name) => known[name])
    .find((value) => typeof value === "string");
  return typeof best === "string"
    ? best
    : (Object.values(known)
        .filter((value) => typeof value === "string")[0]
        ?.toString() ?? "");
}

const toText = (args: unknown): string => (typeof args === "string" ? args : JSON.stringify(args, null, 2));

/** One tool call, folded. */
export function ToolCall({ tool }: { tool: LiveTool }): JSX.Element {
  return (
    <details class="tool" data-state={tool.state}>
      <summary>
        <Chevron size={14} />
        <span class="dot" data-state={DOTS[tool.state]} />
        <span class="tool-name">{tool.name}</span>
        <span class="tool-summary" dir="ltr">
          {toSummary(tool.args)}
        </span>
        <span class="tool-end">
          {stateText(tool)}
          {tool.durationMs !== null && tool.state !== "running" && ` ${formatToolDuration(tool.durationMs)}`}
        </span>
      </summary>
      <div class="tool-body">
        {tool.args !== null && (
          <>
            <p class="tool-label">Arguments</p>
            <pre tabIndex={0} dir="ltr">
              {toText(tool.args)}
            </pre>
          </>
        )}
        <p class="tool-label">{tool.state === "failed" ? "Error" : "Result"}</p>
        {tool.result === "" ? (
          <p class="hint">{tool.state === "running" ? "No output yet." : "No output."}</p>
        ) : (
          <pre tabIndex={0} dir="auto">
            {tool.result}
          </pre>
        )}
      </div>
    </details>
  );
}

/** What the model thought before it spoke, folded. */
export function Thinking({ text, active }: { text: string; active: boolean }): JSX.Element {
  return (
    <details class="tool thinking">
      <summary>
        <Chevron size={14} />
        <span class="tool-name">{active ? "Thinking" : "Reasoning"}</span>
        <span class="tool-summary" dir="auto">
          {text.slice(0, 160)}
        </span>
      </summary>
      <div class="tool-body">
        <p class="thought" dir="auto">
          {text}
        </p>
      </div>
    </details>
  );
}
