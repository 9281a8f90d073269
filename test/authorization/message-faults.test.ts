import t from 'tap'
import { requestOf } from '../../src/authorization/inbound.ts'
import { LOCAL_DATE, TRANSMISSION } from '../../src/authorization/message-key.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { FieldValues } from '../../src/iso8583/encode.ts'
import { type Element, formatDataset, formatElements48 } from '../../src/iso8583/tlv.ts'

type Sent = Readonly<Record<number, string | Buffer | undefined>>

/** Why a message over the wire of a dialect is refused, or undefined. */
function faultOf(more: Sent, { mti = '0200', name = 'iso87-ascii' } = {}) {
  const dialect = dialects[name]
  if (dialect === undefined) throw new Error(`no dialect ${name}`)
  const fields: FieldValues = []
  Object.assign(fields, { 2: '4000000000000002', 3: '002000', 4: '000000010000', 7: '1111100000', 11: '000001' })
  Object.assign(fields, { 32: '400001', 37: 'RRN000000001', 41: 'T0000001', 42: 'SHOP00000000001', 49: '818' }, more)
  const message = dialect.decode(dialect.encode(mti, fields))
  if (message.failure !== undefined) throw new Error(message.failure.message)
  const link = { name, schemeRail: name === 'visa-base1', panIndexOf: () => 'index' }
  return requestOf(message, link, 0).fault
}
const unreadable = (field: string) => ({ result: 'format-error', field })
const rails = ['iso87-ascii', 'iso87-bcd', 'visa-base1']

t.test('an element that says one thing comes once', async (t) => {
  const carried = (elements: readonly Element[], name: string): Sent =>
    name === 'visa-base1' ? { 104: formatDataset(elements) } : { 48: formatElements48(elements) }
  const values = {
    QT: '1',
    DY: '1',
    FL: '1',
    CP: 'C',
    OT: '123456',
    HS: 'VISIT',
    HC: '100',
    MC: '0101',
    BM: 'ab',
    KS: 'ab',
  }
  for (const name of rails) {
    const de = name === 'visa-base1' ? '104' : '48'
    for (const [tag, value] of Object.entries(values)) {
      const twice = [
        { tag, value },
        { tag: 'ZZ', value: 'x' },
        { tag, value },
      ]
      t.strictSame(faultOf(carried(twice, name), { name }), unreadable(`${de}.${tag}`), `${name} ${tag}`)
    }
    const line = { tag: 'IT', value: `${'P'.repeat(14)}${'1'.padStart(6, '0')}${'1'.padStart(12, '0')}` }
    const unknown = { tag: 'ZZ', value: 'x' }
    t.equal(faultOf(carried([line, unknown, line, unknown], name), { name }), undefined, `${name}: these may repeat`)
  }
})

t.test('chip data that cannot be read is a malformed message, and no forged card', async (t) => {
  const cut = Buffer.from('9f26080123', 'hex')
  const wrapped = (bytes: Buffer, id = 1, length = bytes.length) =>
    Buffer.concat([Buffer.from([id, length >> 8, length & 255]), bytes])
  const cases = (name: string) =>
    name === 'visa-base1'
      ? [wrapped(cut), wrapped(whole, 2), wrapped(whole, 1, 3), whole, Buffer.of(1, 0), Buffer.alloc(0)]
      : [cut, Buffer.from('9f26', 'hex'), Buffer.from('9f', 'hex'), Buffer.from('95ff00', 'hex'), Buffer.alloc(0)]
  const whole = Buffer.from('9f3602000795050000000000', 'hex')
  for (const name of rails) {
    for (const bytes of cases(name)) {
      t.strictSame(faultOf({ 55: bytes }, { name }), unreadable('55'), `${name} ${bytes.toString('hex')}`)
      for (const mti of ['0120', '0220', '0400', '0420']) {
        t.equal(faultOf({ 55: bytes }, { name, mti }), undefined, `${name} ${mti}: it happened`)
      }
    }
    t.equal(faultOf({ 55: name === 'visa-base1' ? wrapped(whole) : whole }, { name }), undefined)
  }
})

t.test('an empty card number is a malformed message', async (t) => {
  for (const name of rails) {
    t.strictSame(faultOf({ 2: '' }, { name }), unreadable('2'), name)
    const track = '4000000000000002D30122011234567890'
    t.strictSame(faultOf({ 2: '', 35: track }, { name }), unreadable('2'), `${name}, with a track`)
    t.equal(faultOf({ 2: undefined, 35: track }, { name }), undefined, `${name}, a track alone`)
  }
})

const lengths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const twoDigits = (value: number) => String(value).padStart(2, '0')

t.test('days and times that no calendar and no clock has', async (t) => {
  for (let month = 0; month <= 99; month++) {
    for (let day = 0; day <= 99; day++) {
      const date = twoDigits(month) + twoDigits(day)
      const exists = day >= 1 && day <= (lengths[month - 1] ?? 0)
      if (TRANSMISSION.test(`${date}235959`) !== exists || LOCAL_DATE.test(date) !== exists) t.fail(date)
    }
  }
  for (const name of rails) {
    const said = (fields: Sent, mti = '0200') => faultOf(fields, { name, mti })
    for (const seven of ['0230100000', '0431100000', '1301100000', '1111240000', '1111106000']) {
      t.strictSame(said({ 7: seven }), unreadable('7'), `${name} ${seven}`)
    }
    for (const date of ['1399', '0230', '0000', '0631']) t.strictSame(said({ 13: date }), unreadable('13'), date)
    for (const time of ['999999', '240000', '106000', '100060'])
      t.strictSame(said({ 12: time }), unreadable('12'), time)
    t.equal(said({ 7: '0229100000', 12: '235959', 13: '0229' }), undefined, 'a leap day')
    for (const mti of ['0120', '0220', '0400', '0420']) {
      t.equal(said({ 12: '999999', 13: '1399' }, mti), undefined, `${mti}: it happened, whatever the clock said`)
    }
  }
})
