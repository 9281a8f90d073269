import t from 'tap'
import { entitlementOf } from '../../src/benefit/entitlement.ts'
import { programmeCatalogue } from '../../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { civilDate, firstDay, monthOf, nextMonth } from '../../src/calendar.ts'
import { demoHousehold, demoOutlets } from '../../src/simulator/demo-world.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { inboxWorld, waitFor } from '../support/inbox.ts'
import { ask, purchaseOf, SEED } from '../support/writer.ts'

const DAY_MS = 86_400_000
const catalogue = programmeCatalogue(shippedProgrammes)

t.test('a month is closed for who asks at once, for the others by the sweep, and once for all', async (t) => {
  const { world, owner } = await inboxWorld(t, { households: 40 })
  const { clock } = world
  const month = monthOf(civilDate(clock.now()))
  const after = nextMonth(month)
  const writer = await world.start({ closingsPerSecond: 40 })
  const bread = catalogue.on(civilDate(clock.now())).wallet('bread')
  if (bread === undefined) throw new Error('bread is shipped')
  const { members } = demoHousehold(SEED, 3, false)
  const bakery = demoOutlets().find(
    ({ category, governorate }) => category === 'bakery' && governorate === demoHousehold(SEED, 3, false).governorate,
  )
  const draw = (overrides = {}) =>
    purchaseOf(3, clock.now(), {
      fromAccount: '92',
      acceptor: bakery?.acceptor ?? '',
      terminal: bakery?.terminals[0] ?? '',
      quantity: 2,
      amountPiasters: 40,
      ...overrides,
    })
  t.equal((await ask(writer, draw())).result, 'approved')

  // Noon of the first day of the next month, Cairo.
  while (civilDate(clock.now()) !== firstDay(after)) clock.advance(DAY_MS / 4)
  const inquiry = purchaseOf(3, clock.now(), { transactionType: '30', fromAccount: '00', amountPiasters: 0 })
  const { fields } = await ask(writer, inquiry)
  const days = Math.round(
    (Date.UTC(Math.floor(after / 100), (after % 100) - 1) - Date.UTC(Math.floor(month / 100), (month % 100) - 1)) /
      DAY_MS,
  )
  const points = (entitlementOf(bread, members) * days - 2) * 10
  t.equal(Number(fields[54]?.match(/9402818C(\d{12})/)?.[1]), points, 'each loaf that was not drawn is ten piasters')

  const open = async () => {
    const { rows } = await owner.query<{ open: number }>(
      'select count(*)::int as open from household where closed_month < $1',
      [month],
    )
    return rows[0]?.open ?? -1
  }
  await waitFor('the sweep of all households', async () => (await open()) === 0)
  const closings = await owner.query<{ closings: number; households: number }>(
    `select count(*)::int as closings, count(distinct household_id)::int as households from command_journal where kind = 'month-closed'`,
  )
  t.same(closings.rows, [{ closings: 40, households: 40 }], 'one closing for each')
  t.equal(
    Number(
      (
        await ask(writer, {
          ...inquiry,
          ...purchaseOf(3, clock.now(), { transactionType: '30', fromAccount: '00', amountPiasters: 0 }),
        })
      ).fields[54]?.match(/9402818C(\d{12})/)?.[1],
    ),
    points,
  )
  const { rows } = await owner.query<{ left: string }>(
    `select coalesce(sum(posted), 0)::text as left from balance
     where account / 100000000000000 = 1 and period in ($1::int, $1::int * 100 + 1)`,
    [month],
  )
  t.equal(rows[0]?.left, '0', 'nothing is left in the month that is over')
  const checks = await verifyLedger(world.url)
  t.same(
    checks.filter((check) => !check.ok),
    [],
  )
})
