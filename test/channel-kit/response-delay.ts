/** Waits, so that a platform answers late. 0: not at all, so that what has always been done at once still is. */
export function delayResponse(ms: number): Promise<void> | undefined {
  return ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : undefined;
}
