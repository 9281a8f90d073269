import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import t from 'tap'
import type { CommandIo } from '../../src/commands/command-io.ts'
import { decodeCommand } from '../../src/commands/decode.ts'
import { encodeCommand } from '../../src/commands/encode.ts'
import { vectorsCommand } from '../../src/commands/vectors.ts'
import { commandRunner } from '../support/command.ts'
import { sharedVectors, skipWithout } from '../support/shared-vectors.ts'

const run = commandRunner({})
const program = (io: CommandIo) =>
  new Command('mizan').addCommand(decodeCommand(io)).addCommand(encodeCommand(io)).addCommand(vectorsCommand(io))
const mizan = (args: readonly string[], input = '') => run(program, args, input)

const visaAnswers = JSON.parse(readFileSync(new URL('../vectors/iso8583-visa.json', import.meta.url), 'utf8'))
const chip = visaAnswers[3] as { frame: string; header: string; message: string }
const framed = chip.frame + chip.header + chip.message

t.test('decode', async (t) => {
  const text = await mizan(['decode', '--dialect', 'visa-base1', '--framing', 'visa', framed])
  t.equal(text.status, 0)
  t.match(text.out, /^header: to 000000.*\n0 {3}message type 0100\n2 {3}primary account number = 403456\*{6}3456\n/)
  t.notMatch(text.out, /4034567890123456|62faf4e84b13d45d/)
  const json = await mizan(
    ['decode', '--dialect', 'visa-base1', '--header', '--json'],
    `${chip.header}\n${chip.message}\n`,
  )
  t.equal(json.status, 0)
  const parsed = JSON.parse(json.out)
  t.match(parsed, { mti: '0100', bitmaps: 3, header: { totalLength: 364 } })
  t.equal(parsed.fields['52'], '*'.repeat(16))
  t.same(parsed.offsets[2], { field: '2', offset: 26, lengthBytes: 1, dataBytes: 8 })
  const clear = await mizan(['decode', '--dialect', 'visa-base1', '--json', '--clear', chip.message])
  t.equal(JSON.parse(clear.out).fields['52'], '62faf4e84b13d45d')
  const again = await mizan(['encode', '--dialect', 'visa-base1'], clear.out)
  t.equal(again.out.trim(), chip.message)
})

t.test('decode: framings and TPDU', async (t) => {
  const message = await mizan(['encode', '--dialect', 'iso87-bcd', '--json', '{"mti":"0800","fields":{"70":"301"}}'])
  const { hex } = JSON.parse(message.out) as { hex: string }
  t.equal(hex, '0800800000000000000004000000000000000301')
  const tpdu = `6000010002${hex}`
  const len2 = (tpdu.length / 2).toString(16).padStart(4, '0')
  const ran = await mizan(['decode', '--dialect', 'iso87-bcd', '--framing', 'len2', '--tpdu', len2 + tpdu])
  t.equal(ran.status, 0)
  t.match(ran.out, /70 {2}network management information code = 301/)
  const ascii4 = Buffer.from(String(hex.length / 2).padStart(4, '0')).toString('hex')
  t.equal((await mizan(['decode', '--dialect', 'iso87-bcd', '--framing', 'ascii4', ascii4 + hex])).status, 0)
  t.match(
    (await mizan(['decode', '--dialect', 'iso87-bcd', '--framing', 'len2', `0001${hex}`])).errors,
    /says 1 bytes, 20 follow/,
  )
  t.match((await mizan(['decode', '--dialect', 'iso87-bcd', '--framing', 'ascii4', hex])).errors, /not four digits/)
  t.match((await mizan(['decode', '--dialect', 'iso87-bcd', '--framing', 'len2', '00'])).errors, /cut off/)
  t.match((await mizan(['decode', '--dialect', 'iso87-bcd', '--tpdu', '0011'])).errors, /TPDU is cut off/)
  t.match((await mizan(['decode', '--dialect', 'visa-base1', '--header', hex])).errors, /the Visa header/)
})

t.test('decode: a malformed message is shown as far as it goes, with exit status 1', async (t) => {
  const cut = chip.message.slice(0, 120)
  const text = await mizan(['decode', '--dialect', 'visa-base1', cut])
  t.equal(text.status, 1)
  t.match(text.out, /message type 0100/)
  t.match(text.out, /malformed: field 23 at offset 60: needs 2 bytes, 0 are left/)
  const json = await mizan(['decode', '--dialect', 'visa-base1', '--json', cut])
  t.equal(json.status, 1)
  t.match(JSON.parse(json.out), { mti: '0100', failure: { kind: 'short' } })
})

