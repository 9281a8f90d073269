import t from 'tap'
import { framed, messageText, readAnswer, TextFramer, variable } from '../../bench/k6/iso8583-text.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import { panOf } from '../../src/simulator/demo-world.ts'

const dialect = dialects['iso87-ascii']

t.test('a message of the k6 scripts is one of the dialect', async (t) => {
  const text = messageText('0200', {
    2: variable(2, panOf(7)),
    3: '310000',
    11: '000001',
    37: 'K60001000001',
    49: '818',
  })
  const message = dialect?.decode(Buffer.from(text, 'latin1'))
  t.equal(message?.failure, undefined)
  t.same(message?.fieldNumbers(), [2, 3, 11, 37, 49])
  t.equal(message?.text(2), panOf(7))
  const long = messageText('0400', { 11: '000001', 90: '0'.repeat(42) })
  t.same(dialect?.decode(Buffer.from(long, 'latin1')).fieldNumbers(), [11, 90], 'with a second bitmap')
})

t.test('answers are cut from the stream and read', async (t) => {
  const fields: (string | undefined)[] = []
  Object.assign(fields, { 2: panOf(7), 3: '310000', 11: '000123', 32: '81800001', 37: 'K60001000123', 39: '51' })
  const declined = dialect?.encode('0210', fields).toString('latin1') ?? ''
  fields[38] = 'ABC123'
  fields[39] = '00'
  const approved = dialect?.encode('0210', fields).toString('latin1') ?? ''
  const stream = Buffer.concat([Buffer.from(framed(declined)), Buffer.from(framed(approved))])
  const framer = new TextFramer()
  const texts: string[] = []
  for (const byte of stream) texts.push(...framer.push(new Uint8Array([byte]).buffer))
  t.same(texts, [declined, approved])
  t.same(readAnswer(declined), { mti: '0210', stan: '000123', responseCode: '51' })
  t.same(readAnswer(approved), { mti: '0210', stan: '000123', responseCode: '00' })
})
