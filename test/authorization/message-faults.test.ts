import t from 'tap'
import { requestOf } from '../../src/authorization/inbound.ts'
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
