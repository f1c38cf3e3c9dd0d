import type { ComponentChildren, JSX } from "preact";
import { useErrorBoundary, useMemo } from "preact/hooks";
import { toMarkdownBlocks } from "../markdown.ts";
import { sanitize } from "../sanitize.ts";
import type { MarkdownBlock } from "../markdown.ts";

/** Markdown, block by block: while a text grows, only its last block is drawn again. A text that cannot be drawn is shown as it is. */
export function MarkdownView({ text }: { text: string }): JSX.Element {
  return (
    <Fallback text={text}>
      <BlocksView text={text} />
    </Fallback>
  );
}

/** Shows the plain text in place of children that throw, so that one message never takes the page with it. */
function Fallback({ text, children }: { text: string; children: ComponentChildren }): JSX.Element {
  const [error] = useErrorBoundary((err: unknown) => console.error("a message could not be rendered", err));
  if (error === undefined) return <>{children}</>;
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

function BlockView({ block }: { block: MarkdownBlock }): JSX.Element {
  const html = useMemo(() => sanitize(block.toHtml()), [block.id]);
  return <div class="block" dir="auto" dangerouslySetInnerHTML={{ __html: html }} />;
}
