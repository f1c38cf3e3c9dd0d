import assert from "node:assert/strict";
import { test } from "node:test";
import { checkQuery } from "./search-query.ts";

test("a query is completed, and its values get their usual form", () => {
  assert.deepEqual(
    checkQuery({ query: " a\n b ", country: "de", language: "DE", freshness: "day", domain_filter: ["A.example", " -b.example"] }, 5),
    {
      query: {
        query: "a b",
        count: 5,
        country: "DE",
        language: "de",
        freshness: "day",
        date_after: undefined,
        date_before: undefined,
        domains: { included: ["a.example"], excluded: ["b.example"] },
      },
      notes: [],
    },
  );
});

test("a count above the limit is lowered, and the result says so", () => {
  const checked = checkQuery({ query: "a", count: 50 }, 5);
  assert.ok("query" in checked);
  assert.deepEqual([checked.query.count, checked.notes], [10, ["A search has at most 10 results."]]);
});

test("values that no provider understands are refused", () => {
  const problems: readonly [Record<string, unknown>, RegExp][] = [
    [{ query: " " }, /the query is empty/],
    [{ query: "x".repeat(500) }, /longer than 499 characters/],
    [{ query: "a", country: "Germany" }, /country must be two letters \(ISO 3166-1\), not "GERMANY"/],
    [{ query: "a", language: "en-US" }, /language must be two letters \(ISO 639-1\), not "en-us"/],
    [{ query: "a", freshness: "hour" }, /freshness must be one of day, week, month, year/],
    [{ query: "a", date_after: "2025-02-30" }, /"2025-02-30" is not a date like 2025-01-31/],
    [{ query: "a", date_before: "1.2.2025" }, /"1\.2\.2025" is not a date/],
    [{ query: "a", date_after: "2025-02-02", date_before: "2025-02-01" }, /date_after is later than date_before/],
    [{ query: "a", freshness: "day", date_after: "2025-02-02" }, /freshness cannot be combined/],
    [{ query: "a", domain_filter: ["https://a.example/"] }, /must have domains like example\.org or -example\.org, not "https:/],
    [{ query: "a", domain_filter: ["a.example) OR (site:b"] }, /must have domains like/],
    [{ query: "a", domain_filter: Array.from({ length: 21 }, () => "a.example") }, /more than 20 domains/],
  ];
  for (const [args, expected] of problems) {
    const checked = checkQuery(args, 5);
    assert.ok("problem" in checked, JSON.stringify(args));
    assert.match(checked.problem, expected);
  }
});
