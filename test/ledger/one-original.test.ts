import t from 'tap'
import { verifyLedger } from '../../src/store/verify.ts'
import { openLedger } from './live-ledger.ts'
import { FIRST_ID, messageOf, naming } from './scenario.ts'

/** Messages that name one original in different ways and arrive together give it back once. */
t.test('two ways of naming an original do not meet in one batch', async (t) => {
  const ledger = await openLedger(t)
  const reference = { networkReference: '123456789012345', schemeRail: true }
  const purchase = messageOf(ledger, FIRST_ID, 'shop', { ...reference, amountPiasters: 1_000 })
  t.equal((await ledger.submit(purchase)).result, 'approved')
  const reversal = { messageClass: 'reversal', mti: '0400', amountPiasters: 1_000 } as const
  const answers = await Promise.all([
    ledger.submit(messageOf(ledger, FIRST_ID, 'shop', { ...reversal, ...reference })),
    ledger.submit(messageOf(ledger, FIRST_ID, 'shop', { ...reversal, ...naming(purchase) })),
    ledger.submit(messageOf(ledger, FIRST_ID, 'shop', { ...reversal, ...reference })),
  ])
  t.same(
    answers.map(({ result }) => result),
    ['approved', 'approved', 'approved'],
  )
  const { rows } = await ledger.client.query<{ sum: string }>('select sum(amount) from transfer where kind = 17')
  t.same(rows, [{ sum: '1000' }])
  t.same(
    (await verifyLedger(ledger.url)).filter((result) => !result.ok),
    [],
  )
})
