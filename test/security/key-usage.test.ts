import t from 'tap'
import {
  type KeyAlgorithm,
  type KeyBlockHeader,
  type KeyUsage,
  keyAlgorithms,
  keyUsages,
  type ModeOfUse,
  modesOfUse,
} from '../../src/security/key-blocks/header.ts'
import {
  assertCombination,
  assertExportable,
  assertSound,
  assertUsable,
  type KeyOperation,
} from '../../src/security/key-blocks/usage.ts'

const refused = { code: 'CRYPTO_REFUSED' }
const operations: readonly KeyOperation[] = ['encrypt', 'decrypt', 'wrap', 'unwrap', 'generate', 'verify', 'derive']

function header(usage: KeyUsage, algorithm: KeyAlgorithm, modeOfUse: ModeOfUse, changes: Partial<KeyBlockHeader> = {}) {
  const rest = { version: 'D', keyVersion: '00', exportability: 'E', keyContext: '0', optionalBlocks: [] } as const
  return { ...rest, usage, algorithm, modeOfUse, ...changes } satisfies KeyBlockHeader
}

/** What X9.143:2021 lets keys do: usages, algorithms, then mode=operations. Anything else must be refused. */
const permitted: readonly string[] = [
  'P0 D0 D3/T A/E=encrypt D=decrypt B=encrypt,decrypt N=encrypt,decrypt',
  'K0 K1/T A/E=wrap D=unwrap B=wrap,unwrap N=wrap,unwrap',
  'C0 V1 V2 M0 M3/T/G=generate V=verify C=generate,verify N=generate,verify',
  'M1 M6/T A/G=generate V=verify C=generate,verify N=generate,verify',
  'M7/H/G=generate V=verify C=generate,verify N=generate,verify',
  'B0 B1 B3 E0 E1 E2 E3 E4 E5 E6/T A/X=derive N=derive',
]

t.test('each usage, algorithm, mode and operation: what is not permitted is refused', async (t) => {
  const expected = new Set<string>()
  for (const line of permitted) {
    const [usages = '', algorithms = '', modes = ''] = line.split('/')
    for (const usage of usages.split(' ')) {
      for (const algorithm of algorithms.split(' ')) {
        for (const mode of modes.split(' ')) {
          const [letter = '', list = ''] = mode.split('=')
          for (const operation of list.split(',')) expected.add(`${usage} ${algorithm} ${letter} ${operation}`)
        }
      }
    }
  }
  const found = new Set<string>()
  const loadable = new Set<string>()
  for (const usage of Object.keys(keyUsages) as KeyUsage[]) {
    for (const algorithm of Object.keys(keyAlgorithms) as KeyAlgorithm[]) {
      for (const mode of Object.keys(modesOfUse) as ModeOfUse[]) {
        const key = header(usage, algorithm, mode)
        if (passes(() => assertCombination(key))) loadable.add(`${usage} ${algorithm} ${mode}`)
        for (const operation of operations) {
          if (passes(() => assertUsable(key, { usage, operation })))
            found.add(`${usage} ${algorithm} ${mode} ${operation}`)
        }
      }
    }
  }
  t.same([...found].sort(), [...expected].sort())
  t.same([...loadable].sort(), [...new Set([...expected].map((line) => line.slice(0, 6)))].sort())
})

function passes(check: () => void): boolean {
  try {
    check()
    return true
  } catch (error) {
    if ((error as { code?: string }).code !== 'CRYPTO_REFUSED') throw error
    return false
  }
}

