import { Type } from 'typebox'
import { outletStatuses } from '../../authorization/outlet.ts'
import { outletCategories } from '../../benefit/programme-schema.ts'
import { civilDate, formatDate } from '../../calendar.ts'
import type { Rejection } from '../../files/reject-report.ts'
import { nested } from '../../store/access-pool.ts'
import { checkOutletFile, loadOutletFile, type OutletFileResult } from '../../store/outlet-file.ts'
import { OUTLET_NAME_MAX, type OutletInput, type StoredOutlet } from '../../store/outlet-record.ts'
import { findOutlet, listOutlets, saveOutlet, setOutletStatus } from '../../store/outlet-store.ts'
import { listRollout, rolloutHistory } from '../../store/reference-rollout.ts'
import { requireApproval } from '../changes.ts'
import { cursorOf, readCursor } from '../cursor.ts'
import { dashed } from '../days.ts'
import { changeOnce } from '../once.ts'
import { type Call, ok, type Route, route } from '../route.ts'
import { date, instant, orNull, PAGE, pageOf, paging, shape, words } from '../shapes.ts'
import { applyQuery, collectRejections, fileQuery, rejectionShape, uploadTypes, withUpload } from '../upload.ts'

const tag = 'master data'
const acceptor = Type.String({ pattern: '^[!-~]([ -~]{0,13}[!-~])?$', description: 'Outlet (DE42).' })
const params = shape({ acceptor })
const governorate = Type.String({ pattern: '^[A-Z]{1,3}$', description: 'ISO 3166-2:EG, such as PTS.' })
const text = (what: string, max: number) => Type.String({ maxLength: max, description: what })

const details = {
  name: text('Name.', OUTLET_NAME_MAX),
  nameAr: text('Name in Arabic.', OUTLET_NAME_MAX),
  category: Type.Enum([...outletCategories]),
  mcc: Type.String({ pattern: '^[0-9]{4}$' }),
  governorate,
  partialApproval: Type.Boolean(),
  licence: orNull(text('Number of the licence.', 40)),
  licenceFrom: orNull(date('First day of the licence.')),
  licenceTo: orNull(date('Last day of the licence.')),
  opens: orNull(text('hh:mm.', 5)),
  closes: orNull(text('hh:mm.', 5)),
  fuel: orNull(Type.Enum(['diesel', 'gas', 'electricity'])),
  flourSacksDaily: orNull(Type.Integer({ minimum: 0, maximum: 10_000 })),
  settlementBank: orNull(text('Bank.', 40)),
  settlementAccount: orNull(text('Account.', 40)),
}
const { settlementBank: _bank, settlementAccount: _account, ...settable } = details

const terminalShape = shape({
  id: Type.String({ description: 'Terminal (DE41).' }),
  serial: orNull(Type.String()),
  status: Type.Enum(['active', 'stopped']),
  from: orNull(Type.String()),
  to: orNull(Type.String()),
})

/** An outlet with its terminals. */
const outletShape = shape({
  acceptor: Type.String(),
  ...details,
  terminals: Type.Array(terminalShape),
  standings: Type.Array(shape({ from: Type.String(), status: Type.Enum([...outletStatuses]) })),
})

const outletBody = shape({
  ...Type.Partial(shape(settable)).properties,
  terminals: Type.Optional(
    Type.Array(
      shape({
        id: Type.String({ pattern: '^[!-~][ -~]{0,7}$' }),
        serial: Type.Optional(orNull(text('Serial number.', 40))),
        status: Type.Optional(Type.Enum(['active', 'stopped'])),
        from: Type.Optional(orNull(date('First day.'))),
        to: Type.Optional(orNull(date('Last day.'))),
      }),
      { maxItems: 200 },
    ),
  ),
})

function outletView({ acceptor: name, details: kept, terminals, standings }: StoredOutlet) {
  return {
    acceptor: name,
    ...kept,
    terminals,
    standings: standings.map(({ from, status }) => ({ from: dashed(from), status })),
  }
}

function today({ services }: Call<unknown, unknown, unknown>): string {
  return formatDate(civilDate(services.clock.now()))
}

const fileShape = shape({
  sha256: Type.String(),
  totals: shape({
    rows: Type.Integer(),
    added: Type.Integer(),
    changed: Type.Integer(),
    unchanged: Type.Integer(),
    rejected: Type.Integer(),
    statusChanged: Type.Integer(),
    settlementChanged: Type.Integer(),
    terminals: Type.Integer(),
  }),
  loadedBefore: orNull(shape({ at: instant('When'), actor: Type.String() })),
  rejections: rejectionShape,
})

function fileView(found: OutletFileResult, rejections: readonly Rejection[]) {
  const { sha256, totals, loadedBefore } = found
  return {
    sha256,
    totals,
    loadedBefore: loadedBefore === undefined ? null : { at: loadedBefore.at.toISOString(), actor: loadedBefore.actor },
    rejections,
  }
}

function collecting(call: Call<unknown, unknown, unknown>) {
  const { rejections, onReject } = collectRejections()
  return { rejections, options: { actor: call.actor.id, today: today(call), onReject } }
}

