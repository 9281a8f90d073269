import t from 'tap'
import { postAgain } from '../../src/clearing/incoming/post-again.ts'
import { receiveNetworkFile } from '../../src/clearing/incoming/receive.ts'
import { reconcile } from '../../src/clearing/reconciliation/reconcile.ts'
import { type NetworkTransaction, presentmentOf, withFields } from '../../src/simulator/network-clearing.ts'
import { type DisputeMove, raiseDispute, requestDisputeMove } from '../../src/store/clearing/network-disputes.ts'
import { awaitPostings } from '../../src/store/clearing/postings.ts'
import { awaitCommand } from '../../src/store/command-requests.ts'
import { inTransaction } from '../../src/store/transaction.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { ask, purchaseOf } from '../support/writer.ts'
import { clearingWorld, failed, inWords, itemsOf, money, moneyOf, scheme } from './network-world.ts'

t.test('what was left to people is posted by two of them', async (suite) => {
  const world = await clearingWorld(suite)
  const { writer, clock, client, write, context, today, url } = world
  const receive = async (...items: NetworkTransaction[]) => {
    const { file } = await receiveNetworkFile(write(items), context)
    return file.id
  }
  const wordsOf = async (fileId: number) => inWords(await itemsOf(world, fileId))
  const post = (fileId: number, number = 1) => postAgain({ fileId, number }, context)
  const raise = async (fileId: number, amountPiasters?: number, reason = 'not his') => {
    const by = { raisedBy: 'user:one', approvedBy: 'user:two', nowMs: clock.now(), businessDate: today }
    const what = { fileId, number: 1, reasonCode: '83', reason, amountPiasters }
    const { id } = await inTransaction(client, () => raiseDispute(client, { ...what, ...by }))
    await awaitPostings(client, { reference: `dispute:${id}:raised`, commands: 1 }, { stallMs: 20_000 })
    return id
  }
  const move = async (id: number, what: DisputeMove) => {
    const by = { actor: 'user:two', nowMs: clock.now(), businessDate: today }
    const asked = await requestDisputeMove(client, id, what, by)
    if (asked !== undefined) await awaitCommand(client, asked, { timeoutMs: 60_000 })
  }

  await suite.test('a reversal that came before its presentment', async (test) => {
    const held = await scheme(writer, 1, clock.now())
    const { posted } = await moneyOf(world, 1)
    const early = await receive({ ...presentmentOf(held), code: '25' })
    await test.rejects(
      post(early),
      { code: 'CONFLICT', message: /unmatched-reversal/ },
      'nothing is there to take back',
    )
    await receive(presentmentOf(held))
    test.match(await post(early), { state: 'matched', reason: undefined })
    test.same(await moneyOf(world, 1), { posted, held: 0 })
    await test.rejects(post(early), { code: 'CONFLICT', message: /is matched/ }, 'it is posted once')
  })

  await suite.test('a reversal that a credit stood against, once that was taken back', async (test) => {
    const held = await scheme(writer, 2, clock.now())
    const { posted } = await moneyOf(world, 2)
    const dispute = await raise(await receive(presentmentOf(held)))
    await move(dispute, 'credit')
    const back = await receive({ ...presentmentOf(held), code: '25' })
    test.same(await wordsOf(back), ['25 exception reversal reference-number refused'])
    test.match(await post(back), { state: 'exception', reason: 'refused' }, 'the credit stands')
    test.same(await moneyOf(world, 2), { posted, held: 0 })
    await receive(withFields(presentmentOf(held), '0', { usageCode: '2' }))
    await move(dispute, 'lose')
    test.same(await moneyOf(world, 2), { posted: posted - 10_000, held: 0 })
    test.match(await post(back), { state: 'matched' })
    test.same(await moneyOf(world, 2), { posted, held: 0 })
  })

  await suite.test('more than was authorized, of which the surplus is then disputed', async (test) => {
    const held = await scheme(writer, 3, clock.now())
    const { posted } = await moneyOf(world, 3)
    const over = await receive(withFields(presentmentOf(held), '0', money(20_000)))
    test.same(await wordsOf(over), ['05 exception transaction-id over-tolerance'])
    test.match(await post(over), { state: 'matched' })
    test.same(await wordsOf(over), ['05 matched over-tolerance transaction-id'])
    test.same(await moneyOf(world, 3), { posted: posted - 20_000, held: 0 })
    for (const reason of ['', 'x'.repeat(201)]) {
      await test.rejects(raise(over, 10_000, reason), { code: 'BAD_INPUT', message: /1 to 200 characters/ })
    }
    await move(await raise(over, 10_000), 'accept')
    test.same(await moneyOf(world, 3), { posted: posted - 10_000, held: 0 })
  })

  await suite.test('what no authorization is found for, and nothing else', async (test) => {
    const held = await scheme(writer, 4, clock.now())
    const { posted } = await moneyOf(world, 4)
    const big = presentmentOf({ ...held, amountPiasters: 60_000, transactionId: '0', rrn: '4711', approvalCode: '' })
    const foreign = withFields(presentmentOf({ ...held, rrn: '4712' }), '0', { destinationCurrency: '840' })
    const { file, totals } = await receiveNetworkFile(
      write([big, foreign, presentmentOf({ ...held, pan: '4000009999999991', rrn: '4713' })]),
      context,
    )
    test.same(totals, [{ state: 'exception', items: 3, piasters: 70_000n }], 'dollars are none of them')
    const fileId = file.id
    test.match(await post(fileId), { state: 'forced' })
    test.same(await moneyOf(world, 4), { posted: posted - 60_000, held: 10_000 })
    await test.rejects(post(fileId, 2), { code: 'CONFLICT', message: /currency/ })
    await test.rejects(post(fileId, 3), { code: 'CONFLICT', message: /no card of ours/ })
    await test.rejects(post(fileId, 4), { code: 'NOT_FOUND' })
  })

  await suite.test('nothing that the network has taken back already', async (test) => {
    const held = await scheme(writer, 5, clock.now())
    const over = withFields(presentmentOf(held), '0', money(20_000))
    const fileId = await receive(over, { ...over, code: '25' })
    test.same(await wordsOf(fileId), [
      '05 exception transaction-id over-tolerance',
      '25 matched reversal reference-number',
    ])
    await test.rejects(post(fileId), { code: 'CONFLICT', message: /was taken back by item 2/ })
  })

  await suite.test(
    'what a message took back before the file did is neither left to people nor a break',
    async (test) => {
      const held = await scheme(writer, 7, clock.now())
      const { posted } = await moneyOf(world, 7)
      await receive(presentmentOf(held))
      const { stan, transmission, acquirer, receivedAtMs, key: originalKey, ...said } = held.request
      const original = { mti: '0100', stan, transmission, acquirer }
      const { link, schemeRail, networkReference, rrn, terminal, acceptor, mcc, amountPiasters } = said
      const same = { link, schemeRail, networkReference, rrn, terminal, acceptor, mcc, acquirer, amountPiasters }
      const reversal = { ...same, mti: '0420', messageClass: 'reversal-advice', original, originalKey } as const
      test.equal((await ask(writer, purchaseOf(7, receivedAtMs, reversal))).result, 'approved')
      const fileId = await receive({ ...presentmentOf(held), code: '25' })
      test.same(await wordsOf(fileId), ['25 matched reversal reference-number'])
      test.same(await moneyOf(world, 7), { posted, held: 0 })
      const settings = { presentmentDays: 3, lookBackDays: 30 }
      const nowMs = () => clock.now()
      await reconcile({ url, businessDate: today, asOf: today, requestedBy: 'test', nowMs, settings })
      const told = "select from reconciliation_exception where detail ->> 'fileId' = $1::text"
      test.equal((await client.query(told, [fileId])).rows.length, 0)
    },
  )

  await suite.test('cut off before its posting is there, it is waited for again and posted once', async (test) => {
    const held = await scheme(writer, 6, clock.now())
    const { posted } = await moneyOf(world, 6)
    const fileId = await receive(withFields(presentmentOf(held), '0', money(15_000)))
    const cut = new AbortController()
    const note = () => Promise.resolve(cut.abort())
    await test.rejects(postAgain({ fileId, number: 1 }, { ...context, note, signal: cut.signal }))
    test.same(await wordsOf(fileId), ['05 posting over-tolerance transaction-id'])
    test.match(await post(fileId), { state: 'matched' })
    test.same(await moneyOf(world, 6), { posted: posted - 15_000, held: 0 })
  })

  suite.same(failed(await verifyLedger(url)), [], 'everything that must always hold does')
})
