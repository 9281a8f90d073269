import { Type } from 'typebox'
import { changeMobile } from '../../store/people-entry.ts'
import { findMember, requireFound } from '../../store/people-reader.ts'
import { dashed } from '../days.ts'
import { deskOf } from '../desk.ts'
import { changeOnce } from '../once.ts'
import { ok, type Route, route } from '../route.ts'
import { date, id, orNull, shape, words } from '../shapes.ts'
import { personBody } from './people.ts'

const tag = 'people'

/** People, whatever household they belong to. */
export const personRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/people/search',
    tag,
    summary: 'find the household of a person by national ID or mobile number',
    description: 'For who has no card to show. The number comes in the body alone, and is kept nowhere.',
    body: shape({
      nationalId: Type.Optional(personBody.nationalId),
      mobile: Type.Optional(Type.String({ minLength: 10, maxLength: 20, description: 'Instead of the national ID.' })),
    }),
    answers: {
      200: shape({
        items: Type.Array(
          shape({
            householdId: Type.Integer(),
            personId: Type.Integer(),
            role: Type.Enum(['head', 'member']),
            from: date('First day as a member.'),
            to: orNull(date('First day no more a member.')),
          }),
          { description: 'The household of today first.' },
        ),
      }),
    },
    citizen: true,
    handler: async (call) => {
      const found = await call.services.database.read((client) => findMember(deskOf(call, client), call.body))
      await call.looked(found.map(({ householdId }) => householdId))
      requireFound(found)
      return ok({
        items: found.map((one) => ({
          ...one,
          from: dashed(one.from),
          to: one.to === undefined ? null : dashed(one.to),
        })),
      })
    },
  }),
  route({
    method: 'POST',
    path: '/people/{personId}/mobile',
    tag,
    summary: 'change the mobile number of a person: a number in the own name, of nobody else',
    params: shape({ personId: id('Number of the person.') }),
    body: shape({
      mobile: Type.String({ minLength: 10, maxLength: 20, description: 'In the own name.' }),
      mobileProof: words('How that was shown, such as `operator-check` or `contract`.', 32),
    }),
    answers: {
      200: shape({ personId: Type.Integer(), mobile: Type.String({ description: 'The last three digits.' }) }),
    },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { personId } = call.params
        const mobile = await changeMobile(deskOf(call, client), personId, call.body, { name: call.actor.id })
        return { answer: ok({ personId, mobile }), detail: { person: personId } }
      }),
  }),
]
