import { Type } from 'typebox'
import { type ListedItem, listNetworkItems, listNetworkTotals } from '../../store/clearing/network-desk.ts'
import {
  type Dispute,
  disputeEvents,
  disputeStates,
  listDisputes,
  readDispute,
} from '../../store/clearing/network-dispute-read.ts'
import { networkItemStates } from '../../store/clearing/network-items.ts'
import { idCursor, instantOf, isWholes, page, readCursor, rowsFor } from '../cursor.ts'
import { ok, type Route, route } from '../route.ts'
import { id, instant, orNull, ownerId, pageOf, paging, shape } from '../shapes.ts'

const tag = 'network clearing'
const text = orNull(Type.String())
const number = orNull(Type.Integer())

const itemShape = shape({
  fileId: Type.Integer(),
  file: Type.String({ description: 'Name in the register of clearing files.' }),
  number: Type.Integer({ description: 'Of the transaction in its file.' }),
  transactionCode: Type.String(),
  usage: Type.String({ description: '1 = first presentment, 2 = again after a chargeback.' }),
  arn: Type.String({ description: 'Acquirer reference number; empty where there is none.' }),
  householdId: number,
  panMasked: Type.String(),
  acceptor: Type.String(),
  mcc: Type.String(),
  amountPiasters: Type.Integer(),
  currency: Type.String(),
  purchaseDate: text,
  rule: orNull(Type.String({ description: 'By which it was matched.' })),
  confidence: orNull(Type.Integer({ description: 'How sure that is, per cent.' })),
  outcome: text,
  flags: Type.Array(Type.String()),
  authorizationId: orNull(Type.Integer({ description: 'What it was matched to.' })),
  postedId: orNull(Type.Integer({ description: 'Row of the journal that holds its money.' })),
  state: Type.Enum([...networkItemStates]),
  reason: text,
  detail: text,
  businessDate: text,
})

function itemView(item: ListedItem) {
  return {
    ...item,
    householdId: item.householdId ?? null,
    purchaseDate: item.purchaseDate ?? null,
    rule: item.rule ?? null,
    confidence: item.confidence ?? null,
    outcome: item.outcome ?? null,
    authorizationId: item.authorizationId ?? null,
    postedId: item.postedId ?? null,
    reason: item.reason ?? null,
    detail: item.detail ?? null,
    businessDate: item.businessDate ?? null,
  }
}

const disputeProperties = {
  disputeId: Type.Integer(),
  fileId: Type.Integer(),
  number: Type.Integer(),
  householdId: Type.Integer(),
  cardId: Type.Integer(),
  arn: Type.String(),
  transactionCode: Type.String({ description: 'Of the chargeback.' }),
  amountPiasters: Type.Integer(),
  reasonCode: Type.String(),
  reason: Type.String(),
  posted: Type.Boolean({ description: 'Whether the disputed item is posted.' }),
  state: Type.Enum([...disputeStates]),
  credited: Type.Boolean({ description: 'Whether the household has its money.' }),
  raisedBy: Type.String(),
  approvedBy: Type.String(),
  raisedAt: instant('When it was raised'),
  respondBy: Type.String({ description: 'Last day for the acquirer.' }),
  endedAt: orNull(instant('When it ended')),
}

function disputeView({ id: disputeId, lane: _, raisedAtMs, endedAtMs, ...dispute }: Dispute) {
  return { disputeId, ...dispute, raisedAt: instantOf(raisedAtMs) ?? '', endedAt: instantOf(endedAtMs) }
}

