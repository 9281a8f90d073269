import t from 'tap'
import { addDays, formatDate } from '../../src/calendar.ts'
import { receiveNetworkFile } from '../../src/clearing/incoming/receive.ts'
import { reconcile } from '../../src/clearing/reconciliation/reconcile.ts'
import {
  batchAcknowledgement,
  type NetworkTransaction,
  networkFee,
  withFields,
} from '../../src/simulator/network-clearing.ts'
import { moveFile, readFile, registerFile } from '../../src/store/clearing/files.ts'
import { connect } from '../../src/store/connection.ts'
import { clearingWorld, inWords, itemsOf } from './network-world.ts'

t.test('what the network says of our files', async (t) => {
  const world = await clearingWorld(t)
  const { client, write, context, today } = world
  const businessDate = addDays(today, -1)
  const key = { direction: 'out', type: 'CTF', institution: '400000', businessDate, cycle: 1, sequence: 1 } as const
  const content = { bytes: 9, sha256: Buffer.alloc(32, 1), records: 4, items: 2, grossPiasters: 700n, totals: {} }
  const { id } = await registerFile(client, { ...key, state: 'written', content }, 'test')
  for (const to of ['signed', 'released', 'delivered'] as const) {
    const from = ['written', 'signed', 'released'] as const
    await moveFile(client, id, { from, to, action: to, actor: 'test' })
  }
  const said = { grossPiasters: 700n, transactions: 2 }
  const disposed = (disposition: string) =>
    withFields(batchAcknowledgement(businessDate, 1, said), '0', { disposition })
  const received = async (...items: NetworkTransaction[]) => {
    const { file } = await receiveNetworkFile(write(items), context)
    return { words: inWords(await itemsOf(world, file.id)), state: (await readFile(client, id)).state }
  }

  t.same(
    await received(disposed('Z'), disposed('')),
    { words: ['44 rejected unreadable', '44 rejected unreadable'], state: 'delivered' },
    'a disposition that nobody knows moves nothing, and is told',
  )
  t.same(
    await received(batchAcknowledgement(addDays(today, -9), 1, said), batchAcknowledgement(businessDate, 77, said)),
    {
      words: ['44 exception acknowledgement unknown-file', '44 exception acknowledgement unknown-file'],
      state: 'delivered',
    },
    'nor does one of a date or batch that we sent nothing of',
  )
  t.same(
    await received(disposed('A')),
    { words: ['44 noted acknowledgement'], state: 'acknowledged' },
    'A counts still',
  )

  const { batchItems } = context
  const large = async (daysAgo: number) => {
    const of = { ...key, businessDate: addDays(today, -daysAgo) }
    const items = 2 * batchItems + 1
    const three = { ...content, items, grossPiasters: 2_100n, sha256: Buffer.alloc(32, daysAgo) }
    const file = await registerFile(client, { ...of, state: 'written', content: three }, 'test')
    const owner = await connect({ url: world.url, name: 'test' })
    const day = formatDate(of.businessDate)
    await owner.query(
      `create table items_${daysAgo} partition of clearing_item for values from ('${day}') to (date '${day}' + 1)`,
    )
    await owner.query(
      `insert into clearing_item (business_date, file_id, number, lane, authorization_id, transaction_code, amount_piasters)
       select $1, $2, n, 0, n, '05', a from unnest($3::integer[], $4::integer[]) i(n, a)`,
      [day, file.id, [1, batchItems, batchItems + 1, 2 * batchItems, items], [300, 400, 600, 500, 300]],
    )
    await owner.end()
    return async (number: number, grossPiasters: bigint | 'refused') => {
      const answer = grossPiasters === 'refused' ? { reason: 'R01' } : { grossPiasters, transactions: batchItems }
      await received(batchAcknowledgement(of.businessDate, number, answer))
      return (await readFile(client, file.id)).state
    }
  }
  const inParts = await large(2)
  t.equal(await inParts(1, 700n), 'written', 'one batch of three is not the file')
  t.equal(await inParts(1, 700n), 'written', 'nor is it when it is told twice')
  t.equal(await inParts(3, 300n), 'written')
  t.equal(await inParts(2, 1_100n), 'acknowledged')
  const refused = await large(3)
  t.equal(await refused(1, 700n), 'written')
  t.equal(await refused(2, 'refused'), 'rejected', 'one batch is enough')
  const altered = await large(4)
  t.equal(await altered(2, 700n), 'rejected', 'so is one that counts the amount of another')
  const atOnce = await large(5)
  t.equal(await atOnce(0, 2_100n), 'acknowledged')

  const dollars = withFields(networkFee('10', 5_039, '0150'), '0', { destinationCurrency: '840' })
  t.same((await received(dollars)).words, ['10 exception currency'])
  const settings = { presentmentDays: 3, lookBackDays: 30 }
  const nowMs = () => world.clock.now()
  await reconcile({ url: world.url, businessDate: today, asOf: today, requestedBy: 'test', nowMs, settings })
  const { rows } = await client.query<{ risk: string; summary: string }>(
    `select value_at_risk_piasters as risk, summary from reconciliation_exception where break = 'currency'`,
  )
  t.equal(Number(rows[0]?.risk), 0, 'dollars are no pounds at risk')
  t.match(rows[0]?.summary, /of 5039 minor units of currency 840: /)
})
