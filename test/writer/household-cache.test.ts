import t from 'tap'
import type { LoadedHousehold } from '../../src/store/prefetch.ts'
import { HouseholdCache } from '../../src/writer/household-cache.ts'
import { household } from '../authorization/world.ts'

const MONTH = 202_611

function loaded(id: number, ...panIndexes: string[]): LoadedHousehold {
  const made = household({ id })
  const card = made.cards[0]
  if (card === undefined) throw new Error('a household of the tests has a card')
  return { household: made, cardsByPanIndex: new Map(panIndexes.map((panIndex) => [panIndex, card])) }
}

t.test('a household is found by each of its cards', async (t) => {
  const cache = new HouseholdCache(10)
  t.equal(cache.has('a', MONTH), false)
  cache.add(loaded(1, 'a', 'b'), MONTH)
  t.equal(cache.has('a', MONTH), true)
  t.equal(cache.get('a')?.household, cache.get('b')?.household)
  t.equal(cache.get('c'), undefined)
  t.same(cache.takeCounts(), { cacheHits: 1, cacheMisses: 1 })
  t.same(cache.takeCounts(), { cacheHits: 0, cacheMisses: 0 })
})

t.test('what is in memory is ahead of what was read', async (t) => {
  const cache = new HouseholdCache(10)
  const first = loaded(1, 'a')
  cache.add(first, MONTH)
  cache.add(loaded(1, 'a'), MONTH)
  t.equal(cache.get('a')?.household, first.household)
})

t.test('another month means another load', async (t) => {
  const cache = new HouseholdCache(10)
  cache.add(loaded(1, 'a'), MONTH)
  t.equal(cache.has('a', MONTH + 1), false)
  t.equal(cache.get('a'), undefined)
  t.equal(cache.size, 0)
})

t.test('the least recently used goes first, and only when asked to make room', async (t) => {
  const cache = new HouseholdCache(2)
  for (const [id, panIndex] of [
    [1, 'a'],
    [2, 'b'],
    [3, 'c'],
  ] as const) {
    cache.add(loaded(id, panIndex), MONTH)
  }
  t.equal(cache.size, 3)
  cache.get('a')
  cache.trim()
  t.equal(cache.get('b'), undefined)
  t.ok(cache.get('a') !== undefined && cache.get('c') !== undefined)
  cache.drop(1)
  t.equal(cache.get('a'), undefined)
  cache.drop(99)
  cache.clear()
  t.equal(cache.size, 0)
})
