import fc from 'fast-check'
import t from 'tap'
import type { InboxCommand, InboxPlace } from '../../src/store/command-inbox.ts'
import { systemTiming } from '../../src/timing.ts'
import { type CommandTaker, InboxPoller } from '../../src/writer/inbox-poller.ts'

function commandOf(lane: number, id: number): InboxCommand {
  const nothing = { cardId: undefined, householdId: undefined, panIndex: undefined }
  return { lane, id, kind: 'pin-reset', ...nothing, detail: {}, requestedBy: 'tester' }
}

/** A lane that takes so many, and then none until it is emptied. */
class FakeLane implements CommandTaker {
  readonly lane: number
  readonly taken: number[] = []
  choreRoom: number

  constructor(lane: number, choreRoom: number) {
    this.lane = lane
    this.choreRoom = choreRoom
  }

  takeCommand({ id }: InboxCommand): boolean {
    if (this.choreRoom === 0) return false
    this.choreRoom--
    this.taken.push(id)
    return true
  }
}

/** An inbox in memory; nothing in it is ever done. */
class FakeInbox {
  readonly commands: InboxCommand[] = []
  readonly asked: InboxPlace[][] = []
  #turn: Promise<void> = Promise.resolve()
  failure: Error | undefined

  readonly query = async (places: readonly InboxPlace[]) => {
    this.asked.push([...places])
    await this.#turn
    if (this.failure !== undefined) throw this.failure
    return places.flatMap(({ lane, afterId, limit }) =>
      this.commands.filter((command) => command.lane === lane && command.id > afterId).slice(0, limit),
    )
  }

  /** Lets no query answer before the function that is returned was called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#turn = promise
    return resolve
  }
}

function polling(lanes: readonly CommandTaker[], inbox: FakeInbox) {
  const errors: unknown[] = []
  const poller = new InboxPoller({
    query: inbox.query,
    lanes,
    onError: (error) => errors.push(error),
    timing: systemTiming,
  })
  const turn = async () => {
    poller.poll()
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return { poller, errors, turn }
}

t.test('each command is given once, and no page is larger than its lane has room', async (t) => {
  const inbox = new FakeInbox()
  for (let id = 1; id <= 700; id++) inbox.commands.push(commandOf(id % 2, id))
  const lanes = [new FakeLane(0, 1_000), new FakeLane(1, 10)] as const
  const { turn } = polling(lanes, inbox)
  await turn()
  t.equal(lanes[0].taken.length, 350, 'page after page')
  t.same(lanes[1].taken, [1, 3, 5, 7, 9, 11, 13, 15, 17, 19])
  t.ok(inbox.asked.flat().every(({ limit }) => limit > 0 && limit <= 256))
  const asked = inbox.asked.length
  lanes[0].choreRoom = 0
  await turn()
  t.equal(inbox.asked.length, asked, 'a lane without room is not asked for')
  lanes[1].choreRoom = 2
  await turn()
  t.same(lanes[1].taken.slice(-2), [21, 23], 'it goes on where it stopped')
})

t.test('a lane that takes none after all gets the same ones again', async (t) => {
  const inbox = new FakeInbox()
  for (let id = 1; id <= 5; id++) inbox.commands.push(commandOf(0, id))
  const lane = new FakeLane(0, 5)
  const { turn } = polling([lane], inbox)
  const release = inbox.hold()
  await turn()
  lane.choreRoom = 2
  release()
  await turn()
  t.same(lane.taken, [1, 2])
  lane.choreRoom = 5
  await turn()
  t.same(lane.taken, [1, 2, 3, 4, 5])
})

t.test('whoever wakes it during a look has it look again', async (t) => {
  const inbox = new FakeInbox()
  const lane = new FakeLane(0, 100)
  const { turn } = polling([lane], inbox)
  const release = inbox.hold()
  await turn()
  await turn()
  t.equal(inbox.asked.length, 1, 'one look at a time')
  release()
  await turn()
  t.ok(inbox.asked.length >= 2)
})

t.test('an inbox that cannot be read is reported once until it can', async (t) => {
  const inbox = new FakeInbox()
  inbox.commands.push(commandOf(0, 1))
  const lane = new FakeLane(0, 100)
  const { turn, errors, poller } = polling([lane], inbox)
  inbox.failure = new Error('away')
  await turn()
  await turn()
  t.equal(errors.length, 1)
  inbox.failure = undefined
  await turn()
  t.same(lane.taken, [1])
  inbox.failure = new Error('away again')
  await turn()
  t.equal(errors.length, 2)
  await poller.stop()
})

t.test('whatever comes and however much room there is, each lane gets all of its own in order', async () => {
  const step = fc.record({ lane: fc.nat(2), room: fc.nat(4), arrivals: fc.nat(5) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const inbox = new FakeInbox()
      const lanes = [0, 1, 2].map((lane) => new FakeLane(lane, 0))
      const { poller } = polling(lanes, inbox)
      const settle = async () => {
        poller.poll()
        for (let turns = 0; turns < 20; turns++) await Promise.resolve()
      }
      let id = 0
      for (const { lane, room, arrivals } of steps) {
        for (let count = 0; count < arrivals; count++) inbox.commands.push(commandOf((lane + count) % 3, ++id))
        const taker = lanes[lane]
        if (taker !== undefined) taker.choreRoom += room
        await settle()
      }
      for (const taker of lanes) taker.choreRoom = 1_000
      await settle()
      await settle()
      return lanes.every(({ lane, taken }) => {
        const own = inbox.commands.filter((command) => command.lane === lane).map((command) => command.id)
        return JSON.stringify(own) === JSON.stringify(taken)
      })
    }),
    { numRuns: 100 },
  )
})
