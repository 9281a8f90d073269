import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { receiveNetworkFile } from '../../src/clearing/incoming/receive.ts'
import { presentmentOf } from '../../src/simulator/network-clearing.ts'
import { Random } from '../../src/simulator/random.ts'
import { readDispute } from '../../src/store/clearing/network-dispute-read.ts'
import { type DisputeMove, raiseDispute, requestDisputeMove } from '../../src/store/clearing/network-disputes.ts'
import { awaitPostings } from '../../src/store/clearing/postings.ts'
import { awaitCommand } from '../../src/store/command-requests.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { inTransaction } from '../../src/store/transaction.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { waitFor } from '../support/inbox.ts'
import { randomSeed } from '../support/property-runs.ts'
import { ask, isLaneAtLock, purchaseOf } from '../support/writer.ts'
import { clearingWorld, failed, itemsOf, moneyOf, scheme, type World } from './network-world.ts'

const ROUNDS = 5
/** Each presents its item, has it disputed, and is answered while people end the dispute. */
const HOUSEHOLDS = 12
const PIASTERS = 1_000
const seed = randomSeed()
const random = new Random(seed)
/** Whole numbers below a limit, by the seed. */
const below = (limit: number) => random.integer(0, limit - 1)

interface Raised {
  readonly id: number
  readonly householdId: number
  readonly again: ReturnType<typeof presentmentOf>
  readonly posted: boolean
  readonly credited: boolean
}

/** A connection on which a receiver dawdles where it has looked at disputes, and before it asks for postings. */
function dawdling(client: Client): Client {
  return new Proxy(client, {
    get(target, name) {
      const own = Reflect.get(target, name, target)
      if (name !== 'query') return typeof own === 'function' ? own.bind(target) : own
      return async (...asked: unknown[]) => {
        const told = await own.apply(target, asked)
        const text = typeof asked[0] === 'string' ? asked[0] : ''
        if (/left join dispute d|^insert into network_item|settlement-post/.test(text)) await sleep(below(40))
        return told
      }
    },
  })
}

async function raisedRound(world: World, round: number, isPosted: boolean): Promise<Raised[]> {
  const { writer, clock, client, write, context, today } = world
  const held = []
  for (let householdId = 1; householdId <= HOUSEHOLDS; householdId++) {
    held.push(await scheme(writer, householdId, clock.now(), { piasters: PIASTERS }))
  }
  // What differs too much from its authorization is not posted.
  const amountPiasters = isPosted ? PIASTERS : 90_000
  const presented = held.map((one) => presentmentOf({ ...one, amountPiasters }))
  const { file } = await receiveNetworkFile(write(presented), context)
  const items = await itemsOf(world, file.id)
  const raised: Raised[] = []
  for (const [index, again] of presented.entries()) {
    const by = { raisedBy: 'user:one', approvedBy: 'user:two', nowMs: clock.now(), businessDate: today }
    const { id, posted } = await inTransaction(client, () =>
      raiseDispute(client, { fileId: file.id, number: index + 1, reasonCode: '83', reason: 'not his', ...by }),
    )
    if (posted !== isPosted) throw new Error(`item ${index + 1} is ${items[index]?.state}`)
    if (posted) await awaitPostings(client, { reference: `dispute:${id}:raised`, commands: 1 }, { stallMs: 20_000 })
    const credited = posted && (index + round) % 2 === 0
    if (credited) await move(world, client, id, 'credit')
    raised.push({ id, householdId: index + 1, again: { ...again, code: '35' }, posted, credited })
  }
  return raised
}

/** @returns whether it was done; false when it was refused */
async function move({ clock, today }: World, client: Client, id: number, what: DisputeMove): Promise<boolean> {
  const by = { actor: 'user:two', nowMs: clock.now(), businessDate: today }
  try {
    const asked = await inTransaction(client, () => requestDisputeMove(client, id, what, by))
    if (asked === undefined) return true
    const { end } = await awaitCommand(client, asked, { timeoutMs: 60_000 })
    return end?.outcome.startsWith('done') === true
  } catch (error) {
    if (/represented|changed meanwhile|is being taken/.test(String(error))) return false
    throw error
  }
}

/** Money that both would move twice: the household's, and that of the disputes and of the network. */
async function moneyOfAll(world: World) {
  const { rows } = await world.client.query<{ disputes: string; network: string }>(
    `select coalesce(sum(posted) filter (where account / 100000000000 = 7008), 0) as disputes,
            coalesce(sum(posted) filter (where account / 100000000000 = 7004), 0) as network from balance`,
  )
  return { disputes: Number(rows[0]?.disputes), network: Number(rows[0]?.network) }
}

