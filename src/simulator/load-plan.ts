import type { LoadStage } from './load-schedule.ts'

/** One open-loop run: requests leave on schedule whatever the answers do. */
export interface LoadPlan {
  readonly ratePerSecond: number
  /** Sent at the same rate before the measured seconds; not in the figures. */
  readonly warmupSeconds: number
  readonly seconds: number
  /**
   * Open loop at changing rates instead: one stage after the other. Rate and seconds above are then those of the whole.
   */
  readonly stages?: readonly LoadStage[]
  /** How long to wait for the last answers. */
  readonly answerWithinMs: number
  /** Ends the sending early when so many requests wait for their answers; absent = never. */
  readonly outstandingMax?: number
  /** Ends the sending early when it says so; asked after each tick. */
  readonly isOver?: () => boolean
  /**
   * Closed loop instead: keeps so many requests under way, whatever the schedule says, to see what the switch can do at
   * most. The rate then only bounds the count of requests, and latency counts from the sending.
   */
  readonly window?: number
  /** Called when the measured seconds begin and when the last of them is sent. */
  readonly onMeasure?: (phase: 'begin' | 'end') => void
  /** Gets each measured answer's microseconds from its intended sending, and its request's number in the record. */
  readonly onLatency: (microseconds: number, sequence: number) => void
}

/** What a run came to; counts are of the measured part. */
export interface LoadOutcome {
  /** Requests of the measured seconds, sent or not. */
  readonly offered: number
  readonly completed: number
  readonly approved: number
  readonly declined: number
  /**
   * Unanswered, answered 91, 96 or 30, or not sent because no link was up; with chip and PIN also what was refused as
   * not genuine (55, 63, 75, 82, 86), and answers that were not the issuer's.
   */
  readonly errors: number
  readonly unanswered: number
  /** From the first intended sending to the last answer. */
  readonly elapsedSeconds: number
  readonly answersPerSecond: number
  readonly codes: Readonly<Record<string, number>>
  readonly linksLost: number
  /** Answers that match no open request. */
  readonly unmatched: number
  readonly stoppedEarly: boolean
  /** When the run began, in milliseconds of performance.now(). */
  readonly startMs: number
  /** Longest time by which a request was sent later than meant: what the load itself could not keep up with. */
  readonly latestSendMs: number
  /** Chip answers that were checked as the card does, of one in 64 requests, warm-up included; how many were wrong. */
  readonly answersChecked: number
  readonly answersWrong: number
  /** What choosing and writing a request took of the generator's time, microseconds, of one in 64. */
  readonly makeMicroseconds: number
}
