import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { GatewayError } from "../core/errors.ts";
import type { KeyDeps, Keyring } from "./keys.ts";
import { SecretStore, STORE_FILE } from "./store.ts";

const home = mkdtempSync(join(tmpdir(), "secret-store-"));
after(() => rmSync(home, { recursive: true, force: true }));

let count = 0;
function place(): string {
  const dir = join(home, String(count++), "gateway");
  return dir;
}
const open = (dir: string, deps: Partial<KeyDeps> & { crashPoint?: (point: string) => void } = {}): SecretStore =>
  new SecretStore({ dir, env: {}, now: () => 1_000, ...deps });
const valueOf = async (store: SecretStore, name: string): Promise<string | undefined> => (await store.values()).get(name)?.reveal();
const reasonIs =
  (reason: string) =>
  (err: unknown): boolean =>
    err instanceof GatewayError && err.details?.["reason"] === reason && err.fix !== undefined;

test("a stored secret is read back, and neither it nor its name is in a file of the state directory", async () => {
  const dir = place();
  await open(dir).set("TELEGRAM_TOKEN", "canary-0123456789");
  assert.deepEqual(await open(dir).set("TELEGRAM_TOKEN", "canary-9876543210"), { created: false });
  assert.equal(await valueOf(open(dir), "TELEGRAM_TOKEN"), "canary-9876543210");
  assert.equal(open(dir).valuesSync()?.get("TELEGRAM_TOKEN")?.reveal(), "canary-9876543210");
  assert.deepEqual(await open(dir).list(), [{ name: "TELEGRAM_TOKEN", updatedAt: 1_000, bytes: 17 }]);
  for (const name of readdirSync(dir)) {
    assert.doesNotMatch(readFileSync(join(dir, name), "latin1"), /canary|TELEGRAM/, name);
    assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600, name);
  }
  assert.equal(await open(dir).remove("TELEGRAM_TOKEN"), true);
  assert.equal(await open(dir).remove("TELEGRAM_TOKEN"), false);
});

test("the same value is never encrypted to the same bytes", async () => {
  const dir = place();
  const read = (): string => readFileSync(join(dir, STORE_FILE), "utf8");
  await open(dir).set("A", "canary");
  const first = read();
  await open(dir).set("A", "canary");
  assert.notEqual(first, read());
});

test("a changed byte anywhere in the store is noticed, and never read as a value", async () => {
  const dir = place();
  await open(dir).set("A", "canary");
  const path = join(dir, STORE_FILE);
  const file = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  for (const field of ["nonce", "data", "tag"]) {
    const bytes = Buffer.from(String(file[field]), "base64");
    bytes[0]! ^= 1;
    writeFileSync(path, JSON.stringify({ ...file, [field]: bytes.toString("base64") }));
    await assert.rejects(open(dir).list(), reasonIs("secrets-damaged"), field);
  }
  writeFileSync(path, JSON.stringify({ ...file, tag: "AAAA" }));
  await assert.rejects(open(dir).list(), reasonIs("secrets-damaged"), "a shorter tag");
  writeFileSync(path, "not a store");
  await assert.rejects(open(dir).set("B", "x"), reasonIs("secrets-damaged"), "it is not replaced by an empty one");
});

const given = (text: string): KeyDeps["env"] => ({ OPENCLAW_SECRETS_PASSPHRASE: text });

test("a wrong passphrase, a missing key and another key each say so", async () => {
  const dir = place();
  await assert.rejects(open(dir, { env: given("short") }).set("A", "canary", "passphrase"), /fewer than 12/);
  await open(dir, { env: given("four random words") }).set("A", "canary", "passphrase");
  assert.equal(await valueOf(open(dir, { env: given("four random words") }), "A"), "canary");
  assert.equal(
    open(dir, { env: given("four random words") })
      .valuesSync()
      ?.get("A")
      ?.reveal(),
    "canary",
  );
  await assert.rejects(open(dir, { env: given("four other words") }).list(), reasonIs("secrets-wrong-key"));
  await assert.rejects(open(dir).list(), reasonIs("secrets-no-key"));
  assert.equal(open(dir).valuesSync(), null);

  const other = place();
  await open(other).set("A", "canary");
  const key = readdirSync(other).find((name) => name.endsWith(".key"))!;
  writeFileSync(join(other, key), `${Buffer.alloc(32).toString("base64")}\n`);
  await assert.rejects(open(other).list(), reasonIs("secrets-wrong-key"));
  rmSync(join(other, key));
  await assert.rejects(open(other).list(), reasonIs("secrets-no-key"));
});

