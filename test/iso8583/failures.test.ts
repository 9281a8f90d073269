import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import type { Dialect, DialectSpec, FieldSpec } from '../../src/iso8583/dialect.ts'
import { compileDialect } from '../../src/iso8583/dialect.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { FieldOffset, Message } from '../../src/iso8583/message.ts'
import { messageOf } from './arbitraries.ts'

interface Answer {
  readonly dialect: string
  readonly message: string
  readonly fails?: string
}

const answers = ['iso8583-visa.json', 'iso8583-domestic.json']
  .flatMap((file) => JSON.parse(readFileSync(new URL(`../vectors/${file}`, import.meta.url), 'utf8')) as Answer[])
  .filter((answer) => answer.fails === undefined)

const field = (content: FieldSpec['content'], max: number, more: Partial<FieldSpec> = {}): FieldSpec => ({
  name: 'test',
  kind: 'fixed',
  max,
  content,
  ...more,
})

function tableOf(fields: Record<string, FieldSpec>, more: Partial<DialectSpec> = {}) {
  return compileDialect({ name: 'test', mti: 'bcd', bitmap: 'bin8', fields, ...more })
}

function failureOf(message: Message): [string, string, number] | undefined {
  const found = message.failure
  return found === undefined ? undefined : [found.kind, found.field, found.offset]
}

t.test('a message cut off anywhere names the field that is cut and keeps those before it', (t) => {
  for (const answer of answers) {
    const bytes = Buffer.from(answer.message, 'hex')
    const problems: string[] = []
    for (let length = 0; length < bytes.length; length++) problems.push(...cutProblems(answer, bytes, length))
    t.same(problems, [])
  }
  t.end()
})

function cutProblems(answer: Answer, bytes: Buffer, length: number): string[] {
  const dialect = dialects[answer.dialect] as Dialect
  const whole = dialect.decode(bytes)
  const message = dialect.decode(bytes.subarray(0, length))
  const offsets = whole.offsets()
  const endOf = (place: FieldOffset): number => place.offset + place.lengthBytes + place.dataBytes
  const cut = offsets.find((place) => endOf(place) > length)
  const problems: string[] = []
  const { kind, field: path, offset = -1 } = message.failure ?? {}
  if (kind !== 'short') problems.push(`${length}: ${kind}`)
  // The third bitmap is named after the bit that announces it.
  if (path !== (cut?.field === '1' && path === '65' ? '65' : cut?.field)) problems.push(`${length}: names ${path}`)
  if (offset < 0 || offset > length) problems.push(`${length}: offset ${offset}`)
  for (const place of offsets.slice(2)) {
    const de = Number(place.field)
    const expected = endOf(place) <= length ? whole.text(de) : undefined
    if (message.has(de) !== endOf(place) <= length || message.text(de) !== expected)
      problems.push(`${length}: has ${de}`)
  }
  const mti = length >= (answer.dialect === 'iso87-ascii' ? 4 : 2) ? whole.mti : ''
  if (message.mti !== mti) problems.push(`${length}: message type`)
  return problems
}

t.test('bytes before the message and behind its end do not belong to it', (t) => {
  const answer = answers[0] as Answer
  const bytes = Buffer.from(answer.message, 'hex')
  const framed = Buffer.concat([Buffer.alloc(26, 0xaa), bytes, Buffer.alloc(9, 0xbb)])
  const message = dialects[answer.dialect]?.decode(framed, 26, 26 + bytes.length) as Message
  const plain = dialects[answer.dialect]?.decode(bytes) as Message
  t.equal(message.failure, undefined)
  t.same(message.offsets(), plain.offsets(), 'offsets count from the start of the message')
  t.equal(message.fieldStart(4), plain.fieldStart(4) + 26, 'positions count from the start of the buffer')
  t.equal(message.fieldStart(5), -1)
  t.end()
})

t.test('what follows the last field is a failure', (t) => {
  for (const answer of answers) {
    const bytes = Buffer.from(`${answer.message}00`, 'hex')
    const message = dialects[answer.dialect]?.decode(bytes) as Message
    t.same(failureOf(message), ['trailing', '', bytes.length - 1])
    t.ok(message.fieldNumbers().length > 0, 'all fields are readable')
  }
  t.end()
})

