import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHtml, type HtmlNode } from "./html-tree.ts";
import { WEB_LIMITS } from "./web-limits.ts";

/** A tree in short: `p(a b(c))`. */
const show = (node: HtmlNode): string =>
  typeof node === "string" ? node : `${node.name}${node.children.length > 0 ? `(${node.children.map(show).join("|")})` : ""}`;
const parse = (html: string): string => parseHtml(html).root.children.map(show).join("|");

test("elements, text, decoded characters and kept attributes are in the tree", () => {
  assert.equal(parse("<p>a &amp; b<b>c</b>&lt;d&#x20AC;</p>"), "p(a & b|b(c)|<d€)");
  const [link] = parseHtml('<A HREF="/x?a=1&amp;b=2" onclick="evil()" class=c Class=second>t</A>').root.children;
  assert.deepEqual(link, { name: "a", attributes: { href: "/x?a=1&b=2", class: "c" }, children: ["t"] });
});

test("elements without text for people are left out with what is in them", () => {
  assert.equal(
    parse("a<script>if (1 < 2) {}</script><style>b</style>c<svg><text>d</text><title>e</title></svg>f<!-- g --><noscript>h</noscript>"),
    "a|c|f",
  );
  // What is not closed costs only the rest of the element around it.
  assert.equal(parse("<div>a<button>b</div><p>c"), "div(a)|p(c)");
});

test("closing tags that are missing, wrong or crossed are tolerated", () => {
  assert.equal(parse("<ul><li>a<li>b<ul><li>c</ul><li>d</ul>e"), "ul(li(a)|li(b|ul(li(c)))|li(d))|e");
  assert.equal(parse("<p>a<p>b<div>c</div>d"), "p(a)|p(b)|div(c)|d");
  assert.equal(parse("<table><tr><td>a<td>b<tr><td>c</table>d"), "table(tr(td(a)|td(b))|tr(td(c)))|d");
  assert.equal(parse("<div><table><tr><td>a</div>b</td></tr></table>c</div>d"), "div(table(tr(td(a|b)))|c)|d");
  assert.equal(parse("<b>a<div>b</b>c</div>d</b>e"), "b(a|div(b|c)|d)|e");
  assert.equal(parse("a</p></div></html>b<br/>c</br>d"), "a|b|br|c|br|d");
  assert.equal(parse("<dl><dt>a<dd>b<dt>c</dl><h1>d<h2>e</h2>f"), "dl(dt(a)|dd(b)|dt(c))|h1(d)|h2(e)|f");
});

test("names of elements that objects have are names like others", () => {
  assert.equal(parse("<constructor>a<p>b</p></constructor>c"), "constructor(a|p(b))|c");
});

test("what lies too deep keeps its text, and a page with too many elements is cut", () => {
  const deep = parseHtml(`${"<div>".repeat(50_000)}inner${"</div>".repeat(50_000)}outer`);
  let depth = 0;
  for (let node: HtmlNode | undefined = deep.root; typeof node === "object"; node = node.children[0]) depth += 1;
  assert.equal(depth, WEB_LIMITS.treeDepth);
  assert.equal(deep.root.children.at(-1), "outer");
  assert.equal(deep.isCut, false);
  const many = parseHtml("<i>x</i>".repeat(WEB_LIMITS.treeElements + 1));
  assert.equal(many.isCut, true);
  assert.equal(many.root.children.length, WEB_LIMITS.treeElements);
});

test("a long attribute is cut", () => {
  const [link] = parseHtml(`<a href="${"x".repeat(100_000)}&amp;">t</a>`).root.children;
  assert.equal((link as { attributes: { href: string } }).attributes.href.length, WEB_LIMITS.attributeChars);
});
