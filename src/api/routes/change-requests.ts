import { Type } from 'typebox'
import { changeStates, expireRequests, listChangeRequests, readChangeRequest } from '../../store/change-request.ts'
import { changeKinds } from '../change-kinds.ts'
import { approveOnce, changeView, proposeOnce, rejectOnce, settle } from '../changes.ts'
import { idCursor, page, rowsFor } from '../cursor.ts'
import { ok, type Route, route } from '../route.ts'
import { id, instant, orNull, ownerId, pageOf, paging, shape, words } from '../shapes.ts'

const tag = 'change requests'
const params = shape({ changeId: id('Number of the change request.') })
const kindShape = Type.Enum(Object.keys(changeKinds))

/** A change request in an answer. */
export const changeShape = shape({
  changeId: Type.Integer(),
  kind: Type.String(),
  payload: Type.Record(Type.String(), Type.Unknown()),
  householdId: orNull(Type.Integer()),
  reason: Type.String(),
  maker: Type.String(),
  state: Type.Enum([...changeStates]),
  checker: orNull(Type.String()),
  note: orNull(Type.String()),
  commandId: orNull(Type.String({ description: 'What carries it out.' })),
  result: orNull(Type.String({ description: 'What came of it; null while it is under way.' })),
  createdAt: instant('When it was asked for'),
  expiresAt: instant('Until when it waits'),
  decidedAt: orNull(instant('When it was decided')),
})

const kindsInWords = Object.entries(changeKinds)
  .map(
    ([name, { what, makers, checkers }]) =>
      `- \`${name}\`: ${what}; asked for by ${makers.join(', ')}, agreed to by ${checkers.join(', ')}`,
  )
  .join('\n')

/** What needs a second person. */
export const changeRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/change-requests',
    tag,
    summary: 'list change requests, the newest first',
    query: shape({
      state: Type.Optional(Type.Enum([...changeStates])),
      kind: Type.Optional(kindShape),
      household: Type.Optional(ownerId('Only what concerns this household.')),
      ...paging,
    }),
    answers: { 200: pageOf(changeShape) },
    citizen: true,
    handler: async (call) => {
      const { state, kind, household, limit, cursor } = call.query
      const beforeId = idCursor(cursor)
      const { queryable } = call.services.database
      await expireRequests(queryable)
      const rows = await listChangeRequests(queryable, {
        limit: rowsFor(limit),
        ...(state === undefined ? {} : { state }),
        ...(kind === undefined ? {} : { kind: String(kind) }),
        ...(household === undefined ? {} : { householdId: household }),
        ...(beforeId === undefined ? {} : { beforeId }),
      })
      await call.looked(rows.flatMap(({ householdId }) => householdId ?? []))
      return ok(page(rows, limit, ({ id: row }) => [row], changeView))
    },
  }),
  route({
    method: 'GET',
    path: '/change-requests/{changeId}',
    tag,
    summary: 'show a change request and what came of it',
    params,
    answers: { 200: changeShape },
    citizen: true,
    handler: async (call) => {
      const { services, params: asked } = call
      await expireRequests(services.database.queryable)
      const request = await settle(services, await readChangeRequest(services.database.queryable, asked.changeId))
      await call.looked(request.householdId === undefined ? [] : [request.householdId], { change: request.id })
      return ok(changeView(request))
    },
  }),
  route({
    method: 'POST',
    path: '/change-requests',
    tag,
    summary: 'ask for a change that needs a second person',
    description: kindsInWords,
    body: shape({
      kind: kindShape,
      payload: Type.Record(Type.String(), Type.Unknown(), { description: 'As the kind asks.' }),
      reason: words('Why.'),
    }),
    answers: { 202: changeShape },
    changes: true,
    handler: async (call) => {
      const { kind, payload, reason } = call.body
      return proposeOnce(call, { kind: String(kind), payload, reason })
    },
  }),
  route({
    method: 'POST',
    path: '/change-requests/{changeId}/approve',
    tag,
    summary: 'agree to a change, as another person than who asked; it is carried out at once',
    params,
    body: shape({ note: Type.Optional(words('What should be known of it.')) }),
    answers: { 200: changeShape },
    changes: true,
    handler: (call) => approveOnce(call, call.params.changeId, call.body.note),
  }),
  route({
    method: 'POST',
    path: '/change-requests/{changeId}/reject',
    tag,
    summary: 'refuse a change, as another person than who asked',
    params,
    body: shape({ note: words('Why not.') }),
    answers: { 200: changeShape },
    changes: true,
    handler: (call) => rejectOnce(call, call.params.changeId, call.body.note),
  }),
]
