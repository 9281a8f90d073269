import { Type } from 'typebox'
import type { CivilDate } from '../../calendar.ts'
import { type ActivationPolicy, activationRefusal, isActiveOnCollection } from '../../card/activation.ts'
import { mayBeUsedAgain } from '../../card/card-status.ts'
import type { Card } from '../../card/household.ts'
import {
  extendNotice,
  type IssuanceState,
  isNoticeOver,
  issuanceRefusal,
  issuanceStates,
  noticeOf,
} from '../../card/issuance.ts'
import { done, type Handler, refused } from './command.ts'
import { atHousehold, dateOf, type HouseholdContext, parts } from './detail.ts'
import { addCard, cardPart } from './new-card.ts'

const optional = Type.Optional

/** Every step names the order and the state that it was in when it was asked: another in between refuses it. */
const step = {
  asked: optional(Type.String()),
  order: parts.id,
  was: Type.Union(issuanceStates.map((state) => Type.Literal(state))),
  lastFour: optional(parts.lastFour),
} as const
const placePart = Type.Object({
  id: Type.String({ maxLength: 32 }),
  name: Type.String({ maxLength: 100 }),
  hours: Type.String({ maxLength: 60 }),
})
const policyPart = Type.Object({
  when: Type.Union([Type.Literal('on-collection'), Type.Literal('on-date'), Type.Literal('on-first-pin')]),
  date: optional(parts.date),
})

interface Step {
  readonly order: number
  readonly was: IssuanceState
}

function takeStep(
  { order, was }: Step,
  state: IssuanceState,
  { household, builder, command }: HouseholdContext,
  more: Readonly<Record<string, unknown>> = {},
): void {
  builder.change('order-step', { household: household.id, order, was, state, actor: command.requestedBy, ...more })
}

const orderSchema = Type.Object({ ...step, place: optional(Type.String({ maxLength: 32 })) })

/** Orders the first card: the account is linked and the fingerprint enrolled. */
export const orderCard: Handler = atHousehold(orderSchema, (detail, context) => {
  const refusal = issuanceRefusal(detail.was, 'ordered')
  if (refusal !== undefined) return refused(refusal)
  takeStep(detail, 'ordered', context, { place: detail.place })
  return done('the card is ordered', { order: detail.order })
})

const applySchema = Type.Object({
  asked: optional(Type.String()),
  order: parts.id,
  /** How far the issue before had come that still holds: account and fingerprint need not be given again. */
  state: Type.Union([Type.Literal('applied'), Type.Literal('account-linked'), Type.Literal('fingerprint-enrolled')]),
})

/** Begins the issue of a first card anew after it was cancelled (M14); it is free, as the first time. */
export const applyAgain: Handler = atHousehold(applySchema, ({ order, state }, context) => {
  const { household, builder, command, entitlementDate } = context
  if (household.cards.some(({ kind, status }) => kind === 'family' && status !== 'closed')) {
    return refused('the household has a card: order a replacement')
  }
  builder.change('order-open', {
    household: household.id,
    order,
    reason: 'first',
    state,
    feePiasters: 0,
    feePaid: 'none',
    openedOn: entitlementDate,
    actor: command.requestedBy,
  })
  return done('the household has applied again', { order, state })
})

const printedSchema = Type.Object({ ...step, card: cardPart })

/** Takes the card that was printed into its household; nobody can use it before it is handed out. */
export const takePrintedCard: Handler = atHousehold(printedSchema, (detail, context) => {
  const refusal = issuanceRefusal(detail.was, 'printed')
  if (refusal !== undefined) return refused(refusal)
  const { card } = detail
  const fault = addCard(card, 'family', 'issued', context)
  if (fault !== undefined) return refused(fault)
  takeStep(detail, 'printed', context, { card: card.id, printedOn: context.entitlementDate })
  return done(`card ${card.id} is printed`, { order: detail.order, newCard: card.id })
})

const readySchema = Type.Object({ ...step, place: placePart })

/** Tells the head of household where and until when the card is handed out (M14, M15). */
export const announceCard: Handler = atHousehold(readySchema, (detail, context) => {
  const refusal = issuanceRefusal(detail.was, 'ready')
  if (refusal !== undefined) return refused(refusal)
  const { order, place, lastFour } = detail
  const { sentOn, collectBy } = noticeOf(context.entitlementDate)
  takeStep(detail, 'ready', context, { place: place.id, noticeOn: sentOn, collectBy })
  const { household, builder } = context
  const { name, hours } = place
  builder.notify(household.id, 'collection-notice', {
    card: lastFour,
    place: name,
    hours,
    from: sentOn,
    until: collectBy,
  })
  return done(`the card waits at ${name} until ${collectBy}`, { order, place: place.id, collectBy })
})