/** What the card network presented, its totals, and disputes. */
export const networkClearingRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/network-items',
    tag,
    summary: 'list what the card network presented and what became of it, the newest file first',
    query: shape({
      file: Type.Optional(id('Only those of this file.')),
      state: Type.Optional(Type.Enum([...networkItemStates])),
      reason: Type.Optional(Type.String({ pattern: '^[a-z][a-z-]{1,39}$', description: 'Such as no-authorization.' })),
      arn: Type.Optional(Type.String({ pattern: '^[0-9]{23}$', description: 'Acquirer reference number.' })),
      ...paging,
    }),
    answers: { 200: pageOf(itemShape) },
    citizen: true,
    handler: async (call) => {
      const { file, reason, arn, limit, cursor } = call.query
      const state = networkItemStates.find((one) => one === call.query.state)
      const at = readCursor(cursor, (found) => isWholes(found, 'bigint', 'integer'))
      const after = at === undefined ? undefined : ([Number(at[0]), Number(at[1])] as const)
      const rows = await call.services.database.read((client) =>
        listNetworkItems(client, { fileId: file, state, reason, arn, after, limit: rowsFor(limit) }),
      )
      await call.looked(rows.flatMap(({ householdId }) => householdId ?? []))
      return ok(page(rows, limit, (row) => [row.fileId, row.number], itemView))
    },
  }),
  route({
    method: 'GET',
    path: '/network-totals',
    tag,
    summary: 'list what the card network says that it settles (TC 46), the newest 200',
    answers: {
      200: shape({
        items: Type.Array(
          shape({
            file: Type.String(),
            number: Type.Integer(),
            report: Type.String(),
            settlementDate: text,
            mode: Type.String(),
            amountType: Type.String(),
            currency: Type.String(),
            items: Type.Integer(),
            creditPiasters: Type.Integer(),
            debitPiasters: Type.Integer(),
            netPiasters: Type.Integer({ description: 'Above zero is due to us.' }),
            detail: Type.Record(Type.String(), Type.String(), {
              description: 'Everything else that the report says, by the names of its fields; amounts in piasters.',
            }),
          }),
        ),
      }),
    },
    handler: async (call) => {
      const totals = await call.services.database.read((client) => listNetworkTotals(client, 200))
      return ok({ items: totals.map((one) => ({ ...one, settlementDate: one.settlementDate ?? null })) })
    },
  }),
  route({
    method: 'GET',
    path: '/disputes',
    tag,
    summary: 'list disputes of what the card network presented, the newest first',
    query: shape({
      state: Type.Optional(Type.Enum([...disputeStates])),
      household: Type.Optional(ownerId('Only those of this household.')),
      ...paging,
    }),
    answers: { 200: pageOf(shape(disputeProperties)) },
    citizen: true,
    handler: async (call) => {
      const { household: householdId, limit, cursor } = call.query
      const state = disputeStates.find((one) => one === call.query.state)
      const beforeId = idCursor(cursor)
      const rows = await call.services.database.read((client) =>
        listDisputes(client, { state, householdId, beforeId, limit: rowsFor(limit) }),
      )
      await call.looked(rows.map((row) => row.householdId))
      return ok(page(rows, limit, (row) => [row.id], disputeView))
    },
  }),
  route({
    method: 'GET',
    path: '/disputes/{disputeId}',
    tag,
    summary: 'show a dispute with all that happened to it; a change request of kind dispute-raise begins one',
    params: shape({ disputeId: id('Number of the dispute.') }),
    answers: {
      200: shape({
        ...disputeProperties,
        events: Type.Array(
          shape({
            event: Type.String(),
            actor: Type.String(),
            detail: text,
            postedIds: Type.Array(Type.Integer({ description: 'Rows of the journal.' })),
            at: instant('When'),
          }),
          { description: 'Oldest first.' },
        ),
      }),
    },
    citizen: true,
    handler: async (call) => {
      const { queryable } = call.services.database
      const dispute = await readDispute(queryable, call.params.disputeId)
      await call.looked([dispute.householdId], { dispute: dispute.id })
      const events = (await disputeEvents(queryable, dispute.id)).map(({ atMs, detail, postedIds, ...event }) => ({
        ...event,
        detail: detail ?? null,
        postedIds: [...postedIds],
        at: instantOf(atMs) ?? '',
      }))
      return ok({ ...disputeView(dispute), events })
    },
  }),
]
