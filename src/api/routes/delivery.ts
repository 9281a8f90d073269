import { Type } from 'typebox'
import { releasable } from '../../clearing/delivery/release.ts'
import { resendFile } from '../../clearing/delivery/resend.ts'
import { MizanError } from '../../errors.ts'
import { type DeliveryView, deliveryEvents, deliveryStates, listDeliveries } from '../../store/clearing/deliver.ts'
import { type Fetch, fetchStates, listFetches } from '../../store/clearing/deliver-fetch.ts'
import { readClearingKeys } from '../../store/clearing/deliver-keys.ts'
import { instantOf, pageById } from '../cursor.ts'
import { dayOf } from '../days.ts'
import { changeOnce } from '../once.ts'
import { ok, type Route, route } from '../route.ts'
import { date, id, instant, orNull, pageOf, paging, shape, words } from '../shapes.ts'

const tag = 'delivery of clearing files'
const params = shape({ deliveryId: id('Number of the delivery.') })
const text = orNull(Type.String())

const deliveryProperties = {
  deliveryId: Type.Integer(),
  file: Type.String({ description: 'Name of the file.' }),
  type: Type.String(),
  institution: Type.String(),
  businessDate: date('Business date.'),
  fileState: Type.String(),
  destination: Type.String(),
  state: Type.Enum([...deliveryStates]),
  attempts: Type.Integer(),
  signedBy: orNull(Type.String({ description: 'SHA-256 of the certificate of ours that signed it.' })),
  nextAt: orNull(instant('Next attempt, of one that waits')),
  error: text,
  deliveredAt: orNull(instant('When it was delivered')),
  acknowledgeBy: orNull(instant('Until when the receiver should have answered')),
  answer: orNull(Type.Enum(['accepted', 'rejected'])),
  answerReason: text,
}

function deliveryView(one: DeliveryView) {
  const { id: deliveryId, name: file, type, institution, businessDate, fileState, destination, state, attempts } = one
  return {
    ...{ deliveryId, file, type, institution, businessDate, fileState, destination, state, attempts },
    signedBy: one.signedBy ?? null,
    nextAt: state === 'waiting' ? instantOf(one.nextAtMs) : null,
    error: one.error ?? null,
    deliveredAt: instantOf(one.deliveredAtMs),
    acknowledgeBy: instantOf(one.acknowledgeByMs),
    answer: one.answer ?? null,
    answerReason: one.answerReason ?? null,
  }
}

const fetchShape = shape({
  fetchId: Type.Integer(),
  source: Type.String(),
  name: Type.String(),
  bytes: Type.Integer(),
  sha256: text,
  state: Type.Enum([...fetchStates]),
  type: text,
  reason: orNull(Type.String({ description: 'Stable name of why it was refused.' })),
  words: text,
  at: instant('When it was found'),
})

function fetchView({ id: fetchId, source, name, bytes, sha256, state, type, reason, words: said, atMs }: Fetch) {
  return {
    ...{ fetchId, source, name, bytes, state },
    sha256: sha256?.toString('hex') ?? null,
    type: type ?? null,
    reason: reason ?? null,
    words: said ?? null,
    at: instantOf(atMs),
  }
}

const releaseShape = shape({
  businessDate: date('Business date.'),
  digest: Type.String({ description: 'Over the names and hashes of the files; a release names it.' }),
  files: Type.Array(
    shape({
      name: Type.String(),
      type: Type.String(),
      institution: Type.String(),
      bytes: orNull(Type.Integer()),
      items: Type.Integer(),
      grossPiasters: Type.String({ description: 'A whole number of any size.' }),
      sha256: text,
    }),
  ),
})

const keyShape = shape({
  keyId: Type.Integer(),
  owner: Type.String({ description: 'Institution, or own.' }),
  purpose: Type.Enum(['sign', 'encrypt']),
  version: Type.Integer(),
  fingerprint: Type.String({ description: 'SHA-256 of the certificate.' }),
  subject: Type.String(),
  status: Type.Enum(['active', 'retired', 'revoked']),
  isDemo: Type.Boolean(),
  validFrom: instant('From when it is valid'),
  validTo: instant('Until when'),
})

async function deliveryOf(client: Parameters<typeof listDeliveries>[0], id: number): Promise<DeliveryView> {
  const [found] = await listDeliveries(client, { id, limit: 1 })
  if (found === undefined) throw new MizanError('NOT_FOUND', 'there is no such delivery')
  return found
}

