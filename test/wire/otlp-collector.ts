import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { OtlpSpan } from "../../src/observe/otel/otlp.ts";

type Received = { path: string; headers: IncomingHttpHeaders; body: Buffer };
type MetricJson = { name: string; sum?: unknown; gauge?: unknown; histogram?: unknown };
type LogJson = { severityText: string; traceId?: string; body?: unknown; attributes: { key: string; value: Record<string, unknown> }[] };

/** A collector of OTLP over HTTP: keeps what it receives, and answers as a test wants. */
export class OtlpCollector {
  readonly received: Received[] = [];
  /** Status of each answer; `silent` accepts a request and never answers it. */
  answer: number | "silent" = 200;
  #server: Server | null = null;
  #port = 0;

  /** Listens, on the same port as before when it has been closed. */
  async start(): Promise<this> {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        this.received.push({ path: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks) });
        if (this.answer === "silent") return;
        response.writeHead(this.answer, { "content-type": "application/json" }).end("{}");
      });
    });
    await new Promise<void>((resolve) => this.#server!.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => (this.#server ? this.#server.close(resolve) : resolve(null)));
  }

  spans(): OtlpSpan[] {
    return this.#items("/v1/traces", "resourceSpans", "scopeSpans", "spans");
  }

  metrics(): MetricJson[] {
    return this.#items("/v1/metrics", "resourceMetrics", "scopeMetrics", "metrics");
  }

  logs(): LogJson[] {
    return this.#items("/v1/logs", "resourceLogs", "scopeLogs", "logRecords");
  }

  /** Everything that was received, as text. */
  text(): string {
    return this.received.map(({ body }) => body.toString("latin1")).join("\n");
  }

  #items<T>(path: string, resources: string, scopes: string, items: string): T[] {
    return this.received
      .filter((each) => each.path === path && each.headers["content-type"] === "application/json")
      .flatMap(({ body }) => (JSON.parse(body.toString()) as Record<string, Record<string, Record<string, T[]>[]>[]>)[resources]!)
      .flatMap((resource) => resource[scopes]!)
      .flatMap((scope) => scope[items]!);
  }
}
