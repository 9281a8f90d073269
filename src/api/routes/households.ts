import { Type } from 'typebox'
import { accountPlaces, householdStatuses } from '../../card/household.ts'
import {
  balancesOfHousehold,
  cardsOfHousehold,
  type HouseholdDetails,
  readHousehold,
} from '../../store/search-households.ts'
import { proposeOnce } from '../changes.ts'
import { dashed } from '../days.ts'
import { STATUS_FROM } from '../household-change-kinds.ts'
import { ok, type Route, route } from '../route.ts'
import { date, ownerId, pageOf, paging, shape, words } from '../shapes.ts'
import { authorizationShape, searchPage, searchQuery } from './authorizations.ts'
import { changeShape } from './change-requests.ts'

const tag = 'households'
const params = shape({ householdId: ownerId('Number of the household.') })

const cardShape = shape({
  cardId: Type.Integer(),
  kind: Type.Enum(['family', 'device', 'ration']),
  pan: Type.String({ description: 'Masked.' }),
  expiry: Type.String({ description: 'YYMM.' }),
  status: Type.String(),
})

const balanceShape = shape({
  account: Type.Integer(),
  accountName: Type.String(),
  unit: Type.String({ description: 'EGP in piasters, LOAF or KG.' }),
  period: Type.Integer({ description: 'yyyymmdd, yyyymm, 9 and yyyymm for a span, 0 for money.' }),
  posted: Type.Integer(),
  held: Type.Integer(),
  available: Type.Integer(),
})

const householdShape = shape({
  householdId: Type.Integer(),
  lane: Type.Integer(),
  governorate: Type.String(),
  classes: Type.Array(Type.String()),
  oldRationCard: Type.Enum(['active', 'stopped', 'none']),
  accountAt: Type.Enum([...accountPlaces], { description: 'Where the postal account is held.' }),
  closedMonth: Type.Integer({ description: 'yyyymm: the wallets are closed up to it.' }),
  terms: Type.Array(
    shape({ from: date('From this day on'), members: Type.Integer(), status: Type.Enum([...householdStatuses]) }),
    { description: 'Oldest first.' },
  ),
  cards: Type.Array(cardShape),
  balances: Type.Array(balanceShape),
})

function householdView(household: HouseholdDetails) {
  return {
    householdId: household.id,
    lane: household.lane,
    governorate: household.governorate,
    classes: household.classes,
    oldRationCard: household.oldRationCard,
    accountAt: household.accountAt,
    closedMonth: household.closedMonth,
    terms: household.terms.map(({ from, members, status }) => ({ from: dashed(from), members, status })),
  }
}

const cardView = ({ id, ...card }: Awaited<ReturnType<typeof cardsOfHousehold>>[number]) => ({ cardId: id, ...card })
const balanceView = (balance: Awaited<ReturnType<typeof balancesOfHousehold>>[number]) => ({
  ...balance,
  available: balance.posted - balance.held,
})

/** Households, as people look at them. */
export const householdRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/households/{householdId}',
    tag,
    summary: 'show a household: its terms, cards, wallets and money',
    params,
    answers: { 200: householdShape },
    citizen: true,
    handler: async (call) => {
      const found = await call.services.database.read(async (client) => {
        const household = await readHousehold(client, call.params.householdId)
        const cards = await cardsOfHousehold(client, household.id)
        return { household, cards, balances: await balancesOfHousehold(client, household) }
      })
      await call.looked([call.params.householdId])
      const { household, cards, balances } = found
      return ok({ ...householdView(household), cards: cards.map(cardView), balances: balances.map(balanceView) })
    },
  }),
  route({
    method: 'GET',
    path: '/households/{householdId}/cards',
    tag,
    summary: 'list the cards of a household, their numbers masked',
    params,
    answers: { 200: shape({ items: Type.Array(cardShape) }) },
    citizen: true,
    handler: async (call) => {
      const cards = await call.services.database.read(async (client) => {
        const { id } = await readHousehold(client, call.params.householdId)
        return cardsOfHousehold(client, id)
      })
      await call.looked([call.params.householdId])
      return ok({ items: cards.map(cardView) })
    },
  }),
  route({
    method: 'GET',
    path: '/households/{householdId}/balances',
    tag,
    summary: 'list the balances of a household by period, the newest first',
    params,
    answers: { 200: shape({ items: Type.Array(balanceShape) }) },
    citizen: true,
    handler: async (call) => {
      const balances = await call.services.database.read(async (client) =>
        balancesOfHousehold(client, await readHousehold(client, call.params.householdId)),
      )
      await call.looked([call.params.householdId])
      return ok({ items: balances.map(balanceView) })
    },
  }),
  route({
    method: 'GET',
    path: '/households/{householdId}/authorizations',
    tag,
    summary: 'list what the cards of a household were used for, the newest day first',
    params,
    query: shape({ from: searchQuery.from, to: searchQuery.to, ...paging }),
    answers: { 200: pageOf(authorizationShape) },
    citizen: true,
    handler: async (call) => searchPage(call, { ...call.query, household: call.params.householdId }),
  }),
  route({
    method: 'POST',
    path: '/households/{householdId}/status',
    tag,
    summary: 'ask for a household to be suspended or reinstated; a second person has to agree',
    params,
    body: shape({
      status: Type.Enum([...householdStatuses]),
      from: Type.Optional(date(STATUS_FROM)),
      reason: words('Why.'),
    }),
    answers: { 202: changeShape },
    changes: true,
    handler: async (call) => {
      const { reason, status, from } = call.body
      const { householdId } = call.params
      const payload = { householdId, status, ...(from === undefined ? {} : { from }) }
      return proposeOnce(call, { kind: 'household-status', payload, reason })
    },
  }),
]
