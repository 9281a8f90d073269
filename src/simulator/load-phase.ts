import type { LoadOutcome, LoadPlan } from './load-plan.ts'
import { codeNumber, codeText, type LoadRecord } from './load-record.ts'
import type { LoadSchedule } from './load-schedule.ts'

/** Chip answers that were checked as a card does, and how many of these were wrong. */
export interface AnswerChecks {
  readonly checked: number
  readonly wrong: number
}

/** A run under way. */
export interface LoadPhase {
  readonly plan: LoadPlan
  readonly schedule: LoadSchedule
  readonly startMs: number
  /** Number of its first request in the record. */
  readonly first: number
  readonly total: number
  /** Number of the first measured request; of a closed loop only known when the warm-up is over. */
  measuredFrom: number
  measureStartMs: number
  sent: number
  begun: boolean
  lastAnswerMs: number
  readonly checksBefore: AnswerChecks
  /** Longest time by which a request was sent later than it was meant to. */
  latestSendMs: number
  /** Requests whose making was timed, and how long that took. */
  timed: number
  timedMs: number
}

/** What the load's genuine cards and PINs must never be answered. */
const notGenuine = ['55', '63', '75', '82', '86'].map(codeNumber)

/**
 * Counts what became of the measured requests of a run.
 * @param checks of the load so far; undefined without chips
 */
export function outcomeOf(
  phase: LoadPhase,
  record: LoadRecord,
  checks: AnswerChecks | undefined,
): Omit<LoadOutcome, 'linksLost' | 'unmatched'> {
  const { state, responseCode } = record
  const counts = new Map<number, number>()
  const states = [0, 0, 0, 0, 0]
  const end = phase.first + phase.sent
  for (let sequence = phase.measuredFrom; sequence < end; sequence++) {
    const found = state[sequence] as number
    states[found] = (states[found] as number) + 1
    const code = responseCode[sequence] as number
    if (code !== 0) counts.set(code, (counts.get(code) ?? 0) + 1)
  }
  const [unsent = 0, unanswered = 0, approved = 0, declined = 0, refused = 0] = states
  const completed = approved + declined + refused
  const elapsedSeconds = Math.max(0.001, (phase.lastAnswerMs - phase.measureStartMs) / 1_000)
  const takenForFalse = notGenuine.reduce((sum, code) => sum + (counts.get(code) ?? 0), 0)
  const answersWrong = (checks?.wrong ?? 0) - phase.checksBefore.wrong
  return {
    offered: Math.max(0, end - phase.measuredFrom),
    completed,
    approved,
    declined,
    errors: unsent + unanswered + refused + (checks === undefined ? 0 : takenForFalse + answersWrong),
    unanswered,
    elapsedSeconds,
    answersPerSecond: completed / elapsedSeconds,
    codes: Object.fromEntries([...counts].sort((a, b) => b[1] - a[1]).map(([code, count]) => [codeText(code), count])),
    startMs: phase.startMs,
    latestSendMs: phase.latestSendMs,
    stoppedEarly: phase.sent < phase.total && phase.plan.window === undefined,
    answersChecked: (checks?.checked ?? 0) - phase.checksBefore.checked,
    answersWrong,
    makeMicroseconds: phase.timed === 0 ? 0 : (phase.timedMs * 1_000) / phase.timed,
  }
}
