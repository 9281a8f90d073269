import fc from 'fast-check'
import t from 'tap'
import { addDays, type CivilDate, daysBetween, formatDate, monthOf, nextMonth, parseDate } from '../../src/calendar.ts'
import { activationRefusal, type DatedPolicy, isActiveOnCollection, policyFor } from '../../src/card/activation.ts'
import type { CardStatus } from '../../src/card/household.ts'
import {
  extendNotice,
  isNoticeOver,
  issuanceRefusal,
  issuanceStates,
  lastDayOf,
  type Notice,
  noticeOf,
  orderReasons,
  sameDayNextMonth,
} from '../../src/card/issuance.ts'
import {
  feeOf,
  replacementDueOn,
  replacementRefusal,
  replacementTermsOn,
  statusAfterReport,
} from '../../src/card/replacement.ts'
import { addWorkingDays, type Holiday, workingCalendar } from '../../src/card/working-days.ts'

const aDate = fc.integer({ min: 0, max: 20_000 }).map((days) => addDays(20200101 as CivilDate, days))

t.test('the issue of a card goes forward one step at a time, or is cancelled', async (t) => {
  const path: readonly string[] = issuanceStates.filter((state) => state !== 'cancelled')
  for (const from of issuanceStates) {
    for (const to of issuanceStates) {
      const isStep = from !== 'cancelled' && path.indexOf(to) === path.indexOf(from) + 1
      const isCancelled = to === 'cancelled' && from !== 'cancelled' && from !== 'active'
      t.equal(
        issuanceRefusal(from, to) === undefined,
        (isStep && to !== 'cancelled') || isCancelled,
        `${from} to ${to}`,
      )
    }
  }
  const over = (state: (typeof issuanceStates)[number]) =>
    issuanceStates.every((to) => issuanceRefusal(state, to) !== undefined)
  t.same(issuanceStates.filter(over), ['active', 'cancelled'])
  t.match(issuanceRefusal('cancelled', 'ready'), /apply again/)
})

t.test('a notice lasts to the same day of the next month, and once a month more', async (t) => {
  const cases: [sent: string, first: string, extended: string][] = [
    ['2026-11-11', '2026-12-11', '2027-01-11'],
    ['2027-01-31', '2027-02-28', '2027-03-31'],
    ['2028-01-31', '2028-02-29', '2028-03-31'],
    ['2027-01-29', '2027-02-28', '2027-03-29'],
    ['2027-02-28', '2027-03-28', '2027-04-28'],
    ['2028-02-29', '2028-03-29', '2028-04-29'],
    ['2026-12-31', '2027-01-31', '2027-02-28'],
    ['2026-03-31', '2026-04-30', '2026-05-31'],
    ['2026-04-24', '2026-05-24', '2026-06-24'],
  ]
  for (const [sent, first, extended] of cases) {
    const notice = noticeOf(parseDate(sent))
    t.equal(formatDate(notice.collectBy), first, sent)
    const more = extendNotice(notice, notice.collectBy) as Notice
    t.equal(formatDate(more.collectBy), extended, `${sent}, extended`)
    t.match(extendNotice(more, notice.sentOn), /once already/)
    t.match(extendNotice(notice, addDays(notice.collectBy, 1)), /is over: apply again/)
    t.notOk(isNoticeOver(notice, notice.collectBy), 'the last day counts')
    t.ok(isNoticeOver(notice, addDays(notice.collectBy, 1)))
  }
})

t.test('a month later is in the next month, on the same day or the last', async () => {
  fc.assert(
    fc.property(aDate, (date) => {
      const later = sameDayNextMonth(date)
      const month = nextMonth(monthOf(date))
      const days = daysBetween(date, later)
      return (
        monthOf(later) === month && later % 100 === Math.min(date % 100, lastDayOf(month)) && days >= 28 && days <= 31
      )
    }),
  )
})

const holidays: Holiday[] = [
  { date: 20270107 as CivilDate, name: 'Coptic Christmas', announcedOn: 20260101 as CivilDate },
  {
    date: 20270125 as CivilDate,
    name: '25 January',
    announcedOn: 20260101 as CivilDate,
    withdrawnOn: 20270120 as CivilDate,
  },
  { date: 20270128 as CivilDate, name: '25 January, moved', announcedOn: 20270120 as CivilDate },
]

