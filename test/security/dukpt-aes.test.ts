import { createCipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import {
  type AesKeyType,
  type AesKeyUse,
  aesKeyBytes,
  aesKsnCounter,
  aesTransactionCounter,
  deriveAesInitialKey,
  deriveAesTransactionKey,
  deriveAesUpdateKey,
  deriveAesWorkingKey,
} from '../../src/security/dukpt/aes.ts'
import { TableAes } from '../../src/security/dukpt/aes-table.ts'
import { AesDukpt } from '../../src/security/dukpt/aes-terminals.ts'
import { dukptAesAlgorithms } from '../../src/security/known-answers/dukpt-aes.ts'
import { runKnownAnswers } from '../../src/security/known-answers/runner.ts'
import { AesKey } from '../../src/security/primitives/aes.ts'

type Vector = Readonly<Record<string, string>> & { readonly id: string; readonly kind: string }

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../vectors/crypto-dukpt-aes.json', import.meta.url), 'utf8'),
)

const usageIndicators: Readonly<Record<AesKeyUse, number>> = {
  'key-encryption': 0x0002,
  pin: 0x1000,
  'mac-generate': 0x2000,
  'mac-verify': 0x2001,
  'mac-both': 0x2002,
  'data-encrypt': 0x3000,
  'data-decrypt': 0x3001,
  'data-both': 0x3002,
}
const uses = Object.keys(usageIndicators) as AesKeyUse[]
const types: Readonly<Record<AesKeyType, readonly [indicator: number, bits: number]>> = {
  '2TDEA': [0, 128],
  '3TDEA': [1, 192],
  AES128: [2, 128],
  AES192: [3, 192],
  AES256: [4, 256],
  HMAC128: [5, 128],
  HMAC192: [5, 192],
  HMAC256: [5, 256],
}
const typeNames = Object.keys(types) as AesKeyType[]
const base128 = 'FEDCBA9876543210F1F1F1F1F1F1F1F1'

function bytes(hex: string | undefined): Buffer {
  return Buffer.from(hex ?? '', 'hex')
}

function upper(data: Uint8Array): string {
  return Buffer.from(data).toString('hex').toUpperCase()
}

function ksn(ikid: string, counter: number): Buffer {
  const serial = Buffer.alloc(12)
  serial.write(ikid, 'hex')
  serial.writeUInt32BE(counter, 8)
  return serial
}

t.test('published keys', async (t) => {
  for (const vector of vectors) {
    if (vector.key === undefined) continue
    const expected = bytes(vector.key)
    const out = Buffer.alloc(expected.length)
    if (vector.kind === 'initial') deriveAesInitialKey(new AesKey(bytes(vector.bdk)), bytes(vector.ikid), out)
    if (vector.kind === 'transaction') deriveAesTransactionKey(bytes(vector.ik), bytes(vector.ksn), out)
    if (vector.kind === 'update')
      deriveAesUpdateKey(bytes(vector.ik), bytes(vector.ikid), vector.type as AesKeyType, out)
    if (vector.kind === 'working') {
      const terminals = new AesDukpt(bytes(vector.bdk))
      terminals.workingKey(bytes(vector.ksn), vector.use as AesKeyUse, vector.type as AesKeyType, out)
    }
    t.equal(upper(out), vector.key, vector.id)
  }
})

const algorithms: Readonly<
  Record<string, (vector: Vector) => { algorithm: string; inputs: object; expected: object }>
