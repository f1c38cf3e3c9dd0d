import type { CliCommand, CliFlag, CommandFamily } from "./command.ts";
import { YES } from "./shared-flags.ts";

const NODE: CliFlag = { name: "node", value: "node", help: "Id, name, or the beginning of one." };
const INVOKE_TIMEOUT: CliFlag = {
  name: "invoke-timeout",
  value: "ms",
  range: [1, 3_600_000],
  help: "Deadline of the command on the node, in milliseconds.",
};
const OUT: CliFlag = { name: "out", value: "file", help: "Where the file is written (default: a new file in the working directory)." };

const lists: readonly CliCommand[] = [
  {
    path: ["nodes", "status"],
    group: "Nodes",
    summary: "List nodes with their connection and what they offer.",
    flags: [{ name: "connected", help: "Only those that are connected." }],
    usesGateway: true,
    isDefault: true,
    examples: ["openclaw nodes status"],
    load: async () => (await import("./nodes.ts")).nodesStatus,
  },
  {
    path: ["nodes", "list"],
    summary: "List nodes, and those that wait for an approval.",
    flags: [
      { name: "connected", help: "Only those that are connected." },
      { name: "last-connected", value: "duration", help: "Only those that were connected within this time, such as 24h." },
    ],
    usesGateway: true,
    examples: ["openclaw nodes list --connected"],
    load: async () => (await import("./nodes.ts")).nodesList,
  },
  {
    path: ["nodes", "describe"],
    summary: "Show a node: its commands with the reason for each, and what ran last.",
    flags: [NODE],
    usesGateway: true,
    examples: ["openclaw nodes describe --node kitchen"],
    load: async () => (await import("./nodes.ts")).nodesDescribe,
  },
  {
    path: ["nodes", "pending"],
    summary: "List nodes that wait for an approval, with what they would be allowed.",
    usesGateway: true,
    examples: ["openclaw nodes pending"],
    load: async () => (await import("./nodes.ts")).nodesPending,
  },
];

const changes: readonly CliCommand[] = [
  {
    path: ["nodes", "approve"],
    summary: "Approve what a node offers.",
    args: [{ name: "request", required: true }],
    usesGateway: true,
    examples: ["openclaw nodes approve 0c1f"],
    load: async () => (await import("./nodes.ts")).nodesApprove,
  },
  {
    path: ["nodes", "reject"],
    summary: "Reject what a node offers; it stays paired and can run nothing of it.",
    args: [{ name: "request", required: true }],
    usesGateway: true,
    examples: ["openclaw nodes reject 0c1f"],
    load: async () => (await import("./nodes.ts")).nodesReject,
  },
  {
    path: ["nodes", "rename"],
    summary: "Give a node another name.",
    flags: [NODE, { name: "name", value: "name", help: "The new name." }],
    usesGateway: true,
    examples: ["openclaw nodes rename --node 1d19 --name kitchen"],
    load: async () => (await import("./nodes.ts")).nodesRename,
  },
  {
    path: ["nodes", "remove"],
    summary: "Remove a node: its pairing ends, and its connection is closed.",
    flags: [NODE, YES],
    usesGateway: true,
    examples: ["openclaw nodes remove --node kitchen --yes"],
    load: async () => (await import("./nodes.ts")).nodesRemove,
  },
];

const calls: readonly CliCommand[] = [
  {
    path: ["nodes", "invoke"],
    summary: "Run a command on a node.",
    flags: [
      NODE,
      { name: "command", value: "command", help: "Name of the command, such as system.which." },
      { name: "params", value: "json", help: "Its parameters as a JSON object (default: {})." },
      INVOKE_TIMEOUT,
      { name: "idempotency-key", value: "key", help: "The same key never runs twice; a repeat gets the first result." },
    ],
    usesGateway: true,
    notes: ["system.run waits until a person has agreed: on the page, or with openclaw approvals."],
    examples: [`openclaw nodes invoke --node attic --command system.which --params '{}'`],
    load: async () => (await import("./nodes-invoke.ts")).nodesInvoke,
  },
  {
    path: ["nodes", "run"],
    summary: "Run a program on a node, after a person has agreed.",
    args: [{ name: "command", required: true, variadic: true }],
    flags: [NODE, { name: "cwd", value: "directory", help: "Directory on the node." }, INVOKE_TIMEOUT],
    usesGateway: true,
    examples: ["openclaw nodes run --node kitchen -- uname -a"],
    load: async () => (await import("./nodes-invoke.ts")).nodesRun,
  },
  {
    path: ["nodes", "notify"],
    summary: "Show a notification on a node.",
    flags: [
      NODE,
      { name: "title", value: "text", help: "Title." },
      { name: "body", value: "text", help: "Text." },
      { name: "sound", value: "name", help: "Sound." },
      { name: "priority", value: "priority", choices: ["passive", "active", "timeSensitive"], help: "How much it interrupts." },
      { name: "delivery", value: "mode", choices: ["system", "overlay", "auto"], help: "How it is shown (default: system)." },
      INVOKE_TIMEOUT,
    ],
    usesGateway: true,
    examples: ['openclaw nodes notify --node phone --title "Tea" --body "It is ready."'],
    load: async () => (await import("./nodes-invoke.ts")).nodesNotify,
  },
];

