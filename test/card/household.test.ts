import t from 'tap'
import { parseDate } from '../../src/calendar.ts'
import { balanceOf, isExpired } from '../../src/card/household.ts'
import { moneyAccount } from '../../src/ledger/accounts.ts'
import { householdWithMoney } from '../authorization/world.ts'

t.test('a card works to the end of its month', async (t) => {
  t.equal(isExpired('2611', parseDate('2026-11-30')), false)
  t.equal(isExpired('2611', parseDate('2026-12-01')), true)
  t.equal(isExpired('2612', parseDate('2027-01-01')), true)
  t.equal(isExpired('2701', parseDate('2026-12-31')), false)
  for (const text of ['', '26', '26a1', '20261']) t.equal(isExpired(text, parseDate('2026-11-18')), true, text)
})

t.test('a balance is that of an account in a period', async (t) => {
  const served = householdWithMoney(500)
  const postal = moneyAccount('postalAccount', served.id)
  t.equal(balanceOf(served, postal, 0)?.posted, 500)
  t.equal(balanceOf(served, postal, 202_611), undefined)
  t.equal(balanceOf(served, moneyAccount('postalAccount', 1), 0), undefined)
})
