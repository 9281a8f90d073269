import { mayBeUsedAgain, statusRefusal } from '../../card/card-status.ts'
import { type CardStatus, cardStatuses } from '../../card/household.ts'
import { type CommandContext, done, type Outcome, reasonOf, reasonWanted, refused } from './command.ts'

/** Wrong PINs are forgotten here, and the chip is told with its next approval online. */
export function resetPin({ card, builder }: CommandContext): Outcome {
  if (card === undefined) return refused('there is no such card')
  if (card.pinReference === undefined) return refused('the card has no PIN')
  if (!mayBeUsedAgain(card.status)) return refused(`the card is ${card.status}`)
  const { pinFailures } = card.counters
  card.counters = { ...card.counters, pinFailures: 0 }
  card.scriptPending = 'pin-unblock'
  builder.countCard(card)
  return done(`${pinFailures} wrong PIN(s) forgotten; the chip is told with its next approval online`, { pinFailures })
}

/** Blocks a card, or whatever else its status may become. */
export function changeStatus({ command, card, household, builder }: CommandContext): Outcome {
  if (card === undefined) return refused('there is no such card')
  const { status: to } = command.detail
  if (!isCardStatus(to)) return refused(`the new status must be one of ${cardStatuses.join(', ')}`)
  const reason = reasonOf(command)
  if (reason === undefined) return refused(reasonWanted)
  const { status: from } = card
  const note = { from, to, reason }
  const refusal = statusRefusal(from, to)
  if (refusal !== undefined) return refused(refusal, note)
  card.status = to
  builder.restateCard(card)
  const news = newsOf(from, to)
  if (household !== undefined && news !== undefined) builder.notify(household.id, news, faceOf(command.detail.lastFour))
  return done(`the card was ${from} and is ${to}`, note)
}

/** What a household is told of another status (M20); nothing where a card that could not be used still cannot. */
function newsOf(from: CardStatus, to: CardStatus): string | undefined {
  if (to === 'active') return from === 'issued' ? 'card-activated' : 'card-unblocked'
  return from === 'active' ? 'card-blocked' : undefined
}

/** The last digits of a card, when whoever asked named them. */
function faceOf(lastFour: unknown): { readonly card?: string } {
  return typeof lastFour === 'string' && /^[0-9]{4}$/.test(lastFour) ? { card: lastFour } : {}
}

function isCardStatus(value: unknown): value is CardStatus {
  return (cardStatuses as readonly unknown[]).includes(value)
}