t.test('working days are Sunday to Thursday, less the holidays known on the day', async (t) => {
  const known = workingCalendar(holidays, 20270101 as CivilDate)
  // 3 January 2027 is a Sunday.
  const week = [3, 4, 5, 6, 7, 8, 9].map((day) => known.isWorkingDay((20270100 + day) as CivilDate))
  t.same(week, [true, true, true, true, false, false, false], 'the 7th is a holiday, a Thursday')
  t.equal(addWorkingDays(20270104 as CivilDate, 10, known), 20270119)
  t.equal(addWorkingDays(20270114 as CivilDate, 10, known), 20270131, 'over a holiday')
  t.equal(addWorkingDays(20270115 as CivilDate, 1, known), 20270117, 'from a Friday')
  const later = workingCalendar(holidays, 20270121 as CivilDate)
  t.equal(later.isWorkingDay(20270125 as CivilDate), true, 'the holiday was moved')
  t.equal(later.isWorkingDay(20270128 as CivilDate), false)
  t.equal(known.isWorkingDay(20270128 as CivilDate), true, 'which on the first of the month nobody knew')
  const none = workingCalendar([], 20270101 as CivilDate)
  t.throws(() => addWorkingDays(20270101 as CivilDate, 1, { isWorkingDay: () => false }), RangeError)
  fc.assert(
    fc.property(aDate, fc.integer({ min: 1, max: 40 }), (date, days) => {
      const end = addWorkingDays(date, days, none)
      let counted = 0
      for (let at = addDays(date, 1); at <= end; at = addDays(at, 1)) if (none.isWorkingDay(at)) counted++
      return counted === days && none.isWorkingDay(end)
    }),
  )
})

t.test('a replacement costs its fee once, has its own date, and the old card is stopped for good', async (t) => {
  const terms = [
    { from: 20250101 as CivilDate, feePiasters: 30_000, workingDays: 10 },
    { from: 20280101 as CivilDate, feePiasters: 35_000, workingDays: 8 },
  ]
  const now = replacementTermsOn(terms, 20270104 as CivilDate)
  if (now === undefined) throw new RangeError('terms')
  t.same(
    orderReasons.map((reason) => [reason, feeOf(reason, now)]),
    [
      ['first', 0],
      ['loss', 30_000],
      ['theft', 30_000],
      ['damage', 30_000],
      ['expiry', 0],
    ],
  )
  t.equal(replacementTermsOn(terms, 20280101 as CivilDate)?.feePiasters, 35_000)
  t.equal(replacementTermsOn(terms, 20241231 as CivilDate), undefined)
  t.equal(replacementDueOn(20270104 as CivilDate, now, workingCalendar(holidays, 20270104 as CivilDate)), 20270119)
  t.same(
    [statusAfterReport('loss'), statusAfterReport('theft'), statusAfterReport('damage')],
    ['lost', 'stolen', 'closed'],
  )
})

t.test('a card becomes active as its governorate has it', async (t) => {
  const onDate = { when: 'on-date', date: 20270301 as CivilDate } as const
  const policies: DatedPolicy[] = [
    { governorate: undefined, from: 20250101 as CivilDate, policy: { when: 'on-collection' } },
    { governorate: 'SUZ', from: 20260101 as CivilDate, policy: onDate },
    { governorate: 'SUZ', from: 20270401 as CivilDate, policy: { when: 'on-first-pin' } },
  ]
  const on = (governorate: string, date: number) => policyFor(policies, governorate, date as CivilDate)
  t.same(on('PTS', 20270101), { when: 'on-collection' })
  t.same(on('SUZ', 20251231), { when: 'on-collection' })
  t.same(on('SUZ', 20270101), onDate)
  t.same(on('SUZ', 20270401), { when: 'on-first-pin' })
  t.same(policyFor([], 'PTS', 20270101 as CivilDate), { when: 'on-collection' })
  t.notOk(isActiveOnCollection(onDate, 20270228 as CivilDate))
  t.ok(isActiveOnCollection(onDate, 20270301 as CivilDate))
  t.match(activationRefusal(onDate, 20270228 as CivilDate, true), /before the day set/)
  t.equal(activationRefusal(onDate, 20270301 as CivilDate, false), undefined)
  t.match(activationRefusal({ when: 'on-first-pin' }, 20270301 as CivilDate, false), /first right PIN/)
  t.equal(activationRefusal({ when: 'on-first-pin' }, 20270301 as CivilDate, true), undefined)
})

t.test(
  'the reason of a replacement, on which its fee hangs, is what the report or the expiry of the card says',
  async (t) => {
    const today = 20261115 as CivilDate
    const refusal = (reason: 'loss' | 'theft' | 'damage' | 'expiry', status: CardStatus, expiry = '3012') =>
      replacementRefusal(reason, { status, expiry }, today)
    for (const status of ['lost', 'stolen', 'closed'] as const) {
      t.match(refusal('expiry', status, '2611'), /replaced for what it was reported for/, 'also one that expires')
    }
    t.match(
      refusal('expiry', 'active', '2703'),
      'the card does not expire yet: it is replaced for that from 2026-12 on',
    )
    for (const expiry of ['2702', '2611', '2601']) t.equal(refusal('expiry', 'active', expiry), undefined)
    t.equal(refusal('expiry', 'restricted', '2702'), undefined)
    t.match(refusal('loss', 'active'), /report the card first/)
    t.equal(refusal('loss', 'lost'), undefined)
    t.equal(refusal('theft', 'stolen'), undefined)
    t.match(refusal('damage', 'lost'), 'the card was not reported for damage: it is lost')
    t.match(refusal('loss', 'stolen'), /not reported for loss/)
    for (const reason of ['loss', 'theft', 'damage'] as const) t.equal(refusal(reason, 'closed'), undefined)
  },
)
