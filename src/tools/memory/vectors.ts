/** Share of the likeness of vectors in the score of a note; the rest is that of its words. */
const VECTOR_SHARE = 0.7;

/** A vector of length 1; null for one without a direction, or with something else than numbers. Pure. */
export function toUnitVector(values: readonly unknown[]): Float32Array | null {
  const vector = new Float32Array(values.length);
  let sum = 0;
  for (const [index, value] of values.entries()) {
    if (typeof value !== "number" || !Number.isFinite(value)) return null;
    vector[index] = value;
    sum += value * value;
  }
  const length = Math.sqrt(sum);
  if (!(length > 0) || !Number.isFinite(length)) return null;
  for (let index = 0; index < vector.length; index++) vector[index]! /= length;
  return vector;
}

/** The likeness of two vectors of length 1, from -1 to 1; 0 where they cannot be compared. Pure. */
export function likeness(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return 0;
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
}

type Scored = { id: number; path: string; score: number };

/**
 * One list of what was found by words and by likeness, each scored from 0 to 1 by both. What has none of the words needs a likeness of
 * `minScore`. Pure.
 */
export function mergeMatches(byWords: readonly Scored[], byLikeness: readonly Scored[], minScore: number): Scored[] {
  const best = Math.max(...byWords.map(({ score }) => score), Number.MIN_VALUE);
  const merged = new Map(byWords.map((match) => [match.id, { ...match, score: (1 - VECTOR_SHARE) * Math.max(0, match.score / best) }]));
  for (const { id, path, score } of byLikeness) {
    const known = merged.get(id);
    if (known) known.score += VECTOR_SHARE * Math.max(0, score);
    else if (score >= minScore) merged.set(id, { id, path, score: VECTOR_SHARE * score });
  }
  return [...merged.values()];
}
