import { Type } from 'typebox'
import {
  type HostException,
  listHostExceptions,
  readHostTotals,
  resolveHostException,
} from '../../store/host-exceptions.ts'
import { idCursor, instantOf, page, rowsFor } from '../cursor.ts'
import { changeOnce } from '../once.ts'
import { ok, type Route, route } from '../route.ts'
import { id, instant, orNull, pageOf, paging, shape, words } from '../shapes.ts'

const tag = 'account host'
const text = orNull(Type.String())

const exceptionShape = shape({
  exceptionId: Type.Integer({ description: 'Number of the message that was not taken.' }),
  authorizationId: Type.Integer({ description: 'Authorization or command that it belongs to.' }),
  householdId: Type.Integer(),
  kind: Type.Enum(['advice', 'reversal']),
  direction: Type.Enum(['debit', 'credit'], {
    description: 'debit: the account should have paid; credit: it should have been paid.',
  }),
  piasters: Type.Integer(),
  cause: Type.Enum(['refused', 'dropped']),
  responseCode: orNull(Type.String({ description: 'DE39 of the host.' })),
  raisedAt: instant('When it was raised'),
  resolvedAt: orNull(instant('When it was resolved')),
  resolvedBy: text,
  resolution: text,
})

function viewOf({ id: exceptionId, raisedAtMs, resolvedAtMs, ...exception }: HostException) {
  return {
    exceptionId,
    ...exception,
    responseCode: exception.responseCode ?? null,
    resolvedBy: exception.resolvedBy ?? null,
    resolution: exception.resolution ?? null,
    raisedAt: instantOf(raisedAtMs),
    resolvedAt: instantOf(resolvedAtMs),
  }
}

/** Accounts at the Post's account host: what waits for it, and what it refused. */
export const accountHostRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/account-host',
    tag,
    summary: 'show how things stand with the account host',
    answers: {
      200: shape({
        households: Type.Integer({ description: 'Whose account is held there.' }),
        openRequests: Type.Integer({ description: 'Asked, and not ended.' }),
        advicesWaiting: Type.Integer({ description: 'Not answered yet.' }),
        atRiskPiasters: Type.Integer({ description: 'Paid for accounts there, and not taken by the host.' }),
        exceptions: Type.Integer({ description: 'Not resolved.' }),
        exceptionPiasters: Type.Integer(),
        duePiasters: Type.Integer({ description: 'Balance of account kind 8005; below zero: the host owes it.' }),
      }),
    },
    handler: async (call) => ok({ ...(await call.services.database.read(readHostTotals)) }),
  }),
  route({
    method: 'GET',
    path: '/account-host/exceptions',
    tag,
    summary: 'list what the account host refused, or could not be told, the newest first',
    query: shape({
      resolved: Type.Optional(Type.Boolean({ description: 'Those that were resolved. Default: the open ones.' })),
      ...paging,
    }),
    answers: { 200: pageOf(exceptionShape) },
    citizen: true,
    handler: async (call) => {
      const { resolved = false, limit, cursor } = call.query
      const beforeId = idCursor(cursor)
      const rows = await call.services.database.read((client) =>
        listHostExceptions(client, {
          resolved,
          limit: rowsFor(limit),
          ...(beforeId === undefined ? {} : { beforeId }),
        }),
      )
      await call.looked(rows.map(({ householdId }) => householdId))
      return ok(page(rows, limit, ({ id: row }) => [row], viewOf))
    },
  }),
  route({
    method: 'POST',
    path: '/account-host/exceptions/{exceptionId}/resolve',
    tag,
    summary: 'note how an exception was settled with the Post; nothing is posted',
    params: shape({ exceptionId: id('Number of the exception.') }),
    body: shape({ resolution: words('How it was settled.', 300) }),
    answers: { 200: exceptionShape },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { exceptionId } = call.params
        const resolved = await resolveHostException(client, exceptionId, {
          resolution: call.body.resolution,
          actor: call.actor.id,
          nowMs: call.services.clock.now(),
        })
        const { householdId, piasters, direction } = resolved
        const detail = { exception: exceptionId, piasters, direction, resolution: resolved.resolution }
        return { answer: ok(viewOf(resolved)), households: [householdId], detail }
      }),
  }),
]
