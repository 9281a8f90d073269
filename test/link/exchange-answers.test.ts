import t from 'tap'
import { berValue, parseBerTlv, parseChipData } from '../../src/iso8583/tlv.ts'
import { converse, dialogue, purchase } from './exchange-harness.ts'

/** ARPC of method 1, and a script with an identifier and one command. */
const CHIP = '910a11223344556677883030' + '7216' + '9f180400000001' + '860d841e0000080102030405060708'

t.test('what the chip data of these tests holds', async (t) => {
  const { list, failure } = parseBerTlv(Buffer.from(CHIP, 'hex'))
  t.equal(failure, undefined)
  t.strictSame(
    list.map(({ tag }) => tag),
    ['91', '72'],
  )
})

for (const [name, onWire] of [
  // LLL of hex digits, LLL of bytes, one byte of bytes and Visa's dataset 01 with its two-byte length.
  ['iso87-ascii', Buffer.from(`${String(CHIP.length).padStart(3, '0')}${CHIP.toUpperCase()}`, 'latin1')],
  ['iso87-bcd', Buffer.from(`00${CHIP.length / 2}${CHIP}`, 'hex')],
  [
    'visa-base1',
    Buffer.from(`${(CHIP.length / 2 + 3).toString(16)}0100${(CHIP.length / 2).toString(16)}${CHIP}`, 'hex'),
  ],
] as const) {
  t.test(`${name}: chip data and additional response data in an answer`, async (t) => {
    const link = await converse(t, dialogue(name))
    link.approver.fields = { 38: 'AB12CD', 39: '00', 44: '5   1   2', 55: CHIP }
    const answer = await link.ask('0100', purchase())
    t.equal(answer.failure, undefined)
    t.equal(answer.text(44)?.trimEnd(), '5   1   2')
    const start = answer.fieldStart(55)
    t.strictSame(answer.buffer.subarray(start, start + onWire.length), onWire)
    const { list, failure } = parseChipData(answer.bytes(55) ?? Buffer.alloc(0), name === 'visa-base1')
    t.equal(failure, undefined)
    t.equal(berValue(list, '91')?.toString('hex'), '11223344556677883030')
    t.equal(berValue(list, '72')?.length, 0x16)

    link.approver.fields = { 39: '51' }
    const plain = await link.ask('0100', purchase({ 55: name === 'visa-base1' ? '0100059f3602000a' : '9f3602000a' }))
    t.strictSame(
      [plain.text(39), plain.has(44), plain.has(55)],
      ['51', false, false],
      "the request's own is not echoed",
    )
  })
}

t.test('chip data that does not fit its field loses one answer, and says so', async (t) => {
  const link = await converse(t, dialogue('visa-base1'))
  const script = (bytes: number) => `7281${bytes.toString(16)}${'00'.repeat(bytes)}`
  link.approver.fields = ({ stan }) => ({ 39: '00', 55: script(stan === '000123' ? 250 : 249) })
  link.send(...['000123', '000124'].map((stan) => link.dialect.encode('0100', purchase({ 11: stan }))))
  const answer = await link.next()
  t.equal(answer.text(11), '000124')
  t.equal(answer.bytes(55)?.length, 255)
  t.match(link.told.undecodable, [/its answer cannot be made/])
})

for (const name of ['iso87-ascii', 'iso87-bcd', 'visa-base1']) {
  t.test(`${name}: an answer does not repeat an empty field`, async (t) => {
    const link = await converse(t, dialogue(name))
    const answer = await link.ask('0100', purchase({ 2: '' }))
    t.strictSame([answer.failure, answer.has(2), answer.has(11)], [undefined, false, true])
  })
}
