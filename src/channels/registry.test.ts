import assert from "node:assert/strict";
import { existsSync, globSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { checkAccount } from "../../test/fakes/channel-account.ts";
import { channelIds, channelManifest, loadChannel } from "./registry.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
/** Folders that serve all channels and are not a channel. */
const OTHERS = ["worker"];
const folders = readdirSync(here, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !OTHERS.includes(entry.name))
  .map((entry) => entry.name);

test("every folder is registered, and every registered channel has a folder", () => {
  assert.deepEqual([...channelIds].toSorted(), folders.toSorted());
});

test("an unknown channel is null, whatever its name", async () => {
  for (const name of ["nope", "__proto__", "constructor", "../irc"]) assert.equal(await loadChannel(name as never), null);
});

for (const id of channelIds) {
  test(`${id} has the files that every channel has`, () => {
    for (const name of ["index.ts", "config.ts", "inbound.ts", "outbound.ts", "README.md", "schema.ts", "description.ts", "limits.ts"])
      assert.ok(existsSync(`${here}${id}/${name}`), name);
    const fixtures = readdirSync(`${here}${id}/fixtures`);
    assert.ok(fixtures.length > 0 && fixtures.every((name) => /^\d{2}-[a-z0-9-]+\.json$/.test(name)), fixtures.join());
    assert.ok(globSync(`${here}${id}/*.test.ts`).length > 0, "tests");
  });

  test(`${id}'s manifest says what its code does`, async () => {
    const manifest = channelManifest(id)!;
    const channel = await loadChannel(id);
    assert.ok(channel);
    assert.deepEqual([manifest.id, channel.id, manifest.label], [id, id, channel.label]);
    assert.deepEqual(manifest.capabilities, channel.capabilities);
    assert.ok(existsSync(`${here}../../${manifest.docs}`), `${manifest.docs} exists`);
    assert.ok(manifest.summary.length > 20);
  });

  test(`${id} sends nothing anywhere else when an address cannot be read`, async () => {
    const channel = (await loadChannel(id))!;
    for (const key of ["apiRoot", "proxy"].filter((name) => Object.hasOwn(channelManifest(id)!.schema.fields, name)))
      for (const value of [42, ["https://bot.example"], "no address"]) {
        const { raw, issues } = checkAccount(id, { [key]: value });
        const result = channel.parse(raw);
        const refused = [...issues, ...("issues" in result ? result.issues : [])].map(({ path }) => path);
        assert.ok(
          "issues" in result && result.issues.some(({ path }) => path === key),
          `${key} ${JSON.stringify(value)}: ${refused.join()}`,
        );
      }
  });

  test(`${id} promises only operations that fit its abilities, and answers bad configuration with issues`, async () => {
    const channel = (await loadChannel(id))!;
    assert.ok(channel.capabilities.maxText.value > 0);
    const result = channel.parse({});
    assert.ok("issues" in result && result.issues.length > 0);
    assert.ok(result.issues.every((issue) => issue.path !== "" && issue.message !== ""));
    for (const block of [null, 1, "x", []]) {
      const { issues } = checkAccount(id, block);
      assert.deepEqual(
        issues.map(({ path }) => path),
        [`channels.${id}`],
        JSON.stringify(block),
      );
    }
  });
}
