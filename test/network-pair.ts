// Two machines on one cable, as network namespaces of this one, and a real avahi-daemon on the second. Needs root.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.ts";

const PROGRAMS = ["/usr/sbin/ip", "/usr/sbin/avahi-daemon", "/usr/bin/avahi-browse", "/usr/bin/avahi-publish", "/usr/bin/dbus-daemon"];

/** Why these tests cannot run, or false. */
export function networkPairSkip(): string | false {
  if (process.getuid?.() !== 0) return "needs root, for network namespaces";
  const missing = PROGRAMS.filter((path) => !existsSync(path));
  return missing.length > 0 ? `${missing.join(", ")} not installed; npm run setup:tests installs avahi` : false;
}

const ip = (...args: string[]): void => void execFileSync("ip", args, { stdio: "pipe" });

export async function startNetworkPair() {
  const dir = mkdtempSync(join(tmpdir(), "network-"));
  const [near, far] = [`oc-a-${process.pid}`, `oc-b-${process.pid}`];
  const children: ChildProcess[] = [];
  const bus = join(dir, "bus.sock");
  const env = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${bus}` };
  const start = (program: string, ...args: string[]): ChildProcess => {
    const child = spawn(program, args, { env, stdio: "ignore" });
    children.push(child);
    return child;
  };
  for (const name of [near, far]) ip("netns", "add", name);
  ip("link", "add", "va", "netns", near, "type", "veth", "peer", "name", "vb", "netns", far);
  for (const [name, device, address] of [
    [near, "va", "10.77.0.1/24"],
    [far, "vb", "10.77.0.2/24"],
  ] as const) {
    ip("-n", name, "link", "set", "lo", "up");
    ip("-n", name, "link", "set", device, "up");
    ip("-n", name, "addr", "add", address, "dev", device);
  }
  const allow = ["send_destination", "receive_sender", "own", "user"].map((name) => `<allow ${name}="*"/>`).join("");
  writeFileSync(
    join(dir, "bus.conf"),
    `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=${bus}</listen><auth>EXTERNAL</auth><policy context="default">${allow}</policy></busconfig>`,
  );
  writeFileSync(join(dir, "avahi.conf"), "[server]\nhost-name=tester\nuse-ipv6=no\n[rlimits]\n");
  start("dbus-daemon", `--config-file=${join(dir, "bus.conf")}`, "--nofork", "--nopidfile");
  await until("the bus is there", () => existsSync(bus));
  const flags = ["--no-drop-root", "--no-chroot", "--no-rlimits", "--no-proc-title"];
  start("ip", "netns", "exec", far, "avahi-daemon", "-f", join(dir, "avahi.conf"), ...flags);
  const browse = (): string => {
    try {
      return execFileSync("ip", ["netns", "exec", far, "avahi-browse", "-rtp", "_openclaw-gw._tcp"], {
        env,
        encoding: "utf8",
        timeout: 10_000,
        stdio: "pipe",
      });
    } catch {
      return ""; // the daemon is not ready yet
    }
  };
  return {
    /** Runs a program on the first machine: what to put before its command line. */
    near: ["ip", "netns", "exec", near],
    far: ["ip", "netns", "exec", far],
    /** Resolved services that the other machine sees: instance, host, port and the TXT strings. */
    seen: () =>
      browse()
        .split("\n")
        .filter((line) => line.startsWith("=;vb;"))
        .map((line) => {
          const [, , , name = "", , , host, address, port, txt = ""] = line.split(";");
          const instance = name.replaceAll(/\\(\d{3})/g, (_match, code: string) => String.fromCharCode(Number(code)));
          return {
            instance,
            host,
            address,
            port: Number(port),
            txt: [...txt.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text!).toSorted(),
          };
        }),
    /** Another machine announces this name. */
    publish: (instance: string, port: number): ChildProcess =>
      start("ip", "netns", "exec", far, "avahi-publish", "-s", instance, "_openclaw-gw._tcp", String(port), "role=other"),
    setLink: (state: "up" | "down"): void => ip("-n", near, "link", "set", "va", state),
    /** The second machine has an address of another network, and the first one a way to it. */
    addFarAddress: (address: string): void => {
      ip("-n", far, "addr", "add", `${address}/32`, "dev", "vb");
      ip("-n", near, "route", "add", `${address}/32`, "via", "10.77.0.2");
    },
    setAddress: (): void => ip("-n", near, "addr", "replace", "10.77.0.1/24", "dev", "va"),
    stop: (): void => {
      for (const child of children.toReversed()) child.kill("SIGKILL");
      for (const name of [near, far]) ip("netns", "del", name);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
