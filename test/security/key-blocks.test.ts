import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { MizanError } from '../../src/errors.ts'
import { deriveBlockKeys, ProtectionKey } from '../../src/security/key-blocks/derive.ts'
import {
  formatHeader,
  type KeyAlgorithm,
  type KeyBlockVersion,
  parseHeader,
} from '../../src/security/key-blocks/header.ts'
import { unwrapKeyBlock } from '../../src/security/key-blocks/unwrap.ts'
import { macBytes, wrapKeyBlock } from '../../src/security/key-blocks/wrap.ts'
import { runKnownAnswers } from '../../src/security/known-answers/runner.ts'
import { tr31Algorithms } from '../../src/security/known-answers/tr31.ts'
import { AesKey } from '../../src/security/primitives/aes.ts'
import { encryptCbc } from '../../src/security/primitives/block-modes.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import { aesCmacKcv, tdesKcv } from '../../src/security/primitives/key-checks.ts'
import { cbcMac, cmac } from '../../src/security/primitives/mac.ts'
import { keyBlockHeader as header, optionalBlocks } from './key-block-support.ts'

interface Vector {
  readonly id: string
  readonly version: KeyBlockVersion
  readonly kbpk: string
  readonly kbek?: string
  readonly kbak?: string
  readonly header?: string
  readonly key?: string
  readonly padding?: string
  readonly keyBlock?: string
  readonly kcv?: string
  readonly refused?: boolean
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../vectors/crypto-tr31.json', import.meta.url), 'utf8'),
)
const versions: readonly KeyBlockVersion[] = ['A', 'B', 'C', 'D']
const refusal = { code: 'CRYPTO_REFUSED', message: /: the key block is refused$/ }
/** Old published examples wrap keys of single length. */
const old = { allowSingleLength: true }

function bytes(hex: string | undefined): Buffer {
  return Buffer.from(hex ?? '', 'hex')
}

function upper(data: Uint8Array): string {
  return Buffer.from(data).toString('hex').toUpperCase()
}

t.test('published keys, wrapped and opened', async (t) => {
  for (const vector of vectors) {
    const { id, version, keyBlock = '' } = vector
    if (vector.kbek !== undefined) {
      const { kbek, kbak } = deriveBlockKeys(version, bytes(vector.kbpk))
      t.equal(upper(kbek), vector.kbek, `${id}: encryption key`)
      t.equal(upper(kbak), vector.kbak, `${id}: authentication key`)
      continue
    }
    const protection = new ProtectionKey(version, bytes(vector.kbpk))
    if (vector.refused === true) {
      t.throws(() => unwrapKeyBlock(protection, keyBlock, old), MizanError, id)
      continue
    }
    const opened = unwrapKeyBlock(protection, keyBlock, old)
    t.equal(upper(opened.key), vector.key, id)
    if (vector.kcv !== undefined) {
      const count = vector.kcv.length / 2
      const kcv = opened.header.algorithm === 'A' ? aesCmacKcv(opened.key, count) : tdesKcv(opened.key, count)
      t.equal(upper(kcv), vector.kcv, `${id}: check value`)
    }
    if (vector.padding === undefined) continue
    const parsed = parseHeader(vector.header ?? '').header
    t.same(parsed, opened.header)
    t.equal(wrapKeyBlock(protection, parsed, opened.key, { ...old, padding: bytes(vector.padding) }), keyBlock, id)
  }
})