t.test('the message type', (t) => {
  const dialect = tableOf({ 3: field('bcd', 6) })
  const bitmap = '2000000000000000123456'
  for (const mti of ['0100', '0800', '1804', '2100', '8100', '9500']) {
    t.equal(dialect.decode(Buffer.from(mti + bitmap, 'hex')).failure, undefined, mti)
  }
  for (const mti of ['0000', '0900', '3100', '7100']) {
    const message = dialect.decode(Buffer.from(mti + bitmap, 'hex'))
    t.same(failureOf(message), ['content', '0', 0])
    t.equal(message.mti, mti, 'readable, though it makes no sense')
    t.throws(() => dialect.encode(mti, []), { code: 'CODEC_ENCODE_FAILED' })
  }
  t.same(failureOf(dialect.decode(Buffer.from(`01a0${bitmap}`, 'hex'))), ['content', '0', 1])
  const ascii = tableOf({ 3: field('ascii', 6) }, { mti: 'ascii' })
  t.same(failureOf(ascii.decode(Buffer.from('ABCD'))), ['content', '0', 0])
  const ebcdic = tableOf({ 3: field('bcd', 6) }, { mti: 'ebcdic' })
  t.equal(ebcdic.decode(Buffer.from(`f0f1f0f0${bitmap}`, 'hex')).mti, '0100')
  t.equal(ebcdic.encode('0100', [undefined, undefined, undefined, '123456']).toString('hex'), `f0f1f0f0${bitmap}`)
  for (const bad of ['', '100', '01000', 'ABCD']) t.throws(() => dialect.encode(bad, []), /field 0/)
  t.end()
})

