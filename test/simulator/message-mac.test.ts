import { test } from 'tap'
import { cryptoBench, LINK } from '../../bench/crypto-cases.ts'
import type { Dialect, FieldValues } from '../../src/iso8583/dialect.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import { MessageMac as LinkMac } from '../../src/link/message-mac.ts'
import { MessageMac } from '../../src/simulator/message-mac.ts'

const { module, keys } = cryptoBench(1)
const mac = new MessageMac(keys.mak)

function fieldsOf(more: Readonly<Record<number, string>> = {}): FieldValues {
  const fields: FieldValues = []
  Object.assign(fields, { 3: '002000', 4: '000000012345', 7: '1111100000', 11: '000042', 41: 'S0001001', ...more })
  return fields
}

for (const name of ['iso87-ascii', 'iso87-bcd']) {
  const dialect = dialects[name] as Dialect
  for (const [field, fields] of [
    [64, fieldsOf()],
    [128, fieldsOf({ 70: '301' })],
    [128, fieldsOf({ 90: '0'.repeat(42) })],
  ] as const) {
    test(`${name}: a link of the switch takes a MAC in DE${field}`, async (t) => {
      const bytes = mac.encode(dialect, '0200', fields)
      const message = dialect.decode(bytes)
      t.equal(message.failure, undefined)
      t.ok(message.has(field) && !message.has(field === 64 ? 128 : 64), `the MAC is DE${field}, and last`)
      const link = new LinkMac(dialect, module, LINK)
      t.equal(link.check(message), undefined)
      t.equal(mac.check(message, bytes), 'right')
      const at = bytes.indexOf(
        name === 'iso87-ascii' ? Buffer.from('000000012345') : Buffer.from('000000012345', 'hex'),
      )
      const changed = Buffer.from(bytes)
      // Another amount in the same form: the last digit of 12345 becomes 4.
      const last = at + (name === 'iso87-ascii' ? 11 : 5)
      changed[last] = (changed[last] as number) ^ 1
      t.equal(link.check(dialect.decode(changed)), 'mac-wrong')
      t.equal(mac.check(dialect.decode(changed), changed), 'wrong')
    })

    test(`${name}: an answer with DE${field} that a link of the switch sealed`, async (t) => {
      const link = new LinkMac(dialect, module, LINK)
      const sealed = [...fields]
      sealed[39] = '00'
      link.reserve(sealed)
      const bytes = dialect.encode('0210', sealed)
      await link.seal(bytes, 0)
      t.equal(mac.check(dialect.decode(bytes), bytes), 'right')
      const other = new MessageMac(keys.zpk)
      t.equal(other.check(dialect.decode(bytes), bytes), 'wrong', 'under another key')
    })
  }
}

test('a message without a MAC', async (t) => {
  const dialect = dialects['iso87-ascii'] as Dialect
  const bytes = dialect.encode('0200', fieldsOf())
  t.equal(mac.check(dialect.decode(bytes), bytes), 'absent')
})
