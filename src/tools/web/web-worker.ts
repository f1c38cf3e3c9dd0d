// Runs as a thread: reads pages from outside, one after the other.
import { parentPort } from "node:worker_threads";
import { readPage, type PageRequest } from "./web-fetch/read-page.ts";
import type { ReadPage } from "./web-fetch/read-html.ts";
import { readResultPage, type ResultPage, type ResultPageRequest } from "./web-search/duckduckgo-page.ts";

export type WebJob = ({ kind: "page" } & PageRequest) | ({ kind: "results" } & ResultPageRequest);
/** What a job gives, or why it gives nothing, as the end of a sentence. */
export type WebJobResult = {
  page: ReadPage | { problem: string };
  results: ResultPage | { problem: string };
};

function run(job: WebJob): WebJobResult[WebJob["kind"]] {
  try {
    return job.kind === "page" ? readPage(job) : readResultPage(job);
  } catch (err) {
    return { problem: `it could not be read (${String(err).slice(0, 100)})` };
  }
}

// oxlint-disable-next-line require-post-message-target-origin -- a port of Node, not a window
parentPort?.on("message", (job: WebJob) => parentPort?.postMessage(run(job)));
