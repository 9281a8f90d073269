import { Type } from 'typebox'
import { formatDate } from '../../calendar.ts'
import { contentOf } from '../../clearing/outgoing/file-content.ts'
import { viewFile } from '../../clearing/outgoing/file-view.ts'
import { MizanError } from '../../errors.ts'
import { type ClearingFile, fileStates, fileTypes } from '../../store/clearing/clearing-file.ts'
import { fileEvents } from '../../store/clearing/file-events.ts'
import { listFiles, readFile } from '../../store/clearing/files.ts'
import { connect } from '../../store/connection.ts'
import { instantOf, pageById } from '../cursor.ts'
import { dayOf } from '../days.ts'
import { ok, type Route, route } from '../route.ts'
import { date, id, instant, orNull, pageOf, paging, shape } from '../shapes.ts'

const tag = 'clearing files'
const params = shape({ fileId: id('Number of the file.') })
const text = orNull(Type.String())
const RECORDS = 100

const fileProperties = {
  fileId: Type.Integer(),
  name: Type.String(),
  direction: Type.Enum(['out', 'in']),
  type: Type.Enum([...fileTypes]),
  institution: Type.String(),
  businessDate: date('Business date.'),
  cycle: Type.Integer(),
  sequence: Type.Integer({ description: '1, and one more for each correction.' }),
  state: Type.Enum([...fileStates]),
  bytes: orNull(Type.Integer()),
  sha256: text,
  records: orNull(Type.Integer()),
  items: Type.Integer(),
  grossPiasters: Type.String({ description: 'Sum of the absolute amounts, digits.' }),
  totals: Type.Unsafe<Record<string, unknown>>(Type.Object({}, { additionalProperties: true })),
  createdAt: instant('When it was registered'),
}

function fileView(file: ClearingFile) {
  const { id: fileId, name, direction, type, institution, cycle, sequence, state, items, totals } = file
  return {
    ...{ fileId, name, direction, type, institution, cycle, sequence, state, items, totals: { ...totals } },
    businessDate: formatDate(file.businessDate),
    bytes: file.bytes ?? null,
    sha256: file.sha256?.toString('hex') ?? null,
    records: file.records ?? null,
    grossPiasters: String(file.grossPiasters),
    createdAt: instantOf(file.createdAtMs) ?? '',
  }
}

/** Clearing files of both directions: the register, their history, their records with card numbers masked. */
export const clearingFileRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/clearing/files',
    tag,
    summary: 'list clearing files, the newest first',
    query: shape({
      date: Type.Optional(date('Only of this business date.')),
      direction: Type.Optional(Type.Enum(['out', 'in'])),
      state: Type.Optional(Type.Enum([...fileStates])),
      ...paging,
    }),
    answers: { 200: pageOf(shape(fileProperties)) },
    handler: async (call) => {
      const { date: day, direction } = call.query
      const state = fileStates.find((one) => one === call.query.state)
      const filter = {
        ...(day === undefined ? {} : { businessDate: dayOf(day) }),
        ...(direction === 'in' || direction === 'out' ? { direction } : {}),
        ...(state === undefined ? {} : { states: [state] }),
      }
      const read = (range: { limit: number }) =>
        call.services.database.read((client) => listFiles(client, { ...filter, ...range }))
      return ok(await pageById(call.query, read, fileView))
    },
  }),
  route({
    method: 'GET',
    path: '/clearing/files/{fileId}',
    tag,
    summary: 'a clearing file with its history',
    params,
    answers: {
      200: shape({
        ...fileProperties,
        events: Type.Array(
          shape({ at: instant('When'), actor: Type.String(), action: Type.String(), from: text, to: text }),
        ),
      }),
    },
    handler: async (call) => {
      const { file, events } = await call.services.database.read(async (client) => ({
        file: await readFile(client, call.params.fileId),
        events: await fileEvents(client, call.params.fileId),
      }))
      const history = events.map(({ atMs, actor, action, from, to }) => ({
        at: instantOf(atMs) ?? '',
        ...{ actor, action, from: from ?? null, to: to ?? null },
      }))
      return ok({ ...fileView(file), events: history })
    },
  }),
  route({
    method: 'GET',
    path: '/clearing/files/{fileId}/records',
    tag,
    summary: `show ${RECORDS} records of a clearing file, card numbers masked`,
    params,
    query: shape({
      from: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: 'First record.' })),
    }),
    answers: {
      200: shape({
        records: Type.Array(
          shape({
            number: Type.Integer(),
            title: Type.String(),
            fields: Type.Unsafe<Record<string, string>>(Type.Object({}, { additionalProperties: true })),
          }),
        ),
        next: orNull(Type.Integer({ description: 'Number of the next record.' })),
      }),
    },
    handler: async (call) => {
      const { clearing, databaseUrl } = call.services
      if (clearing === undefined) throw new MizanError('NOT_FOUND', 'this process has no clearing folder')
      const client = await connect({ url: databaseUrl, name: 'mizan clearing records', role: 'mizan_app' })
      try {
        const file = await readFile(client, call.params.fileId)
        const range = { from: call.query.from ?? 1, limit: RECORDS }
        const { records, next } = await viewFile(contentOf(file, { client, ...clearing }), file, range)
        return ok({ records: records.map((one) => ({ ...one, fields: { ...one.fields } })), next: next ?? null })
      } finally {
        await client.end().catch(() => undefined)
      }
    },
  }),
]
