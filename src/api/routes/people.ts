import { Type } from 'typebox'
import { accountPlaces } from '../../card/household.ts'
import {
  addMember,
  changeHead,
  enrolHeadFingerprint,
  enrolHousehold,
  linkAccount,
  moveHousehold,
  removeMember,
  setClasses,
} from '../../store/people-enrolment.ts'
import { readDevices, readHouseholdEvents, readMembers, readPostalLink } from '../../store/people-reader.ts'
import { readHousehold } from '../../store/search-households.ts'
import { instantOf } from '../cursor.ts'
import { dashed } from '../days.ts'
import { askAtDesk, deskOf } from '../desk.ts'
import { ok, type Route, route } from '../route.ts'
import { commandAnswers, date, id, instant, orNull, ownerId, shape, words } from '../shapes.ts'

const tag = 'people'
const params = shape({ householdId: ownerId('Number of the household.') })
const memberParams = shape({ householdId: ownerId('Number of the household.'), personId: id('Number of the person.') })
const classes = Type.Array(Type.String({ pattern: '^[a-z0-9-]{1,32}$' }), { maxItems: 16, uniqueItems: true })

const governorate = Type.String({ pattern: '^[A-Z]{1,3}$', description: 'Where it lives: ISO 3166-2:EG, such as PTS.' })

/** A person as they are entered. */
export const personBody = {
  nationalId: Type.String({ minLength: 14, maxLength: 20, description: '14 digits, also Arabic-Indic ones.' }),
  name: words('As it stands on the national ID.', 100),
  mobile: Type.Optional(
    Type.String({ minLength: 10, maxLength: 20, description: 'In the own name; the head needs one.' }),
  ),
  mobileProof: Type.Optional(words('How that was shown, such as `operator-check` or `contract`.', 32)),
}

const change = {
  effective: Type.Optional(date('Day of the change; it counts from the day after. Absent = today.')),
  reasonCode: Type.String({ pattern: '^[a-z][a-z-]{1,31}$', description: 'Such as `birth`, `death` or `moved`.' }),
  reason: Type.Optional(words('More about it.', 200)),
}

/** Of what counts at once, whatever day it is said to be of. */
const changeAtOnce = {
  ...change,
  effective: Type.Optional(date('Day of the change, for the history; it counts at once. Absent = today.')),
}

const memberShape = shape({
  personId: Type.Integer(),
  role: Type.Enum(['head', 'member']),
  name: Type.String(),
  nationalId: Type.String({ description: 'The last four digits.' }),
  mobile: orNull(Type.String({ description: 'The last three digits.' })),
  birthDate: date('Day of birth.'),
  sex: Type.Enum(['male', 'female']),
  from: date('First day as a member.'),
  to: orNull(date('First day no more a member.')),
  memberKey: orNull(Type.String()),
  fingerprints: Type.Integer({ description: 'How many are enrolled.' }),
})

const eventShape = shape({
  at: instant('When it was carried out'),
  event: Type.String(),
  effective: Type.String(),
  countsFrom: Type.String(),
  personId: orNull(Type.Integer()),
  reasonCode: Type.String(),
  reason: Type.String(),
  actor: Type.String(),
  source: Type.String(),
})

const peopleShape = shape({
  members: Type.Array(memberShape),
  events: Type.Array(eventShape, { description: 'The newest first.' }),
  account: orNull(
    shape({
      kind: Type.Enum(['new', 'existing']),
      reference: Type.String({ description: 'Masked.' }),
      linkedAt: instant('Since when'),
    }),
  ),
  devices: Type.Array(
    shape({
      cardId: Type.Integer(),
      device: Type.String(),
      addedAt: instant('Since when'),
      removedAt: orNull(instant('Until when')),
    }),
  ),
})

