import { Type } from 'typebox'
import { issuanceStates, orderReasons } from '../../card/issuance.ts'
import { reportKinds } from '../../card/replacement.ts'
import { findCard } from '../../store/card-reader.ts'
import type { CommandState } from '../../store/command-requests.ts'
import { applyAgain } from '../../store/people-application.ts'
import {
  activateCard,
  addDevice,
  announceCard,
  cancelOrder,
  extendCollection,
  handOutCard,
  orderCard,
  type PersonalisedCard,
  removeDevice,
  replaceCard,
  reportCard,
  takePrintedCard,
} from '../../store/people-cards.ts'
import type { PeopleActor, PeopleDesk } from '../../store/people-desk.ts'
import { todayAt } from '../../store/people-desk.ts'
import {
  type CardOrder,
  lateReplacements,
  ordersOfHousehold,
  readOrder,
  stepsOfOrder,
} from '../../store/people-orders.ts'
import { instantOf } from '../cursor.ts'
import { dashed } from '../days.ts'
import { askAtDesk, deskOf } from '../desk.ts'
import { askOnce, commandKeyOf } from '../once.ts'
import { type Answer, type Call, ok, type Route, type RouteSpec, route } from '../route.ts'
import { commandAnswers, date, id, instant, orNull, ownerId, shape, words } from '../shapes.ts'
import { placeShape } from './places.ts'

const tag = 'issuance'
const params = shape({ orderId: id('Number of the order of a card.') })
const cardParams = shape({ cardId: ownerId('Number of the card in Mizan.') })
const householdParams = shape({ householdId: ownerId('Number of the household.') })
const placeId = Type.Optional(
  Type.String({ pattern: '^[a-z0-9][a-z0-9-]{1,31}$', description: 'Where it is collected.' }),
)
const reason = words('Why; it stays in the journal.', 200)

const orderProperties = {
  orderId: Type.Integer(),
  householdId: Type.Integer(),
  governorate: Type.String(),
  reason: Type.Enum([...orderReasons]),
  state: Type.Enum([...issuanceStates]),
  feePiasters: Type.Integer(),
  feePaid: Type.Enum(['none', 'postal', 'cash', 'refunded']),
  oldCardId: orNull(Type.Integer()),
  cardId: orNull(Type.Integer()),
  lastFour: orNull(Type.String()),
  place: orNull(placeShape),
  openedOn: date('When it was opened.'),
  dueOn: orNull(date('Last day on which a replacement is printed in time.')),
  noticeOn: orNull(date('When the head of household was told.')),
  collectBy: orNull(date('Last day to collect it.')),
  extended: Type.Boolean(),
}

const stepShape = shape({
  step: Type.Integer(),
  at: instant('When'),
  state: Type.String(),
  actor: Type.String(),
  note: Type.String(),
})

const dayOrNull = (day: number | undefined) => (day === undefined ? null : dashed(day))

function orderView({ id: orderId, lane: _, ...order }: CardOrder) {
  return {
    orderId,
    ...order,
    oldCardId: order.oldCardId ?? null,
    cardId: order.cardId ?? null,
    lastFour: order.lastFour ?? null,
    place: order.place ?? null,
    openedOn: dashed(order.openedOn),
    dueOn: dayOrNull(order.dueOn),
    noticeOn: dayOrNull(order.noticeOn),
    collectBy: dayOrNull(order.collectBy),
  }
}

/** A card in the hands of the personalisation; its number is encrypted before it goes anywhere. */
const personalisedCard = {
  pan: Type.String({ pattern: '^[0-9]{16,19}$', description: 'Number of the card, in clear.' }),
  expiry: Type.String({ pattern: '^[0-9]{4}$', description: 'YYMM.' }),
  sequenceNumber: Type.String({ pattern: '^[0-9]{2}$' }),
  serviceCode: Type.String({ pattern: '^[0-9]{3}$' }),
  pin: Type.Optional(
    shape({
      pvki: Type.Integer({ minimum: 0, maximum: 9 }),
      pvv: Type.String({ pattern: '^[0-9]{4}$', description: 'Visa PIN verification value.' }),
    }),
  ),
}

