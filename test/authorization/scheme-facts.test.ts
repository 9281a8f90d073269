import fc from 'fast-check'
import { test } from 'tap'
import { requestOf } from '../../src/authorization/inbound.ts'
import { schemeFactsOf } from '../../src/authorization/scheme-facts.ts'
import { formatChipData } from '../../src/iso8583/ber-tlv.ts'
import { formatBitmapped } from '../../src/iso8583/bitmapped.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { FieldValues } from '../../src/iso8583/encode.ts'

const pan = '4000000000000002'
const profile = { name: 'visa', schemeRail: true, panIndexOf: () => 'index' }

function dialectOf(name: string) {
  const dialect = dialects[name]
  if (dialect === undefined) throw new Error(`no dialect ${name}`)
  return dialect
}

/** What a message comes to when it goes over the wire of a dialect. */
function received(more: Readonly<Record<number, string | Buffer>>, { mti = '0100', name = 'visa-base1' } = {}) {
  const dialect = dialectOf(name)
  const fields: FieldValues = []
  Object.assign(fields, { 2: pan, 3: '002000', 4: '000000001000', 7: '1111100000', 11: '000001', 32: '400001' })
  Object.assign(fields, { 37: 'RRN000000001', 41: 'T0000001', 42: 'SHOP00000000001', 49: '818' }, more)
  const message = dialect.decode(dialect.encode(mti, fields))
  return requestOf(message, { ...profile, schemeRail: name === 'visa-base1' }, 0)
}

function service(parts: readonly (readonly [string, string])[]): Buffer {
  const spec = dialectOf('visa-base1').subfields(62)
  if (spec?.form !== 'bitmap') throw new Error('DE62 has a bitmap')
  return formatBitmapped(62, spec, new Map(parts))
}

const chip = (objects: Readonly<Record<string, string>>, wrapped = true) =>
  formatChipData(
    Object.entries(objects).map(([tag, value]) => ({ tag, value: Buffer.from(value, 'hex') })),
    wrapped,
  )

const hexText = (text: string) => Buffer.from(text).toString('hex').toUpperCase()

const read = {
  '9F26': '0123456789ABCDEF',
  '9F36': '0007',
  '9F10': '06010A03A0A000',
  '57': `${pan}D3012201`,
  '5A': pan,
  '5F20': '4E414D45',
  '9F1F': '31323334',
  '99': '1234567890ABCDEF',
}

test('what only the scheme’s clearing file needs is read of a message over its rail', (t) => {
  const { schemeFacts = null } = received({
    22: '0510',
    23: '001',
    43: 'CORNER SHOP              GIZA         EG',
    55: chip(read),
    60: '051000000521',
    62: service([
      ['1', 'E'],
      ['2', '426326000000001'],
      ['3', 'AB12'],
      ['4', 'N'],
      ['11', '01'],
      ['12', '03'],
    ]),
  })
  t.same(schemeFactsOf(schemeFacts), {
    entryMode: '05',
    cardSequence: '001',
    merchant: { name: 'CORNER SHOP', city: 'GIZA', country: 'EG' },
    terminalCapability: '5',
    chipCondition: '1',
    remoteOrder: '05',
    cardholderIdMethod: '2',
    characteristics: 'E',
    validationCode: 'AB12',
    marketData: 'N',
    capture: { sequence: 1, count: 3 },
    chip: { '9F26': '0123456789ABCDEF', '9F36': '0007', '9F10': '06010A03A0A000' },
  })
  t.end()
})

test('what does not go into the scheme’s file has no facts', (t) => {
  const more = { 22: '0510', 55: chip(read) }
  t.equal(received({ 22: '051', 55: chip(read, false) }, { name: 'iso87-ascii' }).schemeFacts, undefined)
  t.equal(received(more, { mti: '0400' }).schemeFacts, undefined, 'what is taken back has those of what it was')
  t.equal(received({ ...more, 3: '302000' }).schemeFacts, undefined)
  t.equal(received({}).schemeFacts, undefined)
  t.end()
})

test('no card number, track or PIN is among the facts, whatever a message has where', (t) => {
  const hex = (digits: string) => digits.padEnd(Math.ceil(digits.length / 2) * 2, 'F')
  const tag = fc.constantFrom('57', '5A', '56', '99', '9F20', '9F6B', '9F0B', '9F36', '9F02', '9F1E', '82', '9A')
  const place = fc.constantFrom(`${pan}`, `SHOP ${pan} X`, `${pan}${pan}`, 'SHOP')
  const pin = 'FEDCBA9876543210'
  fc.assert(
    fc.property(fc.uniqueArray(tag, { maxLength: 6 }), place, (tags, name) => {
      const objects = Object.fromEntries(tags.map((one) => [one, one === '99' ? pin : hex(pan)]))
      const { schemeFacts = '' } = received({
        22: '0510',
        43: name.padEnd(40).slice(0, 40),
        55: chip({ '9F26': '0123456789ABCDEF', ...objects }),
      })
      return !schemeFacts.includes(pan) && !schemeFacts.includes(pin) && !schemeFacts.includes(hexText(pan))
    }),
  )
  t.end()
})

test('chip data that is malformed is left out, and the rest is there', (t) => {
  const cut = chip({ '9F26': read['9F26'], '9F36': read['9F36'], '9F10': read['9F10'] }).subarray(0, 20)
  cut.writeUInt16BE(17, 1)
  const { schemeFacts = null } = received({ 22: '0510', 55: cut })
  t.same(schemeFactsOf(schemeFacts), { entryMode: '05', chip: { '9F26': '0123456789ABCDEF', '9F36': '0007' } })
  const none = received({ 22: '0510', 55: Buffer.from('ff', 'hex') }).schemeFacts ?? null
  t.same(schemeFactsOf(none), { entryMode: '05' })
  t.end()
})
