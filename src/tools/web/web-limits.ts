/** The limits of the tools for the web: unit at the end of the name, behavior in the comment. */
export const WEB_LIMITS = {
  /** Elements of a page; the rest of the page is left out, and the result says so. */
  treeElements: 100_000,
  /** Nesting of elements; the text of deeper ones is kept, their structure is not. */
  treeDepth: 200,
  /** Characters of the value of an attribute; the rest is dropped. */
  attributeChars: 2_048,
  /** Characters of the text of a page; the rest is left out, and the result says so. */
  pageChars: 400_000,
  titleChars: 300,
  /** A link around blocks becomes one line up to this length. */
  linkChars: 300,
  /** Indentation of lists and quotations in lists; deeper ones are not indented further. */
  indentChars: 40,
  /** A table with more columns is written as blocks. */
  tableColumns: 30,
  /** Threads that read pages at the same time; further pages wait. */
  threads: 2,
  /** Then the reading of one page ends with an error. */
  jobMs: 10_000,
  /** A thread without a page ends after this time. */
  idleThreadMs: 30_000,
  /** Heap of one thread, more than a page of `treeElements` needs; a page that needs more ends with an error. */
  threadHeapMb: 128,
  /** A larger answer of a search provider is refused. */
  searchAnswerBytes: 2_097_152,
  /** Characters of the snippet of a result, and of what a provider says when it refuses. */
  snippetChars: 500,
  quotedAnswerChars: 200,
  /** What is kept of pages and of searches, for the same calls; the oldest goes first. */
  pageCacheBytes: 4_194_304,
  searchCacheBytes: 1_048_576,
} as const;