const media: readonly CliCommand[] = [
  {
    path: ["nodes", "camera", "list"],
    summary: "List the cameras of a node.",
    flags: [NODE, INVOKE_TIMEOUT],
    usesGateway: true,
    examples: ["openclaw nodes camera list --node phone"],
    load: async () => (await import("./nodes-media.ts")).cameraList,
  },
  {
    path: ["nodes", "camera", "snap"],
    summary: "Take a photo on a node.",
    flags: [
      NODE,
      { name: "facing", value: "camera", choices: ["front", "back", "both"], help: "Which camera (default: both)." },
      { name: "device-id", value: "id", help: "Camera, as camera list names it." },
      { name: "max-width", value: "px", range: [16, 16_384], help: "Width of the picture at most." },
      { name: "quality", value: "0-1", help: "Quality of the JPEG." },
      { name: "delay-ms", value: "ms", range: [0, 60_000], help: "Wait before the photo." },
      INVOKE_TIMEOUT,
      OUT,
    ],
    usesGateway: true,
    notes: ["gateway.nodes.commands.allow has to name camera.snap."],
    examples: ["openclaw nodes camera snap --node phone --facing back"],
    load: async () => (await import("./nodes-media.ts")).cameraSnap,
  },
  {
    path: ["nodes", "camera", "clip"],
    summary: "Record a clip on a node.",
    flags: [
      NODE,
      { name: "facing", value: "camera", choices: ["front", "back"], help: "Which camera (default: front)." },
      { name: "device-id", value: "id", help: "Camera, as camera list names it." },
      { name: "duration", value: "duration", help: "Length, such as 10s (default: 3s; at most 60s)." },
      { name: "no-audio", help: "Without sound." },
      INVOKE_TIMEOUT,
      OUT,
    ],
    usesGateway: true,
    notes: ["gateway.nodes.commands.allow has to name camera.clip."],
    examples: ["openclaw nodes camera clip --node phone --duration 10s"],
    load: async () => (await import("./nodes-media.ts")).cameraClip,
  },
  {
    path: ["nodes", "screen", "record"],
    summary: "Record the screen of a node.",
    flags: [
      NODE,
      { name: "duration", value: "duration", help: "Length, such as 10s (default: 10s)." },
      { name: "fps", value: "fps", range: [1, 60], help: "Pictures in a second (default: 10)." },
      { name: "screen", value: "index", range: [0, 16], help: "Which screen (default: 0)." },
      { name: "no-audio", help: "Without sound." },
      INVOKE_TIMEOUT,
      OUT,
    ],
    usesGateway: true,
    notes: ["gateway.nodes.commands.allow has to name screen.record."],
    examples: ["openclaw nodes screen record --node mac --duration 10s"],
    load: async () => (await import("./nodes-media.ts")).screenRecord,
  },
  {
    path: ["nodes", "location", "get"],
    summary: "Ask a node where it is.",
    flags: [
      NODE,
      { name: "accuracy", value: "accuracy", choices: ["coarse", "balanced", "precise"], help: "How exactly." },
      { name: "max-age", value: "ms", range: [0, 86_400_000], help: "A known place that is not older than this is enough." },
      { name: "location-timeout", value: "ms", range: [1, 600_000], help: "Time for finding it (default: 10000)." },
      INVOKE_TIMEOUT,
    ],
    usesGateway: true,
    examples: ["openclaw nodes location get --node phone"],
    load: async () => (await import("./nodes-media.ts")).locationGet,
  },
  {
    path: ["nodes", "canvas", "present"],
    summary: "Show a page on a node.",
    flags: [NODE, { name: "target", value: "url", help: "Address of the page." }, INVOKE_TIMEOUT],
    usesGateway: true,
    examples: ["openclaw nodes canvas present --node mac --target https://example.org"],
    load: async () => (await import("./nodes-invoke.ts")).canvasPresent,
  },
  {
    path: ["nodes", "canvas", "hide"],
    summary: "Hide the page that a node shows.",
    flags: [NODE, INVOKE_TIMEOUT],
    usesGateway: true,
    examples: ["openclaw nodes canvas hide --node mac"],
    load: async () => (await import("./nodes-invoke.ts")).canvasHide,
  },
];

export const nodesCommands: CommandFamily = {
  summary: "Use the machines and devices that are nodes of the gateway.",
  commands: [...lists, ...changes, ...calls, ...media],
};
