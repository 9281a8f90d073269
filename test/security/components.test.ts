import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { ComponentEntry, type ComponentPlan } from '../../src/security/keys/components.ts'
import {
  aesCmacKcv,
  combineComponents,
  hasOddParity,
  setOddParity,
  tdesKcv,
} from '../../src/security/primitives/key-checks.ts'

const plan: ComponentPlan = { usage: 'K0', algorithm: 'T', modeOfUse: 'B', keyBytes: 16, components: 2 }
const refused = { code: 'CRYPTO_REFUSED' }
const bad = { code: 'BAD_INPUT' }
const first = '6D6BE51F04F76167491554FE25F7ABEF'
const second = '674992A2C5F90A2C71DAA8B1C4E8F3D6'

function bytes(hex: string): Buffer {
  return Buffer.from(hex, 'hex')
}

function upper(data: Uint8Array): string {
  return Buffer.from(data).toString('hex').toUpperCase()
}

function expectedKey(...components: string[]): Buffer {
  const key = combineComponents(components.map(bytes))
  setOddParity(key)
  return key
}

t.test('two persons enter a key, and its check value is confirmed', async (t) => {
  const entry = new ComponentEntry(plan)
  t.equal(entry.state, 'taking')
  const one = bytes(first)
  t.same(entry.add('amina', one), {
    position: 1,
    missing: 1,
    componentKcv: upper(tdesKcv(bytes(first))),
    keyKcv: undefined,
  })
  t.same(one, Buffer.alloc(16), 'the component given is wiped')
  t.throws(() => entry.confirm('amina', '000000'), bad, 'not before the last component')
  const key = expectedKey(first, second)
  t.not(upper(key), upper(combineComponents([bytes(first), bytes(second)])), 'the parity of the sum had to be set')
  const two = bytes(second)
  const answer = entry.add('bilal', two)
  t.same(two, Buffer.alloc(16))
  t.same(answer, { position: 2, missing: 0, componentKcv: upper(tdesKcv(bytes(second))), keyKcv: upper(tdesKcv(key)) })
  t.equal(entry.state, 'complete')
  t.same(entry.holders, ['amina', 'bilal'])
  t.throws(() => entry.add('chadia', bytes(first)), bad, 'no third component')
  const wrong = answer.keyKcv === '000000' ? '000001' : '000000'
  t.throws(() => entry.confirm('bilal', wrong), { ...bad, message: /not that of the key$/ })
  t.throws(() => entry.confirm('bilal', (answer.keyKcv ?? '').slice(0, 4)), bad, 'nor a part of it')
  t.equal(entry.state, 'complete', 'a slip can be put right')
  const entered = entry.confirm('chadia', (answer.keyKcv ?? '').toLowerCase())
  t.same(entered.key, key)
  t.ok(hasOddParity(entered.key))
  t.same(entered.holders, ['amina', 'bilal'])
  t.equal(entered.confirmedBy, 'chadia')
  t.same(entered.plan, plan)
  t.equal(entry.state, 'ended')
  t.throws(() => entry.confirm('chadia', answer.keyKcv ?? ''), bad, 'the key is given once')
  t.throws(() => entry.add('dalia', bytes(first)), bad)
})

t.test('the same person cannot enter two components, and what was offered is wiped', async (t) => {
  const entry = new ComponentEntry({ ...plan, components: 3 })
  entry.add('amina', bytes(first))
  const again = bytes(second)
  t.throws(() => entry.add('amina', again), { ...refused, message: /another person$/ })
  t.same(again, Buffer.alloc(16))
  t.same(entry.holders, ['amina'], 'nothing was taken')
  entry.add('bilal', bytes(second))
  t.throws(() => entry.add('amina', bytes('0123456789ABCDEFFEDCBA9876543210')), refused)
  t.throws(() => entry.add('bilal', bytes('0123456789ABCDEFFEDCBA9876543210')), refused)
  const answer = entry.add('chadia', bytes('0123456789ABCDEFFEDCBA9876543210'))
  const key = expectedKey(first, second, '0123456789ABCDEFFEDCBA9876543210')
  t.equal(answer.keyKcv, upper(tdesKcv(key)))
  t.same(entry.confirm('amina', answer.keyKcv ?? '').key, key)
})

t.test('a component that is refused can be entered again', async (t) => {
  const entry = new ComponentEntry(plan)
  const offers: readonly Buffer[] = [
    bytes(''),
    bytes(first).subarray(1),
    bytes(`${first}00`),
    Buffer.alloc(16),
    Buffer.alloc(16, 1),
  ]
  for (const offer of offers) t.throws(() => entry.add('amina', offer), bad, `${offer.length} bytes`)
  for (const nobody of ['', '  ']) t.throws(() => entry.add(nobody, bytes(first)), bad)
  t.equal(entry.state, 'taking')
  t.same(entry.holders, [])
  entry.add('amina', bytes(first))
  const otherParity = bytes(first)
  otherParity[3] = (otherParity[3] ?? 0) ^ 1
  t.throws(() => entry.add('bilal', bytes(first)), { ...bad, message: /equal to another one$/ })
  t.throws(() => entry.add('bilal', otherParity), bad, 'nor one that differs in parity only')
  const answer = entry.add('bilal', bytes(second))
  t.throws(() => entry.confirm(' ', answer.keyKcv ?? ''), bad)
  t.equal(entry.confirm('bilal', answer.keyKcv ?? '').keyKcv, answer.keyKcv)
})

