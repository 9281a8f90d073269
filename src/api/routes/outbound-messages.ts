import { Type } from 'typebox'
import { forwardKinds } from '../../authorization/forward.ts'
import type { Client } from '../../store/connection.ts'
import {
  dropOutbound,
  listOutbound,
  movesMoney,
  type OutboundAuthor,
  type OutboundRecord,
  readOutbound,
  refuseAlone,
  resendOutbound,
} from '../../store/outbound-desk.ts'
import { outboundStates } from '../../store/outbound-message.ts'
import { readDestinations } from '../../store/outbound-queue.ts'
import { proposeOnce } from '../changes.ts'
import { idCursor, instantOf, page, rowsFor } from '../cursor.ts'
import { changeOnce } from '../once.ts'
import { type Answer, type Call, ok, type Route, route } from '../route.ts'
import { id, instant, orNull, pageOf, paging, shape, words } from '../shapes.ts'
import { changeShape } from './change-requests.ts'

const tag = 'messages of our own'
const params = shape({ messageId: id('Number of the queued message.') })
const text = orNull(Type.String())
const destination = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,31}$', description: 'Name of an outbound link.' })

const messageProperties = {
  messageId: Type.Integer(),
  destination,
  kind: Type.Enum([...forwardKinds]),
  mti: Type.String({ description: 'In its first form.' }),
  stan: Type.String(),
  transmission: Type.String({ description: 'DE7.' }),
  authorizationId: orNull(Type.Integer({ description: 'Authorization that caused it.' })),
  householdId: orNull(Type.Integer()),
  panMasked: text,
  subject: orNull(Type.String({ description: 'Key or business date that it is about.' })),
  queuedBy: Type.String(),
  state: Type.Enum([...outboundStates]),
  attempts: Type.Integer({ description: 'Sendings that were begun.' }),
  nextAt: orNull(instant('Next sending, of one that waits')),
  responseCode: orNull(Type.String({ description: 'DE39 of the last answer.' })),
  error: text,
  createdAt: instant('When it was queued'),
  sentAt: orNull(instant('When it was last sent')),
  endedAt: orNull(instant('When it ended')),
}
const messageShape = shape(messageProperties)
const eventShape = shape({
  at: instant('When'),
  attempt: Type.Integer({ description: 'Number of the sending.' }),
  event: Type.String(),
  mti: text,
  responseCode: text,
  detail: text,
  actor: Type.String(),
})

const seenShape = shape({ messageId: Type.Integer(), state: Type.Enum(['waiting', 'dropped']) })

function messageView({ id: messageId, fields: _, ...message }: OutboundRecord) {
  const { nextAtMs, createdAtMs, sentAtMs, endedAtMs, ...rest } = message
  return {
    messageId,
    ...rest,
    authorizationId: rest.authorizationId ?? null,
    householdId: rest.householdId ?? null,
    panMasked: rest.panMasked ?? null,
    subject: rest.subject ?? null,
    responseCode: rest.responseCode ?? null,
    error: rest.error ?? null,
    nextAt: rest.state === 'waiting' ? instantOf(nextAtMs) : null,
    createdAt: instantOf(createdAtMs),
    sentAt: instantOf(sentAtMs),
    endedAt: instantOf(endedAtMs),
  }
}

/**
 * Has a message sent again, or dropped: by whoever asks, or, where it moves money, asks for it, so that a second person
 * agrees.
 */
async function seeTo(
  call: Call<{ readonly messageId: number }, unknown, { readonly reason: string }>,
  what: 'resend' | 'drop',
  work: (client: Client, message: number, by: OutboundAuthor) => Promise<OutboundRecord['state']>,
): Promise<Answer> {
  const { messageId } = call.params
  const { reason } = call.body
  const { message } = await readOutbound(call.services.database.queryable, messageId)
  // To send again what waits anyway takes nothing from anybody.
  if (movesMoney(message) && !(what === 'resend' && message.state === 'waiting')) {
    return proposeOnce(call, { kind: `outbound-${what}`, payload: { messageId }, reason })
  }
  return changeOnce(call, async (client) => {
    const before = await work(client, messageId, { actor: call.actor.id, reason, nowMs: call.services.clock.now() })
    refuseAlone(message, before)
    const state = what === 'resend' ? 'waiting' : 'dropped'
    return { answer: ok({ messageId, state }), detail: { message: messageId, reason } }
  })
}

