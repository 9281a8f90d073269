import type { Test } from 'tap'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { addDays } from '../../src/calendar.ts'
import { receiveNetworkFile } from '../../src/clearing/incoming/receive.ts'
import {
  type NetworkTransaction,
  presentmentOf,
  type TerminalRecord,
  withFields,
} from '../../src/simulator/network-clearing.ts'
import { disputeEvents, readDispute } from '../../src/store/clearing/network-dispute-read.ts'
import { type DisputeMove, raiseDispute, requestDisputeMove } from '../../src/store/clearing/network-disputes.ts'
import { awaitPostings } from '../../src/store/clearing/postings.ts'
import { awaitCommand, requestCommand } from '../../src/store/command-requests.ts'
import { connect } from '../../src/store/connection.ts'
import { inTransaction } from '../../src/store/transaction.ts'
import { verifyWithin } from '../../src/store/verify.ts'
import { ask, purchaseOf } from '../support/writer.ts'
import { cutovers, failed, inWords, itemsOf, money, moneyOf, scheme, type World } from './network-world.ts'

type Held = TerminalRecord & { readonly request: AuthorizationRequest }

/** Another message about a transaction of the card scheme. */
function about({ request }: Held, householdId: number, overrides: Partial<AuthorizationRequest>): AuthorizationRequest {
  const { link, schemeRail, networkReference, rrn, terminal, acceptor, mcc, acquirer, amountPiasters } = request
  const same = { link, schemeRail, networkReference, rrn, terminal, acceptor, mcc, acquirer, amountPiasters }
  return purchaseOf(householdId, request.receivedAtMs, { ...same, ...overrides })
}

/** A reversal advice that names the hold, as DE90 does. */
function reversalOfHold(held: Held, householdId: number): AuthorizationRequest {
  const { stan, transmission, acquirer, key } = held.request
  const original = { mti: '0100', stan, transmission, acquirer }
  return about(held, householdId, { mti: '0420', messageClass: 'reversal-advice', original, originalKey: key })
}

