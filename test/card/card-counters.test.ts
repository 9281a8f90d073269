import fc from 'fast-check'
import t from 'tap'
import { ATC_WINDOW, afterAtc, type CardCounters, judgeAtc, unusedCounters } from '../../src/card/card-counters.ts'

/** The counters as a list of all that were accepted: what the window is a short form of. */
class SeenCounters {
  readonly #seen = new Set<number>()
  #highest = 0

  judge(atc: number): ReturnType<typeof judgeAtc> {
    if (atc > this.#highest) return 'new'
    if (this.#highest - atc > ATC_WINDOW) return 'too-old'
    // No chip uses the counter 0: it stands for a card that was never seen.
    return this.#seen.has(atc) || atc === this.#highest ? 'seen' : 'late'
  }

  accept(atc: number): void {
    this.#seen.add(atc)
    this.#highest = Math.max(this.#highest, atc)
  }
}

/** Counters near those that came before, far ahead, and anything at all. */
const step = fc.oneof(
  fc.record({ near: fc.integer({ min: -ATC_WINDOW - 3, max: ATC_WINDOW + 3 }) }),
  fc.record({ near: fc.integer({ min: -3, max: 3 }) }),
  fc.record({ at: fc.integer({ min: 0, max: 0xffff }) }),
)

t.test('the window says of any counter what a list of all would say', async (t) => {
  const judged = new Set<string>()
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.nat(9), (steps, pinFailures) => {
      const model = new SeenCounters()
      let counters: CardCounters = { ...unusedCounters, pinFailures }
      for (const one of steps) {
        const wanted = 'at' in one ? one.at : counters.atc + one.near
        const atc = Math.min(0xffff, Math.max(0, wanted))
        const verdict = judgeAtc(counters, atc)
        judged.add(verdict)
        if (verdict !== model.judge(atc)) return false
        if (verdict === 'seen' || verdict === 'too-old') continue
        const before = counters
        counters = afterAtc(counters, atc)
        model.accept(atc)
        // What the database and the record of a household can hold.
        if (!Number.isInteger(counters.atcSeen) || counters.atcSeen < 0 || counters.atcSeen > 0xffffffff) return false
        if (counters.pinFailures !== pinFailures || counters === before) return false
        if (counters.atc !== Math.max(before.atc, atc) || judgeAtc(counters, atc) !== 'seen') return false
      }
      return true
    }),
    { numRuns: 1_000 },
  )
  t.same([...judged].sort(), ['late', 'new', 'seen', 'too-old'], 'and it has to say each')
})

t.test('the edges of the window', async (t) => {
  const at = (atc: number, atcSeen = 0): CardCounters => ({ pinFailures: 0, atc, atcSeen })
  t.equal(judgeAtc(at(100), 100 - ATC_WINDOW), 'late')
  t.equal(judgeAtc(at(100), 100 - ATC_WINDOW - 1), 'too-old')
  t.equal(judgeAtc(at(100, 0x80000000), 100 - ATC_WINDOW), 'seen', 'the last bit')
  t.equal(judgeAtc(at(100, 1), 99), 'seen', 'the first')
  t.equal(judgeAtc(unusedCounters, 1), 'new')
  t.equal(judgeAtc(at(0xffff), 0xffff), 'seen')

  t.same(afterAtc(at(100), 100 - ATC_WINDOW), at(100, 0x80000000))
  t.same(afterAtc(at(100, 0b101), 101), at(101, 0b1011), 'the highest moves into the window, and the others up')
  t.same(
    afterAtc(at(100, 0xffffffff), 100 + ATC_WINDOW),
    at(132, 0x80000000),
    'of the old ones only the highest is left',
  )
  t.same(afterAtc(at(100, 0xffffffff), 100 + ATC_WINDOW + 1), at(133), 'and then none')
  t.same(afterAtc(at(0), 1), at(1), 'a card that was never used has seen nothing')
  const before = at(5, 3)
  afterAtc(before, 6)
  t.same(before, at(5, 3), 'what is given is left as it is')
})
