import { array, enumOf, object, string, type Node } from "./config-schema.ts";

/** The tools of an agent, of a chat, or of everything that sets none; `fields`: what a place has besides. */
export const toolPolicy = <F extends Readonly<Record<string, Node>> = {}>(doc: string, unserved: readonly string[], fields?: F) =>
  object(
    doc,
    {
      profile: enumOf("A named set of tools to start from.", ["minimal", "coding", "messaging", "full"], { onInvalid: "minimal" }),
      allow: array("Only these tools; an empty list means none.", string("A tool, or a group of tools as `group:name`."), {
        onInvalid: [],
      }),
      alsoAllow: array("Tools to add to the profile.", string("A tool, or a group of tools as `group:name`."), { onInvalid: [] }),
      deny: array("Never these tools, whatever allows them.", string("A tool, a group of tools as `group:name`, or `*`."), {
        onInvalid: ["*"],
        strict: true,
      }),
      ...(fields as F),
    },
    { optional: true, unserved },
  );