/** Where clearing meets reversals, refunds and disputes: no household gets a value twice. */
export async function valueCases(suite: Test, world: World): Promise<void> {
  const { writer, clock, client, write, context, today, url } = world
  const presented = async (householdId: number) => {
    const held = await scheme(writer, householdId, clock.now())
    const { file } = await receiveNetworkFile(write([presentmentOf(held)]), context)
    return { held, fileId: file.id }
  }
  const received = async (...items: Parameters<typeof write>[0][number][]) => {
    const { file } = await receiveNetworkFile(write(items), context)
    return inWords(await itemsOf(world, file.id))
  }
  const raise = async (fileId: number) => {
    const by = { raisedBy: 'user:one', approvedBy: 'user:two', nowMs: clock.now(), businessDate: today }
    const { id } = await inTransaction(client, () =>
      raiseDispute(client, { fileId, number: 1, reasonCode: '83', reason: 'not his', ...by }),
    )
    await awaitPostings(client, { reference: `dispute:${id}:raised`, commands: 1 }, { stallMs: 20_000 })
    return id
  }
  const move = async (id: number, what: DisputeMove) => {
    const by = { actor: 'user:two', nowMs: clock.now(), businessDate: today }
    const asked = await requestDisputeMove(client, id, what, by)
    return asked && (await awaitCommand(client, asked, { timeoutMs: 60_000 })).end?.outcome
  }
  const credit = (id: number) => move(id, 'credit')
  const onDisputes = async () => {
    const { rows } = await client.query<{ piasters: string }>(
      'select coalesce(sum(posted), 0) as piasters from balance where account / 100000000000 = 7008',
    )
    return Number(rows[0]?.piasters)
  }

  await suite.test('a message that tells of what a file has cleared already is not posted beside it', async (test) => {
    const { held } = await presented(1)
    const before = await moneyOf(world, 1)
    const told = about(held, 1, { mti: '0220', messageClass: 'financial-advice' })
    test.equal((await ask(writer, told)).result, 'already-reversed')
    test.same(await moneyOf(world, 1), before)
  })

  await suite.test('what a message captured is found as that capture, and not posted again', async (test) => {
    const held = await scheme(writer, 6, clock.now())
    const told = about(held, 6, { mti: '0220', messageClass: 'financial-advice' })
    test.equal((await ask(writer, told)).result, 'approved')
    const before = await moneyOf(world, 6)
    const { file } = await receiveNetworkFile(write([presentmentOf(held)]), context)
    const items = await itemsOf(world, file.id)
    test.same(inWords(items), ['05 matched posted-before transaction-id'])
    const { rows } = await client.query('select mti, link from authorization_journal where id = $1', [
      items[0]?.posted_id,
    ])
    test.same(rows, [{ mti: '0220', link: 'visa' }])
    test.same(await moneyOf(world, 6), before)
  })

  await suite.test('what a reversal gave back is not disputed, nor credited by a dispute', async (test) => {
    const before = await moneyOf(world, 2)
    const first = await presented(2)
    test.equal((await ask(writer, reversalOfHold(first.held, 2))).result, 'approved')
    test.same(await moneyOf(world, 2), before)
    await test.rejects(raise(first.fileId), { code: 'CONFLICT', message: /gave back all but 0/ })
    const second = await presented(2)
    const id = await raise(second.fileId)
    test.equal((await ask(writer, reversalOfHold(second.held, 2))).result, 'approved')
    await test.rejects(credit(id), { code: 'CONFLICT', message: /gave back all but 0/ })
    const { rows } = await client.query<{ lane: number }>('select lane from card where household_id = 2')
    const detail = { dispute: id, piasters: 10_000, what: 'credit' }
    const asked = {
      lane: rows[0]?.lane ?? 0,
      householdId: 2,
      kind: 'dispute-credit',
      requestedBy: 'test',
      detail,
    } as const
    const { end } = await awaitCommand(client, await requestCommand(client, asked), { timeoutMs: 60_000 })
    test.match(end?.outcome, /^refused: .*came back otherwise/, 'not even by who asks the writer itself')
    test.same(await moneyOf(world, 2), before)
    const { rows: movements } = await client.query(
      `select from acquirer_movement m join authorization_journal a on a.id = m.id
       where a.household_id = 2 and a.mti = '0420'`,
    )
    test.equal(movements.length, 0, 'nor is it a reversal of what the acquirer’s messages came to')

    const disputed = await onDisputes()
    await test.rejects(move(id, 'accept'), { code: 'CONFLICT' }, 'the network has paid twice, and nobody may have it')
    test.match(await move(id, 'withdraw'), /^done: 100.00 EGP of dispute \d+ go back to the network/)
    test.equal(await onDisputes(), disputed - 10_000, 'the network has its money again')
    test.same(await moneyOf(world, 2), before)
    test.match(await readDispute(client, id), { state: 'withdrawn', credited: false })
    await test.rejects(move(id, 'withdraw'), { code: 'CONFLICT', message: /is withdrawn/ })
    const again = withFields(presentmentOf(second.held), '0', { usageCode: '2' })
    test.same(await received(again), ['05 exception representment-without-dispute'], 'and is given it once')
    test.equal(await onDisputes(), disputed - 10_000)
  })

  await suite.test('a dispute is withdrawn with its credit, before it is answered and once', async (test) => {
    const { held, fileId } = await presented(7)
    const before = await moneyOf(world, 7)
    const disputed = await onDisputes()
    const id = await raise(fileId)
    test.match(await credit(id), /^done/)
    const { rows } = await client.query<{ lane: number; network: string }>(
      `select c.lane, 700400000000000 + 424242 as network from card c where c.household_id = 7`,
    )
    const stale = {
      lane: rows[0]?.lane ?? 0,
      householdId: 7,
      kind: 'dispute-credit',
      requestedBy: 'test',
      detail: { dispute: id, piasters: 10_000, what: 'withdraw', credited: false, network: Number(rows[0]?.network) },
    } as const
    const { end } = await awaitCommand(client, await requestCommand(client, stale), { timeoutMs: 60_000 })
    test.match(end?.outcome, /^refused: .*look at it again/, 'what was agreed on was another state')
    test.match(await move(id, 'withdraw'), /^done/)
    test.same(await moneyOf(world, 7), before, 'the credit is taken back')
    test.equal(await onDisputes(), disputed)
    const events = (await disputeEvents(client, id)).map(({ event }) => event)
    test.same(events, ['raised', 'credited', 'credit-taken-back', 'withdrawn'])
    const answered = await presented(8)
    const other = await raise(answered.fileId)
    test.same(await received({ ...presentmentOf(answered.held), code: '35' }), [
      '35 disputed representment reference-number',
    ])
    await test.rejects(move(other, 'withdraw'), { code: 'CONFLICT', message: /is represented/ })
    test.same(await received({ ...presentmentOf(held), code: '35' }), ['35 exception representment-without-dispute'])
  })

  await suite.test('what a dispute credited is neither reversed nor refunded as well', async (test) => {
    const before = await moneyOf(world, 3)
    const { held, fileId } = await presented(3)
    const id = await raise(fileId)
    test.match(await credit(id), /^done/)
    test.same(await moneyOf(world, 3), before)
    await ask(writer, reversalOfHold(held, 3))
    test.same(await moneyOf(world, 3), before, 'the reversal of its hold gives nothing back')
    const refund = {
      mti: '0200',
      messageClass: 'financial',
      transactionType: '20',
      fromAccount: '00',
      toAccount: '20',
    } as const
    test.equal((await ask(writer, about(held, 3, refund))).result, 'amount-limit')
    const back = { ...presentmentOf(held), code: '25' }
    const refunded = presentmentOf({ ...held, type: 'refund', rrn: '600000007777' })
    test.same(await received(back, refunded), [
      '25 exception reversal reference-number refused',
      '06 exception credit transaction-id refused',
    ])
    test.same(await moneyOf(world, 3), before)
    const { rows } = await client.query<{ lane: number; posted: string }>(
      `select n.lane, n.posted_id as posted from network_item n join authorization_journal r on r.original_id = n.authorization_id
       where r.mti = '0420' and r.household_id = 2 and n.household_id = 2 and n.posted_id is not null limit 1`,
    )
    const owner = await connect({ url, name: 'test' })
    await owner.query('begin; alter table network_item disable trigger network_item_life')
    const planted = [rows[0]?.posted, rows[0]?.lane, fileId]
    await owner.query('update network_item set posted_id = $1, lane = $2 where (file_id, number) = ($3, 1)', planted)
    const seen = (await verifyWithin(owner)).find(({ name }) => name === 'disputes-accounted')
    test.match(seen, { ok: false })
    test.match(JSON.stringify(seen), /gave back all but 0/, 'and where it were, verify would see it')
    await owner.query('rollback')
    await owner.end()
  })

  await suite.test('a credit that names its purchase gives back no more than that', async (test) => {
    const before = await moneyOf(world, 4)
    const { held } = await presented(4)
    const part = presentmentOf({ ...held, type: 'refund', amountPiasters: 4_000, rrn: '600000007001' })
    const rest = presentmentOf({ ...held, type: 'refund', amountPiasters: 6_001, rrn: '600000007002' })
    test.same(await received(part, rest), [
      '06 matched credit transaction-id',
      '06 exception credit transaction-id refused',
    ])
    test.same(await moneyOf(world, 4), { ...before, posted: before.posted - 6_000 })
    test.same(await received({ ...presentmentOf(held), code: '25' }), [
      '25 exception reversal reference-number refused',
    ])
    test.same(await moneyOf(world, 4), { ...before, posted: before.posted - 6_000 })
  })

  await suite.test('each of several clearings under one reference number comes back by itself, once', async (test) => {
    const before = await moneyOf(world, 9)
    const held = await scheme(writer, 9, clock.now())
    const [first, second] = [1, 2].map((sequence) => {
      const numbers = {
        multipleClearingSequenceNumber: String(sequence),
        multipleClearingSequenceCount: '2',
      }
      return withFields(presentmentOf({ ...held, amountPiasters: 5_000 }), '5', numbers)
    }) as [NetworkTransaction, NetworkTransaction]
    const { file } = await receiveNetworkFile(write([first, second]), context)
    test.same(await received({ ...second, code: '25' }), ['25 matched reversal reference-number'])
    test.same(
      (await itemsOf(world, file.id)).map(({ flags }) => flags),
      [[], ['reversed']],
    )
    test.same(await moneyOf(world, 9), { ...before, posted: before.posted - 5_000 })
    test.same(await received({ ...first, code: '25' }), ['25 matched reversal reference-number'])
    test.same(await moneyOf(world, 9), before)
  })

  await suite.test('a dispute is answered once, and by its own amount', async (test) => {
    const { held, fileId } = await presented(5)
    await raise(fileId)
    const again = withFields(presentmentOf(held), '0', { usageCode: '2' })
    const other = withFields(again, '0', money(9_000))
    test.same(await received(other), ['05 exception amount-differs'])
    test.same(await received({ ...again, code: '35' }, { ...again, code: '35' }), [
      '35 disputed representment reference-number',
      '35 duplicate duplicate',
    ])
    const { rows } = await client.query('select from transfer where kind = 51 and amount = 10000')
    const before = rows.length
    test.same(await received(withFields(again, '0', { usageCode: '3' })), ['05 duplicate duplicate'])
    const { rows: after } = await client.query('select from transfer where kind = 51 and amount = 10000')
    test.equal(after.length, before)
  })
}

