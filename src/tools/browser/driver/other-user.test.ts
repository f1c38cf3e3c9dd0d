// Group: wire
import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { browserHost, localSite, noBrowser, refOf } from "../../../../test/fakes/browser-host.ts";
import { findUserPrograms, isRootOfMachine } from "../user-programs.ts";

const skip =
  noBrowser ||
  (!isRootOfMachine() && "only root runs a browser as another user") ||
  (findUserPrograms() === null && "perl or setpriv is not installed");
const BROWSER_ID = 1_900_000_001;

/** The processes of the browsers in a directory that have a kind: pid -> fields of their status. */
function processes(directory: string, kind: RegExp): Map<string, Record<string, string>> {
  const found = new Map<string, Record<string, string>>();
  for (const pid of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      if (!line.includes(directory) || !kind.test(line)) continue;
      const lines = readFileSync(`/proc/${pid}/status`, "latin1").split("\n");
      found.set(pid, Object.fromEntries(lines.map((each) => each.split(":\t", 2) as [string, string])));
    } catch {
      // It has ended.
    }
  }
  return found;
}

test("as root the browser is another user, and its pages are in a sandbox of their own", { skip }, async (t) => {
  const host = browserHost();
  const site = await localSite((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.setHeader("content-disposition", _request.url === "/file" ? "attachment; filename=a.txt" : "inline");
    response.end(`<h1>Page</h1><a href="/file">File</a>`);
  });
  t.after(async () => {
    await host.close();
    site.close();
  });
  assert.match(await host.run({ action: "doctor" }), /with its own sandbox, as a user of its own/);
  const page = await host.run({ action: "open", targetUrl: site.origin });
  assert.match(await host.run({ action: "status" }), /^The browser runs with its own sandbox\./);
  const own = { main: /--remote-debugging-pipe(?!.*--type=)/s, renderer: /--type=renderer/ };
  for (const [name, kind] of Object.entries(own)) {
    const found = processes(host.directory, kind);
    assert.ok(found.size > 0, name);
    for (const { Uid, Gid, CapEff, NoNewPrivs } of found.values()) {
      assert.deepEqual(new Set(`${Uid}\t${Gid}`.split("\t")), new Set([String(BROWSER_ID)]), name);
      assert.deepEqual([CapEff, NoNewPrivs], ["0000000000000000", "1"], name);
    }
  }
  for (const [pid, { Seccomp }] of processes(host.directory, own.renderer)) {
    assert.equal(Seccomp, "2", "system calls of pages are filtered");
    for (const kind of ["user", "pid", "net"])
      assert.notEqual(readlinkSync(`/proc/${pid}/ns/${kind}`), readlinkSync(`/proc/self/ns/${kind}`), kind);
  }
  const [main] = processes(host.directory, own.main).keys();
  const seen = `/proc/${main}/root`;
  assert.deepEqual(readdirSync(join(seen, host.directory, "main")).toSorted(), ["cache", "config", "files", "profile", "uploads"]);
  assert.equal(statSync(join(seen, host.directory, "main/profile")).uid, BROWSER_ID);
  assert.equal(statSync(join(host.directory, "main/profile")).uid, 0, "on the disk the files are root's");
  assert.deepEqual(readdirSync(join(seen, host.directory)), ["main"], "nothing else of the gateway is there");
  assert.match(await host.run({ action: "download", ref: refOf(page, "File") }), /^Saved downloads\/a\.txt/);
});
