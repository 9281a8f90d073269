import { Type } from 'typebox'
import { codeNotice, orderedCode } from '../../authorization/one-time-code.ts'
import { daysBetween } from '../../calendar.ts'
import { done, type Handler, refused } from './command.ts'
import { atHousehold, dateOf, parts } from './detail.ts'

const asked = Type.Optional(Type.String())

/** Has a one-time code sent to the head of household: for whoever stands at a counter, or calls the hotline. */
export const sendCode: Handler = atHousehold(Type.Object({ asked }), (_, { household, builder, rules, ...context }) => {
  const rule = rules.policy.oneTimeCode
  const code = orderedCode(household, rule, { ...context, factor: builder.nextId })
  if (code === undefined) return refused(`the household was sent ${rule.perDayMax} codes today`)
  household.oneTimeCode = code
  builder.changeCode(household)
  const { template, detail } = codeNotice(code.factor, rule.validMs)
  builder.notify(household.id, template, detail)
  return done('a one-time code is sent to the head of household', { sent: code.sent })
})

/** Longest time that an exception is given for: what lasts longer is given again, and looked at again. */
const EXCEPTION_DAYS_MAX = 92
const EXCEPTIONS_MAX = 8

const addSchema = Type.Object({
  asked,
  id: parts.id,
  /** Code of the programme; absent = all. */
  programme: Type.Optional(Type.String({ maxLength: 32 })),
  from: parts.date,
  until: parts.date,
  reason: parts.reason,
})

/** Lets a household draw without the verification that a programme asks for, for a time (product.md, "fingerprint"). */
export const addException: Handler = atHousehold(addSchema, (detail, context) => {
  const { household, builder, command, rules, entitlementDate } = context
  const { id, reason } = detail
  const from = dateOf(detail.from)
  const until = dateOf(detail.until)
  if (from === undefined || until === undefined || until < from || until < entitlementDate) {
    return refused('an exception is from a day to a later one, and not over already')
  }
  if (daysBetween(from, until) > EXCEPTION_DAYS_MAX) {
    return refused(`an exception is for ${EXCEPTION_DAYS_MAX} days at most`)
  }
  if (household.exceptions.length >= EXCEPTIONS_MAX) return refused('the household has too many exceptions')
  const named = detail.programme
  const found = named === undefined ? undefined : rules.programmesOn(entitlementDate).byCode(named)
  if (named !== undefined && found === undefined) return refused('there is no such programme')
  const programme = found?.number ?? 0
  household.exceptions = [...household.exceptions, { id, programme, from, until }]
  const actor = command.requestedBy
  builder.change('exception-add', { id, household: household.id, programme, from, until, reason, actor })
  builder.notify(household.id, 'exception-given', { from, until })
  return done(`exception ${id}: ${named ?? 'all programmes'} from ${from} to ${until}`, { exception: id, programme })
})

const endSchema = Type.Object({ asked, id: parts.id, reason: parts.reason })

/** Ends an exception before its time. */
export const endException: Handler = atHousehold(endSchema, ({ id, reason }, { household, builder, command }) => {
  if (!household.exceptions.some((one) => one.id === id)) return refused('the household has no such exception')
  household.exceptions = household.exceptions.filter((one) => one.id !== id)
  builder.change('exception-end', { id, actor: command.requestedBy })
  return done(`exception ${id} is ended`, { exception: id, reason })
})
