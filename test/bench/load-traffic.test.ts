import t from 'tap'
import { programmeCatalogue } from '../../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { parseDate } from '../../src/calendar.ts'
import { demoHousehold, governorates } from '../../src/simulator/demo-world.ts'
import { mixes, mixNames, mixSchedule } from '../../src/simulator/load-mix.ts'
import { LoadRecord, requestStates } from '../../src/simulator/load-record.ts'
import type { MessageNumbers } from '../../src/simulator/load-template.ts'
import { type LoadCards, type LoadCursors, LoadTraffic } from '../../src/simulator/load-traffic.ts'

const CARDS = 500
const members = new Uint8Array(CARDS + 1)
const checkDigits = new Uint8Array(CARDS + 1)
for (let id = 1; id <= CARDS; id++) {
  const household = demoHousehold(1, id, false)
  members[id] = household.members
  checkDigits[id] = Number(household.pan.at(-1))
}
const cards: LoadCards = { count: CARDS, members, checkDigits }

function numbers(): MessageNumbers {
  return {
    householdId: 0,
    checkDigit: 0,
    transmission: 0,
    localTime: 0,
    localDate: 0,
    date: 0,
    stan: 0,
    sequence: 0,
    originalStan: 0,
    originalTransmission: 0,
  }
}

function traffic(mix: keyof typeof mixes, cursors: LoadCursors): LoadTraffic {
  const bread = programmeCatalogue(shippedProgrammes).on(parseDate('2026-11-18')).wallet('bread')
  if (bread === undefined) throw new Error('bread is shipped')
  return new LoadTraffic({ parts: mixes[mix], cards, cursors, bread, daysLeftInMonth: 2, run: 3, seed: 1 })
}

const noCursors = (): LoadCursors => ({ bread: 0, ration: 0, purchase: 0, schemePurchase: 0, cash: 0 })

t.test('every mix has its parts in their shares, with 8 % inquiries and 0.8 % reversals on top', async (t) => {
  for (const name of mixNames) {
    const parts = mixes[name]
    const schedule = mixSchedule(parts, 1)
    const total = parts.reduce((sum, part) => sum + part.share, 0)
    for (const [index, part] of parts.entries()) {
      const found = schedule.filter((slot) => slot === index).length / schedule.length
      t.ok(Math.abs(found - part.share / total) < 0.001, `${name}: ${part.kind} over ${part.dialect}: ${found}`)
    }
    const inquiries = parts.filter((part) => part.kind === 'inquiry').reduce((sum, part) => sum + part.share, 0)
    t.ok(Math.abs(inquiries / total - 0.08 / 1.088) < 1e-9, `${name}: inquiries`)
  }
})

t.test('a round visits every card once, at an outlet of its governorate', async (t) => {
  const cursors = noCursors()
  const load = traffic('bread', cursors)
  const record = new LoadRecord(5_000)
  const visited = new Set<number>()
  while (cursors.bread < CARDS) {
    const sequence = record.next()
    const asked = numbers()
    const { content, place } = load.next(sequence, record, asked).source
    if (content.processingCode !== '009200') continue
    visited.add(asked.householdId)
    t.equal(place.governorate, asked.householdId % governorates.length, 'the outlet serves the card')
    t.equal(asked.checkDigit, checkDigits[asked.householdId])
    t.equal(content.elements, 'QT0011', 'a draw of the day')
  }
  t.equal(visited.size, CARDS)
})

t.test('after five rounds bread draws reach ahead as far as household and month allow', async (t) => {
  const load = traffic('bread', { ...noCursors(), bread: CARDS * 5 })
  const record = new LoadRecord(1_000)
  const days = new Set<string>()
  for (let n = 0; n < 400; n++) {
    const { content } = load.next(record.next(), record, numbers()).source
    if (content.processingCode === '009200') days.add(content.elements ?? '')
  }
  t.same([...days], ['QT0011DY0012'], 'two days are left in the month')
})

t.test('a reversal follows an approval that has aged, once, at the same outlet', async (t) => {
  const load = traffic('atm', noCursors())
  const record = new LoadRecord(5_000)
  const reversed: number[] = []
  while (record.room > 0) {
    const sequence = record.next()
    const asked = numbers()
    asked.transmission = 1_121_000_000
    const { content, place } = load.next(sequence, record, asked).source
    record.transmission[sequence] = asked.transmission
    record.intendedMs[sequence] = performance.now() - 10_000
    if (content.mti === '0400') {
      const original = asked.originalStan
      reversed.push(original)
      t.equal(asked.originalTransmission, 1_121_000_000)
      t.equal(record.household[original], asked.householdId, 'the same card')
      t.equal(load.template(record.template[original] ?? 0).source.place, place, 'the same terminal')
    } else if (content.amountPiasters > 0) {
      record.state[sequence] = requestStates.approved
      record.amountPiasters[sequence] = content.amountPiasters
      load.approved(sequence, record)
    }
  }
  t.ok(reversed.length > 20, `${reversed.length} reversals`)
  t.equal(new Set(reversed).size, reversed.length, 'none twice')
})

t.test('an inquiry is of a card that no round has just used or is about to use', async (t) => {
  const cursors = noCursors()
  const load = traffic('national', cursors)
  const record = new LoadRecord(20_000)
  const lastUsed = new Map<number, number>()
  let closest = Number.POSITIVE_INFINITY
  let inquiries = 0
  while (record.room > 0) {
    const sequence = record.next()
    const asked = numbers()
    const { content } = load.next(sequence, record, asked).source
    if (content.processingCode === '310000') {
      inquiries += 1
      closest = Math.min(closest, sequence - (lastUsed.get(asked.householdId) ?? Number.NEGATIVE_INFINITY))
    } else {
      lastUsed.set(asked.householdId, sequence)
    }
  }
  t.ok(inquiries > 1_000, `${inquiries} inquiries`)
  t.ok(closest > 20, `no card is asked about within ${closest} requests of its use`)
})