t.test('bitmaps', (t) => {
  const table = { 3: field('bcd', 6), 70: field('bcd', 4) }
  const decode = (hex: string, more: Partial<DialectSpec>) =>
    tableOf(table, more).decode(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  t.same(failureOf(decode('0100 8000000000000000', { maxBitmaps: 2 })), ['short', '1', 10])
  const single = compileDialect({
    name: 'one',
    mti: 'bcd',
    bitmap: 'bin8',
    maxBitmaps: 1,
    fields: { 3: field('bcd', 6) },
  })
  t.same(failureOf(single.decode(Buffer.from('01008000000000000000', 'hex'))), ['bitmap', '1', 2])
  const empty = decode('0100 a000000000000000 0000000000000000 123456', {})
  t.equal(empty.failure, undefined, 'a second bitmap may be empty')
  t.equal(empty.bitmaps, 2)
  t.equal(
    empty.dialect.encode('0100', [undefined, undefined, undefined, '123456'], empty.bitmaps).toString('hex'),
    '0100a0000000000000000000000000000000123456',
  )
  t.throws(() => empty.dialect.encode('0100', [], 3), { code: 'CODEC_ENCODE_FAILED' })
  const third = { maxBitmaps: 3 }
  t.same(failureOf(decode('0100 8000000000000000 8000000000000000', third)), ['short', '65', 18])
  t.same(failureOf(decode('0100 8000000000000000 8000000000000000 8000000000000000', third)), [
    'unknown-field',
    '129',
    26,
  ])
  t.same(failureOf(decode('0100 8000000000000000 8000000000000000', {})), ['unknown-field', '65', 18])
  const hex = tableOf({ 3: field('bcd', 6) }, { bitmap: 'hex16' })
  t.same(failureOf(hex.decode(Buffer.from('\x01\x0020000000000000G0', 'latin1'))), ['bitmap', '1', 16])
  t.equal(hex.decode(Buffer.from('\x01\x002000000000000000\x12\x34\x56', 'latin1')).text(3), '123456')
  const fixed = tableOf(table, { fixedGroups: 2 })
  const written = fixed.encode('0100', [undefined, undefined, undefined, '123456'])
  t.equal(written.toString('hex'), '010020000000000000000000000000000000123456', 'always two, bit 1 clear')
  t.equal(fixed.decode(written).text(3), '123456')
  const ebcdic = tableOf(table, { bitmap: 'ebchex' })
  const ebcdicBytes = ebcdic.encode('0100', [undefined, undefined, undefined, '123456'])
  t.equal(ebcdicBytes.toString('hex', 2, 6), 'f2f0f0f0')
  t.equal(ebcdic.decode(ebcdicBytes).text(3), '123456')
  t.end()
})

t.test('a third bitmap follows the second at once', (t) => {
  const visa = dialects['visa-base1']
  const fields: (string | undefined)[] = []
  fields[4] = '000000000400'
  fields[70] = '301'
  fields[145] = '818'
  const bytes = visa?.encode('0100', fields) ?? Buffer.alloc(0)
  t.equal(bytes.toString('hex'), '0100900000000000000084000000000000000000800000000000000000000400030108' + '18')
  const message = visa?.decode(bytes)
  t.same(message?.fieldNumbers(), [4, 70, 145])
  t.equal(message?.bitmaps, 3)
  t.throws(() => {
    const bad: (string | undefined)[] = []
    bad[65] = '1'
    visa?.encode('0100', bad)
  }, /field 65/)
  t.end()
})

t.test('lengths', (t) => {
  const variable = (
    content: FieldSpec['content'],
    max: number,
    length: FieldSpec['length'],
    unit: FieldSpec['lengthUnit'],
  ) =>
    tableOf({
      3: { name: 'test', kind: 'variable', max, content, ...(length && { length }), ...(unit && { lengthUnit: unit }) },
    })
  const head = '01002000000000000000'
  const at = (dialect: ReturnType<typeof variable>, hex: string) =>
    failureOf(dialect.decode(Buffer.from(head + hex, 'hex')))
  t.same(at(variable('ascii', 5, 'a2', 'chars'), '3a3041'), ['length', '3', 10], 'a length of no digits')
  t.same(at(variable('ascii', 5, 'e2', 'chars'), '303141'), ['length', '3', 10])
  t.same(at(variable('ascii', 5, 'b1', 'chars'), '0a41'), ['length', '3', 10])
  t.same(at(variable('ascii', 2, 'n1', 'chars'), '03414243'), ['length', '3', 10], 'over the maximum')
  t.same(at(variable('ascii', 2, 'n1', 'chars'), '034142'), ['short', '3', 11], 'over the maximum, and not even there')
  t.same(at(variable('hex-ascii', 5, 'n1', 'chars'), '03414243'), ['length', '3', 10], 'half a byte')
  t.same(at(variable('ber-length', 50, undefined, undefined), '9f26'), ['short', '3', 10])
  t.same(at(variable('ber-length', 50, undefined, undefined), '9f268400'), ['short', '3', 10])
  t.same(at(variable('ber-length', 4, undefined, undefined), '9f26020102'), ['length', '3', 10])
  t.same(at(variable('ber-length', 50, undefined, undefined), '9f26820002'), ['short', '3', 10])
  t.equal(at(variable('ber-length', 50, undefined, undefined), '9f2681020102'), undefined)
  t.end()
})

t.test('characters', (t) => {
  const head = '01002000000000000000'
  const at = (spec: FieldSpec, hex: string) => failureOf(tableOf({ 3: spec }).decode(Buffer.from(head + hex, 'hex')))
  t.same(at(field('bcd', 4), '12a4'), ['content', '3', 11])
  t.same(at(field('bcd', 3), '1234'), ['content', '3', 10], 'the padding nibble must be 0')
  t.same(at(field('bcd', 3), '0f34'), ['content', '3', 10])
  t.same(at(field('bcd', 3), '023f'), ['content', '3', 11])
  t.same(at(field('bcd-right', 3), '1234'), ['content', '3', 11])
  t.same(at(field('bcd-right', 3), '12f0'), ['content', '3', 11])
  t.same(at(field('track2', 4), '12e4'), ['content', '3', 11])
  t.same(at(field('track2', 3, { oddPad: 'left' }), '0e12'), ['content', '3', 10])
  t.same(at(field('hex-ascii', 2), '3132473a'), ['content', '3', 12])
  t.same(at(field('signed-bcd', 4), '431a23'), ['content', '3', 11])
  t.same(at(field('ascii', 2, { value: 'numeric' }), '3141'), ['content', '3', 11])
  t.same(at(field('ebcdic', 2, { value: 'numeric' }), 'f131'), ['content', '3', 11])
  t.same(at(field('ascii', 2, { value: 'text' }), '4107'), ['content', '3', 11])
  t.same(at(field('ascii', 3, { value: 'signed-numeric' }), '583132'), ['content', '3', 10])
  t.same(at(field('ascii', 3, { value: 'signed-numeric' }), '433143'), ['content', '3', 12])
  t.same(at(field('ascii', 2, { value: 'alpha' }), '4131'), ['content', '3', 11])
  t.same(at(field('ascii', 2, { value: 'alphanumeric' }), '412d'), ['content', '3', 11])
  t.same(at(field('ascii', 2, { value: 'track' }), '3141'), ['content', '3', 11])
  t.end()
})

t.test('writing refuses what does not fit and never says the value', (t) => {
  const pan = '4000001234567899'
  const cases: [FieldSpec, string | Uint8Array, RegExp][] = [
    [field('bcd', 4), pan, /field 3: the value is longer than 4/],
    [field('bcd', 30), pan, /shorter than 30/],
    [field('bcd', 17), `${pan}X`, /may not hold/],
    [field('ascii', 17), `${pan}\u0100`, /may not hold/],
    [field('ascii', 17, { value: 'numeric' }), `${pan}X`, /may not hold/],
    [field('ebcdic', 17), `${pan}\u0660`, /may not hold/],
    [field('ascii', 17, { value: 'signed-numeric' }), `X${pan}`, /may not hold/],
    [field('signed-bcd', 17), `\u0660${pan}`, /may not hold/],
    [field('signed-bcd', 17, { value: 'signed-numeric' }), `X${pan}`, /may not hold/],
    [field('track2', 17), `${pan}E`, /may not hold/],
    [field('binary', 8), `${pan}0`, /odd count/],
    [field('binary', 8), pan.replace('4', 'g'), /bytes or hex digits/],
    [field('hex-ascii', 8), pan.replace('4', '\u0134'), /bytes or hex digits/],
    [field('binary', 8), Buffer.alloc(9), /longer than 8/],
    [field('binary', 8), Buffer.alloc(7), /shorter than 8/],
    [field('ascii', 8), Buffer.alloc(8), /must be text/],
    [{ ...field('ber-length', 99), kind: 'variable' }, Buffer.from('9f2603aabb', 'hex'), /two-byte tag/],
    [{ ...field('ber-length', 99), kind: 'variable' }, '9f268400', /two-byte tag/],
    [{ ...field('bcd', 18), kind: 'variable', length: 'n1', lengthUnit: 'bytes' }, `${pan}1`, /odd count of digits/],
    [{ ...field('signed-bcd', 18), kind: 'variable', length: 'n1', lengthUnit: 'bytes' }, `C${pan}1`, /odd count/],
  ]
  for (const [spec, value, message] of cases) {
    const failing = () => tableOf({ 3: spec }).encode('0100', [undefined, undefined, undefined, value])
    t.throws(failing, { code: 'CODEC_ENCODE_FAILED' })
    t.throws(failing, message)
    t.throws(failing, { message: /^(?!.*\d{8})/s }, 'no value in the text')
  }
  const dialect = tableOf({ 3: field('bcd', 6) })
  t.throws(() => dialect.encode('0100', [undefined, undefined, pan]), /field 2: the dialect has no such field/)
  t.throws(() => dialect.encode('0100', [undefined, pan]), /field 1/)
  const beyond: string[] = []
  beyond[200] = pan
  t.throws(() => dialect.encode('0100', beyond), /field 200/)
  t.end()
})

t.test('no text of a failure holds a PAN, or any run of digits that could be one', (t) => {
  for (const dialect of Object.values(dialects)) {
    fc.assert(
      fc.property(messageOf(dialect), fc.nat(), fc.nat(255), fc.nat(), ({ mti, fields }, position, byte, cut) => {
        const bytes = dialect.encode(mti, fields)
        bytes[position % bytes.length] = byte
        const { failure } = dialect.decode(bytes.subarray(0, cut % (bytes.length + 1)))
        if (failure === undefined) return
        t.notMatch(JSON.stringify(failure), /\d{8}/)
        t.ok(failure.offset >= 0 && failure.offset <= bytes.length, `${failure.offset} in ${bytes.toString('hex')}`)
      }),
      { numRuns: 200 },
    )
  }
  t.end()
})

t.test('a message longer than the codec takes', (t) => {
  const message = dialects['iso87-bcd']?.decode(Buffer.alloc(70_000))
  t.equal(message?.failure?.kind, 'too-long')
  t.same(message?.fieldNumbers(), [])
  t.same(message?.offsets(), [])
  t.end()
})

t.test('numbers that are no data element', (t) => {
  const message = dialects['iso87-bcd']?.decode(Buffer.from((answers.at(-1) as Answer).message, 'hex'))
  for (const de of [-1, 0, 1, 193, 1000, 2.5, Number.NaN]) {
    t.equal(message?.has(de), false)
    t.equal(message?.text(de), undefined)
    t.equal(message?.bytes(de), undefined)
  }
  t.end()
})
