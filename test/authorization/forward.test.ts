import t from 'tap'
import { type DecisionContext, DecisionDraft } from '../../src/authorization/decision.ts'
import { type Forward, forwardFault } from '../../src/authorization/forward.ts'

const advice: Forward = { destination: 'post', kind: 'advice', mti: '0220', fields: { 4: '000000001000' }, cardId: 7 }
const reversal: Forward = { ...advice, kind: 'reversal', mti: '0420' }

t.test('what an approval queues is dropped by a refusal, but for what goes out anyway', async (t) => {
  const draft = () => {
    const made = new DecisionDraft({} as DecisionContext)
    made.forward(advice)
    made.forwardAnyway(reversal)
    return made
  }
  t.same(draft().approve(1_000).forwards, [advice, reversal])
  t.same(draft().decline('no-funds' as never, 'card.unknown' as never).forwards, [reversal])
  t.same(new DecisionDraft({} as DecisionContext).approve(0).forwards, [])
})

t.test('what may not be queued is a defect of whoever queues it', async (t) => {
  const faults: [Partial<Forward>, RegExp][] = [
    [{ destination: 'Post' }, /is no name of a link/],
    [{ mti: '0230' }, /is no message type of a first request/],
    [{ mti: '0221' }, /is no message type of a first request/],
    [{ fields: { 2: '4000000000000002' } }, /data element 2 is never queued/],
    [{ fields: { 35: '4000000000000002=2912' } }, /data element 35 is never queued/],
    [{ fields: { 52: '0123456789abcdef' } }, /data element 52 is never queued/],
    [{ fields: { 11: '12' } }, /data element 11 has six digits/],
    [{ fields: { 7: '1122' } }, /data element 7 has ten digits/],
  ]
  for (const [change, message] of faults) {
    t.match(forwardFault({ ...advice, ...change }), message)
    t.throws(() => new DecisionDraft({} as DecisionContext).forward({ ...advice, ...change }), message)
  }
  t.equal(forwardFault(advice), undefined)
})