test("a key elsewhere is named by a variable or by a credential of systemd", async () => {
  const dir = place();
  await open(dir).set("A", "canary");
  const credentials = place();
  const key = readdirSync(dir).find((name) => name.endsWith(".key"))!;
  await open(credentials).set("A", "unused");
  renameSync(join(dir, key), join(credentials, "openclaw-secrets-key"));
  assert.equal(await valueOf(open(dir, { env: { CREDENTIALS_DIRECTORY: credentials } }), "A"), "canary");
  const env = { OPENCLAW_SECRETS_KEY_FILE: join(credentials, "openclaw-secrets-key") };
  assert.equal(await valueOf(open(dir, { env }), "A"), "canary");
});

test("a store that other users may read, and one behind a link, are refused", async () => {
  const dir = place();
  await open(dir).set("A", "canary");
  const path = join(dir, STORE_FILE);
  chmodSync(path, 0o640);
  await assert.rejects(open(dir).list(), /can be read or written by other users \(mode 640\)/);
  chmodSync(path, 0o600);
  renameSync(path, join(home, "moved"));
  symlinkSync(join(home, "moved"), path);
  await assert.rejects(open(dir).list(), /cannot be read/);
});

test("the keyring holds the key, and a rekey moves it out and removes it there", async () => {
  const dir = place();
  const entries = new Map<string, string>();
  const keyring: Keyring = {
    read: async (id) => entries.get(id) ?? null,
    write: async (id, text) => void entries.set(id, text),
    remove: async (id) => void entries.delete(id),
  };
  await assert.rejects(open(dir).set("A", "canary", "keyring"), reasonIs("secrets-no-key"));
  await open(dir, { keyring }).set("A", "canary", "keyring");
  assert.equal(entries.size, 1);
  assert.equal(await valueOf(open(dir, { keyring }), "A"), "canary");
  assert.deepEqual(await open(dir, { keyring }).rekey("file"), { entries: 1 });
  assert.equal(entries.size, 0);
  assert.equal(await valueOf(open(dir), "A"), "canary");
});

test("a wrong name, an empty value and one that is too long are refused", async () => {
  const store = open(place());
  await assert.rejects(store.set("lower", "x"), /capital letters/);
  await assert.rejects(store.set("A", ""), /the value is empty/);
  await assert.rejects(store.set("A", "x".repeat(65_537)), /at most 65536/);
  await assert.rejects(store.rekey("file"), /no stored secrets/);
});

test("changes at the same time are all kept", async () => {
  const dir = place();
  await open(dir).set("FIRST", "x");
  await Promise.all(Array.from({ length: 8 }, (_, index) => open(dir).set(`N${index}`, String(index))));
  assert.equal((await open(dir).list()).length, 9);
});

/** Changes the key of a store and is killed at a named point. */
const REKEY = `
import { SecretStore } from ${JSON.stringify(import.meta.resolve("./store.ts"))};
const [dir, wanted] = process.argv.slice(1);
const crashPoint = (point) => point === wanted && process.kill(process.pid, "SIGKILL");
await new SecretStore({ dir, env: {}, now: Date.now, crashPoint }).rekey("file");
`;

for (const point of ["key-written", "file-written", "old-key-removed"])
  test(`a rekey that is killed at "${point}" leaves a store that opens, and its lock is taken over`, async () => {
    const dir = place();
    await open(dir).set("A", "canary");
    const child = spawn(process.execPath, ["--input-type=module", "-e", REKEY, dir, point], { stdio: "ignore" });
    const [, signal] = (await once(child, "exit")) as [number | null, string | null];
    assert.equal(signal, "SIGKILL");
    assert.equal(await valueOf(open(dir), "A"), "canary");
    assert.deepEqual(await open(dir).set("B", "after"), { created: true });
  });
