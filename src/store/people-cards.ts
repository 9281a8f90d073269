import { type IssuanceState, issuanceRefusal, type OrderReason } from '../card/issuance.ts'
import { feeOf, type ReportKind, replacementDueOn } from '../card/replacement.ts'
import { MizanError } from '../errors.ts'
import { findCard } from './card-reader.ts'
import type { CommandState } from './command-requests.ts'
import { cardPartOf, type PersonalisedCard, panIndexOf } from './people-card-part.ts'
import { type Ask, askOnce, nextNumber, type PeopleActor, type PeopleDesk, reasonFrom, todayAt } from './people-desk.ts'
import {
  activationPolicyOf,
  type CardOrder,
  calendarAsOf,
  readOrder,
  readPlace,
  replacementTerms,
  uncollectedOrders,
} from './people-orders.ts'

export type { PersonalisedCard } from './people-card-part.ts'

/** Asks for a step of an order, from the state that the order is in now. */
async function askStep(
  desk: PeopleDesk,
  orderId: number,
  wanted: { readonly kind: string; readonly to?: IssuanceState; readonly input?: unknown; readonly withCard?: boolean },
  actor: PeopleActor,
  more: (order: CardOrder) => Promise<Readonly<Record<string, unknown>>> = async () => ({}),
): Promise<CommandState> {
  const order = await readOrder(desk, orderId)
  const { kind, to, input, withCard } = wanted
  const ask: Ask = { kind, householdId: order.householdId, input: [orderId, input ?? null] }
  const { cardId } = order
  const named = withCard === true && cardId !== undefined ? { ...ask, cardId } : ask
  return askOnce(desk, named, actor, async () => {
    const refusal = to === undefined ? undefined : issuanceRefusal(order.state, to)
    if (refusal !== undefined) throw new MizanError('BAD_INPUT', refusal)
    return { order: orderId, was: order.state, lastFour: order.lastFour, ...(await more(order)) }
  })
}

/**
 * Orders the first card of a household whose account is linked and whose head's fingerprint is enrolled.
 * @param placeId where it will be collected; may be named later too
 * @throws MizanError BAD_INPUT, NOT_FOUND
 */
export async function orderCard(
  desk: PeopleDesk,
  orderId: number,
  placeId: string | undefined,
  actor: PeopleActor,
): Promise<CommandState> {
  return askStep(desk, orderId, { kind: 'card-order', to: 'ordered', input: placeId }, actor, async () => {
    if (placeId === undefined) return {}
    return { place: (await readPlace(desk, placeId)).id }
  })
}

/**
 * Takes a printed card into its household, not yet usable. Its number is encrypted before it goes anywhere.
 * @throws MizanError BAD_INPUT when it is no card, or its number is known
 */
export async function takePrintedCard(
  desk: PeopleDesk,
  orderId: number,
  card: PersonalisedCard,
  actor: PeopleActor,
): Promise<CommandState> {
  const panIndex = panIndexOf(desk, card)
  const input = [panIndex, card.expiry, card.sequenceNumber]
  return askStep(desk, orderId, { kind: 'card-printed', to: 'printed', input }, actor, async () => {
    return { card: await cardPartOf(desk, card, panIndex), lastFour: card.pan.slice(-4) }
  })
}

/**
 * Says that a card waits at a place, and tells the head of household: it is handed out for a month (M14).
 * @param placeId that of the order when undefined
 * @throws MizanError BAD_INPUT, NOT_FOUND
 */
export async function announceCard(
  desk: PeopleDesk,
  orderId: number,
  placeId: string | undefined,
  actor: PeopleActor,
): Promise<CommandState> {
  return askStep(desk, orderId, { kind: 'card-ready', to: 'ready', input: placeId }, actor, async (order) => {
    const place = placeId === undefined ? order.place : await readPlace(desk, placeId)
    if (place === undefined) throw new MizanError('BAD_INPUT', 'name the place where the card is collected')
    const { id, name, hours } = place
    return { place: { id, name, hours } }
  })
}

/** Gives the time to collect a card its one month more. @throws MizanError BAD_INPUT, NOT_FOUND */
export async function extendCollection(desk: PeopleDesk, orderId: number, actor: PeopleActor): Promise<CommandState> {
  return askStep(desk, orderId, { kind: 'notice-extend' }, actor, async (order) => {
    const { noticeOn: sentOn, collectBy, extended, place, state } = order
    if (state !== 'ready' || sentOn === undefined || place === undefined) {
      throw new MizanError('BAD_INPUT', `a card that is ${state} does not wait to be collected`)
    }
    return { sentOn, collectBy, extended, place: place.name }
  })
}

