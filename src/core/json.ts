/** Why a value that came from outside cannot be written down as JSON, or null. Walks without recursion: the depth is what is being checked. */
export function findStorageProblem(value: unknown, limits: { depth: number; chars: number }): string | null {
  const open: { value: unknown; depth: number }[] = [{ value, depth: 1 }];
  let chars = 0;
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    if (item.depth > limits.depth) return `are nested more than ${limits.depth} levels deep`;
    chars += typeof item.value === "string" ? item.value.length + 1 : 1;
    if (typeof item.value === "object" && item.value !== null) {
      const depth = item.depth + 1;
      for (const [key, each] of Object.entries(item.value)) {
        chars += key.length;
        if (chars > limits.chars) break;
        open.push({ value: each, depth });
      }
    }
    if (chars > limits.chars) return `have more than ${limits.chars} characters`;
  }
  return null;
}
