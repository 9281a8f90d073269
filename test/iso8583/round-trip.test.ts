import fc from 'fast-check'
import t from 'tap'
import type { FieldSpec } from '../../src/iso8583/dialect.ts'
import { compileDialect } from '../../src/iso8583/dialect.ts'
import { prefixLimits } from '../../src/iso8583/dialect-check.ts'
import type { Content, LengthPrefix, LengthUnit, Padding } from '../../src/iso8583/dialect-spec.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import { fieldValue, messageOf } from './arbitraries.ts'

const contents: Content[] = [
  'ascii',
  'ebcdic',
  'bcd',
  'bcd-right',
  'binary',
  'hex-ascii',
  'track2',
  'track2-eq',
  'signed-bcd',
]
const packed = new Set<Content>(['bcd', 'bcd-right', 'track2', 'track2-eq'])

function unitsOf(content: Content): LengthUnit[] {
  if (packed.has(content)) return ['digits', 'bytes']
  return ['chars', 'bytes']
}

/** A dialect with one field, between two others that would be misread if its length were. */
function dialectWith(spec: FieldSpec) {
  const digits: FieldSpec = { name: 'guard', kind: 'fixed', max: 6, content: 'bcd', value: 'numeric' }
  return compileDialect({ name: 'one field', mti: 'bcd', bitmap: 'bin8', fields: { 3: digits, 4: spec, 5: digits } })
}

function checkRoundTrip(t: Tap, spec: FieldSpec, runs = 40): void {
  const dialect = dialectWith(spec)
  fc.assert(
    fc.property(fieldValue(spec, 300), (value) => {
      const bytes = dialect.encode('0100', [undefined, undefined, undefined, '123456', value, '654321'])
      const message = dialect.decode(bytes)
      t.equal(message.failure, undefined)
      return (
        message.text(4) === value &&
        message.text(3) === '123456' &&
        message.text(5) === '654321' &&
        message.bytes(4) !== undefined
      )
    }),
    { numRuns: runs },
  )
}

interface Tap {
  equal(found: unknown, wanted: unknown): boolean
}

t.test('every content, length prefix and unit gives a value back', (t) => {
  for (const content of contents) {
    for (const length of Object.keys(prefixLimits) as LengthPrefix[]) {
      for (const lengthUnit of unitsOf(content)) {
        const limit = Math.min(200, prefixLimits[length] ?? 0)
        const max = content === 'hex-ascii' ? Math.floor(limit / 2) : packed.has(content) ? limit - (limit % 2) : limit
        checkRoundTrip(t, { name: 'variable', kind: 'variable', max, content, length, lengthUnit }, 12)
      }
    }
  }
  checkRoundTrip(t, { name: 'self-delimiting', kind: 'variable', max: 500, content: 'ber-length' })
  t.end()
})

t.test('every content of a fixed length gives a value back', (t) => {
  for (const content of contents) {
    for (const max of [1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 15, 16, 17, 19, 23, 24, 25, 40, 41, 42, 100]) {
      checkRoundTrip(t, { name: 'fixed', kind: 'fixed', max, content }, 8)
    }
  }
  t.end()
})

t.test('the side and the nibble of an odd count of digits', (t) => {
  for (const padNibble of ['0', 'f'] as const) {
    for (const content of ['bcd', 'bcd-right'] as const) {
      checkRoundTrip(t, { name: 'odd', kind: 'fixed', max: 5, content, padNibble })
    }
    for (const oddPad of ['left', 'right'] as const) {
      checkRoundTrip(t, { name: 'odd', kind: 'fixed', max: 37, content: 'track2', padNibble, oddPad })
    }
  }
  const left = dialectWith({ name: 'odd', kind: 'fixed', max: 3, content: 'bcd' })
  const right = dialectWith({ name: 'odd', kind: 'fixed', max: 3, content: 'bcd-right', padNibble: 'f' })
  const values = [undefined, undefined, undefined, undefined, '818']
  t.equal(left.encode('0100', values).toString('hex').slice(20), '0818')
  t.equal(right.encode('0100', values).toString('hex').slice(20), '818f')
  t.end()
})

