import t from 'tap'
import { cryptoBench, LINK } from '../../bench/crypto-cases.ts'
import { ChipTags } from '../../src/iso8583/chip-tags.ts'
import { parseTrack2 } from '../../src/iso8583/composites.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { Message } from '../../src/iso8583/message.ts'
import { formatBerTlv } from '../../src/iso8583/tlv.ts'
import { VISA_HEADER_BYTES } from '../../src/iso8583/visa-header.ts'
import { TPDU_BYTES } from '../../src/link/tpdu.ts'
import { ApplicationCryptograms } from '../../src/security/emv/arqc.ts'
import { DemoIssuer } from '../../src/simulator/demo-issuer.ts'
import { demoHousehold, panOf } from '../../src/simulator/demo-world.ts'
import { CHECKED_OF, cardSecrets, LoadChip } from '../../src/simulator/load-chip.ts'
import { contentOf, type LoadDialect, loadDialects, placesOf } from '../../src/simulator/load-mix.ts'
import { MessageTemplate } from '../../src/simulator/load-template.ts'

const CARDS = 60
const { module, keys } = cryptoBench(1)
const issuer = new DemoIssuer(keys)
const secrets = cardSecrets(1, CARDS, keys)
const headerBytes: Record<LoadDialect, number> = {
  'iso87-ascii': 2,
  'iso87-bcd': 2 + TPDU_BYTES,
  'visa-base1': 4 + VISA_HEADER_BYTES,
}

const load = (highest = 0) => {
  const used = { highest }
  return { used, chip: new LoadChip({ keys, secrets, used }) }
}

function numbersOf(household: number, sequence: number) {
  return {
    householdId: household,
    checkDigit: Number(panOf(household).at(-1)),
    transmission: 1_121_093_007,
    localTime: 113_007,
    localDate: 1_121,
    date: 261_121,
    stan: sequence,
    sequence,
    originalStan: 0,
    originalTransmission: 0,
  }
}

/** A message of the load as the switch gets it. */
function sent(
  dialect: LoadDialect,
  chip: LoadChip,
  household: number,
  sequence: number,
  kind = 'cash' as const,
): Message {
  const [place] = placesOf(kind, dialect)
  if (place === undefined) throw new Error('there are such places')
  const template = new MessageTemplate({ dialect, place, content: contentOf(kind), run: 7, chip: true })
  const numbers = numbersOf(household, sequence)
  const target = Buffer.alloc(4_096, 0xee)
  const end = template.write(target, 100, numbers, chip.present(sequence, template.source.content, numbers))
  const message = dialects[dialect]?.decode(target, 100 + headerBytes[dialect], end)
  if (message === undefined) throw new Error('the dialect is shipped')
  return message
}

function chipOf(message: Message): ChipTags['value'] {
  const bytes = message.bytes(55) ?? Buffer.alloc(0)
  const tags = new ChipTags()
  if (!tags.read(message.dialect.name === 'visa-base1' ? bytes.subarray(3) : bytes)) throw new Error('chip data')
  return tags.value
}

for (const dialect of loadDialects) {
  t.test(`${dialect}: everything in a message of any card is found right`, async (t) => {
    const { chip } = load()
    for (let household = 1; household <= CARDS; household++) {
      const message = sent(dialect, chip, household, household)
      t.equal(message.failure, undefined)
      const { pan, expiry } = demoHousehold(1, household, false)
      t.same(
        [2, 23, 11, 37].map((de) => message.text(de)),
        [pan, '001', ...stampsOf(household)],
      )
      t.match(message.text(22), /^0510?$/)
      const track2 = parseTrack2(message.text(35) ?? '')
      t.match(track2, { pan, expiry, serviceCode: '201' })
      const value = track2?.discretionary.slice(5, 8) ?? ''
      const card = { name: 'cvk', pan, expiry, serviceCode: '201', value }
      t.equal(module.verifyCardValue({ ...card, kind: 'icvv' }), 'matched')
      const { pvki, pvv } = issuer.pinReference(demoHousehold(1, household, false))
      const reference = { method: 'pvv', name: 'pvk', keyIndex: pvki, pvv } as const
      const key = { kind: 'zone', name: `zpk:${LINK}` } as const
      const block = message.bytes(52) ?? Buffer.alloc(0)
      t.equal(module.verifyPin({ key, block, format: 0, pan, reference }), 'matched')
      t.equal(message.text(53), dialect === 'visa-base1' ? '2001010100000000' : undefined)
      const check = { name: 'imk-ac', pan, psn: '01', chip: chipOf(message) }
      t.equal(module.verifyCryptogram(check).verdict, 'matched')
      const tags = [0x9f02, 0x9a, 0x9c, 0x9f36].map((tag) => Buffer.from(check.chip(tag) ?? []).toString('hex'))
      t.same(tags, [message.text(4), '261121', '01', '0001'], 'amount, day, type, first transaction')
    }
  })
}

