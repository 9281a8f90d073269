import { test } from 'tap'
import { parseAmounts, parseBitmapped, parseOriginalData } from '../../src/iso8583/composites.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { Message } from '../../src/iso8583/message.ts'
import { subfield } from '../../src/iso8583/subfields.ts'
import { berValue, parseChipData, parseDataset, parseElements48 } from '../../src/iso8583/tlv.ts'
import { ChipCard } from '../../src/simulator/chip-card.ts'
import { ChipIssuer } from '../../src/simulator/chip-issuer.ts'
import { demoKeys } from '../../src/simulator/demo-keys.ts'
import { FingerprintReader } from '../../src/simulator/fingerprint-reader.ts'
import {
  basketElements,
  basketTotalPiasters,
  completionOf,
  composeFields,
  type Intent,
  networkFields,
  repeatMti,
  reversalOf,
  type Stamps,
  transaction,
  unitDraw,
} from '../../src/simulator/messages.ts'
import { DukptPinPad, ZonePinPad } from '../../src/simulator/pin-pad.ts'
import { withChip } from '../../src/simulator/presentment.ts'
import { rails } from '../../src/simulator/rails.ts'

const keys = demoKeys(1)
const card = { pan: '4000000000000002', expiry: '3012', track2: '4000000000000002=30122010000000000' }
const chipped = { ...card, track2Chip: '4000000000000002=30122011541626300', psn: '01' }
const terminal = { acceptorId: 'MZS000000000001', terminalId: 'S0001001', mcc: '5311' }
const stamps: Stamps = {
  stan: '000042',
  rrn: '631512000042',
  transmission: '1111100000',
  localTime: '120000',
  localDate: '1111',
  acquirer: '81800001',
}

function encoded(intent: Intent, name: string): Message {
  const dialect = dialects[name]
  if (dialect === undefined) throw new Error(`no dialect ${name}`)
  const message = dialect.decode(dialect.encode(intent.mti, composeFields(intent, stamps, dialect)))
  if (message.failure !== undefined) throw new Error(message.failure.message)
  return message
}

for (const { name, dialect } of Object.values(rails)) {
  test(`${name}: every kind of message can be read back`, async (t) => {
    const ask = { card, terminal, amountPiasters: 12_345 }
    for (const mti of ['0100', '0120', '0200', '0220', '0201']) {
      const message = encoded(transaction('purchase', { ...ask, mti, from: '20' }), dialect)
      t.equal(message.mti, mti)
      t.equal(message.text(3), '002000')
      t.equal(message.text(4), '000000012345')
      t.same(
        [2, 7, 11, 12, 13, 14, 18, 32, 37, 41, 42, 49].map((de) => message.text(de)),
        [
          ...[card.pan, stamps.transmission, stamps.stan, stamps.localTime, stamps.localDate, card.expiry],
          ...[terminal.mcc, stamps.acquirer, stamps.rrn, terminal.terminalId, terminal.acceptorId, '818'],
        ],
      )
    }
    const swiped = encoded(transaction('cash', ask, { swiped: true }), dialect)
    t.notOk(swiped.has(2) || swiped.has(14))
    t.equal(swiped.text(35)?.replace('D', '='), card.track2)
    const cashback = encoded(transaction('cashback', ask, { cashbackPiasters: 2_000 }), dialect)
    t.match(parseAmounts(cashback.text(54) ?? '').amounts, [{ amountType: '40', currency: '818', amount: 2_000 }])
    const inquiry = encoded(transaction('inquiry', { card, terminal }), dialect)
    t.notOk(inquiry.has(4))
  })

  test(`${name}: elements travel where the dialect has them`, async (t) => {
    const draw = unitDraw({ card, terminal, quantity: 10, pricePiasters: 20, days: 2, coPayment: 'A' })
    const message = encoded(draw, dialect)
    t.equal(message.text(4), '000000000200')
    const wanted = [
      { tag: 'QT', value: '10' },
      { tag: 'DY', value: '2' },
      { tag: 'CP', value: 'A' },
    ]
    const scheme = name === 'visa'
    t.equal(message.has(scheme ? 48 : 104), false)
    const elements = scheme
      ? parseDataset(message.bytes(104) ?? Buffer.alloc(0)).elements
      : parseElements48(message.text(48) ?? '').elements
    t.same(elements, wanted)
  })

  test(`${name}: reversals and completions name their original`, async (t) => {
    const intent = transaction('purchase', { mti: '0100', card, terminal, amountPiasters: 5_000 })
    const sent = { intent, stamps }
    const reversal = encoded(reversalOf(sent, { mti: '0420', replacementPiasters: 2_000 }), dialect)
    const original = { mti: '0100', stan: stamps.stan, transmission: stamps.transmission, acquirer: stamps.acquirer }
    t.equal(reversal.mti, '0420')
    t.match(parseOriginalData(reversal.text(90) ?? ''), { ...original, forwarder: '' })
    t.equal(reversal.text(95)?.slice(0, 12), '000000002000')
    t.equal(reversal.text(37), stamps.rrn)
    t.notOk(encoded(reversalOf(sent, { namesOriginal: false }), dialect).has(90))
    const completion = encoded(completionOf(sent, 4_000), dialect)
    t.same([completion.mti, completion.text(4)], ['0220', '000000004000'])
    t.match(parseOriginalData(completion.text(90) ?? ''), original)
  })
}

