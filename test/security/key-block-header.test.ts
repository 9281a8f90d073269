import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import {
  formatHeader,
  type KeyBlockHeader,
  type KeyBlockVersion,
  parseHeader,
} from '../../src/security/key-blocks/header.ts'
import { keyBlockHeader as header, optionalBlocks } from './key-block-support.ts'

const vectors: readonly { readonly id: string; readonly keyBlock?: string }[] = JSON.parse(
  readFileSync(new URL('../vectors/crypto-tr31.json', import.meta.url), 'utf8'),
)
const versions: readonly KeyBlockVersion[] = ['A', 'B', 'C', 'D']

t.test('optional blocks of X9.143:2021 8.6: extended length, check value, time stamp, padding', async (t) => {
  const block = vectors.find(({ id }) => id === 'block-d-x9143-8.6')?.keyBlock ?? ''
  const parsed = parseHeader(block)
  t.same(
    parsed.header.optionalBlocks.map(({ id, data }) => [id, data.length]),
    [
      ['CT', 0x5cc - 10],
      ['KP', 12],
      ['TS', 15],
      ['PB', 13],
    ],
  )
  t.equal(formatHeader(parsed.header, block.length - parsed.headerLength), block.slice(0, parsed.headerLength))
})

t.test('a malformed header is refused, and says what is malformed', async (t) => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['', /fixed part/],
    ['D0112P0AE00E000', /fixed part/],
    ['E0112P0AE00E0000', /fixed part/],
    ['D01x2P0AE00E0000', /fixed part/],
    ['D0112p0AE00E0000', /fixed part/],
    ['D0112P9AE00E0000', /key usage/],
    ['D0112P0XE00E0000', /algorithm/],
    ['D0112P0AZ00E0000', /mode of use/],
    ['D0112P0AE-0E0000', /fixed part/],
    ['D0112P0AE00X0000', /fixed part/],
    ['D0112P0AE00EA000', /fixed part/],
    ['D0112P0AE00E0030', /fixed part/],
    ['D0112P0AE00E0001', /fixed part/],
    ['D0112P0AE00E0100', /length of an optional block/],
    ['D0112P0AE00E0100KS', /length of an optional block/],
    ['D0112P0AE00E0100KS03', /length of an optional block/],
    ['D0112P0AE00E0100KS0g', /length of an optional block/],
    ['D0112P0AE00E0100KS0a000000', /length of an optional block/],
    ['D0112P0AE00E0100KS1000000000000', /length of an optional block/],
    ['D0112P0AE00E0100KS0C00000000', /padding of the optional blocks/],
    ['D0112P0AE00E0100K-1000000000000 ', /an optional block/],
    ['D0112P0AE00E0100KS100000000000\u007f0', /an optional block/],
    ['D0112P0AE00E0100KS100000000000\u010100', /an optional block/],
    ['D0112P0AE00E0200KS080000KS080000', /there twice/],
    ['D0112P0AE00E0200PB080000KS080000', /not the last/],
    ['D0112P0AE00E0100KS0003000010000000', /extended length/],
    ['D0112P0AE00E0100KS00020009000000', /length of an optional block/],
    ['D0112P0AE00E0100KS0002FFFF000000', /length of an optional block/],
    ['B0112P0AE00E0100KS0400', /padding of the optional blocks/],
  ]
  for (const [text, message] of refused) t.throws(() => parseHeader(text), { code: 'BAD_INPUT', message }, text)
  t.equal(parseHeader('D0112P0AE00E0000').headerLength, 16)
  t.equal(parseHeader('B0112P0AE00E0100KS080000').headerLength, 24)
  t.same(parseHeader('B0000P0TE00N0200KS00011600604B120F9292PB0A000000').header.optionalBlocks, [
    { id: 'KS', data: '00604B120F9292' },
    { id: 'PB', data: '000000' },
  ])
  t.same(parseHeader('B0000P0TE00N0100KS0004001000604B').header.optionalBlocks, [{ id: 'KS', data: '00604B' }])
})

t.test('a header is read back as written, padded to cipher blocks', async (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(...versions),
      optionalBlocks,
      fc.constantFrom('0', '1', '2'),
      (version, blocks, context) => {
        const written = header(version, { keyVersion: 'a7', keyContext: context as '0', optionalBlocks: blocks })
        const text = formatHeader(written, 64)
        const parsed = parseHeader(`${text}00`)
        const read = parsed.header.optionalBlocks
        t.same(read.slice(0, blocks.length), blocks)
        t.ok(read.length === blocks.length || (read.length === blocks.length + 1 && read.at(-1)?.id === 'PB'), text)
        t.equal(parsed.headerLength, text.length)
        t.equal(parsed.blockLength, text.length + 64)
        t.equal(text.length % (version === 'D' ? 16 : 8), 0)
        t.equal(formatHeader(parsed.header, 64), text, 'the padding block is kept')
      },
    ),
    { numRuns: 200 },
  )
  const lengthOf = (data: number) => {
    const blocks = [{ id: 'LB', data: 'x'.repeat(data) }]
    return formatHeader(header('B', { optionalBlocks: blocks }), 0).slice(18, 26)
  }
  t.equal(lengthOf(0), '04PB04')
  t.equal(lengthOf(251), 'FFxxxxxx', 'the longest of two digits')
  t.equal(lengthOf(252), '00020106')
  const bad: readonly Partial<KeyBlockHeader>[] = [
    { keyVersion: '1' },
    { keyVersion: '000' },
    { keyVersion: '-1' },
    { optionalBlocks: [{ id: 'K', data: 'S08' }] },
    { optionalBlocks: [{ id: 'KS', data: '\n\n' }] },
    { optionalBlocks: [{ id: 'PB', data: '' }] },
    { optionalBlocks: [{ id: 'KS', data: 'x'.repeat(10_000) }] },
    { optionalBlocks: [{ id: 'KS', data: 'x'.repeat(70_000) }] },
  ]
  for (const changes of bad) t.throws(() => formatHeader(header('D', changes), 64), { code: 'BAD_INPUT' })
  t.throws(() => formatHeader(header('D'), 9984), { code: 'BAD_INPUT' })
})
