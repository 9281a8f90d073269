import t from 'tap'
import type { FieldValues } from '../../src/iso8583/dialect.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import { VISA_HEADER_BYTES } from '../../src/iso8583/visa-header.ts'
import { TPDU_BYTES } from '../../src/link/tpdu.ts'
import { panOf } from '../../src/simulator/demo-world.ts'
import { AnswerReader, type AnswerValues } from '../../src/simulator/load-answer.ts'
import { contentOf, type LoadDialect, loadDialects, placesOf } from '../../src/simulator/load-mix.ts'
import { codeNumber } from '../../src/simulator/load-record.ts'
import { MessageTemplate } from '../../src/simulator/load-template.ts'

const headerBytes: Record<LoadDialect, number> = {
  'iso87-ascii': 2,
  'iso87-bcd': 2 + TPDU_BYTES,
  'visa-base1': 4 + VISA_HEADER_BYTES,
}
const numbers = {
  householdId: 123_456,
  checkDigit: Number(panOf(123_456).at(-1)),
  transmission: 1_121_093_007,
  localTime: 113_007,
  localDate: 1_121,
  date: 261_121,
  stan: 42,
  sequence: 9_000_042,
  originalStan: 41,
  originalTransmission: 101_000_059,
}

function template(dialect: LoadDialect, reversal: boolean): MessageTemplate {
  const [place] = placesOf('cash', dialect)
  if (place === undefined) throw new Error('there are cash machines')
  const content = contentOf('cash')
  const source = { dialect, place, run: 7, chip: false }
  if (!reversal) return new MessageTemplate({ ...source, content })
  return new MessageTemplate({ ...source, content: { ...content, mti: '0400' }, originalMti: content.mti })
}

function decoded(dialect: LoadDialect, reversal: boolean) {
  const made = template(dialect, reversal)
  const target = Buffer.alloc(4_096, 0xee)
  const end = made.write(target, 100, numbers)
  const message = dialects[dialect]?.decode(target, 100 + headerBytes[dialect], end)
  if (message === undefined) throw new Error('the dialect is shipped')
  return message
}

for (const dialect of loadDialects) {
  t.test(`${dialect}: a patched message reads as it was meant`, async (t) => {
    const message = decoded(dialect, false)
    t.equal(message.failure, undefined)
    t.equal(message.mti, '0200')
    t.equal(message.text(2), panOf(123_456))
    t.equal(message.text(4), '000000020000')
    t.equal(message.text(7), '1121093007')
    t.equal(message.text(11), '000042')
    t.equal(message.text(12), '113007')
    t.equal(message.text(13), '1121')
    t.equal(message.text(37), '000709000042')
    t.match(message.text(22), /^0120?$/, 'its number was typed')
    t.notOk(
      [35, 52, 53, 55].some((de) => message.has(de)),
      'nothing is to be verified',
    )
    if (dialect === 'visa-base1') t.ok(message.text(62)?.endsWith('0400000009000042'), 'DE62.2 ends with the sequence')
  })

  t.test(`${dialect}: a reversal names its original`, async (t) => {
    const message = decoded(dialect, true)
    t.equal(message.failure, undefined)
    t.equal(message.mti, '0400')
    const original = message.text(90) ?? ''
    t.equal(original.slice(0, 20), '02000000410101000059')
    t.equal(Number(original.slice(20, 31)), Number(message.text(32)))
  })

  for (const reversal of [false, true]) {
    t.test(`${dialect}: ${reversal ? 'a reversal' : 'a request'} and its answer meet again`, async (t) => {
      const message = decoded(dialect, reversal)
      const compiled = dialects[dialect]
      const answer: FieldValues = []
      for (const de of compiled?.answerEcho ?? []) if (message.has(de)) answer[de] = message.text(de)
      const values: AnswerValues = { run: 0, sequence: 0, responseCode: 0, approvalCode: 0, amountPiasters: 0 }
      const reader = new AnswerReader(template(dialect, false))
      const before = Buffer.alloc(headerBytes[dialect] - (dialect === 'visa-base1' ? 4 : 2))

      answer[38] = '0ZA9KQ'
      answer[39] = '00'
      const approved = Buffer.concat([before, compiled?.encode('0210', answer) ?? Buffer.alloc(0)])
      t.ok(reader.read(approved, values))
      const wanted = { run: 7, sequence: 9_000_042, responseCode: codeNumber('00'), amountPiasters: 20_000 }
      t.same(values, { ...wanted, approvalCode: Number.parseInt('0ZA9KQ', 36) })

      answer[38] = undefined
      answer[39] = '1A'
      const declined = Buffer.concat([before, compiled?.encode('0210', answer) ?? Buffer.alloc(0)])
      t.ok(reader.read(declined, values))
      t.same(values, { ...wanted, responseCode: codeNumber('1A'), approvalCode: -1 })
      t.notOk(reader.read(Buffer.alloc(5), values), 'what is too short is no answer')
    })
  }
}
