import fc from 'fast-check'
import t from 'tap'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { FieldValues } from '../../src/iso8583/encode.ts'
import { messageOf } from './arbitraries.ts'

for (const [name, dialect] of Object.entries(dialects)) {
  t.test(`${name}: a refusal made of the request's bytes is the one made of its values`, async () => {
    fc.assert(
      fc.property(messageOf(dialect), ({ mti, fields }) => {
        const request = dialect.decode(Buffer.concat([Buffer.alloc(3), dialect.encode(mti, fields)]), 3)
        const values: FieldValues = []
        for (const de of dialect.answerEcho) if (request.has(de)) values[de] = request.text(de)
        values[39] = '91'
        const target = Buffer.alloc(4_096, 0xee)
        const end = dialect.refuseInto(request, mti, '91', target, 5)
        return target.subarray(5, end).equals(dialect.encode(mti, values)) && target[end] === 0xee
      }),
    )
  })
}

t.test('a refusal that does not fit is refused itself', async (t) => {
  const dialect = dialects['iso87-ascii']
  if (dialect === undefined) throw new Error('there is such a dialect')
  const fields: FieldValues = []
  for (const [de, value] of Object.entries({ 2: '4000000000000002', 11: '000001', 41: 'TERM0001' }))
    fields[Number(de)] = value
  const request = dialect.decode(dialect.encode('0200', fields))
  const whole = dialect.refuseInto(request, '0210', '91', Buffer.alloc(100), 0)
  for (let short = 0; short < whole; short++) {
    t.throws(() => dialect.refuseInto(request, '0210', '91', Buffer.alloc(short), 0), { code: 'CODEC_ENCODE_FAILED' })
  }
})