async function race(test: Test, world: World, options: { round: number; what: DisputeMove; posted: boolean }) {
  const { url, context, write } = world
  const { round, what } = options
  const raised = await raisedRound(world, round, options.posted)
  const before = await moneyOfAll(world)
  const household = await Promise.all(raised.map(({ householdId }) => moneyOf(world, householdId)))
  const receiver = await connect({ url, name: 'test receiver', role: 'mizan_app' })
  const people = await Promise.all([1, 2, 3].map(() => connect({ url, name: 'test people', role: 'mizan_app' })))
  const moved = new Map<number, boolean>()
  const decide = async (client: Client, mine: readonly Raised[]) => {
    for (const { id } of mine) {
      await sleep(below(30))
      moved.set(id, await move(world, client, id, what))
    }
  }
  // One after the other, so that each answer meets a move of its own.
  const file = write(raised.map(({ again }) => again))
  const [received] = await Promise.all([
    receiveNetworkFile(file, { ...context, client: dawdling(receiver) }),
    ...people.map((client, at) =>
      decide(
        client,
        raised.filter((_, index) => index % people.length === at),
      ),
    ),
  ])
  await Promise.all([receiver, ...people].map((client) => client.end()))
  const items = await itemsOf(world, received.file.id)
  let disputes = before.disputes
  let network = before.network
  let answered = 0
  for (const [index, { id, householdId, posted, credited }] of raised.entries()) {
    const isMoved = moved.get(id) === true
    const { state } = await readDispute(world.client, id)
    const words = `dispute ${id}, household ${householdId}, seed ${seed}`
    const ended = what === 'withdraw' ? 'withdrawn' : 'accepted'
    test.equal(state, isMoved ? ended : 'represented', `${words}: one of the two wins`)
    const item = items[index]
    if (isMoved) test.match(item, { state: 'exception', reason: 'representment-without-dispute' }, words)
    else test.match(item, { state: 'disputed', outcome: 'representment' }, words)
    if (!isMoved) answered++
    const now = await moneyOf(world, householdId)
    const kept = posted ? householdGets(what, isMoved, credited) : 0
    test.equal(now.posted - (household[index]?.posted ?? 0), kept, `${words}: its household`)
    if (!posted) continue
    const back = what === 'withdraw' || !isMoved ? PIASTERS : 0
    network += back
    disputes -= back + kept
  }
  test.same(await moneyOfAll(world), { disputes, network }, 'the network has its money again once')
  return { answered, moved: raised.length - answered }
}

/** What a move brings a household that has, or has not, a credit already. */
function householdGets(what: DisputeMove, isMoved: boolean, credited: boolean): number {
  if (!isMoved) return 0
  if (what === 'withdraw') return credited ? -PIASTERS : 0
  return credited ? 0 : PIASTERS
}

/** The command of a dispute comes to its lane while another transaction has the dispute, as a receiver does. */
async function heldUp(test: Test, world: World): Promise<void> {
  const { url, client, clock, writer, today } = world
  const raised = await raisedRound(world, 1, true)
  const { id = 0, householdId = 0 } = raised.find(({ credited }) => !credited) ?? {}
  const before = await moneyOf(world, householdId)
  world.refusals.length = 0
  const gate = await connect({ url, name: 'test gate' })
  const holder = await connect({ url, name: 'test receiver', role: 'mizan_app' })
  // A batch waits at the lane's row, and the command behind it, until the dispute is held.
  await gate.query('begin; update lane set open_date = open_date')
  const first = ask(writer, purchaseOf(20, clock.now()))
  await waitFor('a batch in flight', () => isLaneAtLock(gate))
  const by = { actor: 'user:two', nowMs: clock.now(), businessDate: today }
  const asked = await inTransaction(client, () => requestDisputeMove(client, id, 'credit', by))
  await holder.query('begin')
  await holder.query('select from dispute where id = $1 for update', [id])
  await gate.query('commit')
  test.equal((await first).result, 'approved')
  const { refusals } = world
  // Tried again and again, and the lanes of all households go on.
  for (const tries of [1, 2, 3]) {
    await waitFor('the command is tried', async () => refusals.length >= tries)
    const answers = await Promise.all([21, 22, 23, 24].map((other) => ask(writer, purchaseOf(other, clock.now()))))
    test.ok(
      answers.every(({ result }) => result === 'approved'),
      'the lanes go on',
    )
  }
  test.ok(
    refusals.every((code) => code === '55P03'),
    'a lock that was not waited for',
  )
  test.equal((await readDispute(client, id)).credited, false)
  await holder.query('rollback')
  if (asked === undefined) throw new Error('no money moves')
  const { end } = await awaitCommand(client, asked, { timeoutMs: 20_000 })
  test.match(end?.outcome, /^done/)
  test.match(await readDispute(client, id), { state: 'raised', credited: true })
  test.equal((await moneyOf(world, householdId)).posted - before.posted, PIASTERS, 'once')
  await Promise.all([gate, holder].map((connection) => connection.end()))
}

t.test('a dispute that is ended while the acquirer answers it: one of the two wins', async (suite) => {
  const world = await clearingWorld(suite)
  const all = { answered: 0, moved: 0 }
  for (const what of ['withdraw', 'accept'] as const) {
    for (const posted of [true, false]) {
      await suite.test(`${what}, ${posted ? 'posted' : 'not posted'}`, async (test) => {
        let answered = 0
        let moved = 0
        for (let round = 0; round < ROUNDS; round++) {
          const end = await race(test, world, { round, what, posted })
          answered += end.answered
          moved += end.moved
        }
        all.answered += answered
        all.moved += moved
        test.comment(`seed ${seed}: ${answered} answered, ${moved} ${what}`)
      })
    }
  }
  await suite.test('whoever holds a dispute holds up its command, and no request', (test) => heldUp(test, world))
  suite.ok(all.answered > 0 && all.moved > 0, `${all.answered} answered and ${all.moved} ended: they did race`)
  suite.same(failed(await verifyLedger(world.url)), [], 'the ledger is whole')
})
