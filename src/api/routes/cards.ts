import { type Static, Type } from 'typebox'
import type { CardStatus } from '../../card/household.ts'
import { MizanError } from '../../errors.ts'
import { isLuhnValid } from '../../identifiers.ts'
import { type CardDetails, findCard } from '../../store/card-reader.ts'
import { commandsOfCard, type NewCommand } from '../../store/command-requests.ts'
import { commandOnce } from '../once.ts'
import { type Answer, type Call, ok, type Route, route } from '../route.ts'
import { commandAnswers, orNull, ownerId, shape, words } from '../shapes.ts'
import { commandSummary, commandSummaryShape } from './commands.ts'

const tag = 'cards'
const HISTORY = 20
const params = shape({ cardId: ownerId('Number of the card in Mizan; never the number on it.') })
const reason = words('Why; it stays in the journal.', 200)

const cardShape = shape({
  cardId: Type.Integer(),
  householdId: Type.Integer(),
  lane: Type.Integer(),
  pan: Type.String({ description: 'Masked: first six and last four digits.' }),
  expiry: Type.String({ description: 'YYMM.' }),
  sequenceNumber: Type.String(),
  status: Type.String(),
  hasPin: Type.Boolean(),
  pinFailures: Type.Integer({ description: 'Wrong PINs since the last right one.' }),
  chipCounter: Type.Integer({ description: 'Highest application transaction counter.' }),
  scriptPending: orNull(Type.String({ description: 'What the chip is told with the next approval online.' })),
  commands: Type.Array(commandSummaryShape, { description: 'The last ones, the newest first.' }),
})

async function cardView(
  call: Call<unknown, unknown, unknown>,
  find: (client: Parameters<typeof findCard>[0]) => Promise<CardDetails>,
) {
  const found = await call.services.database.read(async (client) => {
    const card = await find(client)
    return { card, commands: await commandsOfCard(client, card.id, HISTORY) }
  })
  const { card, commands } = found
  await call.looked([card.householdId], { card: card.id })
  return ok({
    cardId: card.id,
    householdId: card.householdId,
    lane: card.lane,
    pan: card.panMasked,
    expiry: card.expiry,
    sequenceNumber: card.sequenceNumber,
    status: card.status,
    hasPin: card.hasPin,
    pinFailures: card.pinFailures,
    chipCounter: card.atc,
    scriptPending: card.scriptPending ?? null,
    commands: commands.map(commandSummary),
  })
}

type CardParams = Static<typeof params>

/** Has the writer change a card. */
function changeCard(
  call: Call<CardParams, unknown, unknown>,
  wanted: Pick<NewCommand, 'kind' | 'detail'>,
): Promise<Answer> {
  return commandOnce(call, async (client) => {
    const { id: cardId, lane, householdId } = await findCard(client, { by: 'id', cardId: call.params.cardId })
    return { ...wanted, lane, cardId, householdId }
  })
}

function statusChange(status: CardStatus, why: string): Pick<NewCommand, 'kind' | 'detail'> {
  return { kind: 'card-status', detail: { status, reason: why } }
}

/** Cards: looked at here, changed by the writer of their lane. */
export const cardRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/cards/{cardId}',
    tag,
    summary: 'show a card, its number masked, and the last commands for it',
    params,
    answers: { 200: cardShape },
    citizen: true,
    handler: (call) => cardView(call, (client) => findCard(client, { by: 'id', cardId: call.params.cardId })),
  }),
  route({
    method: 'POST',
    path: '/cards/search',
    tag,
    summary: 'find a card by the number on it',
    description: 'The number comes in the body alone: addresses are logged on the way. It is kept nowhere.',
    body: shape({ pan: Type.String({ pattern: '^[0-9]{13,19}$', description: 'The number on the card.' }) }),
    answers: { 200: cardShape },
    citizen: true,
    handler: async (call) => {
      const { pan } = call.body
      if (!isLuhnValid(pan)) throw new MizanError('BAD_INPUT', 'the check digit of the card number is wrong')
      const panIndex = call.services.pans.index(pan)
      return cardView(call, (client) => findCard(client, { by: 'pan-index', panIndex }))
    },
  }),
  route({
    method: 'POST',
    path: '/cards/{cardId}/block',
    tag,
    summary: 'stop a card; lost, stolen and closed are for good',
    params,
    body: shape({ status: Type.Enum(['restricted', 'lost', 'stolen', 'closed']), reason }),
    answers: commandAnswers,
    changes: true,
    handler: (call) => changeCard(call, statusChange(call.body.status, call.body.reason)),
  }),
  route({
    method: 'POST',
    path: '/cards/{cardId}/unblock',
    tag,
    summary: 'make a restricted or newly issued card active',
    params,
    body: shape({ reason }),
    answers: commandAnswers,
    changes: true,
    handler: (call) => changeCard(call, statusChange('active', call.body.reason)),
  }),
  route({
    method: 'POST',
    path: '/cards/{cardId}/pin-reset',
    tag,
    summary: 'forget wrong PINs; the chip is told with the next approval online',
    params,
    answers: commandAnswers,
    changes: true,
    handler: (call) => changeCard(call, { kind: 'pin-reset' }),
  }),
]
