import type { Preview } from "./preview.ts";

/** The previews of running turns, each until nothing of it is on its way: the answer waits for that before it takes the preview's place. */
export class ActivePreviews {
  readonly #previews = new Map<string, Pick<Preview, "settled">>();

  add(runId: string, preview: Pick<Preview, "settled">): void {
    this.#previews.set(runId, preview);
  }

  /** Resolves when nothing of a run's preview is on its way any more. */
  async settled(runId: string): Promise<void> {
    await this.#previews.get(runId)?.settled();
  }

  /** Forgets the preview of a run once it has settled. */
  async remove(runId: string): Promise<void> {
    await this.settled(runId);
    this.#previews.delete(runId);
  }
}
