import t from 'tap'
import { messageClassOf } from '../../src/authorization/mti.ts'
import { type Chore, Chores, choreInWords } from '../../src/writer/chores.ts'
import { UnderWay } from '../../src/writer/work.ts'
import { purchaseOf } from '../support/writer.ts'

const MAX = 32
const NOW_MS = Date.parse('2026-11-22T10:00:00Z')
const panIndexOf = (householdId: number) => purchaseOf(householdId, NOW_MS).panIndex

function commandChore(id: number): Chore & { kind: 'command' } {
  const nothing = { cardId: undefined, householdId: undefined, panIndex: undefined }
  const command = { lane: 0, id, kind: 'pin-reset', ...nothing, detail: {}, requestedBy: 'tester' }
  return { kind: 'command', householdKey: undefined, command, refusal: undefined }
}

const holdChore = (holdId: number): Chore => ({ kind: 'expire-hold', householdKey: 'index', holdId })
const inWords = (chores: readonly Chore[]) => chores.map(choreInWords)

t.test('chores are taken in order, some at a time', async (t) => {
  const chores = new Chores()
  t.equal(chores.isReady(0), false)
  for (let id = 1; id <= MAX + 3; id++) chores.push(commandChore(id))
  t.ok(chores.isReady(0))
  t.equal(chores.take(MAX, 0).length, MAX)
  t.same(
    inWords(chores.take(MAX, 0)),
    [1, 2, 3].map((more) => `command ${MAX + more} (pin-reset)`),
  )
  t.same(chores.take(MAX, 0), [])
})

t.test('what nothing ended waits a minute, and no other waits for it', async (t) => {
  const chores = new Chores()
  chores.push(commandChore(1))
  chores.push(commandChore(2))
  const room = chores.room
  const [first] = chores.take(1, NOW_MS)
  chores.postpone(first as Chore, NOW_MS)
  t.equal(chores.room, room, 'it has its place still')
  t.same(inWords(chores.take(MAX, NOW_MS)), ['command 2 (pin-reset)'])
  t.equal(chores.isReady(NOW_MS + 59_999), false)
  t.equal(chores.isReady(NOW_MS + 60_000), true)
  chores.push(commandChore(3))
  t.same(inWords(chores.take(MAX, NOW_MS + 60_000)), ['command 1 (pin-reset)', 'command 3 (pin-reset)'])
  chores.postpone(first as Chore, NOW_MS)
  t.equal(chores.isReady(NOW_MS - 3_600_000), true, 'a clock that is set back holds nothing up')
})

t.test('commands with many postings fill a batch sooner, and one alone goes whatever it holds', async (t) => {
  const chores = new Chores()
  const posting = (id: number, count: number) => {
    const plain = commandChore(id)
    const detail = { postings: Array.from({ length: count }, () => [40, 1, 2, 3]) }
    return { ...plain, command: { ...plain.command, kind: 'settlement-post', detail } }
  }
  for (const id of [1, 2, 3]) chores.push(posting(id, 200))
  for (const id of [4, 5]) chores.push(commandChore(id))
  chores.push(posting(6, 5_000))
  t.same(chores.take(MAX, 0).length, 2)
  t.same(inWords(chores.take(MAX, 0)), [
    'command 3 (settlement-post)',
    'command 4 (pin-reset)',
    'command 5 (pin-reset)',
  ])
  t.same(inWords(chores.take(MAX, 0)), ['command 6 (settlement-post)'])
  t.same(chores.take(0, 0), [], 'no room, nothing is taken')
})

t.test('a reversal waits for a dispute that pays its card out', async (t) => {
  const chores = new Chores()
  const plain = commandChore(1)
  chores.push({ ...plain, command: { ...plain.command, kind: 'dispute-credit', panIndex: panIndexOf(7) } })
  const underWay = new UnderWay()
  t.equal(chores.take(MAX, 0, [underWay]).length, 1)
  const about = (householdId: number, mti: string) =>
    purchaseOf(householdId, NOW_MS, {
      mti,
      messageClass: messageClassOf(mti) ?? 'reversal',
      originalKey: 'k'.repeat(16),
    })
  t.equal(underWay.blocks(about(7, '0420')), true, 'it must find the credit in the journal')
  t.equal(underWay.blocks(about(7, '0200')), false, 'a purchase need not')
  t.equal(underWay.blocks(about(8, '0420')), false)
})

t.test('there is an end to the room', async (t) => {
  const chores = new Chores()
  const { room } = chores
  for (let id = 1; id <= room; id++) chores.push(commandChore(id))
  t.equal(chores.push(commandChore(room + 1)), false)
  t.equal(chores.room, 0)
  const taken = chores.take(MAX, 0)
  t.equal(chores.room, taken.length)
  for (let id = 1; id <= taken.length; id++) chores.push(commandChore(10_000 + id))
  chores.putBack(taken)
  t.equal(chores.room, 0, 'what was taken comes back all the same')
})

t.test('what is put back stands in its order again, in whatever order it comes back', async (t) => {
  const chores = new Chores()
  for (const id of [1, 2, 3, 4, 5]) chores.push(commandChore(id))
  chores.push(holdChore(70))
  chores.push(commandChore(6))
  const taken = chores.take(MAX, 0)
  chores.push(commandChore(7))
  chores.putBack(taken.slice(3))
  chores.putBack(taken.slice(1, 2))
  chores.putBack([{ ...commandChore(1), refusal: 'for a reason' }])
  chores.putBack(taken.slice(2, 3))
  const again = chores.take(MAX, 0)
  t.same(inWords(again), ['the end of hold 70', ...[1, 2, 3, 4, 5, 6, 7].map((id) => `command ${id} (pin-reset)`)])
  t.match(again[1], { refusal: 'for a reason' })
})

t.test('while chores rest none is taken', async (t) => {
  const chores = new Chores()
  chores.push(holdChore(1))
  chores.rest(10_000)
  t.same(chores.take(MAX, 10_500), [])
  t.equal(chores.isReady(10_500), false)
  t.ok(chores.isReady(11_000))
  t.ok(chores.isReady(5_000), 'a clock that was set back does not stop them')
  t.same(inWords(chores.take(MAX, 11_000)), ['the end of hold 1'])
})