t.test('derivation by CMAC: counter, use, algorithm and bits for each length of protection key', async (t) => {
  // The derivation data of X9.143:2021 7.3.1 as they stand there; no published example has a key of 24 bytes.
  const data: readonly (readonly [KeyBlockVersion, number, string, number])[] = [
    ['B', 16, '00000080', 2],
    ['B', 24, '000100C0', 3],
    ['D', 16, '00020080', 1],
    ['D', 24, '000300C0', 2],
    ['D', 32, '00040100', 2],
  ]
  for (const [version, length, tail, blocks] of data) {
    const kbpk = Buffer.from(Array.from({ length }, (_, at) => at * 29 + 3))
    const key = version === 'B' ? new DesKey(kbpk) : new AesKey(kbpk)
    const expected = (use: string) =>
      Buffer.concat(Array.from({ length: blocks }, (_, at) => cmac(key, bytes(`0${at + 1}${use}00${tail}`))))
    const { kbek, kbak } = deriveBlockKeys(version, kbpk)
    t.equal(upper(kbek), upper(expected('0000').subarray(0, length)), `${version} ${length}: encryption key`)
    t.equal(upper(kbak), upper(expected('0001').subarray(0, length)), `${version} ${length}: authentication key`)
  }
})

t.test('the same by the names of known answers', async (t) => {
  const answers = vectors.map(({ id, version, kbpk, kbek, kbak, key, keyBlock, header: text, padding, refused }) => {
    const prefix = `tr31.${version.toLowerCase()}`
    if (kbek !== undefined)
      return { id, algorithm: `${prefix}.derive_keys`, inputs: { kbpk }, expected: { kbek, kbak } }
    if (padding === undefined) {
      const expected = refused === true ? { error: true } : { key }
      return { id, algorithm: `${prefix}.unwrap`, inputs: { kbpk, key_block: keyBlock }, expected }
    }
    const inputs = { kbpk, header: text, key, random_padding: padding }
    return { id, algorithm: `${prefix}.wrap`, inputs, expected: { key_block: keyBlock } }
  })
  t.same(runKnownAnswers(answers, tr31Algorithms), [])
  const wrong = {
    id: 'x',
    algorithm: 'tr31.b.derive_keys',
    inputs: { kbpk: '11'.repeat(16) },
    expected: { kbek: '22' },
  }
  t.equal(runKnownAnswers([wrong], tr31Algorithms).length, 1)
})

const protectionLengths: Readonly<Record<KeyBlockVersion, readonly number[]>> = {
  A: [16, 24],
  B: [16, 24],
  C: [16, 24],
  D: [16, 24, 32],
}

t.test('what is wrapped is opened, and only under its own key and version', async (t) => {
  for (const version of versions) {
    for (const length of protectionLengths[version]) {
      const kbpk = Buffer.from(Array.from({ length }, (_, at) => at * 37 + 11))
      const protection = new ProtectionKey(version, kbpk)
      const changed = Buffer.from(kbpk)
      changed[length - 1] = (changed[length - 1] ?? 0) ^ 2
      const other = new ProtectionKey(version, changed)
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 16, maxLength: 24 }), optionalBlocks, (drawn, blocks) => {
          const key = drawn.subarray(0, length === 24 ? Math.floor(drawn.length / 8) * 8 : 16)
          const written = header(version, { optionalBlocks: blocks })
          const block = wrapKeyBlock(protection, written, key)
          t.same(unwrapKeyBlock(protection, block).key, key)
          t.throws(() => unwrapKeyBlock(other, block), refusal)
          t.not(wrapKeyBlock(protection, written, key), block, 'padded at random')
        }),
        { numRuns: 25 },
      )
    }
  }
})

t.test('versions A and C have the same derived keys, yet a block of one is no block of the other', async (t) => {
  const kbpk = bytes('89E88CF7931444F334BD7547FC3F380C')
  t.same(deriveBlockKeys('A', kbpk), deriveBlockKeys('C', kbpk))
  const block = wrapKeyBlock(new ProtectionKey('A', kbpk), header('A'), Buffer.alloc(16, 0x23))
  t.throws(() => unwrapKeyBlock(new ProtectionKey('C', kbpk), block), { code: 'BAD_INPUT', message: /version A/ })
  t.throws(() => unwrapKeyBlock(new ProtectionKey('C', kbpk), `C${block.slice(1)}`), refusal)
})

