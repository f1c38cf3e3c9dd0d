// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import { WEB_LIMITS } from "../web-limits.ts";
import { readHtml } from "./read-html.ts";

const url = "https://site.example/dir/page.html";
const markdown = (html: string): string => readHtml(html, { mode: "markdown", mainOnly: false, url }).text;
const text = (html: string): string => readHtml(html, { mode: "text", mainOnly: false, url }).text;
const titleOf = (html: string): string => readHtml(html, { mode: "text", mainOnly: false, url }).title;
const main = (html: string): string => readHtml(html, { mode: "markdown", mainOnly: true, url }).text;

test("headings, paragraphs, emphasis, line breaks and rules are Markdown", () => {
  assert.equal(
    markdown("<h1>One <em>two</em></h1><p>a <b>bold</b> and<i> slanted </i>word<br>next\n line</p><hr><h3>Three</h3>tail"),
    "# One _two_\n\na **bold** and _slanted_ word\nnext line\n\n---\n\n### Three\n\ntail",
  );
  assert.equal(markdown("<p><b>a <strong>b</strong></b><b> </b>c <code>x  `y`</code></p>"), "**a b** c `` x `y` ``");
});

test("links are absolute, and only addresses that can be fetched are kept", () => {
  assert.equal(
    markdown('<a href="../a?x=(1)">A</a> <a href="//other.example">B</a> <a href="#c">C</a> <a href="javascript:x()">D</a> <a>E</a>'),
    "[A](https://site.example/a?x=%281%29) [B](https://other.example/) C D E",
  );
  assert.equal(markdown('<base href="/base/"><a href="x">A</a>'), "[A](https://site.example/base/x)");
  assert.equal(markdown('<a href="/x"><h3>Title</h3><p>More</p></a>'), "[Title More](https://site.example/x)");
  assert.equal(
    markdown('<img src="/a.png" alt="A cat"><img src="data:image/png;base64,AAAA" alt="B"><img src="/c.png">'),
    "![A cat](https://site.example/a.png)[B]",
  );
});

test("lists are nested by indentation, and numbers follow the list", () => {
  assert.equal(
    markdown("<p>x</p><ul><li>a<ul><li>b</li><li><p>c</p><p>d</p></li></ul></li><li>e</li></ul><ol start=9><li>f<li>g</ol>"),
    "x\n\n- a\n  - b\n  - c\n\n    d\n- e\n\n9. f\n10. g",
  );
  assert.equal(markdown("<dl><dt>a</dt><dd>b</dd></dl><blockquote><p>q</p><ul><li>r</li></ul></blockquote>"), "a\n\n  b\n\n> q\n>\n> - r");
});

test("code keeps its lines and its language, in a fence that the code cannot close", () => {
  assert.equal(
    markdown('<pre><code class="language-ts">let a = 1;\n\n  if (a &lt; 2) b();\n</code></pre>'),
    "```ts\nlet a = 1;\n\n  if (a < 2) b();\n```",
  );
  assert.equal(markdown("<pre>a\n```\nb</pre>"), "````\na\n```\nb\n````");
});

test("a table of data is a table, and one that arranges blocks is not", () => {
  assert.equal(
    markdown("<table><caption>T</caption><tr><th>a</th><th>b|c</th></tr><tr><td>1<td>x<br>y</tr><tr><td>2</table>"),
    "T\n\n| a | b\\|c |\n| --- | --- |\n| 1 | x y |\n| 2 |  |",
  );
  assert.equal(markdown("<table><tr><td><h2>a</h2><p>b</p></td><td><ul><li>c</ul></td></tr></table>"), "## a\n\nb\n\n- c");
  assert.equal(text("<table><tr><td>a<td>b<tr><td>c<td>d</table>"), "a | b\nc | d");
});

test("formulas are shown as their author wrote them", () => {
  const hidden = '<span class="mwe-math-mathml-inline" style="display: none;"><math alttext="{a^2}"><mi>a</mi></math></span>';
  assert.equal(markdown(`<p>so ${hidden} is</p>`), "so ${a^2}$ is");
  assert.equal(markdown("<math><mi>a</mi><annotation>\\alpha</annotation></math>"), "$\\alpha$");
});

test("names of elements that objects have are names like others", () => {
  assert.equal(markdown("a <constructor>b</constructor> c"), "a b c");
});

test("plain text has no marks", () => {
  assert.equal(
    text('<h2>A</h2><p>b <b>c</b> <a href="/x">d</a> <code>e</code></p><ul><li>f</ul><pre>g\n h</pre>'),
    "A\n\nb c d e\n\n- f\n\ng\n h",
  );
});

