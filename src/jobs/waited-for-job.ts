import type { NamedJob } from './scheduler.ts'

/** A job that need not be begun when nothing waits for it. */
export interface WaitedForJob extends NamedJob {
  /** Whether there is anything to do: a look that costs nothing. */
  isWanted(): Promise<boolean>
}