t.test('lengths of protection keys and keys', async (t) => {
  for (const [version, length] of [
    ['A', 8],
    ['B', 32],
    ['C', 0],
    ['D', 8],
    ['D', 33],
  ] as const) {
    t.throws(() => new ProtectionKey(version, Buffer.alloc(length)), { code: 'BAD_INPUT' })
  }
  const strong = new ProtectionKey('D', Buffer.alloc(32, 5))
  const wrap = (algorithm: KeyAlgorithm, length: number, allowSingleLength = false) =>
    wrapKeyBlock(strong, header('D', { algorithm }), Buffer.alloc(length, 1), { allowSingleLength })
  for (const [algorithm, length] of [
    ['T', 8],
    ['T', 17],
    ['T', 32],
    ['A', 8],
    ['A', 31],
    ['D', 8],
    ['H', 15],
    ['H', 129],
    ['R', 16],
  ] as const) {
    t.throws(() => wrap(algorithm, length), { code: 'BAD_INPUT' }, `${algorithm} ${length}`)
  }
  t.ok(wrap('T', 8, true))
  t.throws(() => unwrapKeyBlock(strong, wrap('T', 8, true)), refusal, 'single length is refused unless asked for')
  t.same(unwrapKeyBlock(strong, wrap('H', 33)).key, Buffer.alloc(33, 1))
  t.throws(() => wrapKeyBlock(strong, header('B'), Buffer.alloc(16)), { code: 'ASSERTION_FAILED' })
})

t.test('a key is never protected by a weaker one', async (t) => {
  const weaker: readonly (readonly [KeyBlockVersion, number, KeyAlgorithm, number])[] = [
    ['B', 16, 'T', 24],
    ['B', 24, 'A', 16],
    ['C', 24, 'H', 16],
    ['D', 16, 'A', 24],
    ['D', 24, 'A', 32],
    ['D', 16, 'H', 32],
  ]
  for (const [version, protecting, algorithm, length] of weaker) {
    const protection = new ProtectionKey(version, Buffer.alloc(protecting, 7))
    const wrap = () => wrapKeyBlock(protection, header(version, { algorithm }), Buffer.alloc(length, 9))
    t.throws(
      wrap,
      { code: 'CRYPTO_REFUSED', message: /weaker/ },
      `${algorithm} ${length} under ${version} ${protecting}`,
    )
  }
  const aes = new ProtectionKey('D', Buffer.alloc(16, 7))
  t.ok(wrapKeyBlock(aes, header('D'), Buffer.alloc(24, 9)), 'AES-128 may protect triple DES')
})

t.test('the length of the block does not tell the length of the key', async (t) => {
  for (const version of ['B', 'D'] as const) {
    const protection = new ProtectionKey(version, Buffer.alloc(24, 7))
    const lengths = [16, 24].map((length) => wrapKeyBlock(protection, header(version), Buffer.alloc(length, 9)).length)
    t.equal(lengths[0], lengths[1])
    const plain = wrapKeyBlock(protection, header(version), Buffer.alloc(16, 9), { maskBytes: 0 })
    t.ok(plain.length <= (lengths[0] ?? 0))
  }
  const protection = new ProtectionKey('B', Buffer.alloc(16, 7))
  const wrap = (padding: number) =>
    wrapKeyBlock(protection, header('B'), Buffer.alloc(16, 9), { padding: Buffer.alloc(padding) })
  t.equal(wrap(6).length, 80)
  t.equal(wrap(14).length, 96)
  for (const padding of [0, 5, 7]) t.throws(() => wrap(padding), { code: 'BAD_INPUT' })
})

