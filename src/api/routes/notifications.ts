import { Type } from 'typebox'
import { compileTemplates } from '../../notification/catalogue.ts'
import { deliveryStates } from '../../store/notification-delivery.ts'
import { readPreference, savePreference } from '../../store/notification-preference.ts'
import {
  findNotification,
  listNotifications,
  type NotificationRecord,
  resendNotification,
} from '../../store/notification-reader.ts'
import { readHousehold } from '../../store/search-households.ts'
import { idCursor, instantOf, page, rowsFor } from '../cursor.ts'
import { changeOnce } from '../once.ts'
import { ok, type Route, route } from '../route.ts'
import { id, instant, orNull, ownerId, pageOf, paging, shape } from '../shapes.ts'

const tag = 'notifications'
const params = shape({ householdId: ownerId('Number of the household.') })
const message = shape({ notificationId: id('Number of the notification.') })
const text = orNull(Type.String())

const notificationShape = shape({
  notificationId: Type.Integer(),
  lane: Type.Integer(),
  householdId: Type.Integer(),
  template: Type.String(),
  createdAt: instant('When it came to be'),
  state: Type.String({ description: 'new, waiting, sent, failed, dead or suppressed.' }),
  reason: text,
  attempts: Type.Integer(),
  resends: Type.Integer(),
  nextAt: orNull(instant('Next attempt')),
  endedAt: orNull(instant('When it was sent or given up')),
  providerReference: text,
  parts: orNull(Type.Integer({ description: 'Short messages that it took.' })),
  error: text,
})

const preferenceProperties = {
  language: Type.Optional(Type.Enum(['ar', 'en'])),
  digits: Type.Optional(Type.Enum(['arab', 'latn'])),
  optOuts: Type.Array(Type.String({ pattern: '^[a-z][a-z-]{1,31}$' }), {
    maxItems: 16,
    uniqueItems: true,
    description: 'Groups of messages that it does not want; blocks and collection always come.',
  }),
}

function viewOf({ id: notificationId, createdAtMs, nextAtMs, endedAtMs, ...record }: NotificationRecord) {
  return {
    ...record,
    notificationId,
    createdAt: instantOf(createdAtMs),
    nextAt: instantOf(nextAtMs),
    endedAt: instantOf(endedAtMs),
    reason: record.reason ?? null,
    providerReference: record.providerReference ?? null,
    parts: record.parts ?? null,
    error: record.error ?? null,
  }
}

/** What was sent to households, and what they wish. Texts and numbers stay inside. */
export const notificationRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/notifications',
    tag,
    summary: 'list notifications and what became of them, the newest first',
    query: shape({
      household: Type.Optional(ownerId('Only those of this household.')),
      state: Type.Optional(Type.Enum([...deliveryStates])),
      ...paging,
    }),
    answers: { 200: pageOf(notificationShape) },
    citizen: true,
    handler: async (call) => {
      const { household, limit, cursor } = call.query
      const state = deliveryStates.find((one) => one === call.query.state)
      const beforeId = idCursor(cursor)
      const rows = await call.services.database.read((client) =>
        listNotifications(client, {
          limit: rowsFor(limit),
          ...(household === undefined ? {} : { householdId: household }),
          ...(state === undefined ? {} : { state }),
          ...(beforeId === undefined ? {} : { beforeId }),
        }),
      )
      await call.looked(rows.map(({ householdId }) => householdId))
      return ok(page(rows, limit, ({ id }) => [id], viewOf))
    },
  }),
  route({
    method: 'GET',
    path: '/notifications/{notificationId}',
    tag,
    summary: 'show what became of a notification',
    params: message,
    answers: { 200: notificationShape },
    citizen: true,
    handler: async (call) => {
      const { notificationId } = call.params
      const found = await call.services.database.read((client) => findNotification(client, notificationId))
      await call.looked([found.householdId])
      return ok(viewOf(found))
    },
  }),
  route({
    method: 'POST',
    path: '/notifications/{notificationId}/resend',
    tag,
    summary: 'have a notification sent again, whatever became of it; the switch that runs jobs sends it',
    params: message,
    answers: { 200: notificationShape },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { notificationId } = call.params
        const { clock, enqueue } = call.services
        const { householdId, state } = await resendNotification(client, notificationId, clock.now(), enqueue)
        const answer = ok(viewOf(await findNotification(client, notificationId)))
        return { answer, households: [householdId], detail: { notificationId, was: state } }
      }),
  }),
  route({
    method: 'GET',
    path: '/households/{householdId}/notification-preference',
    tag,
    summary: 'show what a household wishes of notifications',
    params,
    answers: { 200: shape(preferenceProperties) },
    citizen: true,
    handler: async (call) => {
      const { householdId } = call.params
      const found = await call.services.database.read(async (client) => {
        await readHousehold(client, householdId)
        return readPreference(client, householdId)
      })
      await call.looked([householdId])
      return ok(found ?? { optOuts: [] })
    },
  }),
  route({
    method: 'POST',
    path: '/households/{householdId}/notification-preference',
    tag,
    summary: 'write down what a household wishes of notifications',
    params,
    body: shape(preferenceProperties),
    answers: { 200: shape(preferenceProperties) },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { householdId } = call.params
        const { language, digits, optOuts } = call.body
        const wished = {
          optOuts,
          ...(language === undefined ? {} : { language: language === 'en' ? ('en' as const) : ('ar' as const) }),
          ...(digits === undefined ? {} : { digits: digits === 'arab' ? ('arab' as const) : ('latn' as const) }),
        }
        await savePreference(client, householdId, wished, compileTemplates().optOutGroups, call.actor.id)
        return { answer: ok(wished), households: [householdId], detail: { ...wished } }
      }),
  }),
]