const extendSchema = Type.Object({
  ...step,
  sentOn: parts.date,
  collectBy: parts.date,
  extended: Type.Boolean(),
  place: Type.String({ maxLength: 100 }),
})

/** Gives the time to collect its one month more (RU-9). */
export const extendCollection: Handler = atHousehold(extendSchema, (detail, context) => {
  if (detail.was !== 'ready') return refused(`a card that is ${detail.was} does not wait to be collected`)
  const { sentOn, collectBy, extended, place, order } = detail
  const notice = { sentOn: sentOn as CivilDate, collectBy: collectBy as CivilDate, extended }
  const longer = extendNotice(notice, context.entitlementDate)
  if (typeof longer === 'string') return refused(longer)
  const note = `to be collected until ${longer.collectBy}`
  takeStep(detail, 'ready', context, { collectBy: longer.collectBy, extended: true, note })
  context.builder.notify(context.household.id, 'collection-extended', { place, until: longer.collectBy })
  return done(`the card waits until ${longer.collectBy}`, { order, collectBy: longer.collectBy })
})

const collectedSchema = Type.Object({ ...step, collectBy: parts.date, policy: policyPart, person: optional(parts.id) })

/** Hands the card out; whether it works at once is for the policy of its governorate to say. */
export const handOutCard: Handler = atHousehold(collectedSchema, (detail, context) => {
  const refusal = issuanceRefusal(detail.was, 'collected')
  if (refusal !== undefined) return refused(refusal)
  const { card, entitlementDate: today } = context
  if (card === undefined || card.status !== 'issued') return refused('there is no card that waits to be handed out')
  if (isNoticeOver({ collectBy: detail.collectBy as CivilDate }, today)) {
    return refused('the time to collect the card is over: apply again')
  }
  const { person } = detail
  takeStep(detail, 'collected', context, {
    collectedOn: today,
    ...(person === undefined ? {} : { note: `collected by person ${person}` }),
  })
  if (!isActiveOnCollection(policyOf(detail.policy), today)) {
    return done('the card is handed out, and not active yet', { order: detail.order })
  }
  activate(card, { ...detail, was: 'collected' }, context)
  return done('the card is handed out and active', { order: detail.order })
})

const activateSchema = Type.Object({ ...step, policy: policyPart, pinVerified: Type.Boolean() })

/** Activates a card that was handed out. */
export const activateCard: Handler = atHousehold(activateSchema, (detail, context) => {
  const { card, entitlementDate } = context
  const refusal =
    issuanceRefusal(detail.was, 'active') ??
    activationRefusal(policyOf(detail.policy), entitlementDate, detail.pinVerified)
  if (refusal !== undefined) return refused(refusal)
  if (card === undefined || card.status !== 'issued') return refused('there is no card that waits to be activated')
  activate(card, detail, context)
  return done('the card is active', { order: detail.order })
})

function activate(card: Card, detail: Step & { lastFour?: string | undefined }, context: HouseholdContext): void {
  const { household, builder } = context
  card.status = 'active'
  builder.restateCard(card)
  // The one that it replaces, where that only expires: a household has one card that works.
  for (const other of household.cards) {
    if (other === card || other.kind !== 'family' || !mayBeUsedAgain(other.status)) continue
    other.status = 'closed'
    builder.restateCard(other)
  }
  takeStep(detail, 'active', context)
  if (detail.lastFour !== undefined) builder.notify(household.id, 'card-activated', { card: detail.lastFour })
}

function policyOf({
  when,
  date,
}: {
  readonly when: ActivationPolicy['when']
  readonly date?: number
}): ActivationPolicy {
  if (when !== 'on-date') return { when }
  // A policy with a date that is none never comes true.
  return { when, date: dateOf(date ?? 0) ?? (29_991_231 as CivilDate) }
}

const cancelSchema = Type.Object({ ...step, reason: parts.reason, collectBy: optional(parts.date) })

/** Ends an issue before the card works: withdrawn by a person, or not collected in time, when it names `collectBy`. */
export const cancelIssue: Handler = atHousehold(cancelSchema, (detail, context) => {
  const { collectBy, reason, order, was } = detail
  const refusal = issuanceRefusal(was, 'cancelled')
  if (refusal !== undefined) return refused(refusal)
  const { household, card, builder, entitlementDate: today } = context
  if (collectBy !== undefined && !isNoticeOver({ collectBy: collectBy as CivilDate }, today)) {
    return refused('the card can still be collected')
  }
  if (card?.status === 'issued') {
    card.status = 'closed'
    builder.restateCard(card)
  }
  takeStep(detail, 'cancelled', context, { note: reason })
  // Only who let the time to collect pass is told so.
  builder.notify(household.id, collectBy === undefined ? 'issue-cancelled' : 'collection-cancelled', {})
  return done('the issue of the card is cancelled', { order, reason })
})
