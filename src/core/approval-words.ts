/** What people write for each decision about a command, in a chat and on the command line. */
export const DECISION_WORDS: Readonly<Record<string, "allow-once" | "allow-always" | "deny">> = {
  "allow-once": "allow-once",
  "allow-always": "allow-always",
  deny: "deny",
  allow: "allow-once",
  once: "allow-once",
  yes: "allow-once",
  always: "allow-always",
  reject: "deny",
  block: "deny",
  no: "deny",
};
