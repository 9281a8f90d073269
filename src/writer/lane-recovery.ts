import type { LaneJournal, LanePosition } from '../store/lane-journal.ts'
import type { Timing } from '../timing.ts'

const DELAY_MIN_MS = 20
const DELAY_MAX_MS = 1_000
/** Attempts to reach the database once a stop was asked for. */
const ATTEMPTS_STOPPING = 5

/**
 * Reconnects with growing pauses until the lane is ours again under a new epoch. Taking the lane waits for a commit
 * that still runs under the old epoch, so the position that comes back is the truth about it.
 * @returns undefined when another writer has taken the lane, or when the program stops and the database stays away
 */
export async function retakeLane(
  store: LaneJournal,
  epoch: number,
  timing: Timing,
  watch: { readonly stopping: () => boolean; readonly onFault: (error: unknown) => void },
): Promise<LanePosition | undefined> {
  let delayMs = DELAY_MIN_MS
  for (let attempt = 1; ; attempt++) {
    try {
      return await store.take(epoch)
    } catch (error) {
      watch.onFault(error)
      if (watch.stopping() && attempt >= ATTEMPTS_STOPPING) return undefined
    }
    await new Promise<void>((resolve) => timing.after(delayMs, resolve))
    delayMs = Math.min(delayMs * 2, DELAY_MAX_MS)
  }
}
