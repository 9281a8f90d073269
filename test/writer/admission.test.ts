import t from 'tap'
import { messageClassOf } from '../../src/authorization/mti.ts'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { Admission, precedenceOf } from '../../src/writer/admission.ts'
import { WaitingWorks } from '../../src/writer/waiting-works.ts'
import { UnderWay, type Work } from '../../src/writer/work.ts'

const limits = { ringCapacity: 8_000, batchMax: 100, queueMs: 500, timeBudgetMs: 3_000 }

/** Batches of so many requests, one behind the other, each of so many milliseconds. */
function learnt(batches: number, size: number, tookMs: number, given = new Admission(limits)): Admission {
  for (let batch = 0; batch < batches; batch++) given.learn(size, batch * tookMs, (batch + 1) * tookMs)
  return given
}

t.test('what may wait follows the speed of the lane', async (t) => {
  const fast = learnt(40, 100, 5)
  t.ok(Math.abs(fast.perRequestMs - 0.05) < 0.001)
  t.same(fast.room, { request: 4_000, reversal: 6_000, advice: 2_000 }, 'a fast lane: the ring is the limit')
  const slow = learnt(60, 100, 100)
  t.ok(Math.abs(slow.perRequestMs - 1) < 0.01)
  t.ok(
    slow.room.request > 180 && slow.room.request <= 200,
    'half a second at one a millisecond, less the three batches ahead',
  )
  t.ok(slow.room.reversal > 2_650 && slow.room.reversal <= 2_700, 'reversals: what the budget allows')
  t.ok(slow.room.advice > 655 && slow.room.advice <= 675, 'advices: the same at their share of the lane')
  const stalled = learnt(200, 100, 10_000)
  t.same(stalled.room, { request: 100, reversal: 200, advice: 100 }, 'batches can be full however slow it is')
})

t.test('small batches teach nothing, and one stall little', async (t) => {
  const admission = learnt(40, 100, 10)
  const before = admission.perRequestMs
  admission.learn(3, 10_000, 10_010)
  t.equal(admission.perRequestMs, before, 'of three requests nobody knows what a hundred cost')
  const slow = new Admission(limits)
  for (let batch = 0; batch < 40; batch++) slow.learn(3, batch * 100, batch * 100 + 80)
  t.ok(Math.abs(slow.perRequestMs - 0.8) < 0.01, 'but a full batch takes no less than a small one')
  admission.learn(100, 20_000, 22_000)
  t.ok(admission.perRequestMs < before * 1.7, 'a stall of two seconds is no new speed')
  t.ok(learnt(20, 100, 10, admission).perRequestMs < before * 1.05)
})

t.test('batches that overlap share their time', async (t) => {
  const admission = new Admission(limits)
  // Each is begun while the one before is being made durable: 20 ms each, one every 10 ms.
  for (let batch = 0; batch < 60; batch++) admission.learn(100, batch * 10, batch * 10 + 20)
  t.ok(Math.abs(admission.perRequestMs - 0.1) < 0.002)
})

t.test('reversals and advices still have room when new requests have none, and no link takes it all', async (t) => {
  const admission = learnt(40, 100, 5)
  t.equal(admission.refusalOf('request', 4_000, 0), 'ring_full')
  t.equal(admission.refusalOf('reversal', 4_000, 0), undefined)
  t.equal(admission.refusalOf('reversal', 6_000, 0), 'ring_full')
  t.equal(admission.refusalOf('advice', 1_999, 0), undefined)
  t.equal(admission.refusalOf('advice', 2_000, 0), 'ring_full')
  let flooding = 0
  while (admission.refusalOf('request', flooding, flooding) === undefined) flooding++
  t.equal(flooding, 3_200, 'a link alone has four fifths')
  t.equal(admission.refusalOf('request', flooding, flooding), 'link_share')
  t.equal(admission.refusalOf('request', flooding, 0), undefined, 'another link finds room')
  t.equal(precedenceOf('reversal-advice'), 'advice', 'its sender keeps it until it is answered')
})

let number = 0

