import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { AesKey } from '../../src/security/primitives/aes.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import { hmacSha256 } from '../../src/security/primitives/hmac.ts'
import type { Padding } from '../../src/security/primitives/mac.ts'
import { cbcMac, cmac, pad, retailMac, retailMacInto, x99Mac, x919Mac } from '../../src/security/primitives/mac.ts'
import { equalDigits, equalDigitValues, equalSecret, wipe } from '../../src/security/primitives/secrets.ts'
import { desEncrypt, retailMacOf } from './independent-des.ts'

interface Answer {
  readonly id: string
  readonly source: string
  readonly kind: string
  readonly key: string
  readonly data: string
  readonly padding: Padding
  readonly mac: string
  readonly blockBytes: number
  readonly padded: string
}

const answers: readonly Answer[] = JSON.parse(
  readFileSync(new URL('../vectors/crypto-mac.json', import.meta.url), 'utf8'),
)
const hex = (text: string) => Buffer.from(text, 'hex')
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const anyPadding = fc.constantFrom<Padding>(1, 2, 3)

const macs: Readonly<Record<string, (key: Buffer, data: Buffer, padding: Padding) => Buffer>> = {
  'cbc-mac-des': (key, data, padding) => cbcMac(new DesKey(key), data, padding),
  'cbc-mac-tdes': (key, data, padding) => cbcMac(new DesKey(key), data, padding),
  'retail-mac': (key, data, padding) => retailMac(new DesKey(key), data, padding),
  'x9.9': (key, data) => x99Mac(new DesKey(key), data),
  'x9.19': (key, data) => x919Mac(new DesKey(key), data),
  'tdes-cmac': (key, data) => cmac(new DesKey(key), data),
  'aes-cmac': (key, data) => cmac(new AesKey(key), data),
  'hmac-sha256': hmacSha256,
}

t.test('known answers', async (t) => {
  const run = new Set<string>()
  for (const { id, source, kind, key, data, padding, mac } of answers) {
    const compute = macs[kind]
    if (compute === undefined) continue
    run.add(kind)
    const computed = compute(hex(key), hex(data), padding)
    t.same(computed.subarray(0, mac.length / 2), hex(mac), `${id} (${source})`)
    if (data.length === 0) continue
    const changed = hex(data)
    changed[0] = (changed[0] ?? 0) ^ 1
    t.notSame(compute(hex(key), changed, padding), computed, `${id}, other data`)
    const otherKey = hex(key)
    otherKey[otherKey.length - 1] = (otherKey.at(-1) ?? 0) ^ 2
    t.notSame(compute(otherKey, hex(data), padding), computed, `${id}, other key`)
  }
  t.same([...run].sort(), Object.keys(macs).sort(), 'of each kind')
})

t.test('padding', async (t) => {
  const given = answers.filter(({ kind }) => kind === 'pad')
  t.equal(given.length, 5)
  for (const { id, source, data, padding, blockBytes, padded } of given) {
    t.same(pad(hex(data), padding, blockBytes), hex(padded), `${id} (${source})`)
  }
  t.same(pad(hex(''), 1, 8), hex('0000000000000000'), 'nothing, zeros')
  t.same(pad(hex(''), 2, 8), hex('8000000000000000'), 'nothing, a bit')
  t.same(pad(hex(''), 3, 8), hex('00000000000000000000000000000000'), 'nothing, its length')
  t.same(pad(hex('AB'.repeat(16)), 1, 16), hex('AB'.repeat(16)), 'whole blocks stay')
  t.same(pad(hex('AB'.repeat(16)), 2, 16), hex(`${'AB'.repeat(16)}80${'00'.repeat(15)}`), 'but with a bit')
  t.same(pad(hex('AB'), 3, 16), hex(`${'00'.repeat(15)}08AB${'00'.repeat(15)}`), 'length in bits')
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(8, 16), (data, blockBytes) => {
      const padded = pad(data, 2, blockBytes)
      const end = padded.lastIndexOf(0x80)
      return (
        padded.length % blockBytes === 0 && padded.subarray(0, end).equals(data) && padded.length - end <= blockBytes
      )
    }),
  )
})

t.test('the retail MAC is chained by one key and ends with three', async (t) => {
  fc.assert(
    fc.property(bytes(16), fc.uint8Array({ maxLength: 40 }), anyPadding, (key, data, padding) => {
      return retailMac(new DesKey(key), data, padding).equals(retailMacOf(key, pad(data, padding, 8)))
    }),
    { numRuns: 300 },
  )
  const data = hex('4E6F77206973207468652074696D6520')
  const half = hex('0123456789ABCDEF')
  const equalHalves = new DesKey(Buffer.concat([half, half]))
  t.same(retailMac(equalHalves, data, 1), x99Mac(new DesKey(half), data), 'with equal halves it is X9.9')
  t.throws(() => retailMac(new DesKey(half), data, 1), { code: 'ASSERTION_FAILED' })
  t.throws(() => x99Mac(equalHalves, data), { code: 'ASSERTION_FAILED' })
})

