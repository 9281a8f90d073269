import { Type } from 'typebox'
import { formatDate } from '../../calendar.ts'
import { requireSignable } from '../../clearing/delivery/sign-again.ts'
import { requireReconcilable } from '../../clearing/reconciliation/run-dates.ts'
import { lastClosedDate } from '../../clearing/reconciliation/view.ts'
import { requireBalanced, requireClosed } from '../../clearing/settlement/run.ts'
import { MizanError } from '../../errors.ts'
import { beginCorrection } from '../../store/clearing/corrections.ts'
import { listFiles } from '../../store/clearing/files.ts'
import {
  addRequest,
  type ClearingRequest,
  listRequests,
  type NewClearingRequest,
  readRequest,
  requestKinds,
  requestStates,
} from '../../store/clearing/requests.ts'
import type { Client } from '../../store/connection.ts'
import { instantOf, pageById } from '../cursor.ts'
import { dayOf } from '../days.ts'
import { changeOnce } from '../once.ts'
import { type Answer, type Call, ok, type Route, route } from '../route.ts'
import { date, id, instant, orNull, pageOf, paging, shape, words } from '../shapes.ts'

const tag = 'clearing requests'
const later =
  'Answers at once; the job clearing-requests does the work within minutes, in a process of its own, and the request tells what came of it. The same work that waits already is one request.'

const properties = {
  requestId: Type.Integer(),
  kind: Type.Enum([...requestKinds]),
  businessDate: date('Business date.'),
  cycle: orNull(Type.Integer({ description: 'Of a run of settlement.' })),
  fileId: orNull(Type.Integer({ description: 'The correction that is written, or the file that is signed again.' })),
  reason: orNull(Type.String({ description: 'Why a file is signed again.' })),
  askedBy: Type.String(),
  askedAt: instant('When'),
  attempts: Type.Integer({ minimum: 0 }),
  state: Type.Enum([...requestStates]),
  endedAt: orNull(instant('When it was done')),
  words: orNull(Type.String({ description: 'What came of it, or of the last attempt.' })),
}
const requestShape = shape(properties)

function view({ id: requestId, askedAtMs, endedAtMs, ...request }: ClearingRequest) {
  const { kind, businessDate, cycle, fileId, reason, askedBy, attempts, state, words: said } = request
  return {
    ...{ requestId, kind, askedBy, attempts, state },
    businessDate: formatDate(businessDate),
    cycle: cycle ?? null,
    fileId: fileId ?? null,
    reason: reason ?? null,
    askedAt: instantOf(askedAtMs) ?? '',
    endedAt: instantOf(endedAtMs),
    words: said ?? null,
  }
}

/** Asks for work in the transaction that makes sure that it can be done. */
function asked(
  call: Call<unknown, unknown, unknown>,
  prepare: (client: Client) => Promise<Omit<NewClearingRequest, 'askedBy'> & { readonly detail?: object }>,
): Promise<Answer> {
  return changeOnce(call, async (client) => {
    const { detail, ...wanted } = await prepare(client)
    const request = await addRequest(client, { ...wanted, askedBy: call.actor.id })
    const headers = { location: `/api/v1/clearing/requests/${request.id}` }
    const noted = { request: request.id, kind: request.kind, businessDate: formatDate(request.businessDate), ...detail }
    return { answer: { status: 202, body: view(request), headers }, outcome: 'accepted', detail: noted }
  })
}

/** Of a route by which work on one file is asked for. */
const ofFile = {
  params: shape({ fileId: id('Number of the file.') }),
  body: shape({ reason: words('Why; it stays in the history of the file.') }),
  answers: { 202: requestShape },
  changes: true,
} as const