> = {
  initial: ({ bdk, ikid, key }) => ({ algorithm: 'ik', inputs: { bdk, ikid }, expected: { ik: key } }),
  transaction: ({ ik, ksn: serial, key }) => ({
    algorithm: 'txn_key',
    inputs: { ik, ksn: serial },
    expected: { txn_key: key },
  }),
  update: ({ ik, ikid, type, key }) => ({
    algorithm: 'update_key',
    inputs: { ik, ikid, key_type: type },
    expected: { update_key: key },
  }),
  working: ({ bdk, ksn: serial, use, type, key }) => {
    const usage = { pin: 'PIN', 'mac-generate': 'MACGEN', 'data-encrypt': 'DATAENC' }[use ?? '']
    return { algorithm: 'working_key', inputs: { bdk, ksn: serial, usage, key_type: type }, expected: { key } }
  },
  'pin-format-4': ({ bdk, ksn: serial, pan, pinField, pinBlock }) => ({
    algorithm: 'pin_iso4',
    inputs: { bdk, ksn: serial, pan, pin_field: pinField, key_type: 'AES128' },
    expected: { pin_block: pinBlock },
  }),
  'pin-block': ({ bdk, ksn: serial, block, encrypted }) => ({
    algorithm: 'pin_raw_block',
    inputs: { bdk, ksn: serial, block },
    expected: { ciphertext: encrypted },
  }),
  cmac: ({ use, bdk, ksn: serial, data, mac }) => ({
    algorithm: use === 'mac-generate' ? 'cmac_request' : 'cmac_response',
    inputs: { bdk, ksn: serial, data },
    expected: { mac },
  }),
  hmac: ({ bdk, ksn: serial, data, mac }) => ({
    algorithm: 'hmac_request',
    inputs: { bdk, ksn: serial, data, key_type: 'HMAC128' },
    expected: { mac },
  }),
  data: ({ bdk, ksn: serial, iv, data, encrypted }) => ({
    algorithm: 'data_request',
    inputs: { bdk, ksn: serial, iv, data },
    expected: { ciphertext: encrypted },
  }),
}

t.test('published PIN blocks, MACs and data, and the keys again, by the names of known answers', async (t) => {
  const answers = vectors.map((vector) => {
    const answer = algorithms[vector.kind]?.(vector)
    return { id: vector.id, ...answer, algorithm: `dukpt.aes.${answer?.algorithm}` }
  })
  t.same(runKnownAnswers(answers, dukptAesAlgorithms), [])
  const requests = answers.filter(({ algorithm }) => algorithm === 'dukpt.aes.cmac_request')
  t.ok(requests.length > 0)
  const swapped = requests.map((answer) => ({ ...answer, algorithm: 'dukpt.aes.cmac_response' }))
  t.equal(runKnownAnswers(swapped, dukptAesAlgorithms).length, swapped.length, 'a response has another key')
  const inputs = { bdk: base128, ksn: '123456789012345600000001' }
  const unknown = [{ usage: 'toString' }, { usage: 'PIN', key_type: 'AES512' }].map((more) => ({
    algorithm: 'dukpt.aes.working_key',
    inputs: { ...inputs, ...more },
    expected: { error: true },
  }))
  t.same(runKnownAnswers(unknown, dukptAesAlgorithms), [])
})

/** X9.24-3 as it defines itself: a key comes from that of the counter without its lowest bit. With native AES. */
function reference(baseKey: Buffer, serial: Buffer, use: AesKeyUse, type: AesKeyType): Buffer {
  const own = (baseKey.length === 16 ? 'AES128' : baseKey.length === 24 ? 'AES192' : 'AES256') as AesKeyType
  const keyOf = (counter: number): Buffer => {
    if (counter === 0) return expand(baseKey, 0x8001, own, serial.subarray(0, 8))
    const parent = keyOf((counter & (counter - 1)) >>> 0)
    return expand(parent, 0x8000, own, Buffer.concat([serial.subarray(4, 8), ksn('', counter).subarray(8)]))
  }
  return expand(keyOf(serial.readUInt32BE(8)), usageIndicators[use], type, serial.subarray(4))
}

function expand(key: Buffer, usage: number, type: AesKeyType, tail: Buffer): Buffer {
  const [indicator, bits] = types[type]
  const hex = (value: number) => value.toString(16).padStart(4, '0')
  const blocks = [1, 2].map((block) => {
    const data = Buffer.concat([bytes(`010${block}${hex(usage)}${hex(indicator)}${hex(bits)}`), tail])
    return createCipheriv(`aes-${key.length * 8}-ecb`, key, null)
      .setAutoPadding(false)
      .update(data)
  })
  return Buffer.concat(blocks).subarray(0, bits / 8)
}

const counters = fc.uniqueArray(fc.nat(31), { minLength: 1, maxLength: 16 }).map((places) => {
  return places.reduce((sum, place) => sum + 2 ** place, 0)
})