/** What went out and came in of clearing files, their release and their keys. */
export const deliveryRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/clearing/deliveries',
    tag,
    summary: 'list deliveries of clearing files, the newest first',
    query: shape({
      businessDate: Type.Optional(date('Only of this business date.')),
      state: Type.Optional(Type.Enum([...deliveryStates])),
      ...paging,
    }),
    answers: { 200: pageOf(shape(deliveryProperties)) },
    handler: async (call) => {
      const { businessDate } = call.query
      if (businessDate !== undefined) dayOf(businessDate)
      const state = deliveryStates.find((one) => one === call.query.state)
      const filter = { ...(businessDate && { businessDate }), ...(state && { state }) }
      const read = (range: { limit: number }) =>
        listDeliveries(call.services.database.queryable, { ...filter, ...range })
      return ok(await pageById(call.query, read, deliveryView))
    },
  }),
  route({
    method: 'GET',
    path: '/clearing/deliveries/{deliveryId}',
    tag,
    summary: 'show a delivery with all its attempts',
    params,
    answers: {
      200: shape({
        ...deliveryProperties,
        events: Type.Array(
          shape({ at: instant('When'), event: Type.String(), actor: Type.String(), detail: Type.String() }),
          { description: 'Oldest first.' },
        ),
      }),
    },
    handler: async (call) => {
      const { queryable } = call.services.database
      const found = await deliveryOf(queryable, call.params.deliveryId)
      const events = (await deliveryEvents(queryable, found.id)).map(({ atMs, ...one }) => ({
        ...one,
        at: instantOf(atMs),
      }))
      return ok({ ...deliveryView(found), events })
    },
  }),
  route({
    method: 'POST',
    path: '/clearing/deliveries/{deliveryId}/resend',
    tag,
    summary: 'have a file delivered again, the same bytes; a job does so within minutes, or mizan clearing deliver',
    params,
    body: shape({ reason: words('Why.') }),
    answers: { 200: shape({ deliveryId: Type.Integer(), state: Type.Enum([...deliveryStates]) }) },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { deliveryId } = call.params
        const { reason } = call.body
        const nowMs = call.services.clock.now()
        const { fileId, name } = await deliveryOf(client, deliveryId)
        const { id, state } = await resendFile(client, fileId, { actor: call.actor.id, reason, nowMs })
        return { answer: ok({ deliveryId: id, state }), detail: { delivery: id, file: name, reason } }
      }),
  }),
  route({
    method: 'GET',
    path: '/clearing/releases/{date}',
    tag,
    summary: 'show the files of a business date that wait to be released by two people (change kind files-release)',
    params: shape({ date: date('Business date.') }),
    answers: { 200: releaseShape },
    handler: async (call) => {
      const { date: businessDate } = call.params
      const day = dayOf(businessDate)
      const { files, digest } = await call.services.database.read((client) => releasable(client, day))
      const items = files.map(({ name, type, institution, bytes, items: count, grossPiasters, sha256 }) => ({
        ...{ name, type, institution, items: count },
        bytes: bytes ?? null,
        grossPiasters: String(grossPiasters),
        sha256: sha256?.toString('hex') ?? null,
      }))
      return ok({ businessDate, digest: digest.toString('hex'), files: items })
    },
  }),
  route({
    method: 'GET',
    path: '/clearing/fetches',
    tag,
    summary: 'list files of partners that were found, the newest first',
    query: shape({ state: Type.Optional(Type.Enum([...fetchStates])), ...paging }),
    answers: { 200: pageOf(fetchShape) },
    handler: async (call) => {
      const state = fetchStates.find((one) => one === call.query.state)
      const read = (range: { limit: number }) =>
        listFetches(call.services.database.queryable, { ...range, ...(state && { state }) })
      return ok(await pageById(call.query, read, fetchView))
    },
  }),
  route({
    method: 'GET',
    path: '/clearing/keys',
    tag,
    summary: 'list keys and certificates for clearing files; never a private key',
    answers: { 200: shape({ items: Type.Array(keyShape) }) },
    handler: async (call) => {
      const keys = await readClearingKeys(call.services.database.queryable)
      const items = keys.map(
        ({ id: keyId, owner, purpose, version, fingerprint, subject, status, isDemo, ...key }) => ({
          ...{ keyId, owner, purpose, version, fingerprint, subject, status, isDemo },
          validFrom: instantOf(key.validFromMs),
          validTo: instantOf(key.validToMs),
        }),
      )
      return ok({ items })
    },
  }),
]
