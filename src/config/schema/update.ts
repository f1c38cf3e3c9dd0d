import { boolean, enumOf, object } from "../../core/config-schema.ts";

/** Which releases are installed, and whether the gateway looks for them. */
export const update = object(
  "Updates of the gateway (`openclaw update`).",
  {
    channel: enumOf(
      "Releases that are installed: final ones, also pre-releases (`beta`), or the branch of development (`dev`, clones only).",
      ["stable", "beta", "dev"],
      { default: "stable" },
    ),
    checkOnStart: boolean("After a start of the gateway, ask the registry or the repository whether there is a newer version.", {
      default: false,
    }),
  },
  { unserved: ["auto"] },
);
