import { Type } from 'typebox'
import { formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import {
  findInstruction,
  type Instruction,
  instructionStates,
  listInstructionEvents,
  listInstructions,
} from '../../store/clearing/settlement-instructions.ts'
import { listMasterChanges, readSettlementMaster } from '../../store/clearing/settlement-master.ts'
import { listSuspensions } from '../../store/clearing/settlement-views.ts'
import { idCursor, instantOf, page, rowsFor } from '../cursor.ts'
import { dayOf } from '../days.ts'
import { ok, type Route, route } from '../route.ts'
import { date, instant, orNull, PAGE, pageOf, paging, shape } from '../shapes.ts'

const tag = 'settlement'
const text = Type.String()
const params = shape({ date: date('Business date.') })

const instructionShape = shape({
  id: Type.Integer(),
  endToEndId: text,
  businessDate: date('Business date.'),
  cycle: Type.Integer(),
  kind: Type.Enum(['pain.001', 'pacs.009']),
  purpose: Type.Enum(['payout', 'repayment', 'offset', 'net']),
  direction: Type.Enum(['pay', 'collect']),
  bankCode: text,
  outletId: orNull(Type.Integer()),
  institutionKind: orNull(text),
  institution: orNull(Type.Integer()),
  partyName: text,
  account: orNull(Type.String({ description: 'Its last four characters.' })),
  amountPiasters: Type.Integer({ description: 'Always above zero.' }),
  valueDate: date('Value date.'),
  state: Type.Enum([...instructionStates]),
  reasonCode: orNull(text),
  reason: orNull(text),
  replaces: orNull(text),
  replacedBy: orNull(text),
})

function instructionView(one: Instruction) {
  return {
    id: one.id,
    endToEndId: one.endToEndId,
    businessDate: formatDate(one.businessDate),
    cycle: one.cycle,
    kind: one.kind,
    purpose: one.purpose,
    direction: one.direction,
    bankCode: one.bankCode,
    outletId: one.outletId ?? null,
    institutionKind: one.institutionKind ?? null,
    institution: one.institution ?? null,
    partyName: one.partyName,
    account: one.partyAccount === undefined ? null : `****${one.partyAccount.slice(-4)}`,
    amountPiasters: one.amountPiasters,
    valueDate: formatDate(one.valueDate),
    state: one.state,
    reasonCode: one.reasonCode ?? null,
    reason: one.reason ?? null,
    replaces: one.replaces ?? null,
    replacedBy: one.replacedBy ?? null,
  }
}

/** Payment instructions, payouts that are stopped, and master data. */
export const settlementPaymentRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/settlement/instructions',
    tag,
    summary: 'list payment instructions in the order in which they were made',
    query: shape({
      businessDate: Type.Optional(date('Only of this business date.')),
      state: Type.Optional(Type.Enum([...instructionStates])),
      outletId: Type.Optional(Type.Integer({ minimum: 1, maximum: 99_999_999_999 })),
      ...paging,
    }),
    answers: { 200: pageOf(instructionShape) },
    handler: async ({ services, query }) => {
      const { businessDate, state, outletId, limit, cursor } = query
      const afterId = idCursor(cursor)
      const found = instructionStates.find((one) => one === state)
      const rows = await services.database.read((client) =>
        listInstructions(client, {
          limit: rowsFor(limit),
          ...(businessDate === undefined ? {} : { businessDate: dayOf(businessDate) }),
          ...(found === undefined ? {} : { state: found }),
          ...(outletId === undefined ? {} : { outletId }),
          ...(afterId === undefined ? {} : { afterId }),
        }),
      )
      return ok(page(rows, limit, ({ id }) => [id], instructionView))
    },
  }),
  route({
    method: 'GET',
    path: '/settlement/instructions/{endToEndId}',
    tag,
    summary: 'show a payment instruction with its history',
    params: shape({ endToEndId: Type.String({ pattern: '^[A-Z0-9-]{1,35}$' }) }),
    answers: {
      200: shape({
        ...instructionShape.properties,
        history: Type.Array(
          shape({ at: instant('When'), state: text, source: text, reasonCode: orNull(text), reason: orNull(text) }),
        ),
      }),
    },
    handler: async ({ services, params: { endToEndId } }) =>
      ok(
        await services.database.read(async (client) => {
          const found = await findInstruction(client, endToEndId)
          if (found === undefined) throw new MizanError('NOT_FOUND', 'there is no such instruction')
          const events = await listInstructionEvents(client, found.id)
          const history = events.map(({ atMs, state, source, reasonCode, reason }) => ({
            at: instantOf(atMs),
            state,
            source,
            reasonCode: reasonCode ?? null,
            reason: reason ?? null,
          }))
          return { ...instructionView(found), history }
        }),
      ),
  }),
  route({
    method: 'GET',
    path: '/settlement/suspensions',
    tag,
    summary: 'list outlets whose payouts are stopped, the oldest first',
    answers: {
      200: shape({
        items: Type.Array(
          shape({
            outletId: Type.Integer(),
            acceptor: text,
            cause: Type.Enum(['returned', 'rejected', 'held']),
            endToEndId: orNull(text),
            reason: text,
            actor: text,
            at: instant('Since when'),
          }),
        ),
      }),
    },
    handler: async ({ services }) => {
      const found = await services.database.read((client) => listSuspensions(client, 1_000))
      return ok({
        items: found.map(({ id: _, atMs, endToEndId, ...one }) => ({
          ...one,
          endToEndId: endToEndId ?? null,
          at: instantOf(atMs),
        })),
      })
    },
  }),
  route({
    method: 'GET',
    path: '/settlement/master/{date}',
    tag,
    summary: 'show settlement banks, institutions and payout cycles as they hold on a business date',
    description: 'They change by change requests: `settlement-bank`, `settlement-institution`, `settlement-cycle`.',
    params,
    answers: { 200: masterShape() },
    handler: async ({ services, params: asked }) => {
      const { banks, institutions, cycles } = await services.database.read((client) =>
        readSettlementMaster(client, dayOf(asked.date)),
      )
      return ok({
        banks,
        institutions: institutions.map((one) => ({ ...one, account: one.account ?? null })),
        cycles: cycles.map((one) => ({ ...one, wholesaler: one.wholesaler ?? null })),
      })
    },
  }),
  route({
    method: 'GET',
    path: '/settlement/master-changes',
    tag,
    summary: 'list the last changes of settlement banks, institutions and payout cycles, the newest first',
    query: shape({ limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200 })) }),
    answers: {
      200: shape({
        items: Type.Array(
          shape({
            what: Type.String({ description: 'Such as `bank 1` or `cycle bakery`.' }),
            from: date('First business date that it counts for.'),
            at: instant('When it was made'),
            actor: text,
            reason: text,
          }),
        ),
      }),
    },
    handler: async ({ services, query }) => {
      const changes = await services.database.read((client) => listMasterChanges(client, query.limit ?? PAGE))
      return ok({ items: changes.map(({ atMs, ...one }) => ({ ...one, at: instantOf(atMs) })) })
    },
  }),
]

function masterShape() {
  return shape({
    banks: Type.Array(shape({ number: Type.Integer(), code: text, bic: text, name: text, account: text })),
    institutions: Type.Array(
      shape({ kind: text, institution: Type.Integer(), name: text, bank: Type.Integer(), account: orNull(text) }),
    ),
    cycles: Type.Array(
      shape({
        category: text,
        governorate: text,
        frequency: Type.Enum(['daily', 'weekly', 'monthly']),
        day: Type.Integer(),
        holdbackPermille: Type.Integer(),
        releaseDays: Type.Integer(),
        wholesaler: orNull(Type.Integer()),
      }),
    ),
  })
}