/** Makes a block of any payload with a right MAC, as only a holder of the protection key can. */
function forge(version: KeyBlockVersion, kbpk: Buffer, payload: Buffer): string {
  const { kbek, kbak } = deriveBlockKeys(version, kbpk)
  const make = (key: Buffer) => (version === 'D' ? new AesKey(key) : new DesKey(key))
  const head = formatHeader(header(version), 2 * (payload.length + macBytes(version)))
  if (version === 'A' || version === 'C') {
    const encrypted = encryptCbc(make(kbek), Buffer.from(head.slice(0, 8)), payload)
    const mac = cbcMac(make(kbak), Buffer.concat([Buffer.from(head), encrypted]), 1)
    return head + upper(encrypted) + upper(mac.subarray(0, 4))
  }
  const mac = cmac(make(kbak), Buffer.concat([Buffer.from(head), payload]))
  return head + upper(encryptCbc(make(kbek), mac, payload)) + upper(mac)
}

t.test('a payload that holds no key is refused with the same words as a wrong MAC', async (t) => {
  const kbpk = bytes('1D22BF32387C600AD97F9B97A51311AC')
  for (const version of versions) {
    const protection = new ProtectionKey(version, kbpk)
    const payload = (bits: number) => {
      const data = Buffer.alloc(32, 0x5b)
      data.writeUInt16BE(bits)
      return data
    }
    t.equal(unwrapKeyBlock(protection, forge(version, kbpk, payload(128))).key.length, 16)
    t.equal(unwrapKeyBlock(protection, forge(version, kbpk, payload(192))).key.length, 24)
    const messages = new Set<string>()
    const note = (block: string) => {
      t.throws(() => unwrapKeyBlock(protection, block), refusal)
      try {
        unwrapKeyBlock(protection, block)
      } catch (error) {
        messages.add(`${error instanceof MizanError ? error.code : ''} ${String(error)}`)
      }
    }
    for (const bits of [0, 8, 127, 129, 120, 136, 248, 256, 384, 0xffff]) note(forge(version, kbpk, payload(bits)))
    const right = forge(version, kbpk, payload(128))
    note(`${right.slice(0, -1)}${right.endsWith('0') ? '1' : '0'}`)
    // A length that the algorithm has, but that reaches beyond the payload.
    note(forge(version, kbpk, version === 'D' ? payload(128).subarray(0, 16) : payload(192).subarray(0, 24)))
    const other = forge(version, bytes('89E88CF7931444F334BD7547FC3F380C'), payload(128))
    note(other)
    t.equal(messages.size, 1, 'one and the same error')
  }
})

t.test('the form of the body', async (t) => {
  const protection = new ProtectionKey('B', bytes('1D22BF32387C600AD97F9B97A51311AC'))
  const block = wrapKeyBlock(protection, header('B'), Buffer.alloc(16, 9))
  const relabel = (text: string) => `B${String(text.length).padStart(4, '0')}${text.slice(5)}`
  const bad = { code: 'BAD_INPUT' }
  t.throws(() => unwrapKeyBlock(protection, `${block}00`), { ...bad, message: /another length/ })
  t.throws(() => unwrapKeyBlock(protection, block.slice(0, -2)), { ...bad, message: /another length/ })
  t.throws(() => unwrapKeyBlock(protection, relabel(block.slice(0, -2))), { ...bad, message: /body/ })
  t.throws(() => unwrapKeyBlock(protection, relabel(block.slice(0, 32))), { ...bad, message: /body/ })
  t.throws(() => unwrapKeyBlock(protection, relabel(block.slice(0, 16))), { ...bad, message: /body/ })
  t.throws(() => unwrapKeyBlock(protection, block.slice(0, 16) + block.slice(16).toLowerCase()), {
    ...bad,
    message: /body/,
  })
  t.throws(() => unwrapKeyBlock(protection, relabel(block.slice(0, -16))), refusal, 'a block of cipher text less')
})

t.test('a wiped protection key is of no use', async (t) => {
  const protection = new ProtectionKey('D', Buffer.alloc(32, 5))
  const block = wrapKeyBlock(protection, header('D'), Buffer.alloc(16, 9))
  protection.wipe()
  t.throws(() => unwrapKeyBlock(protection, block), { code: 'ASSERTION_FAILED' })
})
