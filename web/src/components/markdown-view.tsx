import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { toMarkdownBlocks } from "../markdown.ts";
import { sanitize } from "../sanitize.ts";
import { Boundary } from "./boundary.tsx";
import type { MarkdownBlock } from "../markdown.ts";

/** Markdown, or the plain text where it cannot be read as Markdown. */
export function MarkdownView({ text }: { text: string }): JSX.Element {
  const plain = (
    <p class="plain" dir="auto">
      {text}
    </p>
  );
  return (
    <Boundary fallback={plain}>
      <Blocks text={text} />
    </Boundary>
  );
}

/** Block by block: while a text grows, only its last block is drawn again. */
function Blocks({ text }: { text: string }): JSX.Element {
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