t.test('a short value is completed as the table says, and never trimmed', (t) => {
  const cases: [Padding, Content, string, string][] = [
    ['space-right', 'ascii', 'AB', 'AB   '],
    ['space-left', 'ascii', 'AB', '   AB'],
    ['zero-left', 'ascii', '42', '00042'],
    ['space-right', 'ebcdic', 'AB', 'AB   '],
    ['zero-left', 'bcd', '42', '00042'],
  ]
  for (const [pad, content, value, expected] of cases) {
    const dialect = dialectWith({ name: 'padded', kind: 'fixed', max: 5, content, pad })
    const message = dialect.decode(dialect.encode('0100', [undefined, undefined, undefined, undefined, value]))
    t.equal(message.text(4), expected)
  }
  const strict = dialectWith({ name: 'not padded', kind: 'fixed', max: 5, content: 'ascii' })
  t.throws(() => strict.encode('0100', [undefined, undefined, undefined, undefined, 'AB']), {
    code: 'CODEC_ENCODE_FAILED',
  })
  t.end()
})

for (const [name, dialect] of Object.entries(dialects)) {
  t.test(`random messages of ${name}`, (t) => {
    fc.assert(
      fc.property(messageOf(dialect), ({ mti, fields }) => {
        const bytes = dialect.encode(mti, fields)
        const message = dialect.decode(bytes)
        t.equal(message.failure, undefined)
        t.equal(message.mti, mti)
        const present = fields.flatMap((value, de) => (value === undefined ? [] : [de]))
        t.same(message.fieldNumbers(), present)
        const again = present.map((de) => [de, message.text(de)])
        t.same(
          again,
          present.map((de) => [de, fields[de]]),
        )
      }),
      { numRuns: 120 },
    )
    t.end()
  })

  t.test(`every message of ${name} that is read is written with the same bytes`, (t) => {
    fc.assert(
      fc.property(messageOf(dialect), fc.nat(), fc.nat(255), ({ mti, fields }, position, byte) => {
        const bytes = dialect.encode(mti, fields)
        bytes[position % bytes.length] = byte
        const message = dialect.decode(bytes)
        if (message.failure !== undefined) return
        const read: (string | undefined)[] = []
        for (const de of message.fieldNumbers()) read[de] = message.text(de)
        const written = dialect.encode(message.mti, read, message.bitmaps).toString('latin1')
        // Hex digits of either case are read and written in upper case.
        if (name === 'iso87-ascii') t.equal(written.toUpperCase(), bytes.toString('latin1').toUpperCase())
        else t.equal(written, bytes.toString('latin1'))
      }),
      { numRuns: 300 },
    )
    t.end()
  })
}

t.test('binary values are taken as bytes and as hex of either case', (t) => {
  for (const name of ['iso87-ascii', 'iso87-bcd', 'visa-base1']) {
    const dialect = dialects[name]
    const block = Buffer.from('62faf4e84b13d45d', 'hex')
    const written = [block, '62faf4e84b13d45d', '62FAF4E84B13D45D'].map((value) => {
      const fields: (string | Buffer | undefined)[] = []
      fields[52] = value
      return dialect?.encode('0100', fields)
    })
    t.same(written[1], written[0])
    t.same(written[2], written[0])
    const message = dialect?.decode(written[0] ?? Buffer.alloc(0))
    t.same(message?.bytes(52), block, 'the value, whatever the wire has')
    t.equal(message?.text(52), '62faf4e84b13d45d')
  }
  t.end()
})

t.test('encodeInto writes at an offset and returns the end', (t) => {
  const dialect = dialects['iso87-bcd']
  const target = Buffer.alloc(64, 0xee)
  const fields = [undefined, undefined, undefined, '009200']
  const end = dialect?.encodeInto('0200', fields, target, 5) ?? 0
  t.same(target.subarray(5, end), dialect?.encode('0200', fields))
  t.ok(target.subarray(0, 5).every((byte) => byte === 0xee) && target.subarray(end).every((byte) => byte === 0xee))
  t.throws(() => dialect?.encodeInto('0200', fields, Buffer.alloc(12), 0), { code: 'CODEC_ENCODE_FAILED' })
  t.throws(() => dialect?.encodeInto('0200', fields, Buffer.alloc(4), 0), { code: 'CODEC_ENCODE_FAILED' })
  t.end()
})
