import { type CivilDate, civilTime, formatDate } from '../calendar.ts'
import { instantText } from '../clearing/day/view.ts'
import type { BusinessDay, DayEvent, DayStepRow } from '../store/clearing/business-day.ts'
import { SECOND_MS } from '../time-units.ts'

const PERCENT = 100
const STEP_WIDTH = 14
const STATE_WIDTH = 8

/** An entry of the history, as `--json` shows it. */
export function eventView({ businessDate, atMs, step, event, by, words }: DayEvent) {
  return {
    businessDate: formatDate(businessDate),
    at: instantText(atMs),
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

/** Of a clock in Cairo. */
function clockTime(ms: number): string {
  return civilTime(ms).time.replace(/^(..)(..)(..)$/, '$1:$2:$3')
}

function dateTime(ms: number): string {
  const date: CivilDate = civilTime(ms).date
  return `${formatDate(date)} ${clockTime(ms)}`
}