for (const { name, dialect } of Object.values(rails)) {
  const scheme = name === 'visa'
  const elementsOf = (message: Message) =>
    scheme
      ? parseDataset(message.bytes(104) ?? Buffer.alloc(0)).elements
      : parseElements48(message.text(48) ?? '').elements

  test(`${name}: chip and PIN`, async (t) => {
    const chip = new ChipCard(new ChipIssuer(keys), { ...chipped, pin: '1234' }, 0x12)
    const pin = new ZonePinPad(keys.zpk).enter('1234', card.pan)
    const ask = { card: chipped, terminal, amountPiasters: 12_345, cashbackPiasters: 345 }
    for (const [entry, mode] of [
      ['chip', '051'],
      ['contactless', '071'],
    ] as const) {
      const intent = withChip(transaction('cashback', ask), chip, { date: 20_261_111, pin, entry })
      const message = encoded(intent, dialect)
      t.equal(message.text(22), scheme ? `${mode}0` : mode)
      t.same(
        [2, 14, 23].map((de) => message.text(de)),
        [card.pan, '3012', '001'],
      )
      t.equal(message.text(35)?.replace('D', '='), chipped.track2Chip, "the chip's own track")
      t.same(message.bytes(52), pin.block)
      t.equal(message.text(53), scheme ? '2001010100000000' : undefined)
      const { list, failure } = parseChipData(message.bytes(55) ?? Buffer.alloc(0), scheme)
      t.equal(failure, undefined)
      const values = ['9F02', '9F03', '9C', '9A', '9F36'].map((tag) => berValue(list, tag)?.toString('hex'))
      t.same(values, ['000000012345', '000000000345', '09', '261111', `000${chip.atc}`])
    }
    const without = encoded(withChip(transaction('purchase', ask), chip, { date: 20_261_111 }), dialect)
    t.notOk(without.has(52) || without.has(53), 'no PIN was typed')
  })

  test(`${name}: a DUKPT PIN names its key in KS, a fingerprint comes in BM`, async (t) => {
    const clock = { now: () => Date.parse('2026-11-11T10:00:00Z') }
    const reader = new FingerprintReader('00000001', keys.biometric['00000001'] ?? '', 'S0001001', clock)
    const pin = new DukptPinPad(keys.bdk, 'FFFF9876543210E00000').enter('1234', card.pan)
    const elements = [{ tag: 'QT', value: '10' }]
    const fingerprint = { reader, person: 'household 1', matched: true }
    const ask = { card, terminal, amountPiasters: 200 }
    const message = encoded(transaction('purchase', ask, { pin, elements, fingerprint }), dialect)
    const found = elementsOf(message)
    t.same(
      found.map(({ tag }) => tag),
      ['QT', 'KS', 'BM'],
    )
    t.equal(found[1]?.value, 'FFFF9876543210E00001')
    t.equal(found[2]?.value.length, 104)
    t.notOk(message.has(53), 'no zone key')
  })

  test(`${name}: neither card nor PIN is in what follows a transaction`, async (t) => {
    const chip = new ChipCard(new ChipIssuer(keys), { ...chipped, pin: '1234' }, 0x12)
    const pin = new ZonePinPad(keys.zpk).enter('1234', card.pan)
    const ask = { card: chipped, terminal, amountPiasters: 12_345, mti: '0100' }
    const intent = withChip(transaction('purchase', ask), chip, { date: 20_261_111, pin })
    for (const later of [reversalOf({ intent, stamps }), completionOf({ intent, stamps }, 10_000)]) {
      const message = encoded(later, dialect)
      t.notOk([23, 35, 52, 53, 55].some((de) => message.has(de)))
      t.match(message.text(22), /^012/)
    }
  })
}

test('visa: what only the card scheme says', async (t) => {
  const ask = { card, terminal, amountPiasters: 100 }
  const intent = transaction('purchase', ask, { acceptsPartial: true, transactionId: '123456789012345' })
  const message = encoded(intent, 'visa-base1')
  t.equal(subfield(message, '60.10'), '1')
  const spec = message.dialect.subfields(62)
  if (spec?.form !== 'bitmap') throw new Error('DE62 has a bitmap')
  t.equal(parseBitmapped(62, spec, message.bytes(62) ?? Buffer.alloc(0)).values.get('2'), '123456789012345')
  t.notOk(encoded(intent, 'iso87-ascii').has(60), 'the domestic dialects do not')
})

test('baskets', async (t) => {
  const lines = [
    { product: 'SUGAR', quantityThousandths: 1_500, unitPricePiasters: 1_260 },
    { product: 'TEA', quantityThousandths: 250, unitPricePiasters: 4_001 },
  ]
  t.equal(basketTotalPiasters(lines), 2_890)
  t.same(basketElements(lines), [
    { tag: 'IT', value: 'SUGAR         001500000000001260' },
    { tag: 'IT', value: 'TEA           000250000000004001' },
  ])
})

test('network management and repeats', async (t) => {
  t.same({ ...networkFields('301', stamps) }, { 7: stamps.transmission, 11: stamps.stan, 70: '301' })
  t.same(['0100', '0200', '0420'].map(repeatMti), ['0101', '0201', '0421'])
})
