import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { splitMarkdownBlocks } from "../markdown-html.ts";
import { sanitize } from "../sanitize.ts";
import { ErrorBoundary } from "./error-boundary.tsx";
import type { RenderedBlock } from "../markdown-html.ts";

/** Markdown, block by block: while a text grows, only its last block is drawn again. A text that cannot be drawn is shown as it is. */
export function MarkdownView({ text }: { text: string }): JSX.Element {
  return (
    <ErrorBoundary fallback={<PlainText text={text} />}>
      <BlocksView text={text} />
    </ErrorBoundary>
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
  const blocks = useMemo(() => splitMarkdownBlocks(text), [text]);
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