t.test('keys are those of the definition, with and without the cache', async (t) => {
  for (const length of [16, 24, 32]) {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: length, maxLength: length }),
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        counters,
        fc.constantFrom(...uses),
        fc.constantFrom(...typeNames.filter((type) => types[type][1] / 8 <= length || type === '3TDEA')),
        (baseKey, ikid, counter, use, type) => {
          const serial = ksn(upper(ikid), counter)
          const terminals = new AesDukpt(baseKey)
          const out = Buffer.alloc(aesKeyBytes(type))
          const expected = reference(Buffer.from(baseKey), serial, use, type)
          for (const round of ['first', 'remembered']) {
            out.fill(0)
            terminals.workingKey(serial, use, type, out)
            if (!out.equals(expected)) t.fail(`${round}: ${type} ${use}`)
          }
          return terminals.remembered === 1
        },
      ),
      { numRuns: 40 },
    )
  }
})

t.test('each use and type has a key of its own', async (t) => {
  const terminals = new AesDukpt(Buffer.alloc(32, 0x3c))
  const seen = new Set<string>()
  for (const use of uses) {
    for (const type of typeNames) {
      const out = Buffer.alloc(aesKeyBytes(type))
      terminals.workingKey(ksn('1234567890123456', 5), use, type, out)
      seen.add(upper(out.subarray(0, 16)))
    }
  }
  t.equal(seen.size, uses.length * typeNames.length)
})

t.test('counters that no terminal uses are refused, before anything is remembered of them', async (t) => {
  const terminals = new AesDukpt(bytes(base128))
  const out = Buffer.alloc(16)
  const refused = { code: 'CRYPTO_REFUSED' }
  for (const counter of [0, 0x0001ffff, 0x80ffff00 + 0x3f, 0xffff8000, 0xffffffff]) {
    const serial = ksn('1234567890123456', counter)
    t.throws(() => terminals.workingKey(serial, 'pin', 'AES128', out), refused)
    t.throws(() => terminals.transactionKey(serial, out), refused)
    t.throws(() => deriveAesTransactionKey(Buffer.alloc(16, 1), serial, out), refused)
    t.throws(() => aesTransactionCounter(serial), refused)
  }
  t.equal(terminals.remembered, 0)
  for (const counter of [1, 0xffff, 0xffff0000, 0x80000000, 0xaaaaaaaa]) {
    t.equal(aesTransactionCounter(ksn('1234567890123456', counter)), counter)
    terminals.workingKey(ksn('1234567890123456', counter), 'pin', 'AES128', out)
  }
  for (const length of [0, 10, 11, 13]) {
    const serial = Buffer.alloc(length, 1)
    t.throws(() => aesKsnCounter(serial), { code: 'BAD_INPUT' })
    t.throws(() => terminals.workingKey(serial, 'pin', 'AES128', out), { code: 'BAD_INPUT' })
    t.throws(() => deriveAesWorkingKey(Buffer.alloc(16, 1), serial, 'pin', 'AES128', out), { code: 'BAD_INPUT' })
    t.throws(() => terminals.updateKey(serial, 'AES128', out), { code: 'BAD_INPUT' })
    t.throws(() => deriveAesInitialKey(new AesKey(bytes(base128)), serial, out), { code: 'BAD_INPUT' })
  }
})

t.test('a working key is never stronger than the key it comes from', async (t) => {
  const stronger: readonly (readonly [number, AesKeyType])[] = [
    [16, 'AES192'],
    [16, 'AES256'],
    [24, 'AES256'],
    [16, 'HMAC192'],
    [24, 'HMAC256'],
  ]
  for (const [length, type] of stronger) {
    const terminals = new AesDukpt(Buffer.alloc(length, 9))
    const out = Buffer.alloc(aesKeyBytes(type))
    const derive = () => terminals.workingKey(ksn('1234567890123456', 1), 'data-both', type, out)
    t.throws(derive, { code: 'CRYPTO_REFUSED', message: /too weak/ }, `${type} of ${length} bytes`)
    t.throws(() => terminals.updateKey(bytes('1234567890123456'), type, out), { code: 'CRYPTO_REFUSED' })
    t.ok(out.every((byte) => byte === 0))
  }
})

t.test('the update key is that of the last counter, for the whole serial number too', async (t) => {
  const terminals = new AesDukpt(bytes(base128))
  const expected = vectors.find(({ id }) => id === 'update-key-01')?.key
  const out = Buffer.alloc(16)
  terminals.updateKey(bytes('1234567890123456'), 'AES128', out)
  t.equal(upper(out), expected)
  terminals.updateKey(ksn('1234567890123456', 77), 'AES128', out)
  t.equal(upper(out), expected)
})

