import { Type } from 'typebox'
import { type CivilDate, firstDay, monthOf, nextMonth, previousMonth } from '../../calendar.ts'
import { governorates, isGovernorate } from '../../card/governorates.ts'
import type { HouseholdTerm } from '../../card/household.ts'
import {
  changeTerms,
  MEMBERS_MAX,
  openingTerms,
  type TermChange,
  termStart,
  termsAfterLast,
} from '../../card/membership.ts'
import { done, type Handler, type Outcome, refused } from './command.ts'
import { atHousehold, dateOf, type HouseholdContext, parts, withDetail } from './detail.ts'

const optional = Type.Optional
const classes = Type.Array(Type.String({ pattern: '^[a-z0-9-]{1,32}$' }), { maxItems: 16 })
const memberKey = Type.String({ pattern: '^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$' })
const lineKey = Type.String({ pattern: '^[0-9a-f]{32}$' })

const openSchema = Type.Object({
  asked: optional(Type.String()),
  household: optional(parts.id),
  governorate: Type.String(),
  classes,
  entitledFrom: parts.date,
  oldRationCard: Type.Union([Type.Literal('active'), Type.Literal('none')]),
  members: Type.Array(
    Type.Object({ person: parts.id, role: Type.Union([Type.Literal('head'), Type.Literal('member')]) }),
    { minItems: 1, maxItems: MEMBERS_MAX },
  ),
  order: parts.id,
  reasonCode: parts.reasonCode,
  source: parts.source,
})

/** Opens a household with its people and the application for its first card. */
export const openHousehold: Handler = withDetail(
  openSchema,
  (detail, { command, household, builder, entitlementDate }) => {
    const { householdId: id, requestedBy: actor } = command
    if (household !== undefined) return refused('there is such a household already')
    if (id === undefined) return refused('the command names no household')
    const { governorate, members, order, oldRationCard, reasonCode, source } = detail
    if (!isGovernorate(governorate)) return refused('there is no such governorate')
    if (members.filter(({ role }) => role === 'head').length !== 1) return refused('a household has one head')
    const from = dateOf(detail.entitledFrom)
    if (from === undefined || from < firstDay(monthOf(entitlementDate))) {
      return refused('a household is entitled from this month on at the earliest')
    }
    builder.change('household-open', {
      household: id,
      governorate,
      classes: detail.classes.toSorted(),
      closedMonth: previousMonth(monthOf(from)),
      oldRationCard,
    })
    builder.change('household-terms', { household: id, terms: openingTerms(members.length, from, entitlementDate) })
    for (const { person, role } of members) {
      builder.change('member-add', { household: id, person, role, from: entitlementDate, source })
    }
    builder.change('household-event', {
      household: id,
      event: 'opened',
      effective: entitlementDate,
      countsFrom: from,
      reasonCode,
      actor,
      source,
    })
    builder.change('order-open', {
      household: id,
      order,
      reason: 'first',
      state: 'applied',
      feePiasters: 0,
      feePaid: 'none',
      openedOn: entitlementDate,
      actor,
    })
    return done(`household ${id} with ${members.length} member(s), entitled from ${from}`, {
      members: members.length,
      from,
      order,
    })
  },
)

const membershipSchema = Type.Object({
  asked: optional(Type.String()),
  effective: parts.date,
  /** Absent where a household's people are known by their number alone. */
  person: optional(parts.id),
  memberKey: optional(memberKey),
  reasonCode: parts.reasonCode,
  reason: optional(Type.String({ maxLength: 200 })),
  source: parts.source,
  lineKey: optional(lineKey),
  /** Of a removal: the person is the only one, and the household ends. */
  last: optional(Type.Literal(true)),
})
type MembershipDetail = Type.Static<typeof membershipSchema>

/** A person becomes a member. */
export const addPerson: Handler = atHousehold(membershipSchema, (detail, context) =>
  changeMembers(detail, context, 'added', { membersBy: 1 }),
)

/** A person is a member no more; the head only after another has taken the place, or as the last one. */
export const removePerson: Handler = atHousehold(membershipSchema, (detail, context) =>
  detail.last === true ? removeLast(detail, context) : changeMembers(detail, context, 'removed', { membersBy: -1 }),
)

/** Who lived alone died, or goes to another household: what is left gets no support any more. */
function removeLast(detail: MembershipDetail, context: HouseholdContext): Outcome {
  const { household, builder, entitlementDate } = context
  const day = dateOf(detail.effective)
  if (day === undefined) return refused('there is no such date')
  const from = termStart(day, entitlementDate)
  const terms = termsAfterLast(household.terms, from)
  const changed = terms.filter((term) => term.from >= from)
  if (changed.some(({ members }) => members !== 1)) return refused('the household has other members')
  household.terms = terms
  const { person } = detail
  builder.change('household-terms', { household: household.id, terms: changed })
  builder.change('member-end', { household: household.id, person, to: from, last: true })
  noteEvent(detail, context, 'removed', from)
  return done(`the last member has left: no support from ${from}`, { event: 'removed', from })
}

