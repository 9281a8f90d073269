import { Type } from 'typebox'
import { statusRefusal } from '../../card/card-status.ts'
import { balanceOf, type Household } from '../../card/household.ts'
import { replacementRefusal, reportKinds, statusAfterReport } from '../../card/replacement.ts'
import { moneyAccount } from '../../ledger/accounts.ts'
import { availableOf, type Transfer, transfer } from '../../ledger/transfer.ts'
import { formatQuantity } from '../../money.ts'
import { done, type Handler, refused } from './command.ts'
import { atHousehold, parts } from './detail.ts'
import { addCard, cardPart } from './new-card.ts'

const optional = Type.Optional

const reportSchema = Type.Object({
  asked: optional(Type.String()),
  kind: Type.Union(reportKinds.map((kind) => Type.Literal(kind))),
  reason: parts.reason,
  lastFour: optional(parts.lastFour),
})

/** Blocks a card that is reported lost, stolen or damaged: at once, and before anything is asked or paid (M16). */
export const reportCard: Handler = atHousehold(reportSchema, (detail, { household, card, builder }) => {
  if (card === undefined) return refused('there is no such card')
  const { kind, reason, lastFour } = detail
  const { status: from } = card
  const to = statusAfterReport(kind)
  const note = { from, to, kind, reason }
  const refusal = statusRefusal(from, to)
  if (refusal !== undefined) return refused(refusal, note)
  card.status = to
  builder.restateCard(card)
  if (lastFour !== undefined) builder.notify(household.id, 'card-blocked', { card: lastFour })
  return done(`the card was ${from} and is ${to}`, note)
})

const replaceSchema = Type.Object({
  asked: optional(Type.String()),
  order: parts.id,
  reason: Type.Union([...reportKinds, 'expiry' as const].map((reason) => Type.Literal(reason))),
  /** None when it was paid for an order that was cancelled. */
  feePiasters: Type.Integer({ minimum: 0, maximum: 10_000_000 }),
  pay: Type.Union([Type.Literal('postal'), Type.Literal('cash')]),
  /** Number of the counter that took the cash, as owner of its clearing account. */
  counter: optional(Type.Integer({ minimum: 0, maximum: 99_999_999_999 })),
  place: optional(Type.String({ maxLength: 32 })),
  dueOn: parts.date,
})

/**
 * Orders another card for one that is stopped, or that expires, and takes the fee. The wallets stay as they are: they
 * are the household's, not the card's.
 */
export const replaceCard: Handler = atHousehold(replaceSchema, (detail, context) => {
  const { household, card, builder, command, entitlementDate } = context
  if (card === undefined || card.kind !== 'family') return refused('there is no such family card')
  const { order, reason, feePiasters, dueOn, place } = detail
  const refusal = replacementRefusal(reason, card, entitlementDate)
  if (refusal !== undefined) return refused(refusal)
  const fee = feeTransfer(detail, household)
  if (typeof fee === 'string') return refused(fee)
  if (fee !== undefined) builder.post([fee], household)
  builder.change('order-open', {
    household: household.id,
    order,
    reason,
    state: 'ordered',
    feePiasters,
    feePaid: feePiasters === 0 ? 'none' : detail.pay,
    oldCard: card.id,
    place,
    openedOn: entitlementDate,
    dueOn,
    actor: command.requestedBy,
  })
  const paid = feePiasters === 0 ? {} : { fee: feePiasters }
  builder.notify(household.id, 'replacement-ordered', { ...paid, by: dueOn })
  return done(`a replacement is ordered, to be printed by ${dueOn}`, { order, reason, dueOn, ...paid })
})

/** @returns the transfer, nothing when nothing is due, or why it cannot be taken */
function feeTransfer(
  { feePiasters, pay, counter }: { feePiasters: number; pay: 'postal' | 'cash'; counter?: number },
  household: Household,
): Transfer | string | undefined {
  if (feePiasters === 0) return undefined
  const fees = moneyAccount('serviceFees', 0)
  if (pay === 'cash') return transfer('feeInCash', moneyAccount('cashClearing', counter ?? 0), fees, feePiasters)
  if (household.accountAt === 'host') {
    return 'the account is held at the account host, which is not asked for fees: pay it in cash at the counter'
  }
  const postal = moneyAccount('postalAccount', household.id)
  const balance = balanceOf(household, postal, 0)
  if (balance === undefined || availableOf(balance) < feePiasters) {
    return `the postal account does not hold the fee of ${formatQuantity(feePiasters, 'EGP')}: pay it in cash at the counter`
  }
  return transfer('fee', postal, fees, feePiasters)
}

const refundSchema = Type.Object({
  asked: optional(Type.String()),
  order: parts.id,
  piasters: parts.piasters,
  reason: parts.reason,
})

/** Pays the fee of a replacement back into the postal account, once, whichever way it was paid. */
export const refundFee: Handler = atHousehold(refundSchema, (detail, { household, builder, command, rules }) => {
  const { order, piasters, reason } = detail
  const postal = moneyAccount('postalAccount', household.id)
  const reversal = transfer('feeReversal', moneyAccount('serviceFees', 0), postal, piasters)
  builder.post([reversal], household, rules.policy.accountHost)
  builder.change('fee-refund', { household: household.id, order, piasters, actor: command.requestedBy })
  builder.notify(household.id, 'account-credited', { amount: piasters })
  return done(`the fee of order ${order} is paid back: ${formatQuantity(piasters, 'EGP')}`, { order, piasters, reason })
})

const deviceAddSchema = Type.Object({
  asked: optional(Type.String()),
  card: cardPart,
  device: Type.String({ pattern: '^[0-9A-Za-z._-]{4,64}$' }),
})

/** Adds a token of a telephone, a card of its own to the same household and wallets (M23). */
export const addDevice: Handler = atHousehold(deviceAddSchema, ({ card, device }, context) => {
  const { household, builder, command } = context
  if (!household.cards.some(({ kind, status }) => kind === 'family' && status === 'active')) {
    return refused('the household has no active card that a telephone could stand for')
  }
  const fault = addCard(card, 'device', 'active', context)
  if (fault !== undefined) return refused(fault)
  builder.change('device-add', { card: card.id, household: household.id, device, actor: command.requestedBy })
  builder.notify(household.id, 'device-added', {})
  return done(`telephone ${card.id} is added`, { newCard: card.id })
})

const deviceRemoveSchema = Type.Object({ asked: optional(Type.String()), reason: parts.reason })

/** Takes the token of a telephone away, for good. */
export const removeDevice: Handler = atHousehold(deviceRemoveSchema, ({ reason }, { household, card, builder }) => {
  if (card === undefined || card.kind !== 'device') return refused('there is no such telephone')
  if (card.status === 'closed') return refused('the telephone is removed already')
  card.status = 'closed'
  builder.restateCard(card)
  builder.change('device-remove', { card: card.id, reason })
  builder.notify(household.id, 'device-removed', {})
  return done('the telephone is removed', { reason })
})