/** Outlets, their terminals, and where services are live. */
export const outletRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/outlets',
    tag,
    summary: 'list outlets in order of their numbers',
    query: shape({
      category: Type.Optional(details.category),
      governorate: Type.Optional(governorate),
      status: Type.Optional(Type.Enum([...outletStatuses])),
      licenceEndsBy: Type.Optional(date('Only those whose licence ends on this day or before.')),
      ...paging,
    }),
    answers: { 200: pageOf(outletShape) },
    handler: async (call) => {
      const { limit = PAGE, cursor, category, status, ...filter } = call.query
      const after = readCursor(cursor, ([name]) => typeof name === 'string')?.[0]
      const wanted = {
        ...filter,
        ...pick('category', outletCategories, category),
        ...pick('status', outletStatuses, status),
      }
      const where = { limit, today: today(call), ...(after === undefined ? {} : { after: String(after) }) }
      const found = await call.services.database.read((client) => listOutlets(client, wanted, where))
      const next = found.next === undefined ? null : cursorOf([found.next])
      return ok({ items: found.outlets.map(outletView), next })
    },
  }),
  route({
    method: 'GET',
    path: '/outlets/{acceptor}',
    tag,
    summary: 'show an outlet with its terminals',
    params,
    answers: { 200: outletShape },
    handler: async ({ services, params: asked }) =>
      ok(outletView(await services.database.read((client) => findOutlet(client, asked.acceptor)))),
  }),
  route({
    method: 'POST',
    path: '/outlets/{acceptor}',
    tag,
    summary: 'add an outlet, or change what is given of one; the switch takes it before its next message',
    description: 'Where its money goes needs a second person: change request `outlet-settlement`.',
    params,
    body: outletBody,
    answers: { 200: outletShape },
    changes: true,
    handler: async (call) => {
      const answer = await changeOnce(call, async (client) => {
        const { terminals = [], ...more } = call.body
        const input = { acceptor: call.params.acceptor, details: more, terminals } as OutletInput
        const { kind } = await saveOutlet(nested(client), input, { actor: call.actor.id, today: today(call) })
        const saved = await findOutlet(client, call.params.acceptor)
        return { answer: ok(outletView(saved)), detail: { acceptor: saved.acceptor, kind } }
      })
      await call.services.refresh?.reference()
      return answer
    },
  }),
  route({
    method: 'POST',
    path: '/outlets/{acceptor}/status',
    tag,
    summary: 'suspend, close or reinstate an outlet from a day on',
    params,
    body: shape({
      status: Type.Enum([...outletStatuses]),
      from: Type.Optional(date('Today or later; absent = today.')),
      reason: words('Why.', 200),
    }),
    answers: { 200: outletShape },
    changes: true,
    handler: async (call) => {
      const answer = await changeOnce(call, async (client) => {
        const { reason, from = today(call) } = call.body
        const status = outletStatuses.find((one) => one === call.body.status) ?? 'active'
        const by = { actor: call.actor.id, today: today(call) }
        await setOutletStatus(nested(client), call.params.acceptor, { status, from, reason }, by)
        const saved = await findOutlet(client, call.params.acceptor)
        return { answer: ok(outletView(saved)), detail: { acceptor: saved.acceptor, status, from, reason } }
      })
      await call.services.refresh?.reference()
      return answer
    },
  }),
  route({
    method: 'POST',
    path: '/outlet-files/check',
    tag,
    summary: 'say what a file of outlets and terminals would change; nothing is changed',
    query: fileQuery,
    upload: uploadTypes,
    answers: { 200: fileShape },
    handler: (call) =>
      withUpload(call, async (file) => {
        const { rejections, options } = collecting(call)
        const found = await call.services.database.read((client) => checkOutletFile(nested(client), file, options))
        return ok(fileView(found, rejections))
      }),
  }),
  route({
    method: 'POST',
    path: '/outlet-files',
    tag,
    summary: 'load a file of outlets and terminals; rows that are not in order are left out and told',
    description:
      'A file that sets or changes where money goes, of new outlets too, needs an approved change request `outlet-file`.',
    query: applyQuery,
    upload: uploadTypes,
    answers: { 200: fileShape },
    changes: true,
    handler: (call) =>
      withUpload(call, async (file) => {
        const { rejections, options } = collecting(call)
        const answer = await changeOnce({ ...call, body: file.sha256 }, async (client) => {
          const found = await loadOutletFile(nested(client), file, options)
          if (found.totals.settlementChanged > 0) {
            await requireApproval(client, call.query.change, { kind: 'outlet-file', sha256: file.sha256 })
          }
          return { answer: ok(fileView(found, rejections)), detail: { sha256: found.sha256, ...found.totals } }
        })
        await call.services.refresh?.reference()
        return answer
      }),
  }),
  route({
    method: 'GET',
    path: '/rollout',
    tag,
    summary: 'list where each service is live, and from when on; it is changed by change request `rollout-set`',
    answers: { 200: shape({ items: Type.Array(rolloutShape()) }) },
    handler: async ({ services }) => ok({ items: await services.database.read(listRollout) }),
  }),
  route({
    method: 'GET',
    path: '/rollout/history',
    tag,
    summary: 'list every date that was set, the newest first',
    query: shape({ service: Type.Optional(Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$' })) }),
    answers: {
      200: shape({
        items: Type.Array(
          shape({ ...rolloutShape().properties, at: instant('When'), actor: Type.String(), reason: Type.String() }),
        ),
      }),
    },
    handler: async ({ services, query }) => {
      const events = await services.database.read((client) => rolloutHistory(client, { ...query, limit: 500 }))
      return ok({ items: events.map(({ at, ...event }) => ({ ...event, at: at.toISOString() })) })
    },
  }),
]

function rolloutShape() {
  return shape({ service: Type.String(), governorate: Type.String(), liveFrom: date('First day.') })
}

/** A property whose value is one of a list, or none. */
function pick<K extends string, V extends string>(key: K, values: readonly V[], value: string | undefined) {
  const found = values.find((one) => one === value)
  return (found === undefined ? {} : { [key]: found }) as { readonly [P in K]?: V }
}
