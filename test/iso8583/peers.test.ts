/** One test for each behaviour of other codecs that ours must not share; docs/iso8583.md, "What others got wrong". */
import t from 'tap'
import type { FieldValues } from '../../src/iso8583/dialect.ts'
import { compileDialect } from '../../src/iso8583/dialect.ts'
import { dialects } from '../../src/iso8583/dialects.ts'

const visa = dialects['visa-base1']
const ascii = dialects['iso87-ascii']
const bcd = dialects['iso87-bcd']

function one(de: number, value: string): FieldValues {
  const fields: FieldValues = []
  fields[de] = value
  return fields
}

t.test('jPOS #122: a track 2 with D is packed as D, and = is the same separator', (t) => {
  for (const dialect of [visa, bcd]) {
    const withD = dialect?.encode('0100', one(35, '4000001234567899D29122011234567890'))
    t.same(dialect?.encode('0100', one(35, '4000001234567899=29122011234567890')), withD)
    t.ok(withD?.toString('hex').includes('4000001234567899d29122011234567890'))
    t.equal(dialect?.decode(withD ?? Buffer.alloc(0)).text(35), '4000001234567899D29122011234567890')
  }
  t.end()
})

t.test('jPOS base1.xml: the fee DE28 is nine EBCDIC bytes, and what follows is read right', (t) => {
  const fields = one(28, 'D00000150')
  fields[32] = '12345678901'
  const bytes = visa?.encode('0100', fields) ?? Buffer.alloc(0)
  t.equal(bytes.toString('hex', 10), 'c4f0f0f0f0f0f1f5f00b012345678901')
  t.equal(visa?.decode(bytes).text(32), '12345678901')
  t.end()
})

t.test('jPOS VAP packagers: every field of the Visa table up to 255 bytes can be used', (t) => {
  for (const [key, spec] of Object.entries(visa?.spec.fields ?? {})) {
    if (spec.max !== 255) continue
    const value = spec.content === 'binary' ? '5a'.repeat(255) : 'x'.repeat(255)
    const message = visa?.decode(visa.encode('0100', one(Number(key), value)))
    t.equal(message?.text(Number(key)), value, key)
  }
  t.end()
})

t.test('npm iso_8583: bytes after the last field are not ignored', (t) => {
  const bytes = Buffer.concat([ascii?.encode('0800', one(70, '301')) ?? Buffer.alloc(0), Buffer.from('0')])
  t.match(ascii?.decode(bytes).failure, { kind: 'trailing' })
  t.end()
})

t.test('npm iso_8583: one case of hex, whatever was on the wire', (t) => {
  const upper = ascii?.encode('0100', one(52, '62faf4e84b13d45d')) ?? Buffer.alloc(0)
  t.ok(upper.toString('latin1').endsWith('62FAF4E84B13D45D'))
  const lower = Buffer.from(upper.toString('latin1').replace('62FAF4E84B13D45D', '62faf4e84b13d45d'), 'latin1')
  t.equal(ascii?.decode(upper).text(52), '62faf4e84b13d45d')
  t.equal(ascii?.decode(lower).text(52), '62faf4e84b13d45d')
  t.end()
})

t.test('moov: a second bitmap is announced by bit 1 wherever it is written, unless the table fixes the count', (t) => {
  const fields = { 70: { name: 'code', kind: 'fixed', max: 3, content: 'ascii' } } as const
  const chained = compileDialect({ name: 'chained', mti: 'ascii', bitmap: 'hex16', fields })
  const fixed = compileDialect({ name: 'fixed', mti: 'ascii', bitmap: 'hex16', fixedGroups: 2, fields })
  t.equal(chained.encode('0800', one(70, '301')).toString('latin1'), '080080000000000000000400000000000000301')
  t.equal(fixed.encode('0800', one(70, '301')).toString('latin1'), '080000000000000000000400000000000000301')
  t.equal(fixed.decode(fixed.encode('0800', one(70, '301'))).text(70), '301')
  t.end()
})

t.test('moov #370: the length of Visa DE60 counts bytes', (t) => {
  const bytes = visa?.encode('0100', one(60, '005100000005')) ?? Buffer.alloc(0)
  t.equal(bytes.toString('hex', 10), '06005100000005')
  const wrong = Buffer.from(bytes)
  wrong[10] = 0x0c
  t.match(visa?.decode(wrong).failure, { field: '60' })
  t.throws(() => visa?.encode('0100', one(60, '0051000')), /field 60: an odd count/)
  t.end()
})

t.test('moov #132: the length of Visa DE32 counts digits, with a zero nibble on the left', (t) => {
  const bytes = visa?.encode('0100', one(32, '12345678901')) ?? Buffer.alloc(0)
  t.equal(bytes.toString('hex', 10), '0b012345678901')
  t.end()
})

t.test('moov #238: zeros are not lost', (t) => {
  const fields = one(4, '000000000000')
  fields[32] = '0000000'
  for (const dialect of [visa, ascii, bcd]) {
    const message = dialect?.decode(dialect.encode('0100', fields))
    t.equal(message?.text(4), '000000000000')
    t.equal(message?.text(32), '0000000')
  }
  t.end()
})

t.test('pyiso8583: a message type of letters is refused', (t) => {
  t.match(ascii?.decode(Buffer.from('ABCD0000000000000000')).failure, { field: '0', kind: 'content' })
  t.throws(() => ascii?.encode('ABCD', []), { code: 'CODEC_ENCODE_FAILED' })
  t.end()
})

t.test('an empty variable field is present, and an absent one is not', (t) => {
  const message = ascii?.decode(ascii.encode('0420', one(32, '')))
  t.equal(message?.text(32), '')
  t.equal(message?.has(32), true)
  t.equal(message?.text(33), undefined)
  t.end()
})
