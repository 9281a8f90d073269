import type { CivilDate } from '../../calendar.ts'
import type { Logger } from '../../telemetry/logger.ts'

/** What a step keeps of itself beside its words: plain JSON. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject

/** What a step of a business day is given. */
export interface DayStepContext {
  /** The day that is being closed. */
  readonly businessDate: CivilDate
  /** Of the database. */
  readonly url: string
  /** The clearing folder: `out/<business date>/`, `in/`, `keys/`. */
  readonly folder: string
  /** Is aborted when the program stops: the step ends soon, by throwing or not, and is run again later. */
  readonly signal: AbortSignal
  readonly log: Logger
  readonly nowMs: () => number
  /**
   * Says how far the step is; kept with it, for whoever looks. May be called as often as is convenient.
   * @param words what it does now
   * @param done of `total`, in any unit
   */
  progress(words: string, done?: number, total?: number): void
}

/**
 * How a step ended. `waiting`: not now, somebody else has to do something first that will happen by itself or by a
 * person (an acknowledgement, a release by two people); the day goes on where it is at the next look. `blocked`: it
 * will not go on before somebody mends what the words name. A step that throws has failed, and is tried again.
 */
export type DayStepOutcome =
  | { readonly state: 'done'; readonly words: string; readonly detail?: JsonObject }
  | { readonly state: 'waiting' | 'blocked'; readonly words: string }

/** The first differences in words, and how many more there are: the words of a step stay short. */
export function firstOf(differences: readonly string[], named: number): string {
  const more = differences.length > named ? ` and ${differences.length - named} more` : ''
  return `${differences.slice(0, named).join('; ')}${more}`
}

/**
 * A step of the cutover of a business day. Steps run one after the other, each once it is done no more. A step must
 * bear being cut off at any place and begun again: it then ends with the same bytes and rows as if nothing had
 * happened.
 */
export interface DayStep {
  /** Lower case, digits and hyphens. */
  readonly name: string
  /** What it does, for people. */
  readonly description: string
  run(context: DayStepContext): Promise<DayStepOutcome>
}

/** The steps of a day in their order; a step that is not wired is left out. */
export const dayStepNames = [
  'close-day',
  'trial-balance',
  'select',
  'write',
  'balance',
  'settle',
  'sign',
  'deliver',
  'acknowledge',
] as const
