import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { encryptEcb } from '../../src/security/primitives/block-modes.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import {
  aesCmacKcv,
  aesZerosKcv,
  combineComponents,
  hasOddParity,
  ibmVariant,
  isWeakDesKey,
  setOddParity,
  tdesKcv,
} from '../../src/security/primitives/key-checks.ts'
import { exclusiveOr } from './independent-des.ts'

interface Answer {
  readonly id: string
  readonly source: string
  readonly kind: string
  readonly key: string
  readonly kcv: string
  readonly components: readonly string[]
  readonly variant: number
  readonly variantKey: string
}

const answers: readonly Answer[] = JSON.parse(
  readFileSync(new URL('../vectors/crypto-mac.json', import.meta.url), 'utf8'),
)
const ofKind = (kind: string) => answers.filter((answer) => answer.kind === kind)
const hex = (text: string) => Buffer.from(text, 'hex')
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

t.test('check values', async (t) => {
  for (const [kind, compute, count] of [
    ['kcv-tdes', tdesKcv, 9],
    ['kcv-aes-cmac', aesCmacKcv, 3],
    ['kcv-aes-zeros', aesZerosKcv, 1],
  ] as const) {
    const given = ofKind(kind)
    t.equal(given.length, count)
    for (const { id, source, key, kcv } of given) {
      t.same(compute(hex(key), kcv.length / 2), hex(kcv), `${id} (${source})`)
      t.same(compute(hex(key)), compute(hex(key), 8).subarray(0, 3), `${id}, three bytes unless said`)
    }
  }
  const key = hex('000102030405060708090A0B0C0D0E0F')
  t.notSame(aesCmacKcv(key), aesZerosKcv(key), 'the two check values of AES differ')
})

t.test('parity', async (t) => {
  const ones = (byte: number) => byte.toString(2).replaceAll('0', '').length
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 24 }), (key) => {
      const set = Uint8Array.from(key)
      setOddParity(set)
      return (
        hasOddParity(set) &&
        hasOddParity(key) === key.every((byte) => ones(byte) % 2 === 1) &&
        set.every((byte, at) => ones(byte) % 2 === 1 && byte >> 1 === (key[at] ?? 0) >> 1)
      )
    }),
  )
  const key = hex('FF00')
  setOddParity(key)
  t.same(key, hex('FE01'))
})

t.test('weak keys encrypt twice to nothing, semi-weak ones undo each other', async (t) => {
  const weak = ['0101010101010101', 'FEFEFEFEFEFEFEFE', 'E0E0E0E0F1F1F1F1', '1F1F1F1F0E0E0E0E']
  const pairs = [
    ['011F011F010E010E', '1F011F010E010E01'],
    ['01E001E001F101F1', 'E001E001F101F101'],
    ['01FE01FE01FE01FE', 'FE01FE01FE01FE01'],
    ['1FE01FE00EF10EF1', 'E01FE01FF10EF10E'],
    ['1FFE1FFE0EFE0EFE', 'FE1FFE1FFE0EFE0E'],
    ['E0FEE0FEF1FEF1FE', 'FEE0FEE0FEF1FEF1'],
  ] as const
  const data = hex('4E6F772069732074')
  const undo = (first: string, second: string) =>
    encryptEcb(new DesKey(hex(second)), encryptEcb(new DesKey(hex(first)), data))
  for (const [first, second] of [...weak.map((key) => [key, key] as const), ...pairs]) {
    t.same(undo(first, second), data, `${first} is one`)
    for (const key of [first, second]) {
      t.ok(isWeakDesKey(hex(key)))
      t.ok(isWeakDesKey(hex(key).map((byte) => byte ^ 1)), 'whatever its parity')
      t.ok(isWeakDesKey(hex(`0123456789ABCDEF${key}`)), 'in the second part')
      t.ok(isWeakDesKey(hex(`0123456789ABCDEF${key}FEDCBA9876543210`)), 'in the middle part')
      t.ok(isWeakDesKey(hex(`0123456789ABCDEFFEDCBA9876543210${key}`)), 'in the last part')
    }
  }
})

t.test('keys that must not be used', async (t) => {
  const a = '0123456789ABCDEF'
  const b = 'FEDCBA9876543210'
  const c = '1122334455667788'
  for (const bad of [
    '0'.repeat(16),
    '0'.repeat(32),
    a + a,
    `${a}0022446688AACCEE`,
    a + b + b,
    a + a + b,
    a + '0'.repeat(16),
  ]) {
    t.ok(isWeakDesKey(hex(bad)), bad)
  }
  for (const good of [a, a + b, a + b + c, a + b + a]) t.notOk(isWeakDesKey(hex(good)), good)
  for (const length of [0, 7, 12, 32]) t.throws(() => isWeakDesKey(Buffer.alloc(length)), { code: 'ASSERTION_FAILED' })
})

t.test('components', async (t) => {
  for (const { id, source, components, key } of ofKind('components')) {
    t.same(combineComponents(components.map(hex)), hex(key), `${id} (${source})`)
  }
  fc.assert(
    fc.property(fc.array(bytes(16), { minLength: 2, maxLength: 5 }), bytes(16), (components, key) => {
      const last = components.reduce<Uint8Array>((sum, component) => exclusiveOr(sum, component), key)
      return combineComponents([...components, last]).equals(key)
    }),
  )
  const component = Buffer.alloc(16, 1)
  combineComponents([component, component])
  t.same(component, Buffer.alloc(16, 1), 'components stay as they are')
  for (const refused of [[], [component], [component, Buffer.alloc(8)]]) {
    t.throws(() => combineComponents(refused), { code: 'BAD_INPUT' })
  }
})

t.test('variants', async (t) => {
  for (const { id, source, key, variant, variantKey } of ofKind('ibm-variant')) {
    t.same(ibmVariant(hex(key), variant), hex(variantKey), `${id} (${source})`)
  }
  t.same(ibmVariant(hex('0123456789ABCDEF'), 1), hex('0923456789ABCDEF'))
  t.same(ibmVariant(hex('0123456789ABCDEF'), 0), hex('0123456789ABCDEF'))
  for (const variant of [-1, 32, 1.5]) t.throws(() => ibmVariant(Buffer.alloc(16), variant), { code: 'BAD_INPUT' })
})
