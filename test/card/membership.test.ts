import fc from 'fast-check'
import t from 'tap'
import { addDays, type CivilDate, monthOf } from '../../src/calendar.ts'
import { type HouseholdTerm, termOn } from '../../src/card/household.ts'
import {
  changeTerms,
  isMembershipEvent,
  MEMBERS_MAX,
  openingTerms,
  type TermChange,
  termStart,
} from '../../src/card/membership.ts'

function term(from: number, members: number, status: HouseholdTerm['status'] = 'active'): HouseholdTerm {
  return { from: from as CivilDate, members, status }
}

const start = term(20260101, 4)
const day = (date: number) => date as CivilDate

t.test('a change counts from the day after it takes effect, and never for a day that has begun', async (t) => {
  const today = day(20261111)
  t.equal(termStart(day(20261111), today), 20261112)
  t.equal(termStart(day(20261001), today), 20261112, 'what came late')
  t.equal(termStart(day(20261130), today), 20261201, 'what is known before')
})

t.test('a new household has nothing before the day from which it is entitled', async (t) => {
  t.same(openingTerms(3, day(20261101), day(20261111)), [term(20261101, 3)])
  t.same(openingTerms(3, day(20261201), day(20261111)), [term(20261111, 3, 'suspended'), term(20261201, 3)])
})

t.test('bread sees a new member the next day, ration the next month', async (t) => {
  const terms = changeTerms([start], day(20261112), { membersBy: 1 }) as HouseholdTerm[]
  t.same(terms, [start, term(20261112, 5)])
  const membersOn = (date: number) => termOn({ terms }, day(date)).members
  t.equal(membersOn(20261111), 4)
  t.equal(membersOn(20261112), 5)
  t.equal(membersOn(monthOf(day(20261112)) * 100 + 1), 4, 'the month is what it was on its first day')
  t.equal(membersOn(20261201), 5)
})

t.test('later terms take a change over, unless they say themselves what they are', async (t) => {
  const cases: [string, HouseholdTerm[], number, TermChange, HouseholdTerm[]][] = [
    [
      'members of a later term',
      [start, term(20261201, 6)],
      20261112,
      { membersBy: -1 },
      [start, term(20261112, 3), term(20261201, 5)],
    ],
    ['the same day again', [start, term(20261112, 5)], 20261112, { membersBy: 1 }, [start, term(20261112, 6)]],
    [
      'suspended until it is reinstated',
      [start, term(20261201, 5)],
      20261112,
      { status: 'suspended' },
      [start, term(20261112, 4, 'suspended'), term(20261201, 5, 'suspended')],
    ],
    [
      'a later suspension stays one',
      [start, term(20261201, 4, 'suspended')],
      20261112,
      { membersBy: 1 },
      [start, term(20261112, 5), term(20261201, 5, 'suspended')],
    ],
    [
      'a reinstatement that was set stays',
      [term(20260101, 4, 'suspended'), term(20261201, 4)],
      20261112,
      { membersBy: 1 },
      [term(20260101, 4, 'suspended'), term(20261112, 5, 'suspended'), term(20261201, 5)],
    ],
    ['before the first term', [start], 20251201, { membersBy: 1 }, [term(20251201, 5), term(20260101, 5)]],
  ]
  for (const [what, before, from, change, after] of cases) t.same(changeTerms(before, day(from), change), after, what)
})

t.test('what cannot be is said in words', async (t) => {
  t.match(changeTerms([term(20260101, 1)], day(20261112), { membersBy: -1 }), /has a member: suspend/)
  t.match(changeTerms([start, term(20261201, 1)], day(20261112), { membersBy: -1 }), /has a member/)
  t.match(changeTerms([term(20260101, MEMBERS_MAX)], day(20261112), { membersBy: 1 }), /at most 60 members/)
  t.match(changeTerms([start], day(20261112), { status: 'active' }), /is active already/)
  t.ok(isMembershipEvent('head-changed'))
  t.notOk(isMembershipEvent('moved'))
})

t.test('any changes leave terms in order, one for a day, and the days before as they were', async () => {
  const changes = fc.array(
    fc.tuple(
      fc.integer({ min: 0, max: 400 }),
      fc.oneof(
        fc.constantFrom<TermChange>({ membersBy: 1 }, { membersBy: -1 }),
        fc.constantFrom<TermChange>({ status: 'suspended' }, { status: 'active' }),
      ),
    ),
    { maxLength: 30 },
  )
  fc.assert(
    fc.property(changes, fc.integer({ min: 0, max: 400 }), (steps, probe) => {
      let terms: readonly HouseholdTerm[] = [term(20250601, 3)]
      let members = 3
      for (const [days, change] of steps) {
        const from = addDays(day(20260101), days)
        const next = changeTerms(terms, from, change)
        if (typeof next === 'string') continue
        const date = addDays(day(20260101), probe)
        if (date < from && termOn({ terms: next }, date) !== termOn({ terms }, date)) return false
        terms = next
        members += change.membersBy ?? 0
      }
      const sorted = terms.every((one, at) => at === 0 || (terms[at - 1] as HouseholdTerm).from < one.from)
      const last = terms.at(-1) as HouseholdTerm
      return sorted && last.members === members
    }),
  )
})
