/** What the trial is given. */
export type TrialTargets = {
  /** A directory outside of the workspace with a file `secret` and a Unix socket `socket`. */
  outside: string;
  /** The process of the gateway: its id, and when it started as /proc/<pid>/stat says. */
  pid: number;
  startedAt: string;
  /** Its namespaces, as the links of /proc/self/ns name them. */
  namespaces: Readonly<Record<string, string>>;
  /** A port of 127.0.0.1 and an abstract socket that listen. */
  port: number;
  abstractSocket: string;
  /** The limit of processes. */
  processes: number;
};

/** The position of the time of the start, counted after the name of the program. */
const STARTED_AT = 19;
export const startedAtIn = (stat: string): string => stat.replace(/^.*\) /s, "").split(" ")[STARTED_AT] ?? "";

/**
 * A program for Node that tries to get out of the sandbox, by what it gets as JSON in its argument. It prints, as JSON, a list of what
 * it could do. It changes nothing but the workspace and `outside`.
 */
export const TRIAL_PROGRAM = `
const fs = require("node:fs"), net = require("node:net");
const { outside, pid, startedAt, namespaces, port, abstractSocket, processes } = JSON.parse(process.argv[1]);
const found = [];
const attempt = (what, action) => {
  try { action(); found.push(what); } catch (err) { if (err.code === undefined) throw err; }
};
const openForWriting = (path) => fs.closeSync(fs.openSync(path, fs.constants.O_WRONLY));
const startOf = (stat) => stat.replace(/^.*\\) /s, "").split(" ")[${STARTED_AT}];
attempt("writes a file outside of the workspace", () => fs.writeFileSync(outside + "/written", ""));
attempt("reads a file outside of the workspace", () => fs.readFileSync(outside + "/secret"));
attempt("may write to /", () => fs.accessSync("/", fs.constants.W_OK));
attempt("can change device files of the host", () => fs.chmodSync("/dev/full", fs.statSync("/dev/full").mode & 0o777));
attempt("can change settings of the kernel", () => openForWriting("/proc/sys/kernel/core_pattern"));
attempt("can send requests to the kernel (sysrq)", () => openForWriting("/proc/sysrq-trigger"));
for (const [name, id] of Object.entries(namespaces))
  if (fs.readlinkSync("/proc/self/ns/" + name) === id) found.push("shares the namespace " + name);
try {
  if (startOf(fs.readFileSync("/proc/" + pid + "/stat", "latin1")) === startedAt) found.push("sees the processes of the host");
} catch (err) { if (err.code !== "ENOENT") throw err; }
const status = fs.readFileSync("/proc/self/status", "latin1");
if (!/^CapEff:\\t0+$/m.test(status)) found.push("has capabilities");
if (!/^NoNewPrivs:\\t1$/m.test(status)) found.push("can get the rights of other users");
if (!/^Seccomp:\\t2$/m.test(status)) found.push("has no filter of system calls");
const limit = /^Max processes\\s+(\\d+)/m.exec(fs.readFileSync("/proc/self/limits", "latin1"));
if (Number(limit?.[1]) !== processes) found.push("has no limit of processes");
fs.writeFileSync("made", "");
const connect = (what, target) => new Promise((resolve) => {
  const socket = net.connect(target);
  socket.on("connect", () => { found.push(what); socket.destroy(); resolve(); });
  socket.on("error", () => resolve());
});
Promise.all([
  connect("reaches 127.0.0.1 of the host", { host: "127.0.0.1", port }),
  connect("reaches a Unix socket outside of the workspace", { path: outside + "/socket" }),
  connect("reaches an abstract Unix socket", { path: abstractSocket }),
]).then(() => console.log(JSON.stringify(found)));
`;