function changeMembers(
  detail: MembershipDetail,
  context: HouseholdContext,
  event: 'added' | 'removed',
  change: TermChange,
): Outcome {
  const { household, builder, command } = context
  const dated = applyTerms(detail, context, change)
  if (typeof dated === 'string') return refused(dated)
  const { from, term } = dated
  const { person, memberKey: key, source } = detail
  if (person !== undefined && event === 'added') {
    builder.change('member-add', { household: household.id, person, role: 'member', from, memberKey: key, source })
  }
  if (person !== undefined && event === 'removed') {
    builder.change('member-end', { household: household.id, person, to: from })
  }
  noteEvent(detail, context, event, from)
  builder.notify(household.id, 'membership-changed', {
    members: term.members,
    breadFrom: from,
    rationFrom: monthStart(from),
  })
  return done(`${term.members} member(s) from ${from}`, { event, from, members: term.members, by: command.requestedBy })
}

const standingSchema = Type.Object({
  ...membershipSchema.properties,
  event: Type.Union([Type.Literal('suspended'), Type.Literal('reinstated')]),
})

/** A household is suspended, or gets its support again, from a date on. */
export const changeStanding: Handler = atHousehold(standingSchema, (detail, context) => {
  const { event } = detail
  const dated = applyTerms(detail, context, { status: event === 'suspended' ? 'suspended' : 'active' })
  if (typeof dated === 'string') return refused(dated)
  const { from } = dated
  noteEvent(detail, context, event, from)
  context.builder.notify(context.household.id, `household-${event}`, { from })
  return done(`the household is ${event} from ${from}`, { event, from })
})

const headSchema = Type.Object({ ...membershipSchema.properties, person: parts.id })

/** Another member becomes the head of household, to whom messages go (M15). */
export const changeHead: Handler = atHousehold(headSchema, (detail, context) => {
  const { household, builder, entitlementDate } = context
  builder.change('member-head', { household: household.id, person: detail.person })
  noteEvent(detail, context, 'head-changed', entitlementDate)
  builder.notify(household.id, 'head-changed', {})
  return done('the household has another head', { event: 'head-changed', person: detail.person })
})

const classesSchema = Type.Object({ ...membershipSchema.properties, classes })

/** A household belongs to other classes, at once: what they entitle to is looked at when it is drawn. */
export const changeClasses: Handler = atHousehold(classesSchema, (detail, context) => {
  const { household, builder, entitlementDate } = context
  const sorted = [...new Set(detail.classes)].sort()
  if (sorted.join() === household.classes.join()) return refused('the household belongs to these classes already')
  household.classes = sorted
  builder.change('household-classes', { household: household.id, classes: sorted })
  noteEvent(detail, context, 'classes-changed', entitlementDate)
  return done(sorted.length === 0 ? 'the household belongs to no class' : `the classes are ${sorted.join(', ')}`, {
    classes: sorted.join(' '),
  })
})

const moveSchema = Type.Object({ ...membershipSchema.properties, governorate: Type.String() })

/** A household lives in another governorate: its outlets serve it at once, and those of the one before no more. */
export const moveHousehold: Handler = atHousehold(moveSchema, (detail, context) => {
  const { household, builder, entitlementDate } = context
  const { governorate } = detail
  if (!isGovernorate(governorate)) return refused('there is no such governorate')
  const before = household.governorate
  if (governorate === before) return refused('the household lives there already')
  household.governorate = governorate
  builder.change('household-move', { household: household.id, governorate })
  noteEvent(detail, context, 'moved', entitlementDate)
  const { name: en, nameAr: ar } = governorates[governorate]
  builder.notify(household.id, 'household-moved', { governorate: { ar, en } })
  return done(`the household moved from ${before} to ${governorate}`, { event: 'moved', before, governorate })
})

/** Changes the terms in memory and names them. @returns from when they count, or why they cannot be changed */
function applyTerms(
  { effective }: MembershipDetail,
  { household, builder, entitlementDate }: HouseholdContext,
  change: TermChange,
): { from: CivilDate; term: HouseholdTerm } | string {
  const day = dateOf(effective)
  if (day === undefined) return 'there is no such date'
  const from = termStart(day, entitlementDate)
  const terms = changeTerms(household.terms, from, change)
  if (typeof terms === 'string') return terms
  const changed = terms.filter((term) => term.from >= from)
  const [term] = changed
  if (term === undefined) return 'the household has no term'
  household.terms = terms
  builder.change('household-terms', { household: household.id, terms: changed })
  return { from, term }
}

function noteEvent(
  { effective, person, reasonCode, reason, source, lineKey: key }: MembershipDetail,
  { household, builder, command }: HouseholdContext,
  event: string,
  countsFrom: CivilDate,
): void {
  const { requestedBy: actor } = command
  builder.change('household-event', {
    household: household.id,
    event,
    effective,
    countsFrom,
    person,
    reasonCode,
    reason,
    actor,
    source,
    lineKey: key,
  })
}

/** First day of the first month that sees a change of this date. */
function monthStart(from: CivilDate): CivilDate {
  const first = firstDay(monthOf(from))
  return first === from ? first : firstDay(nextMonth(monthOf(from)))
}
