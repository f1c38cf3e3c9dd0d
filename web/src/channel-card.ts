/** A channel that can be connected, with the fields of its form, as `channels.catalog` describes it. */
export type SetupField = {
  key: string;
  help: string;
  secret: boolean;
  required: boolean;
  kind?: "number" | "boolean" | "enum" | "array";
  options?: readonly string[];
};
export type SetupGuideText = { text: string; link?: { label: string; url: string }; test?: string };
export type ChannelCard = { id: string; label: string; login: boolean; fields: readonly SetupField[]; guide?: SetupGuideText };