/** Messages that Mizan itself sends. */
export const outboundRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/outbound-messages',
    tag,
    summary: 'list messages of our own and what became of them, the newest first',
    query: shape({
      destination: Type.Optional(destination),
      state: Type.Optional(Type.Enum([...outboundStates])),
      kind: Type.Optional(Type.Enum([...forwardKinds])),
      authorization: Type.Optional(id('Only those that this authorization caused.')),
      ...paging,
    }),
    answers: { 200: pageOf(messageShape) },
    citizen: true,
    handler: async (call) => {
      const { limit, cursor, destination: link, authorization } = call.query
      const state = outboundStates.find((one) => one === call.query.state)
      const kind = forwardKinds.find((one) => one === call.query.kind)
      const beforeId = idCursor(cursor)
      const rows = await call.services.database.read((client) =>
        listOutbound(client, {
          limit: rowsFor(limit),
          ...(link === undefined ? {} : { destination: link }),
          ...(state === undefined ? {} : { state }),
          ...(kind === undefined ? {} : { kind }),
          ...(authorization === undefined ? {} : { authorizationId: authorization }),
          ...(beforeId === undefined ? {} : { beforeId }),
        }),
      )
      await call.looked(rows.flatMap(({ householdId }) => householdId ?? []))
      return ok(page(rows, limit, ({ id: row }) => [row], messageView))
    },
  }),
  route({
    method: 'GET',
    path: '/outbound-messages/{messageId}',
    tag,
    summary: 'show a message of our own with all that happened to it',
    params,
    answers: {
      200: shape({
        ...messageProperties,
        fields: Type.Record(Type.String(), Type.String(), { description: 'By data element; never a card number.' }),
        events: Type.Array(eventShape, { description: 'Oldest first.' }),
      }),
    },
    citizen: true,
    handler: async (call) => {
      const { message, events } = await readOutbound(call.services.database.queryable, call.params.messageId)
      await call.looked(message.householdId === undefined ? [] : [message.householdId], { message: message.id })
      const shown = events.map(({ atMs, ...event }) => ({
        ...event,
        mti: event.mti ?? null,
        responseCode: event.responseCode ?? null,
        detail: event.detail ?? null,
        at: instantOf(atMs),
      }))
      return ok({ ...messageView(message), fields: message.fields, events: shown })
    },
  }),
  route({
    method: 'GET',
    path: '/outbound-destinations',
    tag,
    summary: 'show for each destination what waits, for how long, and what is dead',
    answers: {
      200: shape({
        items: Type.Array(
          shape({
            destination,
            waiting: Type.Integer({ description: 'Up to 100,000.' }),
            dead: Type.Integer({ description: 'Up to 100,000.' }),
            oldestAt: orNull(instant('When the oldest that waits was queued')),
            owner: orNull(Type.String({ description: 'Process that sends.' })),
          }),
        ),
      }),
    },
    handler: async (call) => {
      const states = await readDestinations(call.services.database.queryable)
      const items = states.map(({ oldestAtMs, owner, ...state }) => ({
        ...state,
        oldestAt: instantOf(oldestAtMs),
        owner: owner ?? null,
      }))
      return ok({ items })
    },
  }),
  route({
    method: 'POST',
    path: '/outbound-messages/{messageId}/resend',
    tag,
    summary: 'send a dead letter again, or one that waits at once; where it moves money, a second person has to agree',
    params,
    body: shape({ reason: words('Why.', 300) }),
    answers: { 200: seenShape, 202: changeShape },
    changes: true,
    handler: (call) => seeTo(call, 'resend', resendOutbound),
  }),
  route({
    method: 'POST',
    path: '/outbound-messages/{messageId}/drop',
    tag,
    summary: 'never send a message; where it moves money, a second person has to agree',
    params,
    body: shape({ reason: words('Why, and what was done in its place.', 300) }),
    answers: { 200: seenShape, 202: changeShape },
    changes: true,
    handler: (call) => seeTo(call, 'drop', dropOutbound),
  }),
]
