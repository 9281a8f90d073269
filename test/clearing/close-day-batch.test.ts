import { test } from 'tap'
import { businessDate } from '../../src/calendar.ts'
import { awaitCommand, requestCommand } from '../../src/store/command-requests.ts'
import { withClient } from '../../src/store/database-location.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import type { Lane } from '../../src/writer/lane.ts'
import { waitFor } from '../support/inbox.ts'
import { ask, isLaneAtLock, purchaseOf, writerWorld } from '../support/writer.ts'

/** Resolves when a lane is given its first command. */
function firstCommandOf(lane: Lane | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (lane === undefined) return
    const take = lane.takeCommand.bind(lane)
    lane.takeCommand = (command) => {
      resolve()
      return take(command)
    }
  })
}

test('what is decided in the batch that closes a day is of that day, and its books are right', async (t) => {
  const world = await writerWorld(t, { households: 4 })
  const writer = await world.start()
  const taken = firstCommandOf(writer.lanes[0])
  const date = businessDate(world.clock.now(), 1_350)
  const buy = (household: number) => ask(writer, purchaseOf(household, world.clock.now()))
  await withClient(world.url, async (client) => {
    await client.query('begin')
    await client.query('update balance set posted = posted where account = 600100000000001')
    const first = buy(1)
    await waitFor('a batch at the balance', () => isLaneAtLock(client))
    const close = await withClient(world.url, (other) =>
      requestCommand(other, { lane: 0, kind: 'close-day', detail: { date }, requestedBy: 'test' }),
    )
    await taken
    // What a lane is given without anything to read for it is in its open batch after a turn.
    await new Promise((resolve) => setTimeout(resolve, 100))
    const second = buy(2)
    await client.query('commit')
    t.same(
      (await Promise.all([first, second])).map(({ result }) => result),
      ['approved', 'approved'],
    )
    t.match(await awaitCommand(client, close, { timeoutMs: 30_000 }), { end: { done: true } })
    const { rows } = await client.query(
      `select a.business_date = to_date($1::text, 'YYYYMMDD') as is_of_day, a.id > c.id as is_after
       from authorization_journal a join command_journal c on c.batch_seq = a.batch_seq and c.lane = a.lane
       where c.kind = 'close-day'`,
      [date],
    )
    // The lane may take the purchase first: then its books say nothing new, and are right all the same.
    if (rows.length > 0)
      t.same(rows, [{ is_of_day: true, is_after: true }], 'the purchase came with the end of its day')
  })
  t.same(
    (await verifyLedger(world.url)).filter(({ ok }) => !ok),
    [],
  )
})
