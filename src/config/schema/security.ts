import { array, object, string } from "../../core/config-schema.ts";

/** What `openclaw security audit` leaves out. */
export const security = object("Settings of `openclaw security audit`.", {
  audit: object("Findings that are known and accepted.", {
    suppressions: array(
      "Findings that are not reported. The audit says how many were left out.",
      object(
        "One kind of finding.",
        {
          checkId: string("Id of the finding, such as `gateway.tailscale_serve`.", { required: true }),
          titleIncludes: string("Only findings with this text in their title."),
          detailIncludes: string("Only findings with this text in their details."),
          reason: string("Why it is accepted.", { required: true }),
        },
        { strict: true },
      ),
      { default: [] },
    ),
  }),
});