t.test('a key may be derived in place, and sizes are checked', async (t) => {
  const initialKey = bytes('1273671EA26AC29AFA4D1084127652A1')
  const serial = ksn('1234567890123456', 3)
  const out = Buffer.alloc(16)
  deriveAesTransactionKey(initialKey, serial, out)
  t.equal(upper(initialKey), '1273671EA26AC29AFA4D1084127652A1', 'the initial key stays as it is')
  deriveAesTransactionKey(initialKey, serial, initialKey)
  t.same(initialKey, out)
  deriveAesWorkingKey(out, serial, 'pin', 'AES128', out)
  t.throws(() => deriveAesTransactionKey(initialKey, serial, Buffer.alloc(15)), { code: 'ASSERTION_FAILED' })
  t.throws(() => deriveAesWorkingKey(initialKey, serial, 'pin', 'AES128', Buffer.alloc(32)), {
    code: 'ASSERTION_FAILED',
  })
  t.throws(() => deriveAesInitialKey(new AesKey(initialKey), serial, Buffer.alloc(32)), { code: 'ASSERTION_FAILED' })
})

t.test('initial keys are remembered for the terminals seen last, no more than asked for', async (t) => {
  const terminals = new AesDukpt(bytes(base128), 3)
  const out = Buffer.alloc(16)
  const keys = new Map<string, string>()
  const use = (name: string) => {
    terminals.workingKey(ksn(`00000001000000${name}`, 1), 'pin', 'AES128', out)
    const known = keys.get(name)
    keys.set(name, upper(out))
    t.equal(upper(out), known ?? upper(out), `terminal ${name}`)
  }
  for (const name of ['01', '02', '03', '01', '04', '02', '05', '01', '03', '04', '05', '02']) use(name)
  t.equal(terminals.remembered, 3)
  const names = ['01', '02', '03', '04', '05']
  t.same(
    names.filter((name) => terminals.remembers(ksn(`00000001000000${name}`, 1))),
    ['02', '04', '05'],
  )
  use('04')
  use('01')
  t.same(
    names.filter((name) => terminals.remembers(ksn(`00000001000000${name}`, 1))),
    ['01', '02', '04'],
    'that used longest ago goes, not that which came first',
  )
  t.equal(new Set(keys.values()).size, 5, 'an array given to another terminal takes nothing along')
  t.throws(() => new AesDukpt(bytes(base128), 0), { code: 'ASSERTION_FAILED' })
  terminals.wipe()
  t.equal(terminals.remembered, 0)
  t.throws(() => terminals.workingKey(ksn('0000000100000001', 1), 'pin', 'AES128', out), { code: 'ASSERTION_FAILED' })
})

t.test('AES by tables is AES', async (t) => {
  const aes = new TableAes()
  fc.assert(
    fc.property(
      fc.constantFrom(16, 24, 32).chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      (key, block) => {
        const native = createCipheriv(`aes-${key.length * 8}-ecb`, key, null)
          .setAutoPadding(false)
          .update(block)
        const data = Buffer.concat([Buffer.alloc(3, 7), block, Buffer.alloc(3, 7)])
        aes.setKey(key)
        aes.encryptBlock(data, 3, data, 3)
        return data.equals(Buffer.concat([Buffer.alloc(3, 7), native, Buffer.alloc(3, 7)]))
      },
    ),
    { numRuns: 500 },
  )
  t.throws(() => aes.encryptBlock(Buffer.alloc(16), 1, Buffer.alloc(16), 0), { code: 'ASSERTION_FAILED' })
  t.throws(() => aes.encryptBlock(Buffer.alloc(16), 0, Buffer.alloc(16), 1), { code: 'ASSERTION_FAILED' })
  for (const length of [0, 8, 15, 20, 33])
    t.throws(() => aes.setKey(Buffer.alloc(length)), { code: 'ASSERTION_FAILED' })
  aes.setKey(Buffer.alloc(16))
  aes.wipe()
  t.throws(() => aes.encryptBlock(Buffer.alloc(16), 0, Buffer.alloc(16), 0), { code: 'ASSERTION_FAILED' })
})
