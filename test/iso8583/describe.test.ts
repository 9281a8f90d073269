import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { describeMessage, maskValue, shownValue } from '../../src/iso8583/describe.ts'
import type { FieldValues } from '../../src/iso8583/dialect.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { Message } from '../../src/iso8583/message.ts'
import { formatBerTlv, formatChipData, formatDataset } from '../../src/iso8583/tlv.ts'

const pan = '4000001234567899'
const track = `${pan}D29122011234567890`
const pinBlock = '62faf4e84b13d45d'
const assertion = '01'.repeat(52)

function visaMessage(): Message {
  const visa = dialects['visa-base1']
  const fields: FieldValues = []
  fields[2] = pan
  fields[3] = '009200'
  fields[35] = track
  fields[43] = 'BALADI BAKERY'
  fields[45] = `%B${pan}^NAME/A^2912`
  fields[52] = pinBlock
  fields[54] = '2002818C000000012500'
  fields[55] = formatChipData(
    [
      { tag: '57', value: Buffer.from(track.replace('D', 'd'), 'hex') },
      { tag: '5A', value: Buffer.from(pan, 'hex') },
      { tag: '5F20', value: Buffer.from('SAYED AHMED') },
      { tag: '9F36', value: Buffer.from('00ff', 'hex') },
    ],
    true,
  )
  fields[102] = pan
  fields[104] = formatDataset([
    { tag: 'QT', value: '20' },
    { tag: 'BM', value: assertion },
  ])
  fields[126] = '0040000000000000f1f140f8f8f8'
  return visa?.decode(visa.encode('0100', fields)) as Message
}

t.test('a masked description', (t) => {
  const expected = JSON.parse(readFileSync(new URL('../vectors/iso8583-described.json', import.meta.url), 'utf8'))
  t.same(describeMessage(visaMessage()).split('\n'), expected)
  t.end()
})

t.test('nothing sensitive in what is masked, all of it in what is clear', (t) => {
  const message = visaMessage()
  const ebcdicAssertion = 'f0f1'.repeat(52)
  const secrets = [pan, track, '1234567890', pinBlock, 'SAYED', Buffer.from('SAYED AHMED').toString('hex'), assertion]
  const masked = describeMessage(message)
  for (const secret of [...secrets, ebcdicAssertion, 'f8f8f8', '888']) {
    t.notOk(masked.toLowerCase().includes(secret.toLowerCase()), 'masked')
  }
  const clear = describeMessage(message, { clear: true })
  for (const secret of [pan, track, pinBlock, assertion, '888']) t.ok(clear.includes(secret), 'clear')
  t.equal(shownValue(message, 2, false), '400000******7899')
  t.equal(shownValue(message, 52, false), '*'.repeat(16))
  t.equal(shownValue(message, 4, false), '')
  t.end()
})

t.test('DE48 and DE55 of the domestic dialects', (t) => {
  for (const name of ['iso87-ascii', 'iso87-bcd']) {
    const dialect = dialects[name]
    const fields: FieldValues = []
    fields[2] = pan
    fields[35] = track
    fields[36] = `${pan}=9999`
    fields[48] = `QT00220BM104${assertion}ZZ003abc`
    fields[55] = formatBerTlv([
      { tag: '5A', value: Buffer.from(pan, 'hex') },
      { tag: '9F10', value: Buffer.from('06011203a0b0c0', 'hex') },
    ])
    const message = dialect?.decode(dialect.encode('0200', fields)) as Message
    const text = describeMessage(message)
    t.match(text, /48\.QT = 20\n/)
    t.match(text, /48\.BM = \*{104}\n/)
    t.match(text, /48\.ZZ = \*{3}\n/)
    t.match(text, /55\.9F10 = 06011203a0b0c0/)
    for (const secret of [pan, track, assertion, 'abc']) t.notOk(text.includes(secret))
    t.ok(describeMessage(message, { clear: true }).includes(assertion))
  }
  t.end()
})

t.test('a malformed part and a malformed message say so', (t) => {
  const dialect = dialects['iso87-ascii']
  const fields: FieldValues = []
  fields[48] = 'QT00220CP009C'
  const bytes = dialect?.encode('0200', fields) ?? Buffer.alloc(0)
  t.match(
    describeMessage(dialect?.decode(bytes) as Message),
    /field 48\.CP at offset 12: needs 9 characters, 1 are left/,
  )
  const cut = describeMessage(dialect?.decode(bytes.subarray(0, 30)) as Message)
  t.match(cut, /malformed: field 48 at offset 23/)
  t.match(describeMessage(dialect?.decode(Buffer.alloc(0)) as Message), /not readable/)
  t.end()
})

t.test('control characters cannot reach a terminal or a log', (t) => {
  const dialect = dialects['visa-base1']
  const fields: FieldValues = []
  fields[44] = 'A\u001b[2J\n0   message'
  const text = describeMessage(dialect?.decode(dialect.encode('0110', fields)) as Message)
  t.ok(text.includes('A\\x1b[2J\\x0a0   message'))
  t.end()
})

t.test('a card number that somebody wrote into a text', (t) => {
  const noted = { 43: `REFUND ${pan}  CAIRO`, 98: `CARD ${pan}`, 101: pan, 104: `for ${pan}, twice ${pan}` }
  for (const [name, texts] of [
    ['iso87-ascii', noted],
    ['iso87-bcd', noted],
    ['visa-base1', { 43: noted[43], 101: pan, 44: `SEE ${pan}` }],
  ] as const) {
    const dialect = dialects[name]
    const messageWith = (fields: Readonly<Record<number, string>>) =>
      dialect?.decode(dialect.encode('0200', Object.assign([], fields))) as Message
    const message = messageWith(texts)
    t.equal(message.failure, undefined)
    t.notOk(describeMessage(message).includes(pan), name)
    t.match(describeMessage(message), '400000******7899')
    for (const de of Object.keys(texts)) t.notOk(shownValue(message, Number(de), false).includes(pan), `${name} ${de}`)
    t.ok(describeMessage(message, { clear: true }).includes(pan))
    const overTheBorder = describeMessage(messageWith({ 43: `${'X'.repeat(15)}${pan}` }))
    t.notOk(overTheBorder.includes(pan.slice(0, 10)), 'part by part')
    const grouped = describeMessage(messageWith({ 43: `IN GROUPS ${pan.match(/.{4}/g)?.join(' ')}` }))
    t.match(grouped, 'IN GROUPS 400000******7899', 'as a card prints it')
    const kept = { 43: 'SHOP 4000001234567890', 42: '123456789012345' }
    t.match(describeMessage(messageWith(kept)), kept[43], 'another number')
    t.equal(shownValue(messageWith({ 90: '0'.repeat(42) }), 90, false), '0'.repeat(42))
  }
  t.end()
})

t.test('masks', (t) => {
  t.equal(maskValue('%B4000001234567899^NAME', 'track'), `400000******7899${'*'.repeat(7)}`)
  t.equal(maskValue('no track at all', 'track'), '*'.repeat(15))
  t.equal(maskValue('123456789012', 'pan'), '*'.repeat(12))
  t.equal(maskValue('plain', undefined), 'plain')
  fc.assert(
    fc.property(fc.stringMatching(/^\d{13,19}$/), (number) => {
      // Not "the middle is not in it": three digits of the middle may also stand at an end.
      t.equal(maskValue(number, 'pan'), number.slice(0, 6) + '*'.repeat(number.length - 10) + number.slice(-4))
    }),
    { numRuns: 50 },
  )
  t.end()
})
