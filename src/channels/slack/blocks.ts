import { list, record, word, type Raw } from "../raw.ts";

/**
 * The texts of Block Kit and of attachments (docs.slack.dev, reference/block-kit and "attachments"). `read` turns Slack's own markup
 * into plain words; what is nested deeper than Slack allows is left out.
 */
type Read = (markup: string) => string;

const MAX_DEPTH = 8;
const lines = (parts: readonly string[]): string => parts.filter((part) => part.trim() !== "").join("\n");

/** A text object: `mrkdwn` has markup, `plain_text` has none. Older apps give a bare string. */
function textOf(value: unknown, read: Read): string {
  if (typeof value === "string") return read(value);
  const object = record(value);
  return object?.["type"] === "plain_text" ? word(object["text"]) : read(word(object?.["text"]));
}

/** What blocks say, one line for each part. Pure. */
export function textOfBlocks(blocks: unknown, read: Read): string {
  return lines(list(blocks).map((block) => textOfBlock(record(block) ?? {}, read)));
}

function textOfBlock(block: Raw, read: Read): string {
  switch (block["type"]) {
    case "header":
    case "markdown":
      return typeof block["text"] === "string" ? block["text"] : textOf(block["text"], read);
    case "section":
      return lines([textOf(block["text"], read), ...list(block["fields"]).map((field) => textOf(field, read))]);
    case "context":
      return list(block["elements"])
        .map((element) => (record(element)?.["type"] === "image" ? word(record(element)?.["alt_text"]) : textOf(element, read)))
        .filter(Boolean)
        .join(" ");
    case "image":
      return textOf(block["title"], read) || word(block["alt_text"]);
    case "video":
      return lines([textOf(block["title"], read), word(block["title_url"])]);
    case "rich_text":
      return richText(block, read, 0);
    case "table":
      return lines(
        list(block["rows"]).map((row) =>
          list(row)
            .map((cell) => cellText(cell, read))
            .join(" | "),
        ),
      );
    default:
      return "";
  }
}

const cellText = (cell: unknown, read: Read): string =>
  record(cell)?.["type"] === "rich_text" ? richText(record(cell)!, read, 0) : word(record(cell)?.["text"]);

/** Elements of a rich text: stretches of one line, or lists, quotes and code with lines of their own. */
function richText(element: Raw, read: Read, depth: number): string {
  if (depth > MAX_DEPTH) return "";
  const children = list(element["elements"]).map((child) => record(child) ?? {});
  const inner = (child: Raw): string => richText(child, read, depth + 1);
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

function inlineText(element: Raw, read: Read): string {
  switch (element["type"]) {
    case "text":
      return word(element["text"]);
    case "link":
      return word(element["text"]) && word(element["text"]) !== word(element["url"])
        ? `${word(element["text"])} (${word(element["url"])})`
        : word(element["url"]);
    case "emoji":
      return `:${word(element["name"])}:`;
    case "user":
      return read(`<@${word(element["user_id"])}>`);
    case "channel":
      return read(`<#${word(element["channel_id"])}>`);
    case "usergroup":
      return read(`<!subteam^${word(element["usergroup_id"])}>`);
    case "broadcast":
      return `@${word(element["range"])}`;
    case "date":
      return word(element["fallback"]);
    default:
      return "";
  }
}

/**
 * What the attachments of a message say: those of apps in full, a shared message with the name of who wrote it. Previews that Slack makes
 * of links are left out: nobody said them. Pure.
 */
export function textOfAttachments(attachments: unknown, read: Read): string {
  const said = list(attachments)
    .map((one) => record(one) ?? {})
    .filter((one) => one["is_share"] === true || !(one["from_url"] ?? one["original_url"]));
  return lines(said.map((one) => textOfAttachment(one, read)));
}

function textOfAttachment(attachment: Raw, read: Read): string {
  const title = word(attachment["title"]);
  const link = word(attachment["title_link"]);
  const fields = list(attachment["fields"]).map((value) => {
    const field = record(value) ?? {};
    return [word(field["title"]), read(word(field["value"]))].filter(Boolean).join(": ");
  });
  const text = read(word(attachment["text"])) || textOfBlocks(attachment["blocks"], read) || textOfShared(attachment, read);
  const author = word(attachment["author_name"]);
  const body = lines([
    read(word(attachment["pretext"])),
    title && link ? `${title} (${link})` : title,
    `${attachment["is_share"] === true ? "[shared] " : ""}${author && text ? `${author}: ${text}` : text}`,
    ...fields,
  ]);
  return body || read(word(attachment["fallback"]));
}

/** A forwarded message keeps its blocks in a place of their own. */
const textOfShared = (attachment: Raw, read: Read): string =>
  lines(
    list(attachment["message_blocks"]).map((one) =>
      textOfBlocks(record(record(one)?.["message"])?.["blocks"] ?? record(one)?.["blocks"], read),
    ),
  );

/** Files of shared messages; they lie in the attachment, not in the message. */
export const filesOf = (message: Raw): readonly unknown[] => [
  ...list(message["files"]),
  ...list(message["attachments"]).flatMap((one) => list(record(one)?.["files"])),
];
