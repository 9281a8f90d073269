import t from 'tap'
import { decide } from '../../src/authorization/decide.ts'
import { type CivilDate, type CivilMonth, civilTime } from '../../src/calendar.ts'
import { context, householdWithMoney, outletOf, request } from './world.ts'

const bakery = outletOf('bakery', 'SUZ')
const grocer = outletOf('grocer', 'SUZ')
const place = (outlet: typeof bakery) => ({ acceptor: outlet.acceptor, terminal: [...outlet.terminals][0] ?? '' })
const nowMs = Date.UTC(2026, 10, 30, 10)

// The clock went back over the end of November after its months were closed.
const closed = () => householdWithMoney(50_000, { closedMonth: 202_611 as CivilMonth })
const open = () => householdWithMoney(50_000, { closedMonth: 202_610 as CivilMonth })

t.test('what a month gave is not given once more when the clock goes back into it', async (t) => {
  const bread = request({ ...place(bakery), fromAccount: '92', quantity: 5, amountPiasters: 100, receivedAtMs: nowMs })
  const goods = request({ ...place(grocer), fromAccount: '91', amountPiasters: 5_000, receivedAtMs: nowMs })
  for (const [asked, outlet] of [
    [bread, bakery],
    [goods, grocer],
  ] as const) {
    t.equal(decide(asked, context(open(), { nowMs, outlet })).result, 'approved')
    const decision = decide(asked, context(closed(), { nowMs, outlet }))
    t.equal(decision.result, 'insufficient')
    t.same(decision.transfers, [])
  }
})

t.test('a draw made offline in a closed month is advanced, and opens nothing', async (t) => {
  const { date, time } = civilTime(nowMs - 3_600_000)
  const localTime = `${String(date as CivilDate).slice(4)}${time}`
  const asked = request({
    ...place(bakery),
    ...({ messageClass: 'financial-advice', mti: '0220', offlineSequence: 1, localTime } as const),
    ...{ fromAccount: '92', quantity: 4, amountPiasters: 80, receivedAtMs: nowMs },
  })
  const decision = decide(asked, context(closed(), { nowMs, outlet: bakery }))
  t.equal(decision.result, 'approved')
  t.same(
    decision.transfers.map(({ kind, amount }) => [kind, amount]),
    [
      ['entitlementAdvance', 4],
      ['subsidyRedemption', 4],
    ],
  )
})