t.test('bad input is one clear line and exit status 1', async (t) => {
  const cases: [string[], RegExp][] = [
    [['decode', '--dialect', 'visa', '00'], /no dialect visa; there are iso87-ascii, iso87-bcd, visa-base1/],
    [['decode', '--dialect', 'toString', '00'], /no dialect toString/],
    [['decode', '--dialect', 'visa-base1', '012'], /odd count of hex/],
    [['decode', '--dialect', 'visa-base1', '01zz'], /character 3 is not a hex digit/],
    [['decode', '--dialect', 'visa-base1'], /no hex given/],
    [['decode', '--dialect', 'visa-base1', '--framing', 'len3', '00'], /len3/],
    [['decode', '--dialect', 'visa-base1', '--cleer', '00'], /unknown option/],
    [['decode', '00'], /required option/],
    [['encode', '--dialect', 'visa-base1', '{"mti"'], /is not JSON/],
    [['encode', '--dialect', 'visa-base1', '{}'], /mti must be/],
    [['encode', '--dialect', 'visa-base1', 'null'], /mti must be/],
    [['encode', '--dialect', 'visa-base1', '{"mti":"0100","fields":3}'], /fields must be/],
    [['encode', '--dialect', 'visa-base1', '{"mti":"0100","bitmaps":"x"}'], /bitmaps must be/],
    [['encode', '--dialect', 'visa-base1', '{"mti":"0100","fields":{"x":"1"}}'], /field x: no such field/],
    [['encode', '--dialect', 'visa-base1', '{"mti":"0100","fields":{"4":1}}'], /field 4: the value must be a text/],
    [['encode', '--dialect', 'visa-base1', '{"mti":"0100","fields":{"4":"12x"}}'], /field 4: a character/],
    [['vectors', 'iso8583', '/no/such/file'], /cannot read \/no\/such\/file/],
    [['vectors', 'iso8583', fileURLToPath(import.meta.url)], /is not JSON/],
    [['vectors', 'crypt'], /unknown command|too many arguments|error/],
  ]
  for (const [args, message] of cases) {
    const { status, errors } = await mizan(args)
    t.equal(status, 1, args.join(' '))
    t.match(errors, message)
    t.notMatch(errors, /\n {4}at /, 'no stack trace')
  }
})

t.test('vectors', async (t) => {
  const folder = t.testdir()
  const file = path.join(folder, 'answers.json')
  const tables = path.join(folder, 'tables.json')
  const message = { id: 'good', dialect: 'own', hex: '01002000000000000000123456' }
  const expected = { mti: '0100', fields: { 3: '123456' } }
  const answers = [
    { ...message, expected },
    { ...message, hex: `ffff${message.hex}`, bodyOffset: 2, expected },
    { ...message, id: 'other type', expected: { ...expected, mti: '0200' } },
    { ...message, id: 'other value', expected: { ...expected, fields: { 3: '654321' } } },
    { ...message, id: 'missing', expected: { ...expected, fields: { 3: '123456', 4: '1' } } },
    { ...message, id: 'too many', expected: { ...expected, fields: {} } },
    { ...message, id: 'must fail', expected: { error: 'it must' } },
    { ...message, id: 'fails', hex: '0100200000000000000012', expected: { error: 'short', field: '3' } },
    { ...message, id: 'fails elsewhere', hex: '0100200000000000000012', expected: { error: 'short', field: '4' } },
    { ...message, id: 'unreadable', hex: '0100200000000000000012', expected },
    { ...message, id: 'not hex', hex: '010', expected },
    { ...message, id: 'header', expected: { ...expected, header: { H1_length: 22 } } },
    { id: 'nothing' },
    { ...message, id: 'no table', dialect: 'unknown', expected },
  ]
  writeFileSync(file, JSON.stringify(answers))
  writeFileSync(tables, JSON.stringify({ own: { mti: 'bcd', bitmap: 'bin8', fields: { 3: ['F', 6, 'bcd'] } } }))
  const ran = await mizan(['vectors', 'iso8583', file, '--dialects', tables])
  t.equal(ran.status, 1)
  const lines = ran.out.trim().split('\n')
  t.equal(lines.at(-1), '3 passed, 11 failed')
  for (const [index, start] of [
    'other type: message type: 0100, expected 0200',
    'other value: field 3: differs',
    'missing: field 4: missing',
    'too many: field 3: not expected',
    'must fail: was read, but must be refused',
    'fails elsewhere: refused for field 3, expected field 4',
    'unreadable: not read: field 3 at offset 10',
    'not hex: hex',
    'header: header: there is none',
    'nothing: must have hex and expected',
    'no table: no dialect unknown',
  ].entries()) {
    t.ok(lines[index]?.startsWith(start), `${lines[index]}`)
  }
  const json = await mizan(['vectors', 'iso8583', file, '--dialects', tables, '--json'])
  t.match(JSON.parse(json.out), { passed: 3, failed: 11 })
  writeFileSync(file, '{}')
  t.match((await mizan(['vectors', 'iso8583', file])).errors, /list of known answers/)
  writeFileSync(tables, '[]')
  t.match((await mizan(['vectors', 'iso8583', file, '--dialects', tables])).errors, /object of field tables/)
})

const shared = sharedVectors('iso8583.json')

t.test('the shared known answers', { skip: skipWithout(shared) }, async (t) => {
  const ran = await mizan(['vectors', 'iso8583', shared, '--dialects', sharedVectors('iso8583-dialects.json')])
  t.equal(ran.status, 0)
  t.match(ran.out.trim(), /^\d+ passed, 0 failed$/)
})