/**
 * Hands a card out to who collects it; it becomes active as its governorate has it.
 * @param personId member of the household today, who stays with the step; undefined where nobody noted who it was
 * @throws MizanError BAD_INPUT
 */
export async function handOutCard(
  desk: PeopleDesk,
  orderId: number,
  personId: number | undefined,
  actor: PeopleActor,
): Promise<CommandState> {
  const wanted = { kind: 'card-collected', to: 'collected', input: personId, withCard: true } as const
  return askStep(desk, orderId, wanted, actor, async ({ governorate, collectBy, householdId }) => {
    if (personId !== undefined) await refuseStranger(desk, householdId, personId)
    const policy = await activationPolicyOf(desk, governorate, todayAt(desk))
    return { collectBy, policy, ...(personId === undefined ? {} : { person: personId }) }
  })
}

async function refuseStranger(desk: PeopleDesk, householdId: number, personId: number): Promise<void> {
  const { rowCount } = await desk.client.query(
    `select from household_member
     where household_id = $1 and person_id = $2 and from_date <= $3 and (to_date is null or to_date > $3)`,
    [householdId, personId, todayAt(desk)],
  )
  if (rowCount !== 0) return
  throw new MizanError('BAD_INPUT', 'personId: the card is handed out to a member of its household alone')
}

/**
 * Activates a card that was handed out and does not work yet.
 * @param pinVerified whether its PIN was just found right, where that is what activates it
 * @throws MizanError BAD_INPUT
 */
export async function activateCard(
  desk: PeopleDesk,
  orderId: number,
  pinVerified: boolean,
  actor: PeopleActor,
): Promise<CommandState> {
  const wanted = { kind: 'card-activate', to: 'active', input: pinVerified, withCard: true } as const
  return askStep(desk, orderId, wanted, actor, async ({ governorate }) => ({
    policy: await activationPolicyOf(desk, governorate, todayAt(desk)),
    pinVerified,
  }))
}

/** Withdraws an issue before the card works. @throws MizanError BAD_INPUT */
export async function cancelOrder(
  desk: PeopleDesk,
  orderId: number,
  reason: string,
  actor: PeopleActor,
): Promise<CommandState> {
  const wanted = { kind: 'order-cancel', to: 'cancelled', input: reason, withCard: true } as const
  return askStep(desk, orderId, wanted, actor, async () => ({ reason: reasonFrom(reason) }))
}

/**
 * Job: cancels the issue of cards that nobody collected in time. May run as often as it likes.
 * @returns how many commands it asked for
 */
export async function expireNotices(desk: PeopleDesk, actorName: string, pageRows = 200): Promise<number> {
  const today = todayAt(desk)
  let asked = 0
  for (let afterId = 0; ; ) {
    const orders = await uncollectedOrders(desk, today, afterId, pageRows)
    for (const { id, collectBy } of orders) {
      // A refusal, such as of a clock that was ahead, does not stand in the way of the next day.
      const key = `notice-expire:${id}:${today}`
      const wanted = { kind: 'notice-expire', input: collectBy, withCard: true }
      await askStep(desk, id, wanted, { name: actorName, key }, async () => ({
        collectBy,
        reason: 'not collected in time',
      }))
      asked++
      afterId = id
    }
    if (orders.length < pageRows) return asked
  }
}

/** What is said of a card that its holder cannot use any more. */
export interface ReportInput {
  readonly kind: ReportKind
  /** Up to 200 characters. */
  readonly reason: string
}

/** Blocks a card that is reported lost, stolen or damaged, at once (M16). @throws MizanError BAD_INPUT, NOT_FOUND */
export async function reportCard(
  desk: PeopleDesk,
  cardId: number,
  { kind, reason }: ReportInput,
  actor: PeopleActor,
): Promise<CommandState> {
  const card = await findCard(desk.client, { by: 'id', cardId })
  const ask: Ask = { kind: 'card-report', householdId: card.householdId, cardId, input: [cardId, kind, reason] }
  return askOnce(desk, ask, actor, async () => {
    return { kind, reason: reasonFrom(reason), lastFour: card.panMasked.slice(-4) }
  })
}