t.test('over a part of a message, into a part of another', async (t) => {
  const key = new DesKey(hex('0123456789ABCDEFFEDCBA9876543210'))
  fc.assert(
    fc.property(bytes(60), fc.nat(60), fc.nat(60), fc.nat(12), anyPadding, (data, a, b, at, padding) => {
      const from = Math.min(a, b)
      const to = Math.max(a, b)
      const output = Buffer.alloc(20, 0xee)
      retailMacInto(key, data, from, to, padding, output, at)
      const expected = Buffer.alloc(20, 0xee)
      expected.set(retailMac(key, data.subarray(from, to), padding), at)
      return output.equals(expected)
    }),
  )
  for (const [from, to] of [
    [-1, 4],
    [5, 4],
    [0, 9],
  ] as const) {
    t.throws(() => retailMacInto(key, Buffer.alloc(8), from, to, 1, Buffer.alloc(8), 0), { code: 'ASSERTION_FAILED' })
  }
})

t.test('CBC-MAC and CMAC against CBC of the library', async () => {
  fc.assert(
    fc.property(
      fc.constantFrom(8, 16, 24).chain(bytes),
      fc.uint8Array({ maxLength: 40 }),
      anyPadding,
      (key, data, padding) => {
        const chained = desEncrypt(key, pad(data, padding, 8), Buffer.alloc(8))
        return cbcMac(new DesKey(key), data, padding).equals(chained.subarray(-8))
      },
    ),
  )
  fc.assert(
    fc.property(fc.constantFrom(16, 24).chain(bytes), fc.uint8Array({ maxLength: 40 }), (key, data) => {
      const last = pad(data, data.length > 0 && data.length % 8 === 0 ? 1 : 2, 8)
      let subkey = doubled(desEncrypt(key, Buffer.alloc(8)), 8, 0x1bn)
      if (data.length === 0 || data.length % 8 !== 0) subkey = doubled(subkey, 8, 0x1bn)
      for (let at = 0; at < 8; at++) last[last.length - 8 + at] = (last.at(at - 8) ?? 0) ^ (subkey[at] ?? 0)
      return cmac(new DesKey(key), data).equals(desEncrypt(key, last, Buffer.alloc(8)).subarray(-8))
    }),
  )
})

/** Times x in the field of the block size, by big numbers. */
function doubled(block: Buffer, size: number, reduction: bigint): Buffer {
  const value = BigInt(`0x${block.toString('hex')}`) << 1n
  const bits = BigInt(size * 8)
  const reduced = value >> bits === 1n ? value ^ (1n << bits) ^ reduction : value
  return hex(reduced.toString(16).padStart(size * 2, '0'))
}

t.test('a MAC binds the length: zeros at the end count, but for padding 1', async (t) => {
  const key = new DesKey(hex('0123456789ABCDEFFEDCBA9876543210'))
  const data = hex('1234')
  t.same(retailMac(key, data, 1), retailMac(key, hex('123400'), 1), 'padding 1 cannot tell')
  t.notSame(retailMac(key, data, 2), retailMac(key, hex('123400'), 2))
  t.notSame(retailMac(key, data, 3), retailMac(key, hex('123400'), 3))
  t.notSame(cmac(key, data), cmac(key, hex('123480')))
})

t.test('comparison of secrets', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ maxLength: 20 }), (a, b) => {
      return equalSecret(a, b) === Buffer.from(a).equals(b) && equalSecret(a, Uint8Array.from(a))
    }),
  )
  fc.assert(
    fc.property(fc.stringMatching(/^\d{0,6}$/), fc.stringMatching(/^\d{0,6}$/), (a, b) => {
      const values = Uint8Array.from(a, Number)
      return (
        equalDigits(a, b) === (a === b) &&
        equalDigits(a, `${a}`) &&
        equalDigitValues(values, a.length, b) === (a === b) &&
        equalDigitValues(values, a.length, a)
      )
    }),
  )
  t.notOk(equalDigitValues(new Uint8Array(2), 3, '000'), 'fewer values than asked for')
  t.notOk(equalDigitValues(Uint8Array.of(1), 1, 'ı'), 'another sign')
  const secrets = [Buffer.from('secret'), Uint8Array.of(1, 2)] as const
  wipe(...secrets)
  t.ok(secrets.every((array) => array.every((byte) => byte === 0)))
})
