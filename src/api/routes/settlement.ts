import { Type } from 'typebox'
import { type CivilDate, formatDate, isCivilDate } from '../../calendar.ts'
import { readRunFiles } from '../../store/clearing/settlement-release.ts'
import { listRuns } from '../../store/clearing/settlement-runs.ts'
import {
  countInstructions,
  listPayables,
  listPositions,
  type PayablePosition,
  type PayableView,
} from '../../store/clearing/settlement-views.ts'
import { isWholes, page, readCursor, rowsFor } from '../cursor.ts'
import { dayOf } from '../days.ts'
import { ok, type Route, route } from '../route.ts'
import { date, orNull, PAGE, pageOf, paging, shape } from '../shapes.ts'
import { settlementPaymentRoutes } from './settlement-payments.ts'

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
    readCursor(cursor, (found) => isWholes(found, 'bigint', 'smallint', 'integer') && isCivilDate(Number(found[2]))) ??
    []
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

/** What is payable, what is instructed to banks, and what became of it. */
export const settlementRoutes: readonly Route[] = [...runRoutes, ...settlementPaymentRoutes]
