import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { lexer, type Token } from "marked";
import { parseMarkdown, type MarkdownBlock } from "./blocks.ts";
import { parseInline, type Inline } from "./inline.ts";

const TAGS = { strong: "b", em: "i", strike: "s", link: "a" } as const;
function toTag(token: Inline): string {
  if (token.type === "text") return token.text;
  if (token.type === "code") return `<c>${token.text}</c>`;
  if (token.type === "break") return "/";
  if (token.type === "image") return `<img ${token.href} ${token.alt}>`;
  if (token.type === "close") return `</${TAGS[token.style]}>`;
  return token.style === "link" ? `<a ${token.href}>` : `<${TAGS[token.style]}>`;
}
const inline = (markdown: string): string => parseInline(markdown).map(toTag).join("");

const INLINE: readonly (readonly [name: string, cases: readonly (readonly [markdown: string, shown: string])[]])[] = [
  [
    "emphasis",
    [
      ["**a *b* c** ***d***", "<b>a <i>b</i> c</b> <i><b>d</b></i>"],
      ["_a_ __b__ ~~c~~", "<i>a</i> <b>b</b> <s>c</s>"],
      ["**bold**text", "<b>bold</b>text"],
      ["** a ** and * b *", "** a ** and * b *"],
    ],
  ],
  [
    "a tilde says about, two strike",
    [
      ["大约1~3个月，5~10元", "大约1~3个月，5~10元"],
      ["약 3~5일, 7~8일", "약 3~5일, 7~8일"],
      ["costs ~$5-~$10, ~5 to ~10", "costs ~$5-~$10, ~5 to ~10"],
      ["~one~ ~~~three~~~", "~one~ ~~~three~~~"],
      ["~~10元~~5元", "<s>10元</s>5元"],
    ],
  ],
  [
    "products and names are no emphasis",
    [
      ["5 * 3 * 2 = 30, 5*3*2, a*b*c", "5 * 3 * 2 = 30, 5*3*2, a*b*c"],
      ["snake_case_name, x_1_y, _a_b_", "snake_case_name, x_1_y, <i>a_b</i>"],
      ["α*β*γ and д*е*ж", "α*β*γ and д*е*ж"],
    ],
  ],
  [
    "emphasis beside the letters and the punctuation of every script",
    [
      ["这是**“重点”**内容，*重点*，**重点。**后", "这是<b>“重点”</b>内容，<i>重点</i>，<b>重点。</b>后"],
      ["**「強調」**です。これは**（重要）**です", "<b>「強調」</b>です。これは<b>（重要）</b>です"],
      ['이것은**"중요"**합니다', '이것은<b>"중요"</b>합니다'],
      ['هذا **مهم** و**"نص"**هنا', 'هذا <b>مهم</b> و<b>"نص"</b>هنا'],
      ['זה **חשוב** ו**"טקסט"**כאן', 'זה <b>חשוב</b> ו<b>"טקסט"</b>כאן'],
      ['यह **महत्वपूर्ण** है और**"पाठ"**यहाँ', 'यह <b>महत्वपूर्ण</b> है और<b>"पाठ"</b>यहाँ'],
      ["**Done 🎉**next and 👨‍👩‍👧**fam**", "<b>Done 🎉</b>next and 👨‍👩‍👧<b>fam</b>"],
      ['Latin**"text"**stays', 'Latin**"text"**stays'],
    ],
  ],
  [
    "formulas keep their backslashes, brackets do not",
    [
      ["\\(a_1 * b_2 * c\\) and \\[x^2\\]", "\\(a_1 * b_2 * c\\) and \\[x^2\\]"],
      ["\\[1\\] \\[a\\](b) \\(x\\) \\*no\\*", "[1] [a](b) (x) *no*"],
      ["\\(a \\( b", "(a ( b"],
    ],
  ],
  [
    "code",
    [
      ["`a *b*` ``c`d`` ` e ` `f", "<c>a *b*</c> <c>c`d</c> <c>e</c> `f"],
      ["`a\nb` c\nd\\\ne  \nf", "<c>a b</c> c/d/e/f"],
    ],
  ],
  [
    "links",
    [
      ['[a](https://b.c/d_(e) "t") [f](<g h>) [](i) [j] (k)', "<a https://b.c/d_(e)>a</a> <a g h>f</a> <a i></a> [j] (k)"],
      ["[a [b](c) d](e) [x](y z)", "[a <a c>b</a> d](e) [x](y z)"],
      ["[**a**](b) **[c](d)** *[e*](f)", "<a b><b>a</b></a> <b><a d>c</a></b> *<a f>e*</a>"],
      ["![*p* `q`](r) [![s](t)](u)", "<img r p q> <a u><img t s></a>"],
      [
        "see https://a.b/c_d_e, (https://a.b/f_(g)).",
        "see <a https://a.b/c_d_e>https://a.b/c_d_e</a>, (<a https://a.b/f_(g)>https://a.b/f_(g)</a>).",
      ],
      ["见https://a.b/c。后面 **https://d.e**，", "见<a https://a.b/c>https://a.b/c</a>。后面 <b><a https://d.e>https://d.e</a></b>，"],
      [
        "<https://a.b?c&d> <e@f.gh> i@j.kl www.m.no x@1.2",
        "<a https://a.b?c&d>https://a.b?c&d</a> <a mailto:e@f.gh>e@f.gh</a> <a mailto:i@j.kl>i@j.kl</a> <a http://www.m.no>www.m.no</a> x@1.2",
      ],
    ],
  ],
  [
    "HTML is text, in which nothing is markup",
    [
      ['<a title="*x*">*y*</a> a < *b* > c', '<a title="*x*"><i>y</i></a> a < <i>b</i> > c'],
      ["&lt;b&gt; &copy; &#x41; &nope; &", "<b> © A &nope; &"],
    ],
  ],
];
for (const [name, cases] of INLINE) {
  test(name, () => {
    for (const [markdown, shown] of cases) assert.equal(inline(markdown), shown);
  });
}