/** How a replacement is paid, and where it is collected. */
export interface ReplacementInput {
  readonly reason: Exclude<OrderReason, 'first'>
  readonly pay: 'postal' | 'cash'
  /** Number of the counter that took the cash. */
  readonly counter?: number
  readonly placeId?: string
}

/**
 * Orders a replacement of a stopped card, for its fee, to be printed within the working days promised. What was paid for a
 * replacement that was cancelled, and not paid back, is not paid again.
 * @throws MizanError BAD_INPUT, also when the card has its replacement already; NOT_FOUND
 */
export async function replaceCard(
  desk: PeopleDesk,
  cardId: number,
  input: ReplacementInput,
  actor: PeopleActor,
): Promise<CommandState> {
  const card = await findCard(desk.client, { by: 'id', cardId })
  const ask: Ask = { kind: 'card-replace', householdId: card.householdId, cardId, input: [cardId, input] }
  return askOnce(desk, ask, actor, async () => {
    const today = todayAt(desk)
    await refuseSecondOrder(desk, card.householdId)
    const terms = await replacementTerms(desk, today)
    const { reason, pay, counter, placeId } = input
    const dueOn = replacementDueOn(today, terms, await calendarAsOf(desk, today))
    const before = await replacementsOf(desk, cardId)
    if (before.isReplaced) throw new MizanError('BAD_INPUT', 'the card has its replacement: that is the one to replace')
    const feePiasters = before.isPaid ? 0 : feeOf(reason, terms)
    const place = placeId === undefined ? undefined : (await readPlace(desk, placeId)).id
    return { order: await nextNumber(desk, 'card_order'), reason, feePiasters, pay, counter, place, dueOn }
  })
}

async function refuseSecondOrder({ client }: PeopleDesk, householdId: number): Promise<void> {
  const { rows } = await client.query<{ id: string; state: string }>(
    `select id, state from card_order where household_id = $1 and state not in ('active', 'cancelled')`,
    [householdId],
  )
  const [open] = rows
  if (open !== undefined)
    throw new MizanError('BAD_INPUT', `order ${open.id} of the household is ${open.state}: one at a time`)
}

/** What came of the replacements of a card so far: whether one works, and whether a fee is there that none was given for. */
async function replacementsOf(
  { client }: PeopleDesk,
  cardId: number,
): Promise<{ readonly isReplaced: boolean; readonly isPaid: boolean }> {
  const { rows } = await client.query<{ replaced: boolean; paid: boolean }>(
    `select coalesce(bool_or(state = 'active'), false) as replaced,
            coalesce(bool_or(state = 'cancelled' and fee_paid in ('postal', 'cash')), false) as paid
     from card_order where old_card_id = $1`,
    [cardId],
  )
  return { isReplaced: rows[0]?.replaced === true, isPaid: rows[0]?.paid === true }
}

/**
 * Adds a telephone's token to a household, as a card of its own (M23).
 * @param device how the wallet provider names the device, 4 to 64 letters, digits, dots and hyphens
 * @throws MizanError BAD_INPUT
 */
export async function addDevice(
  desk: PeopleDesk,
  householdId: number,
  { device, token }: { readonly device: string; readonly token: PersonalisedCard },
  actor: PeopleActor,
): Promise<CommandState> {
  const panIndex = panIndexOf(desk, token)
  const ask = { kind: 'device-token-add', householdId, input: [householdId, device, panIndex] }
  return askOnce(desk, ask, actor, async () => {
    if (!/^[0-9A-Za-z._-]{4,64}$/.test(device)) {
      throw new MizanError('BAD_INPUT', 'device: 4 to 64 letters, digits, dots, hyphens and underscores')
    }
    return { device, card: await cardPartOf(desk, token, panIndex) }
  })
}

/** Takes a telephone's token away. @throws MizanError BAD_INPUT, NOT_FOUND */
export async function removeDevice(
  desk: PeopleDesk,
  cardId: number,
  reason: string,
  actor: PeopleActor,
): Promise<CommandState> {
  const { householdId } = await findCard(desk.client, { by: 'id', cardId })
  const ask = { kind: 'device-token-remove', householdId, cardId, input: [cardId, reason] }
  return askOnce(desk, ask, actor, async () => ({ reason: reasonFrom(reason) }))
}
