import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import {
  checkNewDecimalisationTable,
  naturalPin,
  pinFromOffset,
  pinOffset,
  verifyPinOffset,
} from '../../src/security/pin/ibm3624.ts'
import { encodePanField4 } from '../../src/security/pin/pin-block.ts'
import type { PinBlockKey } from '../../src/security/pin/pin-cipher.ts'
import { encipherPinBlock4, translatePinBlock } from '../../src/security/pin/pin-cipher.ts'
import { generatePvv, verifyPvv } from '../../src/security/pin/pvv.ts'
import { AesKey } from '../../src/security/primitives/aes.ts'
import { decimaliseTwoScan, digitsText } from '../../src/security/primitives/decimalise.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import { desDecrypt, pvvCipherText, twoScan } from './independent-des.ts'
import {
  anyPin,
  bytes,
  decipher4,
  decode,
  encode,
  hex,
  otherTdes,
  pan,
  pinOf,
  refused,
  tdes,
  upper,
} from './pin-support.ts'

type Answer = Readonly<Record<string, string>> & { readonly id: string; readonly kind: string }

const answers: readonly Answer[] = JSON.parse(
  readFileSync(new URL('../vectors/crypto-pin.json', import.meta.url), 'utf8'),
)

const byKind: Readonly<
  Record<string, (a: Answer) => readonly [computed: string | undefined, expected: string | undefined]>
> = {
  'format0-encode': (a) => [encode(0, a.pin ?? '', a.pan ?? ''), a.block],
  'format2-encode': (a) => [encode(2, a.pin ?? '', ''), a.block],
  'format3-encode': (a) => [encode(3, a.pin ?? '', a.pan ?? '', a.fill), a.block],
  'format0-decode': (a) => [decode(0, a.block ?? '', a.pan ?? ''), a.pin],
  'format3-decode': (a) => [decode(3, a.block ?? '', a.pan ?? ''), a.pin],
  'format4-pan-field': (a) => {
    const field = Buffer.alloc(16, 0xee)
    encodePanField4(a.pan ?? '', field)
    return [upper(field), a.field]
  },
  'format4-encipher': (a) => {
    const block = Buffer.alloc(16)
    encipherPinBlock4(new AesKey(hex(a.key)), pinOf(a.pin), (a.pin ?? '').length, a.pan ?? '', block, hex(a.random))
    return [upper(block), a.block]
  },
  'format4-decipher': (a) => [decipher4(new AesKey(hex(a.key)), hex(a.block), a.pan ?? ''), a.pin],
  translate: (a) => {
    const result = Buffer.alloc(8)
    const from: PinBlockKey = { format: 0, key: new DesKey(hex(a.sourceKey)) }
    const to: PinBlockKey = { format: 0, key: new DesKey(hex(a.targetKey)) }
    translatePinBlock(from, to, hex(a.block), `${a.panWithoutCheckDigit}0`, result)
    return [upper(result), a.result]
  },
  pvv: (a) => [generatePvv(new DesKey(hex(a.key)), a.pan ?? '', a.keyIndex ?? '', pinOf(a.pin)), a.pvv],
  'two-scan': (a) => [decimaliseTwoScan(hex(a.bytes), (a.digits ?? '').length), a.digits],
  'ibm3624-pin': (a) => {
    const pin = new Uint8Array(12)
    pinFromOffset(new DesKey(hex(a.key)), a.table ?? '', hex(a.validationData), a.offset ?? '', pin)
    return [digitsText(pin, (a.offset ?? '').length), a.pin]
  },
  'ibm3624-offset': (a) => {
    const pin = pinOf(a.pin)
    return [pinOffset(new DesKey(hex(a.key)), a.table ?? '', hex(a.validationData), pin, pin.length), a.offset]
  },
}

t.test('known answers', async (t) => {
  const run = new Set<string>()
  for (const answer of answers) {
    run.add(answer.kind)
    const name = `${answer.id} (${answer.source})`
    const compute = () => byKind[answer.kind]?.(answer) ?? []
    if (answer.refused !== undefined) {
      t.throws(compute, refused, `${name}: ${answer.refused}`)
      continue
    }
    const [computed, expected] = compute()
    t.type(expected, 'string')
    t.equal(computed, expected, name)
  }
  t.same([...run].sort(), Object.keys(byKind).sort(), 'of each kind')
})

