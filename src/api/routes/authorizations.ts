import { Type } from 'typebox'
import { readDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import { explainOn } from '../../store/explain.ts'
import {
  type AuthorizationRow,
  type AuthorizationSearch,
  searchAuthorizations,
} from '../../store/search-authorizations.ts'
import { transfersOf } from '../../store/search-ledger.ts'
import { instantOf, isWholes, page, readCursor, rowsFor } from '../cursor.ts'
import { type Answer, type Call, ok, type Route, route } from '../route.ts'
import { givenInstant, id, instant, orNull, ownerId, pageOf, paging, shape } from '../shapes.ts'

const tag = 'authorizations'
const DAY_MS = 86_400_000
const SPAN_MAX_DAYS = 31
const params = shape({ authorizationId: id('Number of the authorization.') })
const code = (what: string, max: number) =>
  Type.Optional(Type.String({ pattern: `^[ -~]{1,${max}}$`, description: what }))

/** What a search may ask for. */
export const searchQuery = {
  from: Type.Optional(
    givenInstant(`From this instant on; absent = a day before \`to\`, ${SPAN_MAX_DAYS} days at most`),
  ),
  to: Type.Optional(givenInstant('Before this instant; absent = now')),
  household: Type.Optional(ownerId('Number of the household.')),
  card: Type.Optional(ownerId('Number of the card in Mizan.')),
  terminal: code('Terminal (DE41).', 16),
  acceptor: code('Outlet (DE42).', 15),
  acquirer: Type.Optional(Type.String({ pattern: '^[0-9]{1,11}$', description: 'Acquirer (DE32).' })),
  rrn: Type.Optional(Type.String({ pattern: '^[0-9A-Za-z]{1,12}$', description: 'Retrieval reference (DE37).' })),
  stan: Type.Optional(Type.String({ pattern: '^[0-9]{6}$', description: 'Trace number (DE11).' })),
  result: Type.Optional(Type.String({ pattern: '^[A-Za-z]{1,40}$', description: 'Such as `approved`.' })),
  type: Type.Optional(
    Type.String({ pattern: '^[0-9]{2}$', description: 'Transaction type, the first digits of DE3.' }),
  ),
}

/** An authorization in a list. */
export const authorizationShape = shape({
  authorizationId: Type.Integer(),
  lane: Type.Integer(),
  businessDate: Type.String(),
  entitlementDate: Type.String(),
  receivedAt: instant('When it came'),
  link: Type.String(),
  mti: Type.String(),
  transactionType: Type.String(),
  accountCode: Type.String(),
  pan: Type.String({ description: 'Masked.' }),
  cardId: orNull(Type.Integer()),
  householdId: orNull(Type.Integer()),
  acquirer: Type.String(),
  acceptor: Type.String(),
  terminal: Type.String(),
  outletName: orNull(Type.String()),
  stan: Type.String(),
  rrn: Type.String(),
  amount: Type.Integer({ description: 'Piasters, or units where the account is counted.' }),
  approvedAmount: Type.Integer(),
  result: Type.String(),
  responseCode: Type.String({ description: 'DE39.' }),
  originalId: orNull(Type.Integer({ description: 'What it reverses, completes or refunds.' })),
})

function authorizationView({ id: authorizationId, receivedAtMs, ...row }: AuthorizationRow) {
  return {
    authorizationId,
    ...row,
    receivedAt: instantOf(receivedAtMs),
    cardId: row.cardId ?? null,
    householdId: row.householdId ?? null,
    outletName: row.outletName ?? null,
    originalId: row.originalId ?? null,
  }
}

interface SearchQuery {
  readonly from?: string
  readonly to?: string
  readonly household?: number
  readonly card?: number
  readonly terminal?: string
  readonly acceptor?: string
  readonly acquirer?: string
  readonly rrn?: string
  readonly stan?: string
  readonly result?: string
  readonly type?: string
  readonly limit?: number
  readonly cursor?: string
}

/** Searches, notes whose authorizations are found, and answers a page of them. */
export async function searchPage(call: Call<unknown, unknown, unknown>, query: SearchQuery): Promise<Answer> {
  const search = searchOf(query, call.services.clock.now())
  const rows = await call.services.database.search((client) => searchAuthorizations(client, search))
  const found = rows.slice(0, search.limit - 1).flatMap(({ householdId }) => householdId ?? [])
  const { cursor: _, ...asked } = query
  await call.looked([...new Set(query.household === undefined ? found : [query.household])], asked)
  return ok(page(rows, query.limit, ({ businessDate, id: row }) => [businessDate, row], authorizationView))
}

function searchOf(query: SearchQuery, nowMs: number): AuthorizationSearch {
  const { household, card, type, cursor, limit, from, to, ...equal } = query
  // The next page must be of the same span although time has gone on: what came later stands before its cursor.
  const toMs = to === undefined ? nowMs + 1 : Date.parse(to)
  const fromMs = from === undefined ? toMs - DAY_MS : Date.parse(from)
  if (Number.isNaN(fromMs) || Number.isNaN(toMs) || fromMs >= toMs || toMs - fromMs > SPAN_MAX_DAYS * DAY_MS) {
    throw new MizanError('BAD_INPUT', `from lies before to, and at most ${SPAN_MAX_DAYS} days before`)
  }
  const after = readCursor(
    cursor,
    ([businessDate = '', row = '']) => readDate(String(businessDate)) !== undefined && isWholes([row], 'bigint'),
  )
  return {
    ...equal,
    fromMs,
    toMs,
    limit: rowsFor(limit),
    ...(household === undefined ? {} : { householdId: household }),
    ...(card === undefined ? {} : { cardId: card }),
    ...(type === undefined ? {} : { transactionType: type }),
    ...(after === undefined ? {} : { after: { businessDate: String(after[0]), id: Number(after[1]) } }),
  }
}

const texts = Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Null()]))

