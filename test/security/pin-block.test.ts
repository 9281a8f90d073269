import fc from 'fast-check'
import type { Test } from 'tap'
import t from 'tap'
import { MizanError } from '../../src/errors.ts'
import type { DesPinBlockFormat, PinBlockFormat } from '../../src/security/pin/pin-block.ts'
import {
  decodePinBlock,
  encodePanField4,
  encodePinBlock,
  encodePinField4,
  readPinField4,
} from '../../src/security/pin/pin-block.ts'
import type { PinBlockKey } from '../../src/security/pin/pin-cipher.ts'
import {
  decipherPinBlock,
  encipherPinBlock,
  encipherPinBlock4,
  pinBlockBytes,
  translatePinBlock,
} from '../../src/security/pin/pin-cipher.ts'
import { translationAllowed } from '../../src/security/pin/translation.ts'
import { AesKey } from '../../src/security/primitives/aes.ts'
import { digitsText } from '../../src/security/primitives/decimalise.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import {
  aes,
  anyPan,
  anyPin,
  bytes,
  decipher4,
  decode,
  encode,
  formats,
  hex,
  otherTdes,
  pan,
  pinOf,
  refused,
  tdes,
  upper,
} from './pin-support.ts'

t.test('formats 0 to 3 are read as they are written', async () => {
  fc.assert(
    fc.property(fc.constantFrom(0, 1, 2, 3), anyPin, anyPan, (format, pin, ofPan) => {
      const block = encode(format, pin, ofPan)
      return block.startsWith(String(format)) && decode(format, block, ofPan) === pin
    }),
    { numRuns: 400 },
  )
})

t.test('the check digit is not in formats 0 and 3', async (t) => {
  const other = `${pan.slice(0, -1)}0`
  t.equal(encode(0, '1234', pan), encode(0, '1234', other))
  t.equal(decode(3, encode(3, '1234', pan), other), '1234')
  t.not(encode(0, '1234', pan), encode(0, '1234', '4000001234567809'), 'but the digit before it is')
  t.equal(encode(0, '1234', '1234567'), '041234FFFFEDCBA9', 'a short PAN has zeros on the left')
})

t.test('a changed digit of the PAN is seen wherever it lies under fill', async () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0, 3),
      anyPin,
      anyPan,
      fc.nat(11),
      fc.integer({ min: 1, max: 9 }),
      (format, pin, ofPan, place, add) => {
        const at = ofPan.length - 13 + place
        const digit = (Number(ofPan.charAt(at)) + add) % 10
        const other = ofPan.slice(0, at) + digit + ofPan.slice(at + 1)
        const read = readOrNothing(() => decode(format, encode(format, pin, ofPan), other))
        // Format 3 cannot see a change that leaves the fill among A to F; a digit under the PIN changes the PIN instead.
        if (format === 0 && 2 + place >= pin.length) return read === undefined
        return read !== pin || 2 + place >= pin.length
      },
    ),
    { numRuns: 400 },
  )
})

function readOrNothing(read: () => string): string | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof MizanError && error.code === 'CRYPTO_REFUSED') return undefined
    throw error
  }
}

t.test('fill of formats 1 and 3 differs each time and keeps to its digits', async (t) => {
  const blocks = new Set<string>()
  const seen = { 1: new Set<string>(), 3: new Set<string>() }
  for (let run = 0; run < 200; run++) {
    blocks.add(encode(3, '1234', '0'))
    for (const digit of encode(3, '1234', '0').slice(6)) seen[3].add(digit)
    for (const digit of encode(1, '1234', '').slice(6)) seen[1].add(digit)
  }
  t.ok(blocks.size > 190)
  t.same([...seen[3]].sort().join(''), 'ABCDEF')
  t.same([...seen[1]].sort().join(''), '0123456789ABCDEF')
})

