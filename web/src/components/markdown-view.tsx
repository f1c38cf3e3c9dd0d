import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { toMarkdownBlocks } from "../markdown.ts";
import { sanitize } from "../sanitize.ts";
import type { MarkdownBlock } from "../markdown.ts";

/** Markdown, block by block: while a text grows, only its last block is drawn again. */
export function MarkdownView({ text }: { text: string }): JSX.Element {
  const blocks = useMemo(() => toMarkdownBlocks(text), [text]);
  return (
    <div class="prose" dir="auto">
      {blocks.map((block) => (
        <BlockView key={block.key} block={block} />
      ))}
    </div>
  );
}

function BlockView({ block }: { block: MarkdownBlock }): JSX.Element {
  const html = useMemo(() => sanitize(block.toHtml()), [block.id]);
  return <div class="block" dir="auto" dangerouslySetInnerHTML={{ __html: html }} />;
}
