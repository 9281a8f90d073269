import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { deriveCardKey, deriveUnadjustedCardKey } from '../../src/security/emv/master-key.ts'
import {
  cryptogramDiversifier,
  deriveCommonSessionKey,
  deriveTreeSessionKey,
  deriveVisaScriptKey,
  mchipDiversifier,
} from '../../src/security/emv/session-key.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import { hasOddParity, tdesKcv } from '../../src/security/primitives/key-checks.ts'
import type { Vector } from './emv-support.ts'
import {
  anyBytes,
  anyDigits,
  bytes,
  fromHex,
  hex,
  holds,
  number,
  opensslTdes,
  text,
  vectorsOf,
  withParity,
} from './emv-support.ts'

const FILE = 'crypto-emv.json'
const issuer = fromHex('0123456789ABCDEFFEDCBA9876543210')

function cardKey(issuerKey: Uint8Array, pan: string, psn: string, option: 'A' | 'B'): Uint8Array {
  const out = new Uint8Array(16)
  deriveCardKey(new DesKey(issuerKey), pan, psn, option, out)
  return out
}

/** Compares a key with what a vector has of it: all, or its check value. */
function agrees(t: Test, vector: Vector, name: string, key: Uint8Array): void {
  if (vector[name] !== undefined) t.equal(hex(key), text(vector, name), vector.id)
  else t.equal(hex(tdesKcv(key, 2)), text(vector, 'checkValue'), vector.id)
}

t.test('card keys are those published', async (t) => {
  for (const vector of vectorsOf(FILE, 'card-key')) {
    const option = text(vector, 'option') === 'A' ? 'A' : 'B'
    const [issuerKey, pan, psn] = [bytes(vector, 'issuerKey'), text(vector, 'pan'), text(vector, 'psn')]
    if (vector.unadjustedCardKey !== undefined) {
      const out = new Uint8Array(16)
      deriveUnadjustedCardKey(new DesKey(issuerKey), pan, psn, option, out)
      t.equal(hex(out), text(vector, 'unadjustedCardKey'), vector.id)
    } else agrees(t, vector, 'cardKey', cardKey(issuerKey, pan, psn, option))
  }
})

t.test('card keys agree with a second implementation, and have odd parity', async (t) => {
  holds(
    t,
    fc.property(anyBytes(16), anyDigits(12, 19), anyDigits(2, 2), fc.boolean(), (key, pan, psn, optionB) => {
      let y = `${pan}${psn}`.slice(-16).padStart(16, '0')
      if (optionB && pan.length > 16) {
        const even = (pan.length % 2 === 1 ? '0' : '') + pan + psn
        const digest = createHash('sha1').update(fromHex(even)).digest('hex')
        const letters = digest.replace(/[0-9]/g, '').replace(/[a-f]/g, (letter) => String('abcdef'.indexOf(letter)))
        y = (digest.replace(/[a-f]/g, '') + letters).slice(0, 16)
      }
      const block = fromHex(y)
      const expected = withParity(opensslTdes(key, Buffer.concat([block, block.map((byte) => byte ^ 0xff)])))
      const derived = cardKey(key, pan, psn, optionB ? 'B' : 'A')
      return hex(derived) === hex(expected) && hasOddParity(derived)
    }),
    300,
  )
})

t.test('the second scan of option B takes letters only when digits run out', async (t) => {
  // The published answer for this PAN is one whose SHA-1 has under 16 decimal digits.
  const digest = createHash('sha1').update(fromHex('00000000000000000523')).digest('hex')
  t.ok(digest.replace(/[a-f]/g, '').length < 16)
  t.equal(hex(tdesKcv(cardKey(issuer, '000000000000000005', '23', 'B'), 2)), 'DD73')
})

t.test('options differ above 16 digits only', async (t) => {
  t.same(cardKey(issuer, '1234567890123456', '01', 'A'), cardKey(issuer, '1234567890123456', '01', 'B'))
  t.notSame(cardKey(issuer, '12345678901234567', '01', 'A'), cardKey(issuer, '12345678901234567', '01', 'B'))
})

t.test('under option A a PAN of 19 digits counts by its last 14 digits and the sequence number', async (t) => {
  t.same(cardKey(issuer, '9999900000000000012', '07', 'A'), cardKey(issuer, '1111100000000000012', '07', 'A'))
  t.notSame(cardKey(issuer, '9999900000000000012', '07', 'A'), cardKey(issuer, '9999910000000000012', '07', 'A'))
  t.notSame(cardKey(issuer, '9999900000000000012', '07', 'A'), cardKey(issuer, '9999900000000000012', '08', 'A'))
})