t.test('whatever is wrong with a block, the error is the same and the PIN is gone', async (t) => {
  const cases: readonly [DesPinBlockFormat, string, string][] = [
    [0, '1412340000000000', '0'],
    [0, '031234FFFFFFFFFF', '0'],
    [0, '0D1234567890123F', '0'],
    [0, '0E12345678901234', '0'],
    [0, '04123AFFFFFFFFFF', '0'],
    [0, '041234FFFFFFFFF0', '0'],
    [0, '0412345FFFFFFFFF', '0'],
    [0, '041234FFFFFFFF', '0'],
    [0, '041234FFFFFFFFFFFF', '0'],
    [0, '', '0'],
    [0, '041234FFFFFFFFFF', 'x'],
    [0, '041234FFFFFFFFFF', ''],
    [0, '041234FFFFFFFFFF', '12345678901234567890'],
    [1, '1312345678901234', ''],
    [1, '1412A45678901234', ''],
    [2, '2412340000000000', ''],
    [2, '241234AAAAAAAAAA', ''],
    [3, '341234ABCDEF9ABC', '0'],
    [3, '341234FFFFFFFFF0', '0'],
  ]
  const seen = new Set<string>()
  for (const [format, block, ofPan] of cases) {
    const pin = new Uint8Array(14).fill(7)
    t.throws(() => decodePinBlock(format, hex(block), ofPan, pin), refused, `${format} ${block}`)
    t.same(pin, new Uint8Array(14), 'nothing of the PIN is left')
    seen.add(messageOf(() => decodePinBlock(format, hex(block), ofPan, pin)))
  }
  for (const block of [Buffer.alloc(16), Buffer.alloc(8), Buffer.alloc(0)]) {
    seen.add(messageOf(() => decipher4(aes, block, pan)))
    seen.add(messageOf(() => decipher4(aes, block, '12-34')))
    seen.add(messageOf(() => decipherPinBlock({ format: 3, key: tdes }, block, pan, new Uint8Array(12))))
  }
  t.same([...seen], [new MizanError('CRYPTO_REFUSED', 'the PIN block cannot be read').message])
  t.equal(decode(0, '041234FFFFFFFFFF', '0'), '1234', 'while the whole one is read')
})

function messageOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return error instanceof MizanError ? error.message : String(error)
  }
  return 'no error'
}

t.test('what is not a PIN or a PAN cannot be made into a block, and is not in the message', async (t) => {
  const block = Buffer.alloc(8)
  for (const pin of ['123', '1234567890123']) {
    t.throws(() => encodePinBlock(0, pinOf(pin), pin.length, pan, block), { code: 'BAD_INPUT' }, pin)
  }
  t.throws(() => encodePinBlock(0, Uint8Array.of(1, 2, 3, 10), 4, pan, block), { code: 'BAD_INPUT' })
  t.throws(() => encodePinBlock(0, pinOf('1234'), 5, pan, block), { code: 'BAD_INPUT' }, 'longer than its array')
  for (const bad of ['', '40000012345678x9', '1'.repeat(20)]) {
    t.throws(() => encodePinBlock(3, pinOf('1234'), 4, bad, block), { code: 'BAD_INPUT' })
    t.throws(() => encodePanField4(bad, Buffer.alloc(16)), { code: 'BAD_INPUT' })
    t.notMatch(
      messageOf(() => encodePinBlock(0, pinOf('1234'), 4, bad, block)),
      /x9|1111|1234/,
    )
  }
  t.throws(() => encodePinBlock(0, pinOf('1234'), 4, pan, Buffer.alloc(16)), { code: 'ASSERTION_FAILED' })
  t.throws(() => decodePinBlock(0, block, pan, new Uint8Array(11)), { code: 'ASSERTION_FAILED' })
})

t.test('format 4', async (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(16, 24, 32).chain(bytes),
      anyPin,
      fc.stringMatching(/^[0-9]{8,19}$/),
      (key, pin, ofPan) => {
        const aesKey = new AesKey(key)
        const block = Buffer.alloc(16)
        encipherPinBlock4(aesKey, pinOf(pin), pin.length, ofPan, block)
        return decipher4(aesKey, block, ofPan) === pin
      },
    ),
    { numRuns: 200 },
  )
  const block = Buffer.alloc(16)
  encipherPinBlock4(aes, pinOf('1234'), 4, pan, block)
  const again = Buffer.alloc(16)
  encipherPinBlock4(aes, pinOf('1234'), 4, pan, again)
  t.notSame(again, block, 'another block each time')
  for (let at = 0; at < pan.length; at++) {
    const other = pan.slice(0, at) + ((Number(pan.charAt(at)) + 1) % 10) + pan.slice(at + 1)
    t.throws(() => decipher4(aes, block, other), refused, `digit ${at + 1} of the PAN, check digit included`)
  }
  t.throws(() => decipher4(aes, block, `${pan}0`), refused, 'a longer PAN')
  t.throws(() => decipher4(new AesKey(Buffer.alloc(16, 1)), block, pan), refused, 'another key')
  for (let bit = 0; bit < 128; bit++) {
    const changed = Buffer.from(block)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    t.throws(() => decipher4(aes, changed, pan), refused, `bit ${bit} changed`)
  }
  checkField4(t)
})