/** Postings of an authorization. */
const transferShape = shape({
  leg: Type.Integer(),
  kind: Type.String(),
  unit: Type.String(),
  amount: Type.Integer(),
  debit: Type.Integer(),
  debitName: Type.String(),
  credit: Type.Integer(),
  creditName: Type.String(),
  period: Type.Integer(),
})

const explanationShape = shape({
  id: Type.Integer(),
  lane: Type.Integer(),
  businessDate: Type.String(),
  entitlementDate: Type.String(),
  receivedAt: Type.String(),
  request: texts,
  outlet: orNull(shape({ name: Type.String(), category: Type.String(), governorate: Type.String() })),
  result: Type.String(),
  responseCode: Type.String(),
  approvedAmount: Type.Integer(),
  trace: Type.Array(Type.Array(Type.Union([Type.String(), Type.Number()]))),
  answer: Type.Record(Type.String(), Type.String()),
  transfers: Type.Array(transferShape),
  lines: Type.Array(
    shape({
      line: Type.Integer(),
      product: Type.String(),
      quantity: Type.Integer({ description: 'Thousandths.' }),
      unitPrice: Type.Integer(),
      granted: Type.Integer({ description: 'Thousandths that the subsidy pays.' }),
      grantedPiasters: Type.Integer(),
      reason: Type.String({ description: 'OK, CP (capped), NA (not on the list) or WB (wallet short).' }),
    }),
  ),
  hold: orNull(
    shape({
      amount: Type.Integer(),
      cashback: Type.Integer({ description: 'Of the amount, the cash that the outlet handed out with the goods.' }),
      expiresAt: Type.String(),
      events: Type.Array(
        shape({
          by: Type.Integer({ description: 'The authorization or command that did it.' }),
          captured: Type.Integer(),
          released: Type.Integer(),
          ending: orNull(Type.String({ description: 'captured, voided or expired, of the event that ended it.' })),
        }),
      ),
    }),
  ),
  repeats: Type.Array(shape({ id: Type.Integer(), kind: Type.String(), at: Type.String() })),
  related: Type.Array(
    shape({
      id: Type.Integer(),
      relation: Type.String(),
      mti: Type.String(),
      transactionType: Type.String(),
      result: Type.String(),
      amount: Type.Integer(),
      approvedAmount: Type.Integer(),
      receivedAt: Type.String(),
    }),
  ),
  batch: shape({
    seq: Type.Integer(),
    epoch: Type.Integer(),
    committedAt: Type.String(),
    hash: Type.String(),
  }),
})

async function explained(call: Call<{ authorizationId: number }, unknown, unknown>) {
  const key = { id: call.params.authorizationId }
  const [explanation] = await call.services.database.read((client) => explainOn(client, key))
  if (explanation === undefined) throw new MizanError('NOT_FOUND', 'there is no such authorization')
  const { householdId } = explanation.request
  await call.looked(typeof householdId === 'number' ? [householdId] : [], { authorization: key.id })
  return explanation
}

/** The journal of authorizations. */
export const authorizationRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/authorizations',
    tag,
    summary: 'search authorizations, the newest business day first',
    query: shape({ ...searchQuery, ...paging }),
    answers: { 200: pageOf(authorizationShape) },
    citizen: true,
    handler: (call) => searchPage(call, call.query),
  }),
  route({
    method: 'GET',
    path: '/authorizations/{authorizationId}',
    tag,
    summary: 'explain an authorization: request, decision step by step, postings, answer, repeats and reversals',
    params,
    answers: { 200: explanationShape },
    citizen: true,
    handler: async (call) => ok(await explained(call)),
  }),
  route({
    method: 'GET',
    path: '/authorizations/{authorizationId}/transfers',
    tag,
    summary: 'list the postings of an authorization',
    params,
    answers: { 200: shape({ items: Type.Array(transferShape) }) },
    citizen: true,
    handler: async (call) => {
      const found = await explained(call)
      return ok({ items: await call.services.database.search((client) => transfersOf(client, found)) })
    },
  }),
]
