import { Type } from 'typebox'
import { listAudit } from '../../store/audit-store.ts'
import { idCursor, instantOf, page, rowsFor } from '../cursor.ts'
import { ok, type Route, route } from '../route.ts'
import { givenInstant, instant, ownerId, pageOf, paging, shape, words } from '../shapes.ts'

const eventShape = shape({
  id: Type.Integer(),
  at: instant('When'),
  actor: Type.String({ description: '`user:NAME`, `key:ID`, `system:USER` on the command line, or `nobody`.' }),
  source: Type.String({ description: 'Address of the caller.' }),
  requestId: Type.String(),
  action: Type.String({ description: 'Method and route, or the command.' }),
  outcome: Type.String(),
  households: Type.Array(Type.Integer()),
  detail: Type.Record(Type.String(), Type.Unknown()),
})

/** What was done and looked at. */
export const auditRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/audit',
    tag: 'audit',
    summary: 'list what was done and looked at, the newest first',
    query: shape({
      household: Type.Optional(ownerId('Only what concerns this household.')),
      actor: Type.Optional(words('Only what this one did.', 80)),
      action: Type.Optional(words('Only this action.', 128)),
      from: Type.Optional(givenInstant('From this instant on')),
      to: Type.Optional(givenInstant('Before this instant')),
      ...paging,
    }),
    answers: { 200: pageOf(eventShape) },
    handler: async ({ services, query }) => {
      const { household, actor, action, from, to, limit, cursor } = query
      const beforeId = idCursor(cursor)
      const rows = await services.database.read((client) =>
        listAudit(client, {
          limit: rowsFor(limit),
          ...(household === undefined ? {} : { householdId: household }),
          ...(actor === undefined ? {} : { actor }),
          ...(action === undefined ? {} : { action }),
          ...(from === undefined ? {} : { fromMs: Date.parse(from) }),
          ...(to === undefined ? {} : { toMs: Date.parse(to) }),
          ...(beforeId === undefined ? {} : { beforeId }),
        }),
      )
      return ok(
        page(
          rows,
          limit,
          ({ id }) => [id],
          ({ atMs, ...event }) => ({ ...event, at: instantOf(atMs) }),
        ),
      )
    },
  }),
]