t.test('what is not a card number or sequence number is refused, without showing it', async (t) => {
  for (const pan of [
    '',
    '12345678901',
    '12345678901234567890',
    '123456789012345F',
    '1234567890123 56',
    '١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦',
  ]) {
    t.throws(() => cardKey(issuer, pan, '00', 'A'), { code: 'BAD_INPUT', message: /^(?!.*1234)/ })
  }
  for (const psn of ['', '0', '000', '0A'])
    t.throws(() => cardKey(issuer, '1234567890123456', psn, 'B'), { code: 'BAD_INPUT' })
  t.throws(() => deriveCardKey(new DesKey(issuer.subarray(0, 8)), '1234567890123456', '00', 'A', new Uint8Array(16)), {
    code: 'ASSERTION_FAILED',
  })
})

t.test('session keys are those published', async (t) => {
  const out = new Uint8Array(16)
  for (const vector of vectorsOf(FILE, 'session-key-common')) {
    deriveCommonSessionKey(new DesKey(bytes(vector, 'cardKey')), bytes(vector, 'diversifier'), out)
    agrees(t, vector, 'sessionKey', out)
  }
  for (const vector of vectorsOf(FILE, 'session-key-visa-script')) {
    deriveVisaScriptKey(bytes(vector, 'cardKey'), bytes(vector, 'counter'), out)
    agrees(t, vector, 'sessionKey', out)
  }
  for (const vector of vectorsOf(FILE, 'session-key-tree')) {
    const tree = {
      branch: number(vector, 'branch'),
      height: number(vector, 'height'),
      initialValue: bytes(vector, 'initialValue'),
    }
    deriveTreeSessionKey(bytes(vector, 'cardKey'), bytes(vector, 'counter'), tree, out)
    agrees(t, vector, 'sessionKey', out)
  }
})

t.test('the common session key agrees with a second implementation', async (t) => {
  holds(
    t,
    fc.property(anyBytes(16), anyBytes(8), (key, diversifier) => {
      const left = Uint8Array.from(diversifier)
      const right = Uint8Array.from(diversifier)
      left[2] = 0xf0
      right[2] = 0x0f
      const out = new Uint8Array(16)
      deriveCommonSessionKey(new DesKey(key), diversifier, out)
      return hex(out) === hex(withParity(opensslTdes(key, Buffer.concat([left, right]))))
    }),
  )
})

t.test('the tree gives each counter its own key, in both shapes', async (t) => {
  for (const [branch, height] of [
    [4, 8],
    [2, 16],
  ] as const) {
    const keys = new Set<string>()
    for (let counter = 0; counter < 64; counter++) {
      const out = new Uint8Array(16)
      const atc = Uint8Array.of(counter & 0xf0, counter)
      deriveTreeSessionKey(issuer, atc, { branch, height, initialValue: new Uint8Array(16) }, out)
      t.ok(hasOddParity(out))
      keys.add(hex(out))
    }
    t.equal(keys.size, 64)
  }
  const tree = { branch: 4, height: 7, initialValue: new Uint8Array(16) }
  t.throws(() => deriveTreeSessionKey(issuer, Uint8Array.of(0, 1), tree, new Uint8Array(16)), {
    code: 'ASSERTION_FAILED',
  })
})

t.test('diversifiers', async (t) => {
  const out = new Uint8Array(8).fill(0xee)
  cryptogramDiversifier(Uint8Array.of(0x12, 0x34), out)
  t.equal(hex(out), '1234000000000000')
  mchipDiversifier(Uint8Array.of(0x12, 0x34), Uint8Array.of(1, 2, 3, 4), out)
  t.equal(hex(out), '1234000001020304')
  t.throws(() => cryptogramDiversifier(Uint8Array.of(0x12), out), { code: 'ASSERTION_FAILED' })
  t.throws(() => mchipDiversifier(Uint8Array.of(1, 2), Uint8Array.of(1), out), { code: 'ASSERTION_FAILED' })
})

t.test("Visa's script key may be made in place", async (t) => {
  const key = Uint8Array.from(issuer)
  const out = new Uint8Array(16)
  deriveVisaScriptKey(key, Uint8Array.of(0x12, 0x34), out)
  deriveVisaScriptKey(key, Uint8Array.of(0x12, 0x34), key)
  t.same(key, out)
})
