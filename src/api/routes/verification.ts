import { Type } from 'typebox'
import { readHousehold } from '../../store/search-households.ts'
import { exceptionsOf } from '../../store/verification-exceptions.ts'
import { instantOf } from '../cursor.ts'
import { dashed } from '../days.ts'
import { commandOnce } from '../once.ts'
import { ok, type Route, route } from '../route.ts'
import { commandAnswers, date, id, instant, orNull, ownerId, shape, words } from '../shapes.ts'

const tag = 'verification'
const householdId = ownerId('Number of the household.')
const params = shape({ householdId })

const exceptionShape = shape({
  exceptionId: Type.Integer({ description: 'That of the change request which two people agreed on.' }),
  programme: orNull(Type.Integer({ description: 'Number of the programme; null = all.' })),
  from: date('First day.'),
  until: date('Last day.'),
  reason: Type.String(),
  givenBy: Type.String(),
  endedAt: orNull(instant('When it was ended before its time')),
  endedBy: orNull(Type.String()),
})

/** How holders are verified otherwise than by fingerprint and PIN (docs/authorizations.md). */
export const verificationRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/households/{householdId}/one-time-code',
    tag,
    summary: 'have a one-time code sent to the head of household',
    params,
    answers: commandAnswers,
    changes: true,
    handler: (call) =>
      commandOnce(call, async (client) => {
        const household = await readHousehold(client, call.params.householdId)
        return { kind: 'one-time-code', lane: household.lane, householdId: household.id, detail: {} }
      }),
  }),
  route({
    method: 'GET',
    path: '/households/{householdId}/exceptions',
    tag,
    summary: 'list the exceptions from verification that a household was given, the newest first',
    description: 'One is given by a change request of kind `verification-exception`, which a second person agrees to.',
    params,
    answers: { 200: shape({ items: Type.Array(exceptionShape) }) },
    citizen: true,
    handler: async (call) => {
      const { householdId: household } = call.params
      const found = await call.services.database.read((client) => exceptionsOf(client, household))
      await call.looked([household])
      const items = found.map(({ id: exceptionId, programme, from, until, endedAtMs, endedBy, ...one }) => ({
        ...one,
        exceptionId,
        programme: programme === 0 ? null : programme,
        from: dashed(from),
        until: dashed(until),
        endedAt: instantOf(endedAtMs),
        endedBy: endedBy ?? null,
      }))
      return ok({ items })
    },
  }),
  route({
    method: 'POST',
    path: '/households/{householdId}/exceptions/{exceptionId}/end',
    tag,
    summary: 'end an exception from verification before its time',
    params: shape({ householdId, exceptionId: id('Number of the exception.') }),
    body: shape({ reason: words('Why; it stays in the journal.', 200) }),
    answers: commandAnswers,
    changes: true,
    handler: (call) =>
      commandOnce(call, async (client) => {
        const household = await readHousehold(client, call.params.householdId)
        const detail = { id: call.params.exceptionId, reason: call.body.reason }
        return { kind: 'exception-end', lane: household.lane, householdId: household.id, detail }
      }),
  }),
]
