/** Release of this gateway; equal to the one in package.json (a test checks it). */
export const VERSION = "0.1.0";
/** Version of the wire protocol. */
export const PROTOCOL_VERSION = 4;
