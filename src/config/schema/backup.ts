import { boolean, integer, object, string } from "../../core/config-schema.ts";

/** Backups that the gateway makes by itself, and what backups contain. */
export const backup = object("Backups of the state directory, made while the gateway runs (`openclaw backup`).", {
  enabled: boolean("Make a backup every day.", { default: false }),
  at: string("Time of day of the daily backup, in the time zone of the machine.", {
    default: "03:30",
    pattern: { regex: "(?:[01][0-9]|2[0-3]):[0-5][0-9]", description: "a time such as 03:30" },
  }),
  keep: integer("Daily backups that are kept; older ones are removed. Those that were made by hand stay.", {
    default: 7,
    min: 1,
    max: 100,
  }),
  dir: string("Directory of the backups. Another disk is safer.", { format: "path", whenAbsent: "<state>/backups" }),
  workspaces: boolean("Backups contain the workspaces of the agents.", { default: true }),
  secrets: boolean(
    "Backups contain credentials: those of the configuration, the gateway's token, and the logins of channels. Without them a restored gateway has to be set up again.",
    { default: true, onInvalid: false },
  ),
  verify: boolean("Read each backup again when it is made, and count its records.", { default: true }),
});
