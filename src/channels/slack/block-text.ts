import { asArray, asObject, asString, type JsonObject } from "../../core/json.ts";

/**
 * The texts of Block Kit and of attachments (docs.slack.dev, reference/block-kit and "attachments"). `read` turns Slack's own markup
 * into plain words; what is nested deeper than Slack allows is left out.
 */
type BlockReader = (markup: string) => string;

const MAX_DEPTH = 8;
const lines = (parts: readonly string[]): string => parts.filter((part) => part.trim() !== "").join("\n");

/** A text object: `mrkdwn` has markup, `plain_text` has none. Older apps give a bare string. */
function blockTextOf(value: unknown, read: BlockReader): string {
  if (typeof value === "string") return read(value);
  const object = asObject(value);
  return object?.["type"] === "plain_text" ? asString(object["text"]) : read(asString(object?.["text"]));
}

/** What blocks say, one line for each part. Pure. */
export function textOfBlocks(blocks: unknown, read: BlockReader): string {
  return lines(asArray(blocks).map((block) => textOfBlock(asObject(block) ?? {}, read)));
}

function textOfBlock(block: JsonObject, read: BlockReader): string {
  switch (block["type"]) {
    case "header":
    case "markdown":
      return typeof block["text"] === "string" ? block["text"] : blockTextOf(block["text"], read);
    case "section":
      return lines([blockTextOf(block["text"], read), ...asArray(block["fields"]).map((field) => blockTextOf(field, read))]);
    case "context":
      return asArray(block["elements"])
        .map((element) =>
          asObject(element)?.["type"] === "image" ? asString(asObject(element)?.["alt_text"]) : blockTextOf(element, read),
        )
        .filter(Boolean)
        .join(" ");
    case "image":
      return blockTextOf(block["title"], read) || asString(block["alt_text"]);
    case "video":
      return lines([blockTextOf(block["title"], read), asString(block["title_url"])]);
    case "rich_text":
      return richText(block, read, 0);
    case "table":
      return lines(
        asArray(block["rows"]).map((row) =>
          asArray(row)
            .map((cell) => cellText(cell, read))
            .join(" | "),
        ),
      );
    default:
      return "";
  }
}

const cellText = (cell: unknown, read: BlockReader): string =>
  asObject(cell)?.["type"] === "rich_text" ? richText(asObject(cell)!, read, 0) : asString(asObject(cell)?.["text"]);

/** Elements of a rich text: stretches of one line, or lists, quotes and code with lines of their own. */
function richText(element: JsonObject, read: BlockReader, depth: number): string {
  if (depth > MAX_DEPTH) return "";
  const children = asArray(element["elements"]).map((child) => asObject(child) ?? {});
  const inner = (child: JsonObject): string => richText(child, read, depth + 1);
  switch (element["type"]) {
    case "rich_text":
      return lines(children.map(inner));
    case "rich_text_list":
      return lines(children.map((child) => `- ${inner(child)}`));
    case "rich_text_quote":
      return children
        .map(inner)
        .join("")
        .split("\n")
        .map((line) => `> ${line}`)
        .join("\n");
    case "rich_text_section":
    case "rich_text_preformatted":
      return children.map(inner).join("");
    default:
      return inlineText(element, read);
  }
}

function inlineText(element: JsonObject, read: BlockReader): string {
  switch (element["type"]) {
    case "text":
      return asString(element["text"]);
    case "link":
      return asString(element["text"]) && asString(element["text"]) !== asString(element["url"])
        ? `${asString(element["text"])} (${asString(element["url"])})`
        : asString(element["url"]);
    case "emoji":
      return `:${asString(element["name"])}:`;
    case "user":
      return read(`<@${asString(element["user_id"])}>`);
    case "channel":
      return read(`<#${asString(element["channel_id"])}>`);
    case "usergroup":
      return read(`<!subteam^${asString(element["usergroup_id"])}>`);
    case "broadcast":
      return `@${asString(element["range"])}`;
    case "date":
      return asString(element["fallback"]);
    default:
      return "";
  }
}

/**
 * What the attachments of a message say: those of apps in full, a shared message with the name of who wrote it. Link previews
 * that Slack generates are left out: no person wrote them. Pure.
 */
export function textOfAttachments(attachments: unknown, read: BlockReader): string {
  const said = asArray(attachments)
    .map((one) => asObject(one) ?? {})
    .filter((one) => one["is_share"] === true || !(one["from_url"] ?? one["original_url"]));
  return lines(said.map((one) => textOfAttachment(one, read)));
}

function textOfAttachment(attachment: JsonObject, read: BlockReader): string {
  const title = asString(attachment["title"]);
  const link = asString(attachment["title_link"]);
  const fields = asArray(attachment["fields"]).map((value) => {
    const field = asObject(value) ?? {};
    return [asString(field["title"]), read(asString(field["value"]))].filter(Boolean).join(": ");
  });
  const text = read(asString(attachment["text"])) || textOfBlocks(attachment["blocks"], read) || textOfShared(attachment, read);
  const author = asString(attachment["author_name"]);
  const body = lines([
    read(asString(attachment["pretext"])),
    title && link ? `${title} (${link})` : title,
    `${attachment["is_share"] === true ? "[shared] " : ""}${author && text ? `${author}: ${text}` : text}`,
    ...fields,
  ]);
  return body || read(asString(attachment["fallback"]));
}

/** A forwarded message keeps its blocks in a place of their own. */
const textOfShared = (attachment: JsonObject, read: BlockReader): string =>
  lines(
    asArray(attachment["message_blocks"]).map((one) =>
      textOfBlocks(asObject(asObject(one)?.["message"])?.["blocks"] ?? asObject(one)?.["blocks"], read),
    ),
  );

/** Files of shared messages; they lie in the attachment, not in the message. */
export const filesOf = (message: JsonObject): readonly unknown[] => [
  ...asArray(message["files"]),
  ...asArray(message["attachments"]).flatMap((one) => asArray(asObject(one)?.["files"])),
];