test("hidden elements are left out", () => {
  assert.equal(
    markdown('a<p hidden>b</p><p aria-hidden="true">c</p><p style="color:red; DISPLAY : none">d</p><p style="visibility:hidden">e</p><p>f'),
    "a\n\nf",
  );
});

const words = (count: number, word = "word"): string => `${word} `.repeat(count);
const menu = `<ul>${'<li><a href="/x">Menu entry</a></li>'.repeat(8)}</ul>`;

test("the main content is found by its mark, and by where the text is", () => {
  const around = `<header>${menu}</header><nav>Navigation</nav><div class="sidebar">Sidebar ${words(20)}</div>`;
  const article = `<h1>Title</h1><p>${words(60, "inside")}</p>${menu}<p>${words(60, "inside")}</p>`;
  for (const page of [
    `<body>${around}<main>${article}</main><footer>Footer</footer></body>`,
    `<body>${around}<div role="main">${article}</div><footer>Footer</footer></body>`,
    `<body>${around}<div><div>${article}</div><div id="footer">Footer</div></div></body>`,
    `<table><tr><td>${menu}<td>${article}</table>`,
  ]) {
    const found = main(page);
    assert.match(found, /# Title[\s\S]*inside inside/);
    assert.doesNotMatch(found, /Navigation|Sidebar|Menu entry|Footer/, page.slice(0, 80));
  }
});

test("a page of links keeps them, and what a word calls surrounding stays when it is the page", () => {
  const index = `<body><div>${'<div><a href="/x">A headline of some length</a> 3 hours ago</div>'.repeat(30)}</div></body>`;
  assert.equal(main(index).match(/A headline/g)?.length, 30);
  assert.match(main(`<body><div class="sidebar">${words(100, "inside")}</div><p>after</p></body>`), /inside/);
  const two = `<article>${words(50, "first")}</article><article>${words(50, "second")}</article>`;
  assert.match(main(`<body>${two}</body>`), /first[\s\S]*second/);
});

test("the title is that of the page", () => {
  assert.equal(titleOf("<head><title> A &amp;\n B </title></head><svg><title>no</title></svg>"), "A & B");
  assert.equal(titleOf('<meta property="og:title" content="C">x'), "C");
  assert.equal(titleOf("<p>x"), "");
});

/** Markup that makes parsers, extractors and patterns take more than linear time or stack. web-threads.test.ts has larger pages. */
const HOSTILE: Readonly<Record<string, string>> = {
  "10,000 nested blocks": `${"<div>".repeat(10_000)}${"inner ".repeat(100)}`,
  "unclosed tags and as many closing tags": `${"<div>".repeat(10_000)}${"</b>".repeat(10_000)}end`,
  "nested blocks with text each": "<div><p>hello, there, and here</p>".repeat(5_000),
  "2 MB of text": `<p>${"a b ".repeat(500_000)}`,
  "2 MB of white space": `<p>${" \n\t ".repeat(500_000)}x</p>`,
  "angle brackets only": "<".repeat(500_000),
  "ampersands only": "&".repeat(500_000),
  "unclosed comments": "<!--".repeat(100_000),
  "one tag with 100,000 attributes": `<p ${"a=b ".repeat(100_000)}>x`,
  "a huge table": `<table>${`<tr>${"<td>cell</td>".repeat(20)}</tr>`.repeat(1_000)}</table>`,
  "a wide table": `<table><tr>${"<td>cell</td>".repeat(10_000)}</tr></table>`,
  "nested tables": "<table><tr><td>".repeat(3_000),
  "nested lists": "<ul><li>x".repeat(4_000),
  "nested quotations": "<blockquote>x".repeat(8_000),
  "nested emphasis around blocks": `${"<b><i>".repeat(4_000)}${"<p>x".repeat(1_000)}`,
  "spans around blocks": `${"<span>".repeat(190)}<p>x</p>${"</span>".repeat(190)}`.repeat(100),
  "grave accents": `<code>${"`".repeat(300_000)}</code><pre>${"`".repeat(300_000)}</pre>`,
  "spaces in a style": `<p style="display${" ".repeat(100_000)}:none">x`.repeat(5),
  "a long class": `<p class="${"nav-".repeat(50_000)}">x`,
  "spaces in the title": `<title>${" ".repeat(500_000)}x</title>`,
  "formulas in formulas": `${"<math>".repeat(5_000)}x`,
  "line breaks": "<br>".repeat(9_000),
};

for (const [name, html] of Object.entries(HOSTILE)) {
  test(`hostile markup ends with a bounded text: ${name}`, () => {
    for (const mainOnly of [true, false]) {
      const page = readHtml(html, { mode: "markdown", mainOnly, url });
      assert.ok(page.text.length <= WEB_LIMITS.pageChars);
    }
  });
}
