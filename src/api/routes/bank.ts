import { Type } from 'typebox'
import {
  entryStates,
  type ListedBankFile,
  type ListedEntry,
  type ListedStatement,
  listBankFiles,
  listEntries,
  listStatements,
  readStatement,
} from '../../store/clearing/bank-desk.ts'
import { idCursor, isWholes, page, readCursor, rowsFor } from '../cursor.ts'
import { ok, type Route, route } from '../route.ts'
import { id, instant, orNull, pageOf, paging, shape } from '../shapes.ts'

const tag = 'banks'
const text = orNull(Type.String())
const number = orNull(Type.Integer())

const fileShape = shape({
  fileId: Type.Integer({ description: 'Of the receipt.' }),
  name: Type.String({ description: 'As the bank called it.' }),
  registered: orNull(Type.String({ description: 'Name in the register of clearing files.' })),
  receivedAt: instant('When it was received'),
  receivedBy: Type.String(),
  state: Type.Enum(['read', 'refused']),
  schema: orNull(Type.String({ description: 'Such as camt.053.001.08.' })),
  bank: orNull(Type.Integer({ description: 'Number of the settlement bank.' })),
  reason: orNull(Type.String({ description: 'Why it was refused, with the place.' })),
  repeats: Type.Integer({ description: 'How often the same bytes came again.' }),
})

function fileView({ id: fileId, receivedAt, ...file }: ListedBankFile) {
  return {
    fileId,
    ...file,
    registered: file.registered ?? null,
    receivedAt: receivedAt.toISOString(),
    schema: file.schema ?? null,
    bank: file.bank ?? null,
    reason: file.reason ?? null,
  }
}

const statementShape = shape({
  statementId: Type.Integer(),
  report: Type.Enum(['statement', 'notification', 'intraday']),
  bank: Type.Integer(),
  account: Type.String(),
  name: Type.String({ description: 'Id of the bank.' }),
  page: Type.Integer(),
  sequence: orNull(Type.Integer({ description: "Of the bank's statements of the account." })),
  date: Type.String(),
  openingPiasters: orNull(Type.Integer({ description: 'Above zero the bank owes us.' })),
  closingPiasters: number,
  ledgerPiasters: orNull(Type.Integer({ description: "What the ledger had after booking it, from the bank's side." })),
  entries: Type.Integer({ description: 'Booked ones.' }),
  notBooked: Type.Integer(),
  suspense: Type.Integer({ description: 'Entries held in suspense.' }),
  state: Type.Enum(['stored', 'booked', 'announced']),
  file: Type.String(),
})

function statementView({ id: statementId, statementId: name, ...statement }: ListedStatement) {
  return {
    statementId,
    name,
    ...statement,
    sequence: statement.sequence ?? null,
    openingPiasters: statement.openingPiasters ?? null,
    closingPiasters: statement.closingPiasters ?? null,
    ledgerPiasters: statement.ledgerPiasters ?? null,
  }
}

const entryShape = shape({
  statementId: Type.Integer(),
  number: Type.Integer({ description: 'In its statement.' }),
  bank: Type.Integer(),
  amountPiasters: Type.Integer({ description: 'Above zero the bank credited our account.' }),
  status: Type.String({ description: 'BOOK, PDNG, INFO or FUTR.' }),
  bookingDate: Type.String(),
  valueDate: Type.String(),
  endToEndId: text,
  reference: text,
  code: orNull(Type.String({ description: "Bank transaction code, or the bank's own." })),
  returnReason: text,
  text,
  state: Type.Enum([...entryStates]),
  rule: orNull(Type.String({ description: 'By which it was recognised.' })),
  note: orNull(Type.String({ description: 'Such as unknown, again, over, wrong-sign, late-value.' })),
  kind: orNull(Type.String({ description: 'Kind of its transfer.' })),
  suspensePiasters: Type.Integer({ description: 'What of it is held in suspense.' }),
})

function entryView({ statement: statementId, ...entry }: ListedEntry) {
  return {
    statementId,
    ...entry,
    endToEndId: entry.endToEndId ?? null,
    reference: entry.reference ?? null,
    code: entry.code ?? null,
    returnReason: entry.returnReason ?? null,
    text: entry.text ?? null,
    rule: entry.rule ?? null,
    note: entry.note ?? null,
    kind: entry.kind ?? null,
  }
}

/** What settlement banks sent. */
export const bankRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/bank-files',
    tag,
    summary: 'list files of settlement banks, those that were refused with the reason, the newest first',
    query: shape({ state: Type.Optional(Type.Enum(['read', 'refused'])), ...paging }),
    answers: { 200: pageOf(fileShape) },
    handler: async (call) => {
      const { state, limit, cursor } = call.query
      const filter = {
        state: state as 'read' | 'refused' | undefined,
        beforeId: idCursor(cursor),
        limit: rowsFor(limit),
      }
      const rows = await call.services.database.read((client) => listBankFiles(client, filter))
      return ok(page(rows, limit, (row) => [row.id], fileView))
    },
  }),
  route({
    method: 'GET',
    path: '/bank-statements',
    tag,
    summary: 'list statements and notifications of our accounts at settlement banks, the newest first',
    query: shape({
      bank: Type.Optional(Type.Integer({ minimum: 1, maximum: 99_999, description: 'Only those of this bank.' })),
      report: Type.Optional(Type.Enum(['statement', 'notification', 'intraday'])),
      ...paging,
    }),
    answers: { 200: pageOf(statementShape) },
    handler: async (call) => {
      const { bank, report, limit, cursor } = call.query
      const filter = { bank, report: report as string | undefined, beforeId: idCursor(cursor), limit: rowsFor(limit) }
      const rows = await call.services.database.read((client) => listStatements(client, filter))
      return ok(page(rows, limit, (row) => [row.id], statementView))
    },
  }),
  route({
    method: 'GET',
    path: '/bank-statements/{statementId}',
    tag,
    summary: 'show a statement',
    params: shape({ statementId: id('Number of the statement.') }),
    answers: { 200: statementShape },
    handler: async (call) =>
      ok(statementView(await readStatement(call.services.database.queryable, call.params.statementId))),
  }),
  route({
    method: 'GET',
    path: '/bank-entries',
    tag,
    summary: 'list what banks booked, with what each entry is',
    query: shape({
      statement: Type.Optional(id('Only those of this statement.')),
      state: Type.Optional(Type.Enum([...entryStates])),
      endToEndId: Type.Optional(Type.String({ minLength: 1, maxLength: 35 })),
      ...paging,
    }),
    answers: { 200: pageOf(entryShape) },
    handler: async (call) => {
      const { statement, endToEndId, limit, cursor } = call.query
      const state = entryStates.find((one) => one === call.query.state)
      const at = readCursor(cursor, (found) => isWholes(found, 'bigint', 'integer'))
      const after = at === undefined ? undefined : ([Number(at[0]), Number(at[1])] as const)
      const filter = { statement, state, endToEndId, after, limit: rowsFor(limit) }
      const rows = await call.services.database.read((client) => listEntries(client, filter))
      return ok(page(rows, limit, (row) => [row.statement, row.number], entryView))
    },
  }),
]
