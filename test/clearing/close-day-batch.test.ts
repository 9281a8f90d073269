import { test } from 'tap'
import { businessDate } from '../../src/calendar.ts'
import { awaitCommand, requestCommand } from '../../src/store/command-requests.ts'
import { withClient } from '../../src/store/database-location.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import type { Lane } from '../../src/writer/lane.ts'
import { ask, purchaseOf, writerWorld } from '../support/writer.ts'

/** Does work in the turn in which a lane is given its first command: both wait for the same batch. */
function withFirstCommand<T>(lane: Lane | undefined, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve) => {
    if (lane === undefined) return
    const take = lane.takeCommand.bind(lane)
    lane.takeCommand = (command) => {
      lane.takeCommand = take
      const isTaken = take(command)
      resolve(work())
      return isTaken
    }
  })
}

test('what is decided in the batch that closes a day is of that day, and its books are right', async (t) => {
  const world = await writerWorld(t, { households: 1 })
  const writer = await world.start()
  const date = businessDate(world.clock.now(), 1_350)
  const bought = withFirstCommand(writer.lanes[0], () => ask(writer, purchaseOf(1, world.clock.now())))
  await withClient(world.url, async (client) => {
    const close = await requestCommand(client, { lane: 0, kind: 'close-day', detail: { date }, requestedBy: 'test' })
    t.equal((await bought).result, 'approved')
    t.match(await awaitCommand(client, close, { timeoutMs: 30_000 }), { end: { done: true } })
    const { rows } = await client.query(
      `select a.business_date = to_date($1::text, 'YYYYMMDD') as is_of_day, a.id > c.id as is_after
       from authorization_journal a join command_journal c on c.batch_seq = a.batch_seq and c.lane = a.lane
       where c.kind = 'close-day'`,
      [date],
    )
    t.same(rows, [{ is_of_day: true, is_after: true }], 'the purchase came with the end of its day')
  })
  t.same(
    (await verifyLedger(world.url)).filter(({ ok }) => !ok),
    [],
  )
})
