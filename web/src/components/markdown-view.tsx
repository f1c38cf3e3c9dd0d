import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { toMarkdownBlocks } from "../markdown.ts";
import { sanitize } from "../sanitize.ts";
import { Boundary } from "./boundary.tsx";
import type { RenderedBlock } from "../markdown.ts";

/** Markdown, block by block: while a text grows, only its last block is drawn again. A text that cannot be drawn is shown as it is. */
export function MarkdownView({ text }: { text: string }): JSX.Element {
  return (
    <Boundary fallback={<PlainText text={text} />}>
      <BlocksView text={text} />
    </Boundary>
  );
}

function PlainText({ text }: { text: string }): JSX.Element {
  return (
    <div class="prose" dir="auto" data-plain>
      <pre>{text}</pre>
    </div>
  );
}

function BlocksView({ text }: { text: string }): JSX.Element {
  const blocks = useMemo(() => toMarkdownBlocks(text), [text]);
  return (
    <div class="prose" dir="auto">
      {blocks.map((block) => (
        <BlockView key={block.key} block={block} />
      ))}
    </div>
  );
}

function BlockView({ block }: { block: RenderedBlock }): JSX.Element {
  const html = useMemo(() => sanitize(block.toHtml()), [block.id]);
  return <div class="block" dir="auto" dangerouslySetInnerHTML={{ __html: html }} />;
}
