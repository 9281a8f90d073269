import t from 'tap'
import { addDays } from '../../src/calendar.ts'
import { receiveNetworkFile } from '../../src/clearing/incoming/receive.ts'
import { reconcile } from '../../src/clearing/reconciliation/reconcile.ts'
import {
  batchAcknowledgement,
  type NetworkTransaction,
  networkFee,
  withFields,
} from '../../src/simulator/network-clearing.ts'
import { moveFile, readFile, registerFile } from '../../src/store/clearing/files.ts'
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
