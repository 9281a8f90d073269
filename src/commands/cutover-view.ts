import { type CivilDate, civilTime, formatDate } from '../calendar.ts'
import type { BusinessDay, DayEvent, DayStepRow } from '../store/clearing/business-day.ts'

const SECOND_MS = 1_000
const PERCENT = 100
const STEP_WIDTH = 14
const STATE_WIDTH = 8

/** A day with its steps, as `--json` and the API show it: dates yyyy-mm-dd, instants ISO 8601. */
export function dayView(day: BusinessDay, steps: readonly DayStepRow[]) {
  return {
    businessDate: formatDate(day.businessDate),
    state: day.state,
    askedBy: day.askedBy ?? null,
    askedAt: instant(day.askedAtMs),
    lanesClosedAt: instant(day.lanesClosedAtMs),
    closedAt: instant(day.closedAtMs),
    steps: steps.map((step) => ({
      step: step.step,
      state: step.state,
      attempts: step.attempts,
      startedAt: instant(step.startedAtMs),
      endedAt: instant(step.endedAtMs),
      words: step.words ?? null,
      detail: step.detail ?? null,
      progress: step.progress ?? null,
    })),
  }
}

/** An entry of the history, as `--json` shows it. */
export function eventView({ businessDate, atMs, step, event, by, words }: DayEvent) {
  return {
    businessDate: formatDate(businessDate),
    at: instant(atMs),
    step: step ?? null,
    event,
    by,
    words: words ?? null,
  }
}

/** A day with its steps for people, a line each. */
export function dayLines(day: BusinessDay, steps: readonly DayStepRow[]): string[] {
  const asked = day.askedAtMs === undefined ? '' : `, ended ${clockTime(day.askedAtMs)} by ${day.askedBy ?? ''}`
  const closed = day.closedAtMs === undefined ? '' : `, closed ${clockTime(day.closedAtMs)}`
  const head = `business day ${formatDate(day.businessDate)}: ${day.state}${asked}${closed}`
  return [head, ...steps.map((step, index) => `  ${index + 1} ${stepLine(step)}`)]
}

function stepLine(step: DayStepRow): string {
  const { state, startedAtMs, endedAtMs, words, progress, attempts } = step
  const took =
    startedAtMs === undefined || endedAtMs === undefined
      ? ''
      : `${((endedAtMs - startedAtMs) / SECOND_MS).toFixed(1)} s`
  const said = state === 'running' && progress !== undefined ? progressInWords(progress) : (words ?? '')
  const again = attempts > 1 ? ` (${attempts} times)` : ''
  return `${step.step.padEnd(STEP_WIDTH)} ${state.padEnd(STATE_WIDTH)} ${took.padStart(8)}  ${said}${again}`.trimEnd()
}

/** How far a step is. */
export function progressInWords({
  words,
  done,
  total,
}: {
  readonly words: string
  readonly done?: number | undefined
  readonly total?: number | undefined
}): string {
  if (done === undefined) return words
  if (total === undefined || total === 0) return `${words}: ${done}`
  return `${words}: ${done} of ${total} (${Math.floor((done / total) * PERCENT)} %)`
}

/** An entry of the history for people. */
export function eventLine({ businessDate, atMs, step, event, by, words }: DayEvent): string {
  const what = step === undefined ? event : `${step} ${event}`
  return `${formatDate(businessDate)}  ${dateTime(atMs)}  ${what}  by ${by}${words === undefined ? '' : `: ${words}`}`
}

function instant(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}

/** Of a clock in Cairo. */
function clockTime(ms: number): string {
  return civilTime(ms).time.replace(/^(..)(..)(..)$/, '$1:$2:$3')
}

function dateTime(ms: number): string {
  const date: CivilDate = civilTime(ms).date
  return `${formatDate(date)} ${clockTime(ms)}`
}