t.test('a key of one usage never does for another', async (t) => {
  const modes: Readonly<Record<KeyOperation, ModeOfUse>> = {
    encrypt: 'B',
    decrypt: 'B',
    wrap: 'B',
    unwrap: 'B',
    generate: 'C',
    verify: 'C',
    derive: 'X',
  }
  for (const operation of operations) {
    const usages = (Object.keys(keyUsages) as KeyUsage[]).filter((usage) =>
      passes(() => assertUsable(header(usage, usage === 'M7' ? 'H' : 'T', modes[operation]), { usage, operation })),
    )
    t.ok(usages.length >= 2, operation)
    for (const usage of usages) {
      for (const wanted of usages) {
        const key = header(usage, usage === 'M7' ? 'H' : 'T', modes[operation])
        if (usage === wanted) assertUsable(key, { usage: wanted, operation })
        else t.throws(() => assertUsable(key, { usage: wanted, operation }), refused, `${usage} as ${wanted}`)
      }
    }
  }
  const mac = header('M3', 'T', 'C')
  assertUsable(mac, { usage: ['M1', 'M3', 'M6'], operation: 'verify' })
  t.throws(() => assertUsable(mac, { usage: ['M1', 'M6'], operation: 'verify' }), refused)
  t.throws(() => assertUsable(mac, { usage: [], operation: 'verify' }), refused)
})

t.test('the refusal says what was asked, in words an operator can follow', async (t) => {
  t.throws(() => assertUsable(header('P0', 'T', 'E'), { usage: 'P0', operation: 'decrypt' }), {
    ...refused,
    message: /a key of usage P0 and mode of use E may not decrypt as P0$/,
  })
  t.throws(() => assertUsable(header('C0', 'T', 'C'), { usage: ['V1', 'V2'], operation: 'verify' }), {
    ...refused,
    message: /a key of usage C0 and mode of use C may not verify as V1 or V2$/,
  })
  t.throws(() => assertCombination(header('S0', 'R', 'S')), { ...refused, message: /usage S0 are not used here$/ })
  t.throws(() => assertCombination(header('C0', 'A', 'C')), { ...refused, message: /C0 may not be of algorithm A$/ })
  t.throws(() => assertCombination(header('E0', 'T', 'E')), { ...refused, message: /E0 may not have mode of use E$/ })
})

t.test('components and keys that may not leave', async (t) => {
  assertCombination(header('K0', 'T', 'B', { keyVersion: '12' }))
  for (const keyVersion of ['c1', 'c9']) {
    const component = header('K0', 'T', 'B', { keyVersion })
    t.throws(() => assertCombination(component), { ...refused, message: /component/ })
    t.throws(() => assertUsable(component, { usage: 'K0', operation: 'wrap' }), refused)
  }
  assertExportable(header('P0', 'T', 'B', { exportability: 'E' }))
  assertExportable(header('P0', 'T', 'B', { exportability: 'S' }))
  t.throws(() => assertExportable(header('P0', 'T', 'B', { exportability: 'N' })), refused)
})

t.test('keys that protect nothing', async (t) => {
  const good = '0123456789ABCDEFFEDCBA9876543210'
  assertSound('T', Buffer.from(good, 'hex'))
  assertSound('T', Buffer.from(`${good}89E88CF7931444F3`, 'hex'))
  assertSound('A', Buffer.alloc(16, 1))
  assertSound('H', Buffer.alloc(32, 1))
  const weak: readonly (readonly [KeyAlgorithm, string])[] = [
    ['T', ''],
    ['T', '0123456789ABCDEF'],
    ['T', good.repeat(2)],
    ['T', '00'.repeat(16)],
    ['T', '0123456789ABCDEF0123456789ABCDEF'],
    ['T', '0123456789ABCDEF0022446688AACCEE'],
    ['T', 'FEFEFEFEFEFEFEFEFEDCBA9876543210'],
    ['T', '0123456789ABCDEF01FE01FE01FE01FE'],
    ['A', '00'.repeat(16)],
    ['A', '11'.repeat(15)],
    ['H', '00'.repeat(32)],
    ['D', '0123456789ABCDEF'],
    ['R', '11'.repeat(64)],
  ]
  const messages = new Set<string>()
  for (const [algorithm, hex] of weak) {
    const check = () => assertSound(algorithm, Buffer.from(hex, 'hex'))
    t.throws(check, refused, `${algorithm} of ${hex.length / 2} bytes`)
    try {
      check()
    } catch (error) {
      messages.add(String(error))
    }
  }
  t.equal(messages.size, 1, 'the reason, which would tell of the key, is not given')
})