/** The fields of format 4 in clear, where each fault can be made. */
function checkField4(t: Test): void {
  const field = Buffer.alloc(16)
  encodePinField4(pinOf('12345'), 5, Buffer.alloc(8, 0xee), field)
  t.equal(upper(field), '4512345AAAAAAAAAEEEEEEEEEEEEEEEE')
  const pin = new Uint8Array(12)
  t.equal(readPinField4(field, pin), 5)
  for (const bad of [
    '3512345AAAAAAAAA',
    '4312345AAAAAAAAA',
    '45123A5AAAAAAAAA',
    '4512345AAAAAAAAB',
    '4512345FFFFFFFFF',
  ]) {
    t.equal(readPinField4(hex(bad + 'E'.repeat(16)), pin), 0, bad)
  }
  encodePanField4('12345678', field)
  t.equal(upper(field), '00000123456780000000000000000000', 'a short PAN is filled to 12 on the left')
}

t.test('PIN blocks of a link', async (t) => {
  const keys: Readonly<Record<PinBlockFormat, PinBlockKey>> = {
    0: { format: 0, key: tdes },
    1: { format: 1, key: tdes },
    2: { format: 2, key: tdes },
    3: { format: 3, key: tdes },
    4: { format: 4, key: aes },
  }
  fc.assert(
    fc.property(fc.constantFrom(...formats), anyPin, anyPan, (format, pin, ofPan) => {
      const block = Buffer.alloc(pinBlockBytes(format))
      encipherPinBlock(keys[format], pinOf(pin), pin.length, ofPan, block)
      const read = new Uint8Array(12)
      return digitsText(read, decipherPinBlock(keys[format], block, ofPan, read)) === pin
    }),
  )
  const pin = new Uint8Array(12)
  const single = new DesKey(Buffer.alloc(8, 1))
  for (const [format, key] of [
    [4, tdes],
    [0, aes],
    [3, single],
  ] as const) {
    const block = Buffer.alloc(pinBlockBytes(format))
    t.throws(() => encipherPinBlock({ format, key }, pinOf('1234'), 4, pan, block), refused, `format ${format}`)
    t.throws(() => decipherPinBlock({ format, key }, block, pan, pin), refused)
  }
  t.throws(() => encipherPinBlock(keys[4], pinOf('1234'), 4, pan, Buffer.alloc(8)), { code: 'ASSERTION_FAILED' })
})

t.test('translation', async (t) => {
  // PCI PIN requirement 3-3, a row for each format that comes; a block for a chip card is never made here.
  const allowed = ['Y--YY', 'YY-YY', '-----', 'Y--YY', 'Y--YY']
  for (const from of formats) {
    for (const to of formats) {
      t.equal(translationAllowed(from, to), allowed[from]?.charAt(to) === 'Y', `${from} to ${to}`)
      const source: PinBlockKey = { format: from, key: from === 4 ? aes : tdes }
      const target: PinBlockKey = { format: to, key: to === 4 ? aes : otherTdes }
      const block = Buffer.alloc(pinBlockBytes(from))
      encipherPinBlock(source, pinOf('987654'), 6, pan, block)
      const result = Buffer.alloc(pinBlockBytes(to))
      if (!translationAllowed(from, to)) {
        t.throws(() => translatePinBlock(source, target, block, pan, result), refused)
        t.same(result, Buffer.alloc(pinBlockBytes(to)), 'nothing is written')
        continue
      }
      translatePinBlock(source, target, block, pan, result)
      const pin = new Uint8Array(12)
      t.equal(digitsText(pin, decipherPinBlock(target, result, pan, pin)), '987654')
      if (from !== 1) {
        const otherPan = '4000001234500000'
        t.throws(() => translatePinBlock(source, target, block, otherPan, result), refused, 'not to another PAN')
      }
    }
  }
})