/** A block as one short text, with its inline markup unread. */
function brief(block: MarkdownBlock): string {
  switch (block.type) {
    case "quote":
      return `q(${block.blocks.map(brief).join(" ")})`;
    case "list": {
      const items = block.items.map(
        ({ checked, blocks }) => `${checked === null ? "" : checked ? "x:" : "o:"}${blocks.map(brief).join(" ")}`,
      );
      return `${block.ordered ? `ol${block.start}` : "ul"}${block.loose ? "!" : ""}(${items.join(" | ")})`;
    }
    case "table":
      return `t(${[block.header, ...block.rows].map((row) => row.join("|")).join(" / ")})`;
    case "rule":
      return "hr";
    case "heading":
      return `h${block.level}(${block.text})`;
    case "code":
      return `code ${block.language}(${block.text})`;
    default:
      return `${block.type === "html" ? "html" : "p"}(${block.text})`;
  }
}
const BLOCKS: readonly (readonly [markdown: string, want: string])[] = [
  ["a\nb\n\nc", "p(a\nb) p(c)"],
  ["# A #\nB\n===\nC\n---\n***", "h1(A) h1(B) h2(C) hr"],
  ["> a\nb\n> > c\n\nd", "q(p(a\nb) q(p(c))) p(d)"],
  ["- a\n- b\n  - c\n    d\n- [x] e\n- [ ] f", "ul(p(a) | p(b) ul(p(c\nd)) | x:p(e) | o:p(f))"],
  ["3. a\n4. b\n\ntext\n7. no list", "ol3(p(a) | p(b)) p(text\n7. no list)"],
  ["- a\n\n  b\n\n- c", "ul!(p(a) p(b) | p(c))"],
  ["- a\n  - b\n\n  - c\n- d", "ul(p(a) ul!(p(b) | p(c)) | p(d))"],
  ["- a\n* b", "ul(p(a)) ul(p(b))"],
  ["- ```js\n  a\n\n  b\n  ```\n- c", "ul(code js(a\n\nb) | p(c))"],
  ["```ts x\n\ta\n```\n~~~\n```\n~~~\n```\nopen", "code ts x(\ta) code (```) code (open)"],
  ["    a\n\n\tb\nc", "code (a\n\nb) p(c)"],
  ["a | b\n:-|-:\n1 | 2 | 3\n`x|y` | z\\|z\n\nend", "t(a|b / 1|2|3 / `x|y`|z|z) p(end)"],
  ["<div>\n*a*\n\n*b*", "html(<div>\n*a*) p(*b*)"],
  ["[a]: https://b.c\n\n[d][a] and [e]: f", "p([d][a] and [e]: f)"],
  ["[unused]: https://b.c", "p([unused]: https://b.c)"],
  ["a\r\nb\rc", "p(a\nb\nc)"],
  ["-\n- \n1.", "ul( | ) ol1()"],
];
for (const [markdown, want] of BLOCKS) {
  test(`blocks of ${JSON.stringify(markdown)}`, () =>
    assert.equal(
      parseMarkdown(markdown)
        .blocks.map(({ block }) => brief(block))
        .join(" "),
      want,
    ));
}

