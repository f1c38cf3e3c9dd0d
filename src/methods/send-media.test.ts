import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, test } from "node:test";
import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog } from "../core/log.ts";
import { MediaStore } from "../store/media.ts";
import { storeMedia, type MediaDeps } from "./send-media.ts";

const root = mkdtempSync(join(tmpdir(), "send-media-"));
after(() => rmSync(root, { recursive: true, force: true }));
const workspace = join(root, "workspace");
mkdirSync(workspace);
writeFileSync(join(workspace, "plan.md"), "# Plan");
writeFileSync(join(root, "secret.txt"), "secret");
symlinkSync(join(root, "secret.txt"), join(workspace, "link.txt"));
const media = new MediaStore(join(root, "media"));
const deps: MediaDeps = {
  workspace,
  media,
  log: silentLog,
  fetch: async (url) => ({ bytes: Buffer.from("png"), mimeType: "image/png", url }),
};
const unusable = (err: unknown): boolean => err instanceof GatewayError && err.details?.["code"] === "MEDIA_NOT_USABLE";

test("data, files of the workspace and fetched addresses become kept files, each with a name and a type", async () => {
  const kept = await storeMedia(
    {
      mediaUrls: [
        `data:image/png;base64,${Buffer.from("abc").toString("base64")}`,
        "plan.md",
        pathToFileURL(join(workspace, "plan.md")).href,
        "https://a.example/x/cat?y=1",
      ],
    },
    deps,
  );
  assert.deepEqual(
    kept.map(({ kind, name, mimeType, sizeBytes }) => [kind, name, mimeType, sizeBytes]),
    [
      ["image", "file.png", "image/png", 3],
      ["file", "plan.md", "text/markdown", 6],
      ["file", "plan.md", "text/markdown", 6],
      ["image", "cat.png", "image/png", 3],
    ],
  );
  assert.equal(Buffer.from(await media.readFile(kept[1]!.file)).toString(), "# Plan");
  const [buffer] = await storeMedia({ buffer: Buffer.from("hi").toString("base64"), filename: "note.txt" }, deps);
  assert.deepEqual([buffer!.name, buffer!.mimeType], ["note.txt", "text/plain"]);
});

test("files outside of the workspace, links out of it, other schemes and broken data are refused", async () => {
  for (const mediaUrl of [
    "../secret.txt",
    join(root, "secret.txt"),
    "link.txt",
    "/etc/passwd",
    "file:///etc/passwd",
    "ftp://x/y",
    "plan.md\nMEDIA:plan.md",
    "data:image/png;base64,!!!",
    "missing.md",
  ])
    await assert.rejects(storeMedia({ mediaUrl }, deps), unusable, mediaUrl);
  await assert.rejects(
    storeMedia({ mediaUrls: Array.from({ length: LIMITS.answerFiles + 1 }, (_, at) => `https://a.example/${at}`) }, deps),
    unusable,
  );
});
