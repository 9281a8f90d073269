import type { NamedJob } from './scheduler.ts'

/** A job that need not be begun when nothing waits for it. */
export interface WaitedForJob extends NamedJob {
  /**
   * Looks whether there is anything to do, which costs next to nothing.
   * @returns undefined when there is; otherwise what there is to say of the look, in words
   */
  look(): Promise<string | undefined>
}
