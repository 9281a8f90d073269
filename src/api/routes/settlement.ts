import { Type } from 'typebox'
import { type CivilDate, formatDate, isCivilDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import {
  findInstruction,
  type Instruction,
  instructionStates,
  listInstructionEvents,
  listInstructions,
} from '../../store/clearing/settlement-instructions.ts'
import { readSettlementMaster } from '../../store/clearing/settlement-master.ts'
import { readRunFiles } from '../../store/clearing/settlement-release.ts'
import {
  countInstructions,
  listPayables,
  listPositions,
  listSuspensions,
  type PayablePosition,
  type PayableView,
} from '../../store/clearing/settlement-views.ts'
import { listRuns } from '../../store/clearing/settlement-runs.ts'
import { idCursor, instantOf, page, readCursor, rowsFor } from '../cursor.ts'
import { dayOf } from '../days.ts'
import { ok, type Route, route } from '../route.ts'
import { date, instant, orNull, PAGE, pageOf, paging, shape } from '../shapes.ts'

const tag = 'settlement'
const text = Type.String()
const piasters = (what: string) => Type.Integer({ description: what })
const params = shape({ date: date('Business date.') })
const cycle = Type.Optional(Type.Integer({ minimum: 1, maximum: 99, description: 'Run of the date; absent = 1.' }))
const keyOf = (call: { readonly params: { date: string }; readonly query: { cycle?: number } }) => ({
  businessDate: dayOf(call.params.date),
  cycle: call.query.cycle ?? 1,
})

const runShape = {
  businessDate: date('Business date.'),
  cycle: Type.Integer(),
  valueDate: date('When banks are to pay.'),
  state: Type.Enum(['computed', 'posted', 'written', 'released']),
  releasedBy: orNull(text),
  totals: Type.Record(Type.String(), Type.Unknown(), { description: 'Counts and sums; sums in piasters as text.' }),
}

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
  amountPiasters: piasters('Always above zero.'),
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

/** Runs of settlement. */
const runRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/settlement/runs',
    tag,
    summary: 'list the last runs of settlement, the newest first',
    query: shape({ limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200 })) }),
    answers: { 200: shape({ items: Type.Array(shape(runShape)) }) },
    handler: async ({ services, query }) => {
      const runs = await services.database.read((client) => listRuns(client, query.limit ?? PAGE))
      return ok({ items: runs.map((run) => runView(run)) })
    },
  }),
  route({
    method: 'GET',
    path: '/settlement/runs/{date}',
    tag,
    summary: 'show a run with its files; `digest` is what a change request "settlement-release" names',
    params,
    query: shape({ cycle }),
    answers: {
      200: shape({
        ...runShape,
        digest: text,
        files: Type.Array(shape({ name: text, state: text, items: Type.Integer(), piasters: text })),
        instructions: Type.Array(shape({ state: text, instructions: Type.Integer(), piasters: Type.Integer() })),
      }),
    },
    handler: async (call) =>
      ok(
        await call.services.database.read(async (client) => {
          const { run, files, digest } = await readRunFiles(client, keyOf(call))
          return {
            ...runView(run),
            digest,
            files: files.map(({ name, state, items, grossPiasters }) => ({
              name,
              state,
              items,
              piasters: String(grossPiasters),
            })),
            instructions: await countInstructions(client, keyOf(call)),
          }
        }),
      ),
  }),
  route({
    method: 'GET',
    path: '/settlement/runs/{date}/positions',
    tag,
    summary: 'show the net positions of a run',
    params,
    query: shape({ cycle }),
    answers: {
      200: shape({
        items: Type.Array(
          shape({
            kind: text,
            institution: Type.Integer(),
            bank: Type.Integer(),
            bankCode: text,
            creditPiasters: piasters('What it gets.'),
            debitPiasters: piasters('What it pays.'),
            netPiasters: piasters('Above zero it gets.'),
            parts: Type.Integer({ description: 'Payments of a bank, accounts of others.' }),
          }),
        ),
      }),
    },
    handler: async (call) =>
      ok({ items: await call.services.database.read((client) => listPositions(client, keyOf(call))) }),
  }),
  route({
    method: 'GET',
    path: '/settlement/runs/{date}/payables',
    tag,
    summary: 'show what is payable for what outlets gave out, with the tariff, by outlet',
    params,
    query: shape({
      cycle,
      outletId: Type.Optional(Type.Integer({ minimum: 1, maximum: 99_999_999_999 })),
      ...paging,
    }),
    answers: { 200: pageOf(payableShape()) },
    handler: async (call) => {
      const { outletId, limit, cursor } = call.query
      const after = payableCursor(cursor)
      const rows = await call.services.database.read((client) =>
        listPayables(client, keyOf(call), {
          limit: rowsFor(limit),
          ...(outletId === undefined ? {} : { outletId }),
          ...(after === undefined ? {} : { after }),
        }),
      )
      const positionOf = (row: PayablePosition) => [row.outletId, row.programme, row.entitlementDate]
      return ok(page(rows, limit, positionOf, payableView))
    },
  }),
]

function runView(run: Awaited<ReturnType<typeof listRuns>>[number]) {
  const { businessDate, valueDate, cycle: number, state, releasedBy, totals } = run
  return {
    businessDate: formatDate(businessDate),
    cycle: number,
    valueDate: formatDate(valueDate),
    state,
    releasedBy: releasedBy ?? null,
    totals,
  }
}

/** Where a page of payables goes on. @throws MizanError BAD_INPUT */
function payableCursor(cursor: string | undefined): PayablePosition | undefined {
  const [outletId, programme, date] =
    readCursor(cursor, (found) => found.length === 3 && found.every(Number.isSafeInteger) && isCivilDate(Number(found[2]))) ?? []
  if (date === undefined) return undefined
  return { outletId: Number(outletId), programme: Number(programme), entitlementDate: Number(date) as CivilDate }
}

function payableView(row: PayableView) {
  return {
    ...row,
    entitlementDate: formatDate(row.entitlementDate),
    tariffVersion: row.tariffVersion ?? null,
    tariffFrom: row.tariffFrom === undefined ? null : formatDate(row.tariffFrom),
    piastersPerUnit: row.piastersPerUnit ?? null,
    permilleOfValue: row.permilleOfValue ?? null,
  }
}

function payableShape() {
  return shape({
    outletId: Type.Integer(),
    acceptor: text,
    programme: Type.Integer(),
    entitlementDate: date('Of the draws.'),
    unit: text,
    quantity: Type.Integer({ description: 'In the unit; below zero more was given back.' }),
    tariffVersion: orNull(Type.Integer()),
    tariffFrom: orNull(text),
    piastersPerUnit: orNull(Type.Integer()),
    permilleOfValue: orNull(Type.Integer()),
    coPaymentPiasters: piasters('What the holders paid.'),
    payablePiasters: piasters('What the state pays.'),
  })
}

/** Payment instructions, payouts that are stopped, and master data. */
const instructionRoutes: readonly Route[] = [
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

/** What is payable, what is instructed to banks, and what became of it. */
export const settlementRoutes: readonly Route[] = [...runRoutes, ...instructionRoutes]
