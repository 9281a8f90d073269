import { notAuthenticated } from '../authorization/authentication.ts'
import { isApproval, responseCodes } from '../authorization/result.ts'
import type { ProgrammeBook } from '../benefit/programme-book.ts'
import type { BatchBuilder } from './batch-builder.ts'
import type { Chore, Presented } from './chores.ts'
import { addDecided, decideNext } from './decide-request.ts'
import type { HouseholdCache } from './household-cache.ts'
import type { LaneRules } from './lane-rules.ts'
import type { Lookups } from './lookups.ts'

type CommandChore = Chore & { kind: 'command' }
type PresentedChore = CommandChore & { readonly presentment: Presented }

/** Answers go nowhere: the journal says what the network's own dialect would. */
const codes = responseCodes('visa-base1')

/**
 * Whether a command is a presentment that can be decided; any other, and one that is only to be ended, is carried out.
 */
export function isToDecide(chore: CommandChore): chore is PresentedChore {
  return chore.presentment !== undefined && chore.refusal === undefined
}

/**
 * Decides a presentment of the network's clearing file as the advice that it is, and ends its command with the number
 * of the row that it made in the journal. One that was posted before, though its command is new, names the first.
 */
export function decidePresented(
  { command, presentment }: PresentedChore,
  lookups: Lookups,
  by: { readonly builder: BatchBuilder; readonly cache: HouseholdCache; readonly rules: LaneRules },
  programmes: ProgrammeBook,
): void {
  const { builder, cache, rules } = by
  const { request, original } = presentment
  const found = cache.get(request.panIndex)
  const known = {
    previous: lookups.previous.get(request.key),
    reversedEarly: false,
    original: original === undefined ? undefined : lookups.byId.get(original.id),
    authentication: notAuthenticated,
  }
  const deciding = decideNext(request, found, known, { builder, rules, programmes })
  const { decision } = deciding
  const { id: nextId } = addDecided(deciding, builder, codes)
  const id = decision.replay?.id ?? nextId
  const { result } = decision
  const words = `${isApproval(result) ? 'done' : 'refused'}: ${wordsOf(decision.replay !== undefined, result, id)}`
  builder.addCommand(command, found?.household, words, { authorization: id, result })
}

function wordsOf(isRepeat: boolean, result: string, id: number): string {
  return isRepeat ? `authorization ${id} posted it before` : `${result}, authorization ${id}`
}
