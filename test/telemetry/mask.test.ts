import t from 'tap'
import { isLuhnValid, withCheckDigit } from '../../src/identifiers.ts'
import { maskText } from '../../src/telemetry/mask.ts'

const pan = withCheckDigit('400000123456789')
const track2 = `${pan}=30122010000012345`

t.test('card numbers are masked wherever they stand', async (t) => {
  const pans = [
    pan,
    withCheckDigit('555555444433332'),
    withCheckDigit('37828224631000'),
    withCheckDigit('636900000000000000'),
    withCheckDigit('401288888888'),
  ]
  for (const one of pans) {
    t.ok(isLuhnValid(one))
    for (const text of [
      one,
      `card ${one}!`,
      `"${one}"`,
      `x${one}y`,
      `{"a":{"b":["${one}"]}}`,
      `a=${one}&b`,
      `(${one})`,
      `\\n${one}\\n`,
    ]) {
      t.notMatch(maskText(text), one, text)
      t.match(maskText(text), new RegExp(`${one.slice(0, 6)}\\*+${one.slice(-4)}`), text)
    }
  }
})

t.test('a number that begins as a card number does is masked though its check digit is wrong', async (t) => {
  t.equal(maskText('pan read as 4000001234567890'), 'pan read as 400000******7890')
  t.equal(maskText('5078031234567894'), '507803******7894')
})

t.test('printed groups are masked', async (t) => {
  t.equal(maskText('card 4000 0012 3456 7899 here'), 'card 400000******7899 here')
  t.equal(maskText('card 4000-0012-3456-7899 here'), 'card 400000******7899 here')
  t.equal(maskText('3782 822463 10005'), '378282*****0005')
})

t.test('track data is masked', async (t) => {
  for (const text of [
    track2,
    track2.replace('=', 'D'),
    track2.replace('=', 'd'),
    `%B${pan}^HOUSEHOLD/TEST^30122010000000000000?`,
  ]) {
    const masked = maskText(`{"x":"${text}"}`)
    t.notMatch(masked, pan)
    t.notMatch(masked, /30122010/)
    t.doesNotThrow(() => JSON.parse(masked))
  }
})

t.test('long runs of digits, as messages in hex have, are masked whole', async (t) => {
  t.equal(maskText(`7224648108e0801216${pan}003000000000001000`), '7224648108e[41 digits]')
  t.notMatch(maskText(`0100${pan}000000${'0'.repeat(12)}`), pan)
})

t.test('under the name of a secret digits and hex are masked', async (t) => {
  const block = '0412AC89ABCDEF67'
  const key = '0123456789ABCDEFFEDCBA9876543210'
  for (const text of [
    `{"pinBlock":"${block}"}`,
    `{"pin":"1234"}`,
    `{"keys":{"zpk":"${key}"}}`,
    `{\\"mak\\":\\"${key}\\"}`,
    `{"masterKey":"${key}${key}"}`,
    `{"de52":"${block}"}`,
    `{"fields":{"de_35":"x"}}`,
    `pin_block=${block}`,
    `zpk: ${key}`,
    `{"imkAc":"${key}"}`,
    `{"cvv2":"123"}`,
    `{"password":"open sesame"}`,
    `{"rawFrame":"0100ABCD"}`,
    `{"password":"a \\"b\\" open sesame","z":1}`,
  ]) {
    t.notMatch(maskText(text), new RegExp(`${block}|${key}|1234"|123"|open|sesame|"x"|0100ABCD`), text)
    t.match(maskText(text), /\[masked\]/, text)
  }
  t.equal(maskText(`{"pan":"${pan}"}`), '{"pan":"400000******7899"}')
  t.equal(maskText('{"pan":"400000******7899"}'), '{"pan":"400000******7899"}')
})

t.test('the name of a key says whose it is', async (t) => {
  for (const text of [
    'there is no version 9 of zpk:visa',
    'key mak:bcd-2: its block holds another key than its record says',
    'keys zpk are named zpk:<link>, mak:<link>, bdk[:<link>]',
    '{"event":"key_confirmed","name":"zpk:ascii","version":2}',
  ]) {
    t.equal(maskText(text), text)
  }
  for (const key of ['0123456789abcdef', '0123456789ABCDEFFEDCBA9876543210', '0123456789abcdeffedcba9876543210']) {
    for (const text of [`zpk:${key}`, `zpk: ${key}`, `{"mak":"${key}"}`]) t.notMatch(maskText(text), key, text)
  }
})

t.test('numbers, lists and bytes are masked and the line stays JSON', async (t) => {
  const bytes = { pinBlock: Buffer.from('0412AC89ABCDEF67', 'hex'), any: Buffer.from(pan), at: 1763760000000 }
  for (const value of [
    { number: Number(pan), list: [Number(pan), 1, Number(pan)], pin: 1234, at: 1763760000000 },
    { pin: ['1', '2'], key: { zpk: [1, 2] }, nested: [[Number(pan)]], payload: { text: 'x' }, at: 1763760000000 },
    { ...bytes, text: JSON.stringify(bytes), twice: JSON.stringify(JSON.stringify(bytes)) },
    { text: JSON.stringify({ pin: 1234, zpk: ['AB'], pan: Number(pan) }), at: 1763760000000 },
  ]) {
    const masked = maskText(JSON.stringify(value))
    t.notMatch(masked, new RegExp(`${pan}|1234[^5]|AB|4,18,172|52,48,48`), masked)
    t.match(JSON.parse(masked), { at: 1763760000000 }, masked)
  }
})

t.test('identifiers, times and digests stay readable', async (t) => {
  for (const text of [
    '{"rrn":"632521000123","stan":"000123"}',
    '{"id":"12345678-1234-4234-8234-123456789012"}',
    '{"time":"2026-11-21T21:26:00.123Z","at":1763760000000}',
    '{"hash":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}',
    '{"event":"batch_committed","lane":0,"seq":123456,"size":128,"commitMs":2.51}',
    '{"local":"20261121212600"}',
    '{"draw":5,"span":"a","spin":"b","keyHexagon":1}',
    '{"spanId":1,"expand":true,"company":"x","pinned":true,"mapping":"y","keyCount":3,"framing":"len2","deadline":5}',
    'listening on 127.0.0.1:8583',
    '{"pan":null,"pin":false}',
  ]) {
    t.equal(maskText(text), text)
  }
})

t.test('masking twice changes nothing', async (t) => {
  for (const text of [track2, `{"zpk":"00112233445566778899AABBCCDDEEFF"}`, `{"pan":"${pan}"}`, `${pan} ${pan}`]) {
    t.equal(maskText(maskText(text)), maskText(text))
  }
})
