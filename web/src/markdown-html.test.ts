import assert from "node:assert/strict";
import { test } from "node:test";
import { markdownToHtml, splitMarkdownBlocks, toSafeHref } from "./markdown-html.ts";

test("raw HTML is shown, not obeyed", () => {
  for (const hostile of [
    "<script>alert(1)</script>",
    "a <img src=x onerror=alert(1)> b",
    "<svg onload=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<iframe srcdoc='<script>1</script>'></iframe>",
    "<!-- comment --> <style>*{}</style>",
    "# <b onclick=alert(1)>x</b>",
    "| a |\n|--|\n| <img src=x onerror=alert(1)> |",
    "- <script>alert(1)</script>",
    "> <object data=x>",
  ]) {
    const html = markdownToHtml(hostile);
    assert.doesNotMatch(html, /<(script|img|svg|iframe|style|object|b |a href='java)/i, hostile);
    assert.match(html, /&lt;/, hostile);
  }
});

test("links open outside, and only to addresses that are ones", () => {
  assert.equal(
    markdownToHtml("[x](https://a.b/c?d=1&e=2)"),
    '<p><a href="https://a.b/c?d=1&amp;e=2" target="_blank" rel="noopener noreferrer">x</a></p>\n',
  );
  for (const hostile of [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\u0001script:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "//evil.example",
    "/api/x",
    "#k=1",
    "file:///etc/passwd",
    "blob:x",
  ]) {
    assert.equal(toSafeHref(hostile), null, hostile);
    assert.doesNotMatch(markdownToHtml(`[x](<${hostile}>)`), /<a /, hostile);
  }
  assert.equal(toSafeHref("  https://a.b "), "https://a.b");
  assert.equal(toSafeHref("mailto:a@b.c"), "mailto:a@b.c");
});

test("an attribute cannot be left", () => {
  assert.doesNotMatch(markdownToHtml('[x](https://a.b/"onmouseover="alert(1))'), /" ?onmouseover/);
  assert.doesNotMatch(markdownToHtml('[x](https://a.b "t\\"onclick=alert(1)")'), /"onclick/);
  assert.doesNotMatch(markdownToHtml('![a"onerror="alert(1)](data:image/png;base64,AA==)'), /"onerror/);
});

test("code is colored by its language, and stays text", () => {
  assert.match(
    markdownToHtml("```js\nconst a = '<b>';\n```"),
    /<span class="code-keyword">const<\/span> a = <span class="code-string">&#39;&lt;b&gt;&#39;<\/span>;/,
  );
  assert.match(markdownToHtml("```diff\n-a\n+b\n```"), /<span class="code-removed">-a\n<\/span><span class="code-added">\+b<\/span>/);
  assert.doesNotMatch(markdownToHtml("```\nconst a = 1;\n```"), /code-keyword/);
});

test("a file of the gateway's machine is named, and a picture that is none has a name", () => {
  assert.equal(markdownToHtml("[notes](file:///home/me/notes.md)"), "<p>notes (<code>file:///home/me/notes.md</code>)</p>\n");
  assert.match(markdownToHtml("![](data:image/png;base64,AAAA)"), /alt="Picture"/);
});

test("pictures from elsewhere are links, pictures in the text are pictures", () => {
  const html = markdownToHtml("![plan](https://a.b/c.png)");
  assert.doesNotMatch(html, /<img/);
  assert.match(html, /<a href="https:\/\/a\.b\/c\.png"[^>]*>plan \(picture at a\.b\)<\/a>/);
  assert.match(markdownToHtml("![dot](data:image/png;base64,AAAA)"), /<img src="data:image\/png;base64,AAAA" alt="dot">/);
  assert.doesNotMatch(markdownToHtml("![dot](data:image/svg+xml;base64,AAAA)"), /<img/);
  assert.doesNotMatch(markdownToHtml("![dot](javascript:alert(1))"), /<img|<a/);
});

test("code keeps its text, its language and a button to copy it", () => {
  const html = markdownToHtml("```ts\nconst a = '<b>';\n```");
  assert.match(html, /<span>ts<\/span><button type="button" data-copy="code">/);
  assert.match(html.replaceAll(/<\/?span[^>]*>/g, ""), /const a = &#39;&lt;b&gt;&#39;;/);
  assert.doesNotMatch(markdownToHtml('```"><img src=x onerror=1>\nx\n```'), /<img/);
});

test("tables can be wider than the page without moving it", () => {
  assert.match(markdownToHtml("| a | b |\n|:--|--:|\n| 1 | 2 |"), /<div class="table" tabindex="0"><table>.*<td align="right">2<\/td>/);
});

test("a growing text keeps the blocks that are finished", () => {
  const before = splitMarkdownBlocks("# One\n\nTwo tw");
  const after = splitMarkdownBlocks("# One\n\nTwo two\n\n- three");
  assert.equal(before[0]?.id, after[0]?.id);
  assert.equal(before[0]?.key, after[0]?.key);
  assert.notEqual(before[1]?.id, after[1]?.id);
  assert.equal(after.length, 3);
});

test("an unfinished code block is code already", () => {
  assert.match(markdownToHtml("```text\nconst a"), /<pre[^>]*><code>const a<\/code>/);
});

test("numbers with tildes and stars keep their characters, and words of every script take emphasis", () => {
  assert.equal(markdownToHtml("大约1~3个月，5~10元"), "<p>大约1~3个月，5~10元</p>\n");
  assert.equal(markdownToHtml("5*3*2 and ~~old~~"), "<p>5*3*2 and <del>old</del></p>\n");
  assert.equal(markdownToHtml("这是**“重点”**内容"), "<p>这是<strong>“重点”</strong>内容</p>\n");
  assert.equal(markdownToHtml('و**"نص"**هنا'), "<p>و<strong>&quot;نص&quot;</strong>هنا</p>\n");
});

test("lists, quotes and task boxes", () => {
  assert.equal(markdownToHtml("- a\n- [x] b"), '<ul>\n<li>a</li>\n<li class="task">☑ b</li>\n</ul>\n');
  assert.equal(markdownToHtml("3. a\n\n   b"), '<ol start="3">\n<li><p>a</p>\n<p>b</p>\n</li>\n</ol>\n');
  assert.equal(markdownToHtml("> a\n> b"), "<blockquote>\n<p>a<br>b</p>\n</blockquote>\n");
});

test("nesting without end becomes text", () => {
  const html = markdownToHtml(`${"> ".repeat(12_000)}a`);
  assert.equal(html.split("<blockquote>").length, 33);
  assert.ok(html.includes("&gt; a</p>"));
});

test("a block with more elements than a browser lays out at once is shown as it was written", () => {
  assert.match(markdownToHtml("_a_ ".repeat(20_000)), /^<div class="code">.*_a_ _a_/s);
  const blocks = splitMarkdownBlocks("# a\n".repeat(5_000));
  assert.equal(blocks.length, 2_001);
  assert.equal(blocks.at(-1)!.toHtml().split("# a").length, 3_001);
});

test("while a text grows, the id of its last block changes with every character that it shows", () => {
  const text =
    "Title\n===\n\nwords\n\n```js\na\nb\n```\n\n    code\n    more\n\n<div>\nover</div>\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- x\n- y\n\n> q\n\nend";
  const seen = new Map<string, string>();
  for (let end = 1; end <= text.length; end++) {
    for (const block of splitMarkdownBlocks(text.slice(0, end))) {
      const name = `${block.key} ${block.id}`;
      const html = block.toHtml();
      assert.equal(seen.get(name) ?? html, html, name);
      seen.set(name, html);
    }
  }
  assert.deepEqual(
    splitMarkdownBlocks(text).map(({ id }) => id.slice(2).split("\n")[0]),
    ["Title", "words", "```js", "    code", "<div>", "| a | b |", "- x", "> q", "end"],
  );
});