test("a reference takes its address from anywhere in the text", () => {
  const { blocks, definitions } = parseMarkdown('[x][ A b ] and [a B]\n\n[a  b]: <https://c.d> "t"');
  assert.equal(blocks.length, 1);
  const { block } = blocks[0]!;
  assert.ok(block.type === "paragraph");
  assert.equal(parseInline(block.text, definitions).map(toTag).join(""), "<a https://c.d>x</a> and <a https://c.d>a B</a>");
});

test("each top-level block has its piece of the source", () => {
  assert.deepEqual(
    parseMarkdown("# a\n\nb\nc\n\n- d\n\n  e\n\nf\n").blocks.map(({ raw }) => raw),
    ["# a", "b\nc", "- d\n\n  e", "f"],
  );
});

test("marks are balanced and nest, whatever the text is", () => {
  const parts = ["*", "**", "_", "~~", "`", "[", "](", ")", "![", "a", " ", "\n", "<b>", "](x)", "“", "中", "\\", "https://a.b", "a@b.cd"];
  let seed = 9;
  const random = (n: number): number => (seed = (seed * 48_271) % 2_147_483_647) % n;
  for (let round = 0; round < 5_000; round++) {
    const text = Array.from({ length: random(40) }, () => parts[random(parts.length)]).join("");
    const open: string[] = [];
    for (const token of parseInline(text)) {
      if (token.type === "open") open.push(token.style);
      else if (token.type === "close") assert.equal(open.pop(), token.style, text);
      assert.ok(open.length <= 32);
    }
    assert.deepEqual(open, [], text);
  }
});

/** What marked makes of a text: the kinds of its blocks and of what is inside them, in order. */
function kindsOf(tokens: readonly Token[]): string[] {
  return tokens.flatMap((token): string[] => {
    const inner = "tokens" in token && token.tokens ? kindsOf(token.tokens) : [];
    const kind = token.type;
    if (kind === "list")
      return ["list", ...(token as { items: Token[] }).items.flatMap((item) => ["item", ...kindsOf((item as { tokens: Token[] }).tokens)])];
    if (kind === "table") {
      const { header, rows } = token as unknown as { header: { tokens: Token[] }[]; rows: { tokens: Token[] }[][] };
      return ["table", ...[header, ...rows].flat().flatMap((cell) => ["cell", ...kindsOf(cell.tokens)])];
    }
    if (["space", "def", "text", "escape", "br", "html", "checkbox", "paragraph"].includes(kind)) return inner;
    return [kind, ...(kind === "image" || kind === "codespan" || kind === "code" ? [] : inner)];
  });
}
const KINDS: Readonly<Record<string, string>> = { quote: "blockquote", rule: "hr", strike: "del" };
function ourKinds(blocks: readonly MarkdownBlock[], definitions: ReturnType<typeof parseMarkdown>["definitions"]): string[] {
  const of = (text: string): string[] =>
    parseInline(text, definitions).flatMap((token): string[] =>
      token.type === "open"
        ? [KINDS[token.style] ?? token.style]
        : token.type === "code"
          ? ["codespan"]
          : token.type === "image"
            ? ["image"]
            : [],
    );
  return blocks.flatMap((block): string[] => {
    const kind = KINDS[block.type] ?? block.type;
    if (block.type === "quote") return [kind, ...ourKinds(block.blocks, definitions)];
    if (block.type === "list") return [kind, ...block.items.flatMap((item) => ["item", ...ourKinds(item.blocks, definitions)])];
    if (block.type === "table") return [kind, ...[block.header, ...block.rows].flat().flatMap((cell) => ["cell", ...of(cell)])];
    if (block.type === "heading") return [kind, ...of(block.text)];
    return block.type === "paragraph" ? of(block.text) : block.type === "html" ? [] : [kind];
  });
}

test("ordinary documents are read as marked reads them", () => {
  const root = join(import.meta.dirname, "../../..");
  const files = globSync(["*.md", "docs/**/*.md"], { cwd: root }).map((file) => join(root, file));
  let compared = 0;
  for (const file of files) {
    for (const section of readFileSync(file, "utf8").split(/\n(?=#)/)) {
      const { blocks, definitions } = parseMarkdown(section);
      // A name with a version looks like an address of mail.
      if (/@\d/.test(section)) continue;
      assert.deepEqual(
        ourKinds(
          blocks.map(({ block }) => block),
          definitions,
        ),
        kindsOf(lexer(section, { gfm: true, breaks: true })),
        `${file}: ${section}`,
      );
      compared++;
    }
  }
  assert.ok(compared > 50, `${compared} sections`);
});
