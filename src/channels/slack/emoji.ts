/** Emoji that agents and people react with, and Slack's names for them. Others have only Slack's name, between colons. */
const SHORTCODES: Readonly<Record<string, string>> = {
  "👀": "eyes",
  "👍": "+1",
  "👎": "-1",
  "✅": "white_check_mark",
  "❌": "x",
  "⏳": "hourglass_flowing_sand",
  "❤": "heart",
  "🎉": "tada",
  "😄": "smile",
  "🔥": "fire",
  "🚀": "rocket",
  "🙏": "pray",
  "👏": "clap",
  "🤔": "thinking_face",
  "😂": "joy",
  "😢": "cry",
  "😮": "open_mouth",
  "💯": "100",
  "⚠": "warning",
  "✍": "writing_hand",
  "👌": "ok_hand",
  "⚡": "zap",
  "🦞": "lobster",
  "🤖": "robot_face",
  "🫡": "saluting_face",
  "🛠": "hammer_and_wrench",
  "🔧": "wrench",
  "💬": "speech_balloon",
  "📝": "memo",
  "🧠": "brain",
  "🌐": "globe_with_meridians",
  "🔎": "mag_right",
  "🔍": "mag",
  "⭐": "star",
  "👋": "wave",
  "🙂": "slightly_smiling_face",
  "😀": "grinning",
  "😅": "sweat_smile",
  "😎": "sunglasses",
  "💪": "muscle",
  "🤝": "handshake",
  "🐛": "bug",
  "⛔": "no_entry",
  "❓": "question",
  "❗": "exclamation",
  "✨": "sparkles",
  "📌": "pushpin",
  "🟢": "large_green_circle",
  "🔴": "red_circle",
};
const EMOJI: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(SHORTCODES).map(([emoji, name]) => [name, emoji])),
  thumbsup: "👍",
  thumbsdown: "👎",
};

/** Slack's name of an emoji; null when it is neither known nor a name between colons. */
export function toShortcode(emoji: string): string | null {
  const named = /^:([a-z0-9_+'-]{1,100}):$/.exec(emoji)?.[1];
  if (named !== undefined) return named;
  const bare = emoji.replaceAll(/\ufe0f|\p{Emoji_Modifier}/gu, "");
  return Object.hasOwn(SHORTCODES, bare) ? SHORTCODES[bare]! : null;
}

/** The emoji of Slack's name, without the tone of its skin; `:name:` when it is not known. */
export function toEmoji(name: string): string {
  const bare = name.replace(/::skin-tone-\d$/, "");
  return Object.hasOwn(EMOJI, bare) ? EMOJI[bare]! : `:${bare}:`;
}
