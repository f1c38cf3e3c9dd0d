import assert from "node:assert/strict";
import { test } from "node:test";
import { channelIds, channelManifest } from "../channels/registry.ts";
import { channelKeys } from "./channel-keys.ts";

for (const id of channelIds) {
  test(`every key that the manifest of ${id} names is in its schema`, () => {
    const { commonKeys, connectionKeys, environment = {}, notInherited = [], setup = [] } = channelManifest(id)!;
    const keys = new Set(channelKeys(id, [...commonKeys, ...setup]).map(({ key }) => key));
    const named = [...commonKeys, ...connectionKeys.flat(), ...Object.keys(environment), ...setup];
    for (const key of named) assert.ok(keys.has(key), `channels.${id}.${key}`);
    for (const key of notInherited) assert.ok(Object.hasOwn(channelManifest(id)!.schema.fields, key), `channels.${id}.${key}`);
  });
}
