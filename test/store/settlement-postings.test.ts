import { type Test, test } from 'tap'
import { type AccountNumber, moneyAccount, subsidyAccount } from '../../src/ledger/accounts.ts'
import { transferKinds } from '../../src/ledger/posting-rules.ts'
import { awaitPostings, type Posting, requestPostings } from '../../src/store/clearing/postings.ts'
import { awaitCommand, requestCommand } from '../../src/store/command-requests.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { writerWorld } from '../support/writer.ts'

const OUTLET = 7
const BANK = 3
const payable = moneyAccount('subsidyPayable', OUTLET)
const funds = moneyAccount('subsidyFunds', 1)
const transit = moneyAccount('settlementTransit', BANK)
const bank = moneyAccount('settlementAccount', BANK)

const owed = (amountPiasters: number): Posting => ({
  kind: 'subsidyPayable',
  debit: funds,
  credit: payable,
  amountPiasters,
})

async function world(t: Test) {
  const made = await writerWorld(t, { households: 1 })
  const client = await connect({ url: made.url, name: 'mizan test', role: 'mizan_app' })
  t.teardown(() => client.end())
  const post = async (reference: string, postings: Iterable<Posting>) => {
    const commands = await requestPostings(client, { reference, requestedBy: 'settlement test', postings })
    return awaitPostings(client, { reference, commands }, { stallMs: 30_000 })
  }
  return { ...made, client, post }
}

async function balanceOf(client: Client, account: AccountNumber): Promise<number> {
  const { rows } = await client.query<{ posted: string }>('select posted from balance where account = $1', [account])
  return Number(rows[0]?.posted ?? 0)
}

test('postings of settlement go through the writer, once for their reference', async (t) => {
  const { url, start, client, post } = await world(t)
  const writer = await start()
  // More than a command holds.
  const many = Array.from({ length: 450 }, (_, index) => owed(index + 1))
  const total = (450 * 451) / 2
  const first = await post('test:payable', many)
  t.equal(first.commands, 3)
  t.equal(new Set(first.journalIds).size, 3)
  t.equal(await balanceOf(client, payable), total)
  t.equal(await balanceOf(client, funds), -total)
  t.same(await post('test:payable', many), first, 'asked again, nothing is posted again')
  t.equal(await balanceOf(client, payable), total)

  await post('test:paid', [
    { kind: 'settlementInstructed', debit: payable, credit: transit, amountPiasters: total },
    { kind: 'settlementPaid', debit: transit, credit: bank, amountPiasters: total },
  ])
  t.same([await balanceOf(client, payable), await balanceOf(client, transit)], [0, 0])
  t.equal(await balanceOf(client, bank), total)

  for (const [what, postings] of [
    ['another amount', many.with(7, owed(9))],
    ['more', [...many, ...many.slice(0, 200)]],
    ['less', many.slice(0, 250)],
    ['a command less', many.slice(0, 400)],
  ] as const) {
    await t.rejects(post('test:payable', postings), { code: 'CONFLICT' }, what)
  }
  t.equal(await balanceOf(client, payable), 0)
  await t.rejects(post('a#b', many), { code: 'BAD_INPUT' })
  await writer.stop()
  const commands = await requestPostings(client, {
    reference: 'test:late',
    requestedBy: 'settlement test',
    postings: [owed(1)],
  })
  await t.rejects(awaitPostings(client, { reference: 'test:late', commands }, { stallMs: 200 }), {
    code: 'WRITER_SILENT',
  })
  await start()
  await awaitPostings(client, { reference: 'test:late', commands }, { stallMs: 30_000 })
  t.equal(await balanceOf(client, payable), 1)
  t.same(
    (await verifyLedger(url)).filter(({ ok }) => !ok),
    [],
  )
})

test('what the posting rules do not allow is refused whole', async (t) => {
  const { start, client } = await world(t)
  await start()
  const postal = moneyAccount('postalAccount', 1)
  const wallet = subsidyAccount('wallet', 'EGP', 4, 1)
  const refusals: readonly (readonly [string, readonly unknown[]])[] = [
    ['of no kind of settlement', [transferKinds.refund, moneyAccount('outletPayable', OUTLET), postal, 5]],
    ['account of a household', [transferKinds.disputeCredit, moneyAccount('disputes', 0), postal, 5]],
    ['account of a household', [transferKinds.settlementInstructed, wallet, transit, 5]],
    ['may not stand there', [transferKinds.settlementPaid, bank, transit, 5]],
    ['may not stand there', [transferKinds.holdback, payable, moneyAccount('holdback', OUTLET + 1), 5]],
    ['not as it must be', [transferKinds.settlementPaid, transit, bank, -5]],
    ['not as it must be', [transferKinds.settlementPaid, transit, bank]],
  ]
  for (const [why, bad] of refusals) {
    const good = [transferKinds.subsidyPayable, funds, payable, 5]
    const asked = await requestCommand(client, {
      lane: 0,
      kind: 'settlement-post',
      requestedBy: 'settlement test',
      detail: { reference: 'test:bad', postings: [good, bad] },
    })
    const { end } = await awaitCommand(client, asked, { timeoutMs: 30_000 })
    t.match(end?.outcome, new RegExp(`^refused: .*${why}`))
  }
  t.equal(await balanceOf(client, payable), 0)
})