/** Ends the business date on which the cases of value were posted, the third of the suite; the clock goes on a day. */
export async function withdrawalsSent(suite: Test, { clock, ...rest }: World): Promise<void> {
  const world = { ...rest, clock }
  const { today, url } = world
  await suite.test('what is withdrawn goes out with the file of its date, by what the ledger has', async (test) => {
    clock.advance(86_400_000)
    const sent = await cutovers(world).close(addDays(today, 2))
    const drafts = sent.filter(({ layout }) => layout === '05.0').map(({ fields }) => fields)
    const of = (code: string) => drafts.filter(({ transactionCode }) => transactionCode === code)
    test.equal(of('35').length, 2)
    test.ok(of('15').length > 2)
    for (const { accountNumber, destinationAmount, reasonCode } of of('35')) {
      const same = of('15').filter((one) => one.accountNumber === accountNumber)
      test.match(same, [{ destinationAmount, reasonCode }], 'it is the chargeback that is taken back')
    }
    const owner = await connect({ url, name: 'test' })
    const before = failed(await verifyWithin(owner))
    const broken = async () => failed(await verifyWithin(owner)).filter((name) => !before.includes(name))
    test.notOk(
      before.some((name) =>
        ['cleared-once', 'files-equal-ledger', 'chargebacks-sent', 'disputes-accounted'].includes(name),
      ),
    )
    await owner.query('begin; alter table outgoing_dispute_item disable trigger outgoing_dispute_item_life')
    await owner.query("update outgoing_dispute_item set amount_piasters = 1 where transaction_code = '35'")
    test.same(await broken(), ['cleared-once', 'files-equal-ledger', 'chargebacks-sent'])
    await owner.query('rollback; begin; alter table dispute disable trigger dispute_life')
    await owner.query("update dispute set state = 'accepted' where state = 'withdrawn'")
    test.same(await broken(), ['chargebacks-sent', 'disputes-accounted'])
    await owner.query('rollback')
    await owner.end()
  })
}
