import fc from 'fast-check'
import t from 'tap'
import { MizanError } from '../../src/errors.ts'
import { ProtectionKey } from '../../src/security/key-blocks/derive.ts'
import type { KeyBlockVersion } from '../../src/security/key-blocks/header.ts'
import { unwrapKeyBlock } from '../../src/security/key-blocks/unwrap.ts'
import { wrapKeyBlock } from '../../src/security/key-blocks/wrap.ts'
import { keyBlockHeader as header } from './key-block-support.ts'

const versions: readonly KeyBlockVersion[] = ['A', 'B', 'C', 'D']

type Mutation = (block: string, at: number, other: number, char: string) => string
const mutations: Readonly<Record<string, Mutation>> = {
  replace: (block, at, _, char) => block.slice(0, at) + char + block.slice(at + 1),
  flip: (block, at, other) =>
    block.slice(0, at) + String.fromCharCode(block.charCodeAt(at) ^ (1 << (other % 7))) + block.slice(at + 1),
  hex: (block, at, other) => block.slice(0, at) + '0123456789ABCDEF'.charAt(other % 16) + block.slice(at + 1),
  insert: (block, at, _, char) => block.slice(0, at) + char + block.slice(at),
  remove: (block, at) => block.slice(0, at) + block.slice(at + 1),
  cut: (block, at) => block.slice(0, at),
  swap: (block, at, other) => {
    const [low, high] = at < other ? [at, other] : [other, at]
    return (
      block.slice(0, low) + block.charAt(high) + block.slice(low + 1, high) + block.charAt(low) + block.slice(high + 1)
    )
  },
  exchange: (block, at, other) => {
    const [low, high] = at < other ? [at & ~15, other & ~15] : [other & ~15, at & ~15]
    if (high - low < 16) return block
    return (
      block.slice(0, low) +
      block.slice(high, high + 16) +
      block.slice(low + 16, high) +
      block.slice(low, low + 16) +
      block.slice(high + 16)
    )
  },
}

t.test('no change of a block gets through', async (t) => {
  for (const version of versions) {
    const protection = new ProtectionKey(version, Buffer.from('1D22BF32387C600AD97F9B97A51311AC', 'hex'))
    const key = Buffer.from('E8BC63E5479455E26577F715D587FE68', 'hex')
    const blocks = [
      header(version),
      header(version, {
        keyVersion: '12',
        exportability: 'S',
        optionalBlocks: [{ id: 'KS', data: '00604B120F9292800000' }],
      }),
      header(version, {
        usage: 'B0',
        modeOfUse: 'X',
        optionalBlocks: [
          { id: 'KS', data: '0060' },
          { id: 'LB', data: 'a b' },
        ],
      }),
    ].map((written) => wrapKeyBlock(protection, written, key))
    for (const block of blocks) t.same(unwrapKeyBlock(protection, block).key, key)
    let refused = 0
    fc.assert(
      fc.property(
        fc.constantFrom(...blocks),
        fc.constantFrom(...Object.values(mutations)),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 0x20, max: 0x7e }),
        (block, mutate, at, other, code) => {
          const changed = mutate(block, at % block.length, other % block.length, String.fromCharCode(code))
          if (changed === block) return true
          try {
            unwrapKeyBlock(protection, changed)
            return false
          } catch (error) {
            refused++
            return error instanceof MizanError && (error.code === 'BAD_INPUT' || error.code === 'CRYPTO_REFUSED')
          }
        },
      ),
      { numRuns: 3000 },
    )
    t.ok(refused > 2000, `${version}: ${refused} changed blocks refused`)
    // Each character by itself, to one that keeps the form of its field where there is one.
    for (const block of blocks) {
      for (let at = 0; at < block.length; at++) {
        for (const char of '0123456789ABCDEFKNPSTX') {
          const changed = block.slice(0, at) + char + block.slice(at + 1)
          if (changed !== block && opens(protection, changed)) t.fail(`${version}: ${char} at ${at} got through`)
        }
      }
    }
  }
})

function opens(protection: ProtectionKey, block: string): boolean {
  try {
    unwrapKeyBlock(protection, block)
    return true
  } catch (error) {
    if (!(error instanceof MizanError) || error.code === 'ASSERTION_FAILED') throw error
    return false
  }
}