type Order = { readonly orderId: number }
type Ask = (desk: PeopleDesk, actor: PeopleActor) => Promise<CommandState>

/** Asks for a step of an order. */
function step(call: Call<Order, unknown, unknown>, ask: Ask): Promise<Answer> {
  return askOnce(call, async (client) => {
    const desk = deskOf(call, client)
    const { householdId } = await readOrder(desk, call.params.orderId)
    const command = await ask(desk, { name: call.actor.id, key: commandKeyOf(call) })
    return { command, households: [householdId], detail: { order: call.params.orderId } }
  })
}

/** Asks for something about a card. */
function aboutCard(call: Call<{ readonly cardId: number }, unknown, unknown>, ask: Ask): Promise<Answer> {
  return askOnce(call, async (client) => {
    const { cardId } = call.params
    const { householdId } = await findCard(client, { by: 'id', cardId })
    const command = await ask(deskOf(call, client), { name: call.actor.id, key: commandKeyOf(call) })
    return { command, households: [householdId], detail: { card: cardId } }
  })
}

/** What all routes have that ask for something. */
const asking = { method: 'POST', tag, answers: commandAnswers, changes: true } as const satisfies Partial<
  RouteSpec<never, never, never>
>

/** The issue of cards, from the order to the hand, and what follows when one is lost. */
export const orderRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/households/{householdId}/orders',
    tag,
    summary: 'list the orders of cards of a household, the newest first',
    params: householdParams,
    answers: { 200: shape({ items: Type.Array(shape(orderProperties)) }) },
    citizen: true,
    handler: async (call) => {
      const { householdId } = call.params
      const orders = await ordersOfHousehold({ client: call.services.database.queryable }, householdId)
      await call.looked([householdId])
      return ok({ items: orders.map(orderView) })
    },
  }),
  route({
    method: 'GET',
    path: '/orders/{orderId}',
    tag,
    summary: 'show an order of a card and the steps that it took',
    params,
    answers: { 200: shape({ ...orderProperties, steps: Type.Array(stepShape) }) },
    citizen: true,
    handler: async (call) => {
      const client = call.services.database.queryable
      const order = await readOrder({ client }, call.params.orderId)
      const steps = await stepsOfOrder({ client }, order.id)
      await call.looked([order.householdId], { order: order.id })
      return ok({ ...orderView(order), steps: steps.map(({ atMs, ...one }) => ({ ...one, at: instantOf(atMs) })) })
    },
  }),
  route({
    method: 'GET',
    path: '/orders/late',
    tag,
    summary: 'list replacements that are not printed though their last day is past, the latest first',
    answers: { 200: shape({ items: Type.Array(shape(orderProperties)) }) },
    citizen: true,
    handler: async (call) => {
      const desk = deskOf(call, call.services.database.queryable)
      const orders = await lateReplacements(desk, todayAt(desk), 200)
      await call.looked(orders.map(({ householdId }) => householdId))
      return ok({ items: orders.map(orderView) })
    },
  }),
  route({
    ...asking,
    path: '/households/{householdId}/orders',
    summary: 'apply for the first card again after its issue was cancelled; free, as the first time',
    params: householdParams,
    handler: (call) =>
      askAtDesk(call, call.params.householdId, (desk, actor) => applyAgain(desk, call.params.householdId, actor)),
  }),
  route({
    ...asking,
    path: '/orders/{orderId}/order',
    summary: 'order the first card, once account and fingerprint are there',
    params,
    body: shape({ placeId }),
    handler: (call) => step(call, (desk, actor) => orderCard(desk, call.params.orderId, call.body.placeId, actor)),
  }),
  route({
    ...asking,
    path: '/orders/{orderId}/printed',
    summary: 'take a printed card into its household, not yet usable',
    params,
    body: shape(personalisedCard),
    handler: (call) =>
      step(call, (desk, actor) => takePrintedCard(desk, call.params.orderId, call.body as PersonalisedCard, actor)),
  }),
  route({
    ...asking,
    path: '/orders/{orderId}/ready',
    summary: 'say that a card waits to be collected; the head of household is told',
    params,
    body: shape({ placeId }),
    handler: (call) => step(call, (desk, actor) => announceCard(desk, call.params.orderId, call.body.placeId, actor)),
  }),
  route({
    ...asking,
    path: '/orders/{orderId}/extend',
    summary: 'give the time to collect a card its one month more',
    params,
    handler: (call) => step(call, (desk, actor) => extendCollection(desk, call.params.orderId, actor)),
  }),
  route({
    ...asking,
    path: '/orders/{orderId}/collected',
    summary: 'hand a card out; it becomes active as its governorate has it',
    params,
    body: shape({ personId: Type.Optional(id('Member who collects it.')) }),
    handler: (call) => step(call, (desk, actor) => handOutCard(desk, call.params.orderId, call.body.personId, actor)),
  }),
  route({
    ...asking,
    path: '/orders/{orderId}/activate',
    summary: 'activate a card that was handed out and does not work yet',
    params,
    body: shape({ pinVerified: Type.Boolean({ description: 'Whether its PIN was just found right.' }) }),
    handler: (call) =>
      step(call, (desk, actor) => activateCard(desk, call.params.orderId, call.body.pinVerified, actor)),
  }),
  route({
    ...asking,
    path: '/orders/{orderId}/cancel',
    summary: 'withdraw an issue before the card works',
    params,
    body: shape({ reason }),
    handler: (call) => step(call, (desk, actor) => cancelOrder(desk, call.params.orderId, call.body.reason, actor)),
  }),
  route({
    ...asking,
    path: '/cards/{cardId}/report',
    summary: 'report a card lost, stolen or damaged; it is blocked at once',
    params: cardParams,
    body: shape({ kind: Type.Enum([...reportKinds]), reason }),
    handler: (call) => {
      const { kind: named, reason: why } = call.body
      const kind = reportKinds.find((one) => one === named) ?? 'loss'
      return aboutCard(call, (desk, actor) => reportCard(desk, call.params.cardId, { kind, reason: why }, actor))
    },
  }),
  route({
    ...asking,
    path: '/cards/{cardId}/replace',
    summary: 'order a replacement of a stopped card, for its fee',
    params: cardParams,
    body: shape({
      reason: Type.Enum(['loss', 'theft', 'damage', 'expiry']),
      pay: Type.Enum(['postal', 'cash']),
      counter: Type.Optional(id('Counter that took the cash.')),
      placeId,
    }),
    handler: (call) => {
      const { reason: why, pay, ...more } = call.body
      const input = {
        ...more,
        reason: (['loss', 'theft', 'damage'] as const).find((one) => one === why) ?? ('expiry' as const),
        pay: pay === 'cash' ? ('cash' as const) : ('postal' as const),
      }
      return aboutCard(call, (desk, actor) => replaceCard(desk, call.params.cardId, input, actor))
    },
  }),
  route({
    ...asking,
    path: '/households/{householdId}/devices',
    summary: 'give a telephone a token that stands for the household’s card',
    params: householdParams,
    body: shape({
      device: Type.String({ pattern: '^[0-9A-Za-z._-]{4,64}$', description: 'Name of the telephone.' }),
      token: shape(personalisedCard),
    }),
    handler: (call) => {
      const { householdId } = call.params
      const { device, token } = call.body
      return askOnce(call, async (client) => {
        const actor = { name: call.actor.id, key: commandKeyOf(call) }
        const input = { device, token: token as PersonalisedCard }
        const command = await addDevice(deskOf(call, client), householdId, input, actor)
        return { command, households: [householdId] }
      })
    },
  }),
  route({
    ...asking,
    path: '/cards/{cardId}/remove-device',
    summary: 'take the token of a telephone back',
    params: cardParams,
    body: shape({ reason }),
    handler: (call) =>
      aboutCard(call, (desk, actor) => removeDevice(desk, call.params.cardId, call.body.reason, actor)),
  }),
]
