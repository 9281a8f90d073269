import type { CivilDate } from '../../calendar.ts'
import type { Card, Household } from '../../card/household.ts'
import type { InboxCommand } from '../../store/command-inbox.ts'
import type { BatchBuilder, CommandNote } from '../batch-builder.ts'
import type { LaneRules } from '../lane-rules.ts'

/** What came of a command: nothing is changed by one that is refused. */
export interface Outcome {
  readonly done: boolean
  /** In words, for whoever asked. */
  readonly words: string
  /** For the journal, besides who asked and what came of it. */
  readonly note: CommandNote
}

/** What a command is carried out on. */
export interface CommandContext {
  readonly command: InboxCommand
  /** The household that it names, or that of its card; undefined when there is none. */
  readonly household: Household | undefined
  /** The card that it names. */
  readonly card: Card | undefined
  readonly builder: BatchBuilder
  readonly rules: LaneRules
  readonly nowMs: number
  readonly entitlementDate: CivilDate
}

/**
 * Carries a command out: changes the household in memory and names to the builder what it changed, or refuses and
 * changes nothing. Pure but for that: what it goes by is the context alone.
 */
export type Handler = (context: CommandContext) => Outcome

/** Longest reason that a command may give; the row of the inbox has room for more. */
const REASON_MAX = 200

/** A command that was carried out. */
export function done(words: string, note: CommandNote = {}): Outcome {
  return { done: true, words, note }
}

/** A command that is refused. */
export function refused(words: string, note: CommandNote = {}): Outcome {
  return { done: false, words, note }
}

/** The reason in a command's detail; undefined when there is none, or one that is too long. */
export function reasonOf({ detail }: InboxCommand): string | undefined {
  const { reason } = detail
  return typeof reason === 'string' && reason !== '' && reason.length <= REASON_MAX ? reason : undefined
}

/** Says what a reason must be. */
export const reasonWanted = `there must be a reason of up to ${REASON_MAX} characters`