/** Only what the queues look at. */
function workOf(link: number, mti: string, more: Partial<AuthorizationRequest> = {}, deadlineMs = 1_000): Work {
  number++
  const key = `key ${number}`
  const request = { messageClass: messageClassOf(mti), mti, key, panIndex: key, ...more } as AuthorizationRequest
  return { link, request, deadlineMs, responseCodes: {} as Work['responseCodes'], respond: () => undefined }
}

const mtis = (works: readonly Work[]) => works.map(({ request }) => request.mti)

t.test('advices yield to what somebody waits for, and get one place in four', async (t) => {
  const waiting = new WaitingWorks()
  for (let n = 0; n < 20; n++) waiting.push(workOf(1, '0220'))
  for (let n = 0; n < 9; n++) waiting.push(workOf(2, '0200'))
  const take = (max: number) => waiting.take(max, 0, [new UnderWay()], t.fail)
  t.same(mtis(take(8)), ['0200', '0200', '0200', '0220', '0200', '0200', '0200', '0220'])
  t.same(mtis(take(2)), ['0200', '0200'], 'the turn goes on from batch to batch')
  t.same(mtis(take(5)), ['0200', '0220', '0220', '0220', '0220'], 'alone they go as fast as the lane does')
  t.equal(waiting.size, 14)
})

t.test('what fits into one batch is taken as it came, whatever it is and whose turn it would be', async (t) => {
  const waiting = new WaitingWorks()
  const sent = (
    [
      [1, '0220', 'a'],
      [2, '0200', 'b'],
      [1, '0400', 'a'],
      [3, '0220', 'c'],
      [1, '0200', 'd'],
      [3, '0420', 'b'],
    ] as const
  ).map(([link, mti, card]) => workOf(link, mti, { panIndex: card }))
  for (const work of sent) waiting.push(work)
  const first = waiting.take(6, 0, [new UnderWay()], t.fail)
  // The reversals, of whatever original, wait until what came before of their cards is durable.
  t.same(first, sent.slice(0, 2).concat(sent[3] as Work))
  t.same(waiting.take(6, 0, [new UnderWay()], t.fail), [sent[2], sent[4], sent[5]])
  waiting.push(workOf(1, '0200', { panIndex: 'e' }))
  waiting.push(workOf(1, '0220', { panIndex: 'f' }))
  waiting.putBack([sent[5] as Work])
  t.same(mtis(waiting.take(9, 0, [new UnderWay()], t.fail)), ['0420', '0200', '0220'], 'what was taken comes first')
})

t.test('a queue ends before a request that depends on one under way; the other goes on', async (t) => {
  const waiting = new WaitingWorks()
  const underWay = new UnderWay()
  underWay.add(workOf(1, '0200', { key: 'asked' }).request)
  waiting.push(workOf(1, '0201', { key: 'asked' }))
  waiting.push(workOf(1, '0200'))
  waiting.push(workOf(1, '0220'))
  t.same(mtis(waiting.take(9, 0, [underWay, new UnderWay()], t.fail)), ['0220'])
  t.same(mtis(waiting.take(9, 0, [new UnderWay()], t.fail)), ['0201', '0200'])
})

t.test('what is late is answered and not taken; what was taken comes back in front', async (t) => {
  const waiting = new WaitingWorks()
  const late: Work[] = []
  for (const [mti, deadlineMs] of [
    ['0200', 10],
    ['0200', 30],
    ['0220', 20],
    ['0400', 30],
  ] as const)
    waiting.push(workOf(1, mti, {}, deadlineMs))
  const taken = waiting.take(1, 15, [new UnderWay()], (work) => late.push(work))
  t.same([mtis(late), mtis(taken)], [['0200'], ['0200']])
  waiting.putBack(taken)
  t.equal(waiting.size, 3)
  t.same(mtis(waiting.takeLate(25)), ['0220'])
  t.equal(waiting.take(1, 25, [new UnderWay()], t.fail)[0], taken[0])
  t.same(mtis(waiting.takeAll()), ['0400'])
  t.equal(waiting.size, 0)
})
