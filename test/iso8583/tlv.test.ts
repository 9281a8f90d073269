import fc from 'fast-check'
import t from 'tap'
import {
  berValue,
  type Element,
  elementValue,
  formatBerTlv,
  formatChipData,
  formatDataset,
  formatElements48,
  parseBerTlv,
  parseChipData,
  parseDataset,
  parseElements48,
} from '../../src/iso8583/tlv.ts'

const latin1 = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code))
const tag = fc.string({ unit: fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'), minLength: 2, maxLength: 2 })
const element = (longest: number) =>
  fc.record({ tag, value: fc.string({ unit: fc.constantFrom(...latin1), maxLength: longest }) })

t.test('DE48: elements in order, unknown and repeated ones kept', (t) => {
  const line = '62210000000017002000000000012500'
  const good = `QT00220IT032${line}ZZ003abcIT032${line}`
  const { elements, failure } = parseElements48(good)
  t.equal(failure, undefined)
  t.same(
    elements.map((one) => one.tag),
    ['QT', 'IT', 'ZZ', 'IT'],
  )
  t.equal(elementValue(elements, 'QT'), '20')
  t.equal(elementValue(elements, 'CP'), undefined)
  t.equal(formatElements48(elements), good)
  t.same(parseElements48(''), { elements: [], failure: undefined })
  fc.assert(
    fc.property(fc.array(element(999), { maxLength: 6 }), (list: Element[]) => {
      t.same(parseElements48(formatElements48(list)), { elements: list, failure: undefined })
    }),
    { numRuns: 60 },
  )
  t.end()
})

t.test('DE48: what is malformed is said with its path, and the elements before it are there', (t) => {
  const cases: [string, string, string, number][] = [
    ['QT00220C', 'short', '48', 7],
    ['QT00220CP0X1C', 'length', '48.CP', 9],
    ['QT00220CP009C', 'short', '48.CP', 12],
    ['QT00220\u0007\u0007009C', 'short', '48', 12],
  ]
  for (const [text, kind, field, offset] of cases) {
    const result = parseElements48(text)
    t.match(result.failure, { kind, field, offset })
    t.equal(elementValue(result.elements, 'QT'), '20')
  }
  t.throws(() => formatElements48([{ tag: 'QTX', value: '' }]), { code: 'CODEC_ENCODE_FAILED' })
  t.throws(() => formatElements48([{ tag: 'QT', value: 'x'.repeat(1000) }]), { code: 'CODEC_ENCODE_FAILED' })
  t.end()
})

t.test('DE104: the same elements in dataset 71, other datasets byte for byte', (t) => {
  // The dataset of the account funding sample of the Visa reference: identifier 57, tag 01, "PP".
  const other = Buffer.from('5700040102d7d7', 'hex')
  const ours = Buffer.from('710005d8e302f2f0', 'hex')
  const result = parseDataset(Buffer.concat([other, ours]))
  t.equal(result.failure, undefined)
  t.same(result.elements, [{ tag: 'QT', value: '20' }])
  t.same(
    result.datasets.map(({ id, value }) => [id, value.toString('hex')]),
    [
      [0x57, '0102d7d7'],
      [0x71, 'd8e302f2f0'],
    ],
  )
  t.same(formatDataset(result.elements, result.datasets.slice(0, 1)), Buffer.concat([other, ours]))
  t.equal(formatDataset([]).length, 0)
  fc.assert(
    fc.property(fc.array(element(255), { maxLength: 5 }), fc.uint8Array({ maxLength: 50 }), (list, bytes) => {
      const kept = { id: 0x57, value: Buffer.from(bytes) }
      const read = parseDataset(formatDataset(list, [kept]))
      t.equal(read.failure, undefined)
      t.same(read.elements, list)
      t.same(read.datasets[0]?.value, kept.value)
    }),
    { numRuns: 60 },
  )
  t.end()
})

t.test('DE104: malformed', (t) => {
  const cases: [string, string, string, number][] = [
    ['5700', 'short', '104', 0],
    ['57000401', 'short', '104.57', 3],
    ['710002d8e3', 'short', '104.71', 3],
    ['710004d8e305f2', 'short', '104.71', 6],
  ]
  for (const [hex, kind, field, offset] of cases) {
    t.match(parseDataset(Buffer.from(hex, 'hex')).failure, { kind, field, offset })
  }
  t.throws(() => formatDataset([{ tag: 'Q', value: '' }]), /tag/)
  t.throws(() => formatDataset([{ tag: 'QT', value: '\u0662' }]), /EBCDIC/)
  t.throws(() => formatDataset([{ tag: 'QT', value: 'x'.repeat(256) }]), /longer than 255/)
  t.throws(() => formatDataset([], [{ id: 1, value: Buffer.alloc(70_000) }]), /longer/)
  t.end()
})

const berTag = fc.oneof(
  fc.constantFrom('82', '84', '95', '9A', '5F2A', '9F26', '9F10', '9F36', '71', '72', 'DF8101', 'C0'),
  fc.integer({ min: 1, max: 127 }).map((n) => `DF81${n.toString(16).padStart(2, '0').toUpperCase()}`),
)

t.test('BER-TLV: long tags, long lengths, unknown tags, in order', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(berTag, fc.uint8Array({ maxLength: 400 })), { maxLength: 8 }), (objects) => {
      const list = objects.map(([name, value]) => ({ tag: name, value: Buffer.from(value) }))
      const bytes = formatBerTlv(list)
      t.same(parseBerTlv(bytes), { list, failure: undefined })
      const wrapped = formatChipData(list, true)
      t.equal(wrapped.readUInt16BE(1), bytes.length)
      t.same(parseChipData(wrapped, true).list, list)
      t.same(parseChipData(formatChipData(list, false), false).list, list)
    }),
    { numRuns: 80 },
  )
  t.equal(formatBerTlv([{ tag: '91', value: Buffer.alloc(200) }]).toString('hex', 0, 3), '9181c8')
  t.equal(formatBerTlv([{ tag: '91', value: Buffer.alloc(70_000) }]).toString('hex', 0, 5), '9183011170')
  const padded = parseBerTlv(Buffer.from('00008202390000009f360200ff', 'hex'))
  t.equal(padded.failure, undefined, 'zero bytes between objects are skipped')
  t.equal(berValue(padded.list, '9F36')?.toString('hex'), '00ff')
  t.equal(berValue(padded.list, '9F26'), undefined)
  t.end()
})