t.test('PVV', async (t) => {
  fc.assert(
    fc.property(
      bytes(16),
      fc.stringMatching(/^[0-9]{12,19}$/),
      fc.stringMatching(/^[0-9]$/),
      anyPin,
      (key, ofPan, index, pin) => {
        const des = new DesKey(key)
        const pvv = generatePvv(des, ofPan, index, pinOf(pin))
        const wrong = String((Number(pvv) + 1) % 10_000).padStart(4, '0')
        return (
          pvv === twoScan(pvvCipherText(key, ofPan, index, pin), 4) &&
          verifyPvv(des, ofPan, index, pinOf(pin), pvv) &&
          !verifyPvv(des, ofPan, index, pinOf(pin), wrong)
        )
      },
    ),
  )
  const pvv = generatePvv(tdes, pan, '1', pinOf('1234'))
  t.ok(verifyPvv(tdes, `${pan.slice(0, -1)}0`, '1', pinOf('1234'), pvv), 'the check digit does not count')
  t.ok(verifyPvv(tdes, `5${pan.slice(1)}`, '1', pinOf('1234'), pvv), 'nor what is left of 12 digits')
  t.ok(verifyPvv(tdes, pan, '1', pinOf('123499'), pvv), 'nor what follows four digits of the PIN')
  t.notOk(verifyPvv(tdes, pan, '2', pinOf('1234'), pvv), 'other key index')
  t.notOk(verifyPvv(tdes, '4000001234567889', '1', pinOf('1234'), pvv), 'other PAN')
  t.notOk(verifyPvv(otherTdes, pan, '1', pinOf('1234'), pvv), 'other key')
  t.notOk(verifyPvv(tdes, pan, '1', pinOf('1243'), pvv), 'digits exchanged')
  for (const bad of ['', pvv.slice(0, 3), `${pvv}0`]) t.notOk(verifyPvv(tdes, pan, '1', pinOf('1234'), bad), bad)
  const input = { code: 'BAD_INPUT' }
  t.throws(() => generatePvv(tdes, '40000012345', '1', pinOf('1234')), input)
  t.throws(() => generatePvv(tdes, pan, 'A', pinOf('1234')), input)
  t.throws(() => generatePvv(tdes, pan, '12', pinOf('1234')), input)
  t.throws(() => generatePvv(tdes, pan, '1', pinOf('123')), input)
  t.throws(() => generatePvv(tdes, pan, '1', Uint8Array.of(1, 2, 3, 11)), input)
  t.throws(() => generatePvv(new DesKey(Buffer.alloc(8, 1)), pan, '1', pinOf('1234')), { code: 'ASSERTION_FAILED' })
})

t.test('a PVV that needs the second scan', async (t) => {
  const known = answers.find(({ id }) => id === 'pvv-2')
  const { key, pan: ofPan = '', keyIndex = '', pin = '', pvv } = known ?? ({} as Answer)
  t.equal(upper(pvvCipherText(hex(key), ofPan, keyIndex, pin)).replace(/[A-F]/g, ''), '31', 'two digits are missing')
  t.equal(pvv, '3144')
})

t.test('decimalisation', async (t) => {
  t.equal(decimaliseTwoScan(hex('ABCDEFABCDEFABCD'), 16), '0123450123450123', 'letters alone')
  t.equal(decimaliseTwoScan(hex('A1B2'), 4), '1201', 'digits first')
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.nat(), (data, seed) => {
      const count = seed % (data.length * 2 + 1)
      return decimaliseTwoScan(data, count) === twoScan(data, count)
    }),
  )
  t.throws(() => decimaliseTwoScan(hex('AB'), 3), { code: 'ASSERTION_FAILED' })
})

t.test('IBM 3624', async (t) => {
  // Example of the IBM CCA Basic Services Reference, appendix E: what the encrypted data become under a table.
  const table = '8351296477461538'
  const data = desDecrypt(hex('0123456789ABCDEFFEDCBA9876543210'), hex('E5C1BD67B66AE7C6'))
  const natural = new Uint8Array(12)
  naturalPin(tdes, table, data, 6, natural)
  t.equal(digitsText(natural, 6), '391365')
  naturalPin(tdes, table, data, 12, natural)
  t.equal(digitsText(natural, 12), '391365646664')

  fc.assert(
    fc.property(bytes(8), anyPin, (validationData, pin) => {
      const offset = pinOffset(tdes, table, validationData, pinOf(pin), pin.length)
      const back = new Uint8Array(12)
      pinFromOffset(tdes, table, validationData, offset, back)
      const wrong = ((Number(pin.at(-1)) + 1) % 10).toString()
      return (
        offset.length === pin.length &&
        digitsText(back, pin.length) === pin &&
        verifyPinOffset(tdes, table, validationData, offset, pinOf(pin), pin.length) &&
        !verifyPinOffset(tdes, table, validationData, offset, pinOf(pin.slice(0, -1) + wrong), pin.length)
      )
    }),
  )
  const offset = pinOffset(tdes, table, data, pinOf('123456'), 6)
  t.ok(verifyPinOffset(tdes, table, data, offset.slice(2), pinOf('123456'), 6), 'a short offset is of the last digits')
  t.notOk(verifyPinOffset(tdes, table, data, offset.slice(0, 4), pinOf('123456'), 6))
  t.notOk(verifyPinOffset(otherTdes, table, data, offset, pinOf('123456'), 6), 'other key')
  t.notOk(verifyPinOffset(tdes, '0123456789012345', data, offset, pinOf('123456'), 6), 'other table')
  const input = { code: 'BAD_INPUT' }
  t.throws(() => verifyPinOffset(tdes, table, data, '', pinOf('1234'), 4), input, 'no offset is not an offset')
  t.throws(() => verifyPinOffset(tdes, table, data, '12345', pinOf('1234'), 4), input, 'longer than the PIN')
  t.throws(() => verifyPinOffset(tdes, table, data, '123x', pinOf('1234'), 4), input)
  t.throws(() => verifyPinOffset(tdes, table, data.subarray(1), '1234', pinOf('1234'), 4), input)
  t.throws(() => naturalPin(tdes, '835129647746153', data, 4, natural), input)
  t.throws(() => naturalPin(tdes, '835129647746153A', data, 4, natural), input)
  t.throws(() => naturalPin(tdes, table, data, 3, natural), input)
  t.throws(() => naturalPin(tdes, table, data, 13, natural), input)
})

t.test('decimalisation tables to be taken into use', async (t) => {
  for (const good of ['0123456789012345', '8351296477461538', '0000111122345678']) checkNewDecimalisationTable(good)
  for (const bad of [
    '0000000000000000',
    '0000111122223456',
    '0000011122345678',
    '012345678901234',
    '012345678901234A',
    '',
  ]) {
    t.throws(() => checkNewDecimalisationTable(bad), refused, bad)
  }
})
