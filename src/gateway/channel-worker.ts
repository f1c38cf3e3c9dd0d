// The thread of an isolated channel account. What it is to serve comes over the port that it was started with.
import { workerData, type MessagePort } from "node:worker_threads";
import { runWorker } from "../channels/worker/worker-main.ts";
import { loadChannel } from "../channels/registry.ts";
import { asId, type ChannelId } from "../core/ids.ts";
import { openSpool } from "../store/spool.ts";

runWorker((workerData as { port: MessagePort }).port, {
  load: ({ channel, pluginSource: outside }) => loadChannel(asId<ChannelId>(channel), outside ?? undefined),
  openSpool,
});