function stampsOf(sequence: number): string[] {
  return [String(sequence).padStart(6, '0'), `0007${String(sequence).padStart(8, '0')}`]
}

t.test('counters rise, and begin above all that the database has seen', async (t) => {
  const { chip, used } = load(40)
  const atcOf = (household: number, sequence: number) =>
    Buffer.from(chipOf(sent('iso87-bcd', chip, household, sequence))(0x9f36) ?? []).readUInt16BE()
  t.same([atcOf(1, 1), atcOf(1, 2), atcOf(2, 3), atcOf(1, 4)], [41, 42, 41, 43])
  t.equal(used.highest, 43)
  const next = load(used.highest)
  t.equal(Buffer.from(chipOf(sent('iso87-bcd', next.chip, 2, 5))(0x9f36) ?? []).readUInt16BE(), 44)
  const worn = load(65_535)
  t.throws(() => sent('iso87-bcd', worn.chip, 1, 1), /used up; load the cards anew/)
})

t.test('one answer in so many is checked as the card does', async (t) => {
  const issuerSide = new ApplicationCryptograms(Buffer.from(keys.imkAc, 'hex'), 'B')
  const answer = (household: number, message: Message, approve: boolean) => {
    if (!issuerSide.verify({ pan: panOf(household), psn: '01' }, chipOf(message))) throw new Error('it is right')
    const statusUpdate = { approve, counters: 'keep' } as const
    const value = issuerSide.answer({ responseCode: approve ? '00' : '05', statusUpdate })
    return formatBerTlv([{ tag: '91', value }])
  }
  const cases: readonly [
    what: string,
    approved: boolean,
    wrong: number,
    chip: (right: Buffer, no: Buffer) => Buffer | undefined,
  ][] = [
    ['an approval that proves itself', true, 0, (right) => right],
    ['an approval without a word to the card', true, 1, () => undefined],
    ['an approval that tells the card no', true, 1, (_right, no) => no],
    ['an approval of somebody else', true, 1, (right) => changed(right)],
    ['a decline that proves itself', false, 0, (_right, no) => no],
    ['a decline without a word to the card', false, 0, () => undefined],
    ['a decline that tells the card yes', false, 1, (right) => right],
    ['a decline of somebody else', false, 1, (_right, no) => changed(no)],
    ['an answer of no known length', true, 1, () => Buffer.from('9102abcd', 'hex')],
  ]
  // One card of each cryptogram version.
  for (const household of [1, 2, 3]) {
    for (const [what, approved, wrong, chipData] of cases) {
      const { chip } = load()
      const message = sent('visa-base1', chip, household, CHECKED_OF)
      // Others follow before the answer comes.
      sent('visa-base1', chip, household, CHECKED_OF + 1)
      sent('iso87-ascii', chip, household + 3, CHECKED_OF + 2)
      t.ok(chip.awaits(CHECKED_OF) && !chip.awaits(CHECKED_OF + 1))
      chip.check(CHECKED_OF, chipData(answer(household, message, true), answer(household, message, false)), approved)
      t.same(chip.checks, { checked: 1, wrong }, what)
      t.notOk(chip.awaits(CHECKED_OF))
      chip.check(CHECKED_OF, undefined, true)
      t.equal(chip.checks.checked, 1, 'once')
    }
  }
  const { chip } = load()
  sent('visa-base1', chip, 1, CHECKED_OF)
  chip.forget()
  t.notOk(chip.awaits(CHECKED_OF))
})

function changed(chipData: Buffer): Buffer {
  const other = Buffer.from(chipData)
  other[3] = (other[3] as number) ^ 1
  return other
}