t.test('of three components no two may be equal: the key would be the third', async (t) => {
  const entry = new ComponentEntry({ ...plan, components: 3 })
  entry.add('amina', bytes(first))
  entry.add('bilal', bytes(second))
  t.throws(() => entry.add('chadia', bytes(first)), bad)
  t.throws(() => entry.add('chadia', bytes(second)), bad)
  t.equal(entry.state, 'taking')
})

t.test('components that make a weak key end the entry', async (t) => {
  const weak: readonly string[] = [
    '0123456789ABCDEF0123456789ABCDEF',
    '0101010101010101FEDCBA9876543210',
    '0123456789ABCDEF01FE01FE01FE01FE',
  ]
  for (const key of weak) {
    const entry = new ComponentEntry(plan)
    entry.add('amina', bytes(first))
    const last = combineComponents([bytes(first), bytes(key)])
    t.throws(() => entry.add('bilal', last), { ...refused, message: /the key is weak or of a wrong length$/ })
    t.same(last, Buffer.alloc(16))
    t.equal(entry.state, 'ended')
    t.throws(() => entry.confirm('bilal', upper(tdesKcv(bytes(key)))), bad)
    t.throws(() => entry.add('bilal', bytes(second)), bad)
  }
  const three = new ComponentEntry({ ...plan, components: 3 })
  three.add('amina', bytes(first))
  three.add('bilal', bytes(second))
  t.throws(() => three.add('chadia', combineComponents([bytes(first), bytes(second)])), refused, 'all zeros')
})

t.test('an entry that is cancelled gives nothing', async (t) => {
  const entry = new ComponentEntry(plan)
  entry.add('amina', bytes(first))
  const { keyKcv = '' } = entry.add('bilal', bytes(second))
  entry.cancel()
  t.equal(entry.state, 'ended')
  t.throws(() => entry.confirm('amina', keyKcv), bad)
  t.throws(() => entry.confirm('amina', ''), bad)
  entry.cancel()
})

t.test('nothing of a component shows from outside', async (t) => {
  const entry = new ComponentEntry(plan)
  entry.add('amina', bytes(first))
  const shown = `${inspect(entry, { showHidden: true, depth: 9 })} ${JSON.stringify(entry)}`
    .toUpperCase()
    .replace(/[^0-9A-F]/g, '')
  t.notMatch(shown, first.slice(0, 8))
})

t.test('what is planned must make sense', async (t) => {
  const bads: readonly Partial<ComponentPlan>[] = [
    { components: 1 },
    { components: 4 },
    { keyBytes: 8 },
    { keyBytes: 32 },
    { algorithm: 'A', keyBytes: 17 },
  ]
  for (const change of bads) t.throws(() => new ComponentEntry({ ...plan, ...change }), bad, JSON.stringify(change))
  const refusals: readonly Partial<ComponentPlan>[] = [
    { usage: 'S0' },
    { modeOfUse: 'X' },
    { usage: 'C0', modeOfUse: 'C', algorithm: 'A' },
    { usage: 'M7', modeOfUse: 'C' },
  ]
  for (const change of refusals)
    t.throws(() => new ComponentEntry({ ...plan, ...change }), refused, JSON.stringify(change))
})

t.test('any components make the sum of them, AES keys without parity', async () => {
  const drawn = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  for (const keyBytes of [16, 24, 32]) {
    fc.assert(
      fc.property(fc.array(drawn(keyBytes), { minLength: 2, maxLength: 3 }), (components) => {
        const key = combineComponents(components)
        const kcvs = new Set(components.map((component) => upper(aesCmacKcv(component))))
        fc.pre(kcvs.size === components.length && components.every((c) => c.some((byte) => byte !== 0)))
        fc.pre(key.some((byte) => byte !== 0))
        const entry = new ComponentEntry({
          usage: 'K1',
          algorithm: 'A',
          modeOfUse: 'B',
          keyBytes,
          components: components.length,
        })
        let keyKcv: string | undefined
        for (const [at, component] of components.entries()) keyKcv = entry.add(`user ${at}`, component.slice()).keyKcv
        return keyKcv === upper(aesCmacKcv(key)) && entry.confirm('user 9', keyKcv).key.equals(key)
      }),
      { numRuns: 20 },
    )
  }
})
