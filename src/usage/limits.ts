/** Limits of usage and budgets, and what happens at their edges. */
export const USAGE_LIMITS = {
  /** Requests to models and their sums are kept this long. */
  retentionMs: 400 * 86_400_000,
  /** Budgets of single senders that are kept in memory; beyond it those that nothing waits for are read again when they are needed. */
  pots: 10_000,
  /** Longest time for which a budget can be lifted. */
  overrideMs: 31 * 86_400_000,
  /** Overrides that are kept; a further one is refused. */
  overrides: 200,
  /** Notices that were given are remembered this long, so that each is given once. */
  noticeMs: 62 * 86_400_000,
  /** Rows of one page of a list of requests. */
  exportRows: 1_000,
  /** Hours of sessions in one answer about sessions; when they are more, the sessions that were used longer ago have their sums only. */
  detailRows: 2_000,
  /** Days of one answer. */
  days: 400,
} as const;