/** The people of households. */
export const peopleRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/households',
    tag,
    summary: 'enrol a household: its people, and the application for its first card',
    body: shape({
      head: shape(personBody),
      members: Type.Array(shape(personBody), { maxItems: 59 }),
      governorate,
      classes: Type.Optional(classes),
      entitledFrom: Type.Optional(date('First day of support, this month or later; absent = today.')),
      hasOldRationCard: Type.Boolean(),
    }),
    answers: commandAnswers,
    changes: true,
    handler: (call) =>
      askAtDesk(call, undefined, async (desk, actor) => (await enrolHousehold(desk, call.body, actor)).command),
  }),
  route({
    method: 'GET',
    path: '/households/{householdId}/people',
    tag,
    summary: 'show the people of a household, its postal account and telephones, and what happened',
    params,
    query: shape({ past: Type.Optional(Type.Boolean({ description: 'Those too who are members no more.' })) }),
    answers: { 200: peopleShape },
    citizen: true,
    handler: async (call) => {
      const { householdId } = call.params
      const found = await call.services.database.read(async (client) => {
        const desk = deskOf(call, client)
        await readHousehold(client, householdId)
        const members = await readMembers(desk, householdId, call.query.past)
        const events = await readHouseholdEvents(desk, householdId)
        const account = await readPostalLink(desk, householdId)
        return { members, events, account, devices: await readDevices(desk, householdId) }
      })
      await call.looked([householdId])
      const { members, events, account, devices } = found
      return ok({
        members: members.map((member) => ({
          ...member,
          birthDate: dashed(member.birthDate),
          from: dashed(member.from),
          to: member.to === undefined ? null : dashed(member.to),
          memberKey: member.memberKey ?? null,
          mobile: member.mobile ?? null,
        })),
        events: events.map(({ atMs, ...event }) => ({
          ...event,
          at: instantOf(atMs),
          effective: dashed(event.effective),
          countsFrom: dashed(event.countsFrom),
          personId: event.personId ?? null,
        })),
        account: account === undefined ? null : { ...account, linkedAt: instantOf(account.linkedAtMs) },
        devices: devices.map(({ addedAtMs, removedAtMs, ...device }) => ({
          ...device,
          addedAt: instantOf(addedAtMs),
          removedAt: instantOf(removedAtMs),
        })),
      })
    },
  }),
  route({
    method: 'POST',
    path: '/households/{householdId}/members',
    tag,
    summary: 'add a person to a household',
    params,
    body: shape({ ...personBody, ...change }),
    answers: commandAnswers,
    changes: true,
    handler: (call) =>
      askAtDesk(call, call.params.householdId, (desk, actor) =>
        addMember(desk, call.params.householdId, call.body, actor),
      ),
  }),
  route({
    method: 'POST',
    path: '/households/{householdId}/members/{personId}/remove',
    tag,
    summary: 'take a person out of a household',
    params: memberParams,
    body: shape(change),
    answers: commandAnswers,
    changes: true,
    handler: (call) => {
      const { householdId, personId } = call.params
      return askAtDesk(call, householdId, (desk, actor) => removeMember(desk, householdId, personId, call.body, actor))
    },
  }),
  route({
    method: 'POST',
    path: '/households/{householdId}/members/{personId}/head',
    tag,
    summary: 'make another member the head of household, to whom messages go',
    params: memberParams,
    body: shape(changeAtOnce),
    answers: commandAnswers,
    changes: true,
    handler: (call) => {
      const { householdId, personId } = call.params
      return askAtDesk(call, householdId, (desk, actor) => changeHead(desk, householdId, personId, call.body, actor))
    },
  }),
  route({
    method: 'POST',
    path: '/households/{householdId}/classes',
    tag,
    summary: 'set the classes that a household belongs to',
    params,
    body: shape({ classes, ...changeAtOnce }),
    answers: commandAnswers,
    changes: true,
    handler: (call) => {
      const { householdId } = call.params
      const { classes: wanted, ...why } = call.body
      return askAtDesk(call, householdId, (desk, actor) => setClasses(desk, householdId, wanted, why, actor))
    },
  }),
  route({
    method: 'POST',
    path: '/households/{householdId}/move',
    tag,
    summary: 'say that a household lives in another governorate, whose outlets serve it at once',
    params,
    body: shape({ governorate, ...changeAtOnce }),
    answers: commandAnswers,
    changes: true,
    handler: (call) => {
      const { householdId } = call.params
      const { governorate: to, ...why } = call.body
      return askAtDesk(call, householdId, (desk, actor) => moveHousehold(desk, householdId, to, why, actor))
    },
  }),
  route({
    method: 'POST',
    path: '/households/{householdId}/account',
    tag,
    summary: 'link the Egypt Post account of a household',
    params,
    body: shape({
      kind: Type.Enum(['new', 'existing']),
      iban: Type.String({ minLength: 29, maxLength: 40, description: 'EG and 27 digits; kept as a keyed hash.' }),
      heldAt: Type.Optional(
        Type.Enum([...accountPlaces], {
          description: 'Where it is held from now on: here, or at the account host; absent = where it was.',
        }),
      ),
    }),
    answers: commandAnswers,
    changes: true,
    handler: (call) => {
      const { householdId } = call.params
      const { kind, iban } = call.body
      const place = accountPlaces.find((one) => one === call.body.heldAt)
      const held = place === undefined ? {} : { heldAt: place }
      const input = { kind: kind === 'new' ? kind : ('existing' as const), iban, ...held }
      return askAtDesk(call, householdId, (desk, actor) => linkAccount(desk, householdId, input, actor))
    },
  }),
  route({
    method: 'POST',
    path: '/households/{householdId}/fingerprint',
    tag,
    summary: 'note that the fingerprint of the head is enrolled; the template never comes here',
    params,
    body: shape({
      deviceId: Type.String({ pattern: '^[0-9a-f]{16}$', description: 'Device that enrolled it, 16 hex digits.' }),
      templateRef: Type.String({
        pattern: '^[0-9a-f]{16}$',
        description: 'How the store of templates names it, 16 hex digits.',
      }),
    }),
    answers: commandAnswers,
    changes: true,
    handler: (call) => {
      const { householdId } = call.params
      return askAtDesk(call, householdId, (desk, actor) => enrolHeadFingerprint(desk, householdId, call.body, actor))
    },
  }),
]
