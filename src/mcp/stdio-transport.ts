import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/client";
import type { JsonObject } from "../core/json.ts";
import { JsonRpcProcess } from "../tools/json-rpc-process.ts";
import { MCP_LIMITS } from "./limits.ts";

/** A server as a child process. */
export class StdioTransport extends JsonRpcProcess implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;

  protected override onRecord(message: JsonObject): void {
    this.onmessage?.(message as JSONRPCMessage);
  }

  protected override exitCause(exitCode: number | null): string {
    const last = this.stderr.split("\n").at(-1)!.trim().slice(0, MCP_LIMITS.causeChars);
    return `it ended with exit code ${exitCode ?? "unknown"}${last === "" ? "" : `: ${last}`}`;
  }

  protected override onExit(): void {
    this.onclose?.();
  }
}