/** Work on files and business dates that takes longer than anybody waits, and what came of it. */
export const clearingRequestRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/clearing/requests',
    tag,
    summary: 'list work on files and business dates that was asked for, the newest first',
    query: shape({ state: Type.Optional(Type.Enum([...requestStates])), ...paging }),
    answers: { 200: pageOf(requestShape) },
    handler: async (call) => {
      const state = requestStates.find((one) => one === call.query.state)
      const read = (range: { limit: number }) =>
        call.services.database.read((client) => listRequests(client, { state, ...range }))
      return ok(await pageById(call.query, read, view))
    },
  }),
  route({
    method: 'GET',
    path: '/clearing/requests/{requestId}',
    tag,
    summary: 'show what came of work that was asked for',
    params: shape({ requestId: id('Number of the request.') }),
    answers: { 200: requestShape },
    handler: async (call) =>
      ok(view(await call.services.database.read((client) => readRequest(client, call.params.requestId)))),
  }),
  route({
    method: 'POST',
    path: '/clearing/files/{fileId}/correct',
    tag,
    summary: 'write a file that its receiver has not taken once more, under the next number and as things are now',
    description: `${later} Where files are released by two people, so is the correction.`,
    ...ofFile,
    handler: (call) =>
      asked(call, async (client) => {
        const { reason } = call.body
        const begun = await beginCorrection(client, call.params.fileId, { actor: call.actor.id, reason })
        const detail = { file: call.params.fileId, correction: begun.name, reason }
        return { kind: 'file-correction', businessDate: begun.businessDate, fileId: begun.id, detail }
      }),
  }),
  route({
    method: 'POST',
    path: '/clearing/files/{fileId}/sign-again',
    tag,
    summary: 'sign a file that waits to go out with the key in use; its own key was revoked or retired',
    description: `${later} The bytes of the file stay, and so does what two people released.`,
    ...ofFile,
    handler: (call) =>
      asked(call, async (client) => {
        const { reason } = call.body
        const { file, signedBy } = await requireSignable(client, call.params.fileId)
        const detail = { file: file.id, name: file.name, key: signedBy, reason }
        return { kind: 'file-signature', businessDate: file.businessDate, fileId: file.id, reason, detail }
      }),
  }),
  route({
    method: 'POST',
    path: '/clearing/verifications',
    tag,
    summary: 'read the files of a business date, and hold them against trailers, register and items',
    description: `${later} It fails with what is wrong.`,
    body: shape({ businessDate: date('Business date.') }),
    answers: { 202: requestShape },
    changes: true,
    handler: (call) =>
      asked(call, async (client) => {
        const businessDate = dayOf(call.body.businessDate)
        const [file] = await listFiles(client, { businessDate, direction: 'out', limit: 1 })
        if (file === undefined) {
          throw new MizanError('NOT_FOUND', `there are no files of ${call.body.businessDate}`)
        }
        return { kind: 'file-verification', businessDate }
      }),
  }),
  route({
    method: 'POST',
    path: '/settlement/runs/{date}',
    tag,
    summary:
      'make the run of a closed business date, or go on with one that was cut off; the cutover does so by itself',
    description: `${later} Nothing goes to a bank by it: two people release its files (change kind settlement-release).`,
    params: shape({ date: date('Business date.') }),
    body: shape({
      cycle: Type.Optional(Type.Integer({ minimum: 1, maximum: 99, description: 'Run of the date; absent = 1.' })),
    }),
    answers: { 202: requestShape },
    changes: true,
    handler: (call) =>
      asked(call, async (client) => {
        const businessDate = dayOf(call.params.date)
        const { cycle = 1 } = call.body
        await requireClosed(client, businessDate)
        await requireBalanced(client, businessDate)
        return { kind: 'settlement-run', businessDate, cycle, detail: { cycle } }
      }),
  }),
  route({
    method: 'POST',
    path: '/reconciliation/runs',
    tag,
    summary: 'reconcile a business date as things stand now: the last one that was closed unless told',
    description: later,
    body: shape({ businessDate: Type.Optional(date('Business date.')) }),
    answers: { 202: requestShape },
    changes: true,
    handler: (call) =>
      asked(call, async (client) => {
        const { businessDate: day } = call.body
        const businessDate = day === undefined ? await lastClosedDate(client) : dayOf(day)
        await requireReconcilable(client, businessDate)
        return { kind: 'reconciliation', businessDate }
      }),
  }),
]
