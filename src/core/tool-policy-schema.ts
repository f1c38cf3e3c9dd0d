import { array, enumOf, object, string } from "./config-schema.ts";

/** The tools of an agent, of a chat, or of everything that sets none. */
export const toolPolicy = (doc: string, unserved: readonly string[]) =>
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
    },
    { optional: true, unserved },
  );