t.test('BER-TLV: malformed', (t) => {
  const cases: [string, string, string, number][] = [
    ['820239009f', 'short', '55', 4],
    ['82023900df818182', 'short', '55', 4],
    ['8202390095', 'length', '55.95', 5],
    ['8202390095840000000100', 'length', '55.95', 5],
    ['820239009580', 'length', '55.95', 5],
    ['8202390095050102', 'short', '55.95', 6],
  ]
  for (const [hex, kind, field, offset] of cases) {
    const result = parseBerTlv(Buffer.from(hex, 'hex'))
    t.match(result.failure, { kind, field, offset }, hex)
    t.equal(berValue(result.list, '82')?.toString('hex'), '3900')
  }
  for (const name of ['', '9', '9F', '00', '9F2601', 'XX']) {
    t.throws(() => formatBerTlv([{ tag: name, value: Buffer.alloc(1) }]), { code: 'CODEC_ENCODE_FAILED' }, name)
  }
  t.match(parseChipData(Buffer.from('020004', 'hex'), true).failure, { kind: 'content', offset: 0 })
  t.match(parseChipData(Buffer.from('0100', 'hex'), true).failure, { kind: 'content' })
  t.match(parseChipData(Buffer.from('01000482023900ff', 'hex'), true).failure, { kind: 'length', offset: 1 })
  t.match(parseChipData(Buffer.from('0100049f360200', 'hex'), true).failure, { field: '55.9F36', offset: 6 })
  t.end()
})
