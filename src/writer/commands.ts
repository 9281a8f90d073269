import { mayBeUsedAgain, statusRefusal } from '../card/card-status.ts'
import { type CardStatus, cardStatuses } from '../card/household.ts'
import type { InboxCommand } from '../store/command-inbox.ts'
import type { BatchBuilder, CommandNote } from './batch-builder.ts'
import type { Chore } from './chores.ts'
import type { CachedCard, HouseholdCache } from './household-cache.ts'

/** What came of a command: nothing is changed by one that is refused. */
interface Outcome {
  readonly done: boolean
  /** In words, for whoever asked. */
  readonly words: string
  readonly note: CommandNote
}

/** Carries a command out in memory, and names to the builder what it changed. */
type Handler = (command: InboxCommand, found: CachedCard | undefined, builder: BatchBuilder) => Outcome

/** Longest reason that a command may give; the row of the inbox has room for more. */
const REASON_MAX = 200
const OUTCOME_MAX = 500

const handlers: Readonly<Record<string, Handler | undefined>> = {
  'pin-reset': resetPin,
  'card-status': changeStatus,
}

/**
 * Carries a command of the inbox out. Whatever becomes of it, the command is ended in this batch, with a row of the
 * journal that says who asked and what came of it.
 */
export function carryOut(chore: Chore & { kind: 'command' }, builder: BatchBuilder, cache: HouseholdCache): void {
  const { command, panIndex, refusal } = chore
  const found = panIndex === undefined ? undefined : cache.get(panIndex)
  if (found !== undefined) builder.touch(found.household)
  const { done, words, note } = refusal === undefined ? handle(command, found, builder) : refused(refusal)
  const outcome = `${done ? 'done' : 'refused'}: ${words}`.slice(0, OUTCOME_MAX)
  builder.addCommand(command, found?.household, outcome, note)
}

function handle(command: InboxCommand, found: CachedCard | undefined, builder: BatchBuilder): Outcome {
  const handler = Object.hasOwn(handlers, command.kind) ? handlers[command.kind] : undefined
  return handler === undefined ? refused('there is no such command') : handler(command, found, builder)
}

function refused(words: string, note: CommandNote = {}): Outcome {
  return { done: false, words, note }
}

/** Wrong PINs are forgotten here, and the chip is told with its next approval online. */
function resetPin(_: InboxCommand, found: CachedCard | undefined, builder: BatchBuilder): Outcome {
  if (found === undefined) return refused('there is no such card')
  const { card } = found
  if (card.pinReference === undefined) return refused('the card has no PIN')
  if (!mayBeUsedAgain(card.status)) return refused(`the card is ${card.status}`)
  const { pinFailures } = card.counters
  card.counters = { ...card.counters, pinFailures: 0 }
  card.scriptPending = 'pin-unblock'
  builder.countCard(card)
  const words = `${pinFailures} wrong PIN(s) forgotten; the chip is told with its next approval online`
  return { done: true, words, note: { pinFailures } }
}

function changeStatus({ detail }: InboxCommand, found: CachedCard | undefined, builder: BatchBuilder): Outcome {
  if (found === undefined) return refused('there is no such card')
  const { card } = found
  const { status: to, reason } = detail
  if (!isCardStatus(to)) return refused(`the new status must be one of ${cardStatuses.join(', ')}`)
  if (typeof reason !== 'string' || reason === '' || reason.length > REASON_MAX) {
    return refused(`there must be a reason of up to ${REASON_MAX} characters`)
  }
  const { status: from } = card
  const note = { from, to, reason }
  const refusal = statusRefusal(from, to)
  if (refusal !== undefined) return refused(refusal, note)
  card.status = to
  builder.restateCard(card)
  return { done: true, words: `the card was ${from} and is ${to}`, note }
}

function isCardStatus(value: unknown): value is CardStatus {
  return (cardStatuses as readonly unknown[]).includes(value)
}
