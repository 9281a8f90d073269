import { Type } from 'typebox'
import { activationMoments } from '../../card/activation.ts'
import { todayAt } from '../../store/people-desk.ts'
import {
  announceHoliday,
  listHolidays,
  setActivationPolicy,
  setReplacementTerms,
  withdrawHoliday,
} from '../../store/people-rules.ts'
import { dashed } from '../days.ts'
import { deskOf } from '../desk.ts'
import { changeOnce } from '../once.ts'
import { ok, type Route, route } from '../route.ts'
import { date, shape, words } from '../shapes.ts'

const tag = 'issuance'
const dateParams = shape({ date: date('The day.') })
const holidayShape = shape({
  date: date('The day.'),
  name: Type.String(),
  announcedOn: date('Known since.'),
  bankOnly: Type.Boolean(),
})

const policy = {
  governorate: Type.Optional(
    Type.String({
      pattern: '^[A-Z]{1,3}$',
      description: 'ISO 3166-2:EG; absent = all that have no rule of their own.',
    }),
  ),
  from: date('First day of the rule.'),
  moment: Type.Enum([...activationMoments]),
  onDate: Type.Optional(date('With `on-date`.')),
}

const terms = {
  from: date('A day after today.'),
  feePiasters: Type.Integer({ minimum: 0, maximum: 10_000_000 }),
  workingDays: Type.Integer({ minimum: 1, maximum: 250, description: 'Until it is printed.' }),
}

/** What the issue of cards goes by: holidays, the moment of activation, what a replacement costs and how long it takes. */
export const issuanceRuleRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/holidays',
    tag,
    summary: 'list the holidays that are known, from today on',
    answers: { 200: shape({ items: Type.Array(holidayShape) }) },
    handler: async (call) => {
      const desk = deskOf(call, call.services.database.queryable)
      const found = await listHolidays(desk, todayAt(desk))
      const items = found.map((one) => ({ ...one, date: dashed(one.date), announcedOn: dashed(one.announcedOn) }))
      return ok({ items })
    },
  }),
  route({
    method: 'POST',
    path: '/holidays/{date}',
    tag,
    summary: 'announce a holiday; dates promised before it was known stay',
    params: dateParams,
    body: shape({
      name: words('What is celebrated.', 100),
      bankOnly: Type.Optional(
        Type.Boolean({ description: 'Only banks are closed: nothing settles, cards are issued.' }),
      ),
    }),
    answers: { 200: shape({ date: Type.String(), name: Type.String(), bankOnly: Type.Boolean() }) },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { name, bankOnly = false } = call.body
        const holiday = { date: call.params.date, name, bankOnly }
        await announceHoliday(deskOf(call, client), holiday, { name: call.actor.id })
        return { answer: ok(holiday), detail: holiday }
      }),
  }),
  route({
    method: 'POST',
    path: '/holidays/{date}/withdraw',
    tag,
    summary: 'say that an announced day is no holiday after all',
    params: dateParams,
    answers: { 200: shape({ date: Type.String(), withdrawn: Type.Boolean() }) },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { date: day } = call.params
        await withdrawHoliday(deskOf(call, client), day, { name: call.actor.id })
        return { answer: ok({ date: day, withdrawn: true }), detail: { holiday: day } }
      }),
  }),
  route({
    method: 'POST',
    path: '/activation-policies',
    tag,
    summary: 'set when collected cards become active, from a date on',
    body: shape(policy),
    answers: { 200: shape(policy) },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const moment = activationMoments.find((one) => one === call.body.moment) ?? 'on-collection'
        const rule = { ...call.body, moment }
        await setActivationPolicy(deskOf(call, client), rule, { name: call.actor.id })
        return { answer: ok(rule), detail: rule }
      }),
  }),
  route({
    method: 'POST',
    path: '/replacement-terms',
    tag,
    summary: 'set what a replacement costs and how fast it is made, from a date on',
    body: shape(terms),
    answers: { 200: shape(terms) },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        await setReplacementTerms(deskOf(call, client), call.body, { name: call.actor.id })
        return { answer: ok(call.body), detail: call.body }
      }),
  }),
]
