import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { vectorsCommand } from '../../src/commands/vectors.ts'
import { assert, MizanError } from '../../src/errors.ts'
import { knownAlgorithms } from '../../src/security/known-answers/algorithms.ts'
import { cvvAlgorithms } from '../../src/security/known-answers/cvv.ts'
import { dukptAlgorithms } from '../../src/security/known-answers/dukpt.ts'
import { emvAlgorithms } from '../../src/security/known-answers/emv.ts'
import { aesKeyInput, desKeyInput } from '../../src/security/known-answers/keys.ts'
import { macAlgorithms } from '../../src/security/known-answers/mac.ts'
import { pinAlgorithms } from '../../src/security/known-answers/pin.ts'
import type { KnownAlgorithms } from '../../src/security/known-answers/runner.ts'
import {
  hasInput,
  hexInput,
  hexListInput,
  numberInput,
  runKnownAnswers,
  textInput,
  toHex,
} from '../../src/security/known-answers/runner.ts'
import { tr31Algorithms } from '../../src/security/known-answers/tr31.ts'
import { commandRunner } from '../support/command.ts'
import { sharedVectors, skipWithout } from '../support/shared-vectors.ts'

const input = { code: 'BAD_INPUT' }

t.test('the runner', async (t) => {
  const algorithms: KnownAlgorithms = {
    copy: (inputs) => ({
      mac: textInput(inputs, 'text'),
      key: textInput(inputs, 'text'),
      kcv: textInput(inputs, 'text'),
    }),
    broken: () => {
      assert(false, 'a fault of the program')
    },
    odd: () => {
      throw new TypeError('a fault of the program')
    },
    refusing: () => {
      throw new MizanError('CRYPTO_REFUSED', 'for a reason')
    },
  }
  const problemsOf = (answer: unknown) => runKnownAnswers([answer], algorithms)[0]?.problems ?? []
  const copy = (expected: unknown, text = '0123456789ABCDEF') => ({ algorithm: 'copy', inputs: { text }, expected })
  t.same(problemsOf(copy({ key: '0123456789ABCDEF' })), [], 'not every output need be expected')
  t.same(problemsOf(copy({ key: '0123456789ABCDEF', mac: '0123456789ABCDEE' })), ['mac: differs'])
  t.same(problemsOf(copy({ key: '01234567' })), ['key: differs'], 'a key is not cut')
  t.same(problemsOf(copy({ mac: '01234567' })), [], 'a MAC may be')
  t.same(problemsOf(copy({ mac: '0123456' })), ['mac: differs'], 'but not to less than four bytes')
  t.same(problemsOf(copy({ mac: '0123456789ABCDEF00' })), ['mac: differs'], 'nor be longer')
  t.same(problemsOf(copy({ mac: '23456789' })), ['mac: differs'], 'nor be another part')
  t.same(problemsOf(copy({ kcv: '012345' })), [])
  t.same(problemsOf(copy({ kcv: '012' })), ['kcv: differs'])
  t.same(problemsOf(copy({ key: '' })), ['key: differs'])
  t.same(problemsOf(copy({ key: 1 }, '1')), ['key: differs'], 'a number is not its text')
  t.same(problemsOf(copy({ other: '1' })), ['other: is not computed'])
  t.same(problemsOf(copy({ toString: '1' })), ['toString: is not computed'])
  t.same(problemsOf(copy({ error: true })), ['was computed, but must be refused'])
  t.same(problemsOf(copy({ error: false })), ['error: is not computed'])
  t.match(problemsOf({ algorithm: 'copy', inputs: {}, expected: { key: '1' } })[0], /^refused: .*text must be a text$/)
  t.same(problemsOf({ algorithm: 'copy', inputs: {}, expected: { error: true } }), [], 'refused as it must be')
  t.same(problemsOf({ algorithm: 'refusing', inputs: {}, expected: { error: true } }), [])
  for (const fault of ['broken', 'odd']) {
    const problems = problemsOf({ algorithm: fault, inputs: {}, expected: { error: true } })
    t.match(problems[0], /a fault of the program/, 'a fault is not a refusal')
  }
  t.same(problemsOf({ algorithm: 'none', inputs: {}, expected: { error: true } }), ['no algorithm none'])
  t.same(problemsOf({ algorithm: 'toString', inputs: {}, expected: { error: true } }), ['no algorithm toString'])
  const incomplete = [
    null,
    1,
    [],
    {},
    { ...copy({}) },
    copy(null),
    copy([1]),
    { algorithm: 'copy', expected: { key: '1' } },
  ]
  for (const answer of incomplete) t.same(problemsOf(answer), ['must have algorithm, inputs and expected'])
  const failed = runKnownAnswers([copy({ mac: '01234567' }), { id: 'named' }, { id: 7 }], algorithms)
  t.same(
    failed.map(({ id }) => id),
    ['named', 'number 3'],
  )
})

t.test('inputs', async (t) => {
  t.same(hexInput({ a: '00fF' }, 'a'), Buffer.of(0, 255))
  t.same(hexInput({ a: '' }, 'a'), Buffer.alloc(0))
  for (const a of ['0', '0g', ' 00', '00\n', 0, null, undefined]) t.throws(() => hexInput({ a }, 'a'), input)
  t.equal(textInput({ a: '' }, 'a'), '')
  t.throws(() => textInput({ a: 1 }, 'a'), input)
  t.equal(numberInput({ a: '12' }, 'a'), 12)
  t.equal(numberInput({ a: 0 }, 'a'), 0)
  for (const a of ['', '1.5', '-1', -1, 1.5, Number.NaN, true, undefined])
    t.throws(() => numberInput({ a }, 'a'), input)
  t.same(hexListInput({ a: ['00', 'FF'] }, 'a'), [Buffer.of(0), Buffer.of(255)])
  for (const a of ['00', ['0'], [0], undefined]) t.throws(() => hexListInput({ a }, 'a'), input)
  t.ok(hasInput({ a: null }, 'a'))
  t.notOk(hasInput({ a: undefined }, 'a'))
  t.notOk(hasInput({}, 'toString'))
  t.equal(toHex(Buffer.from('xabcd').subarray(1, 3)), '6162')
  t.throws(() => desKeyInput({ key: '00'.repeat(8) }, 'key', [16, 24]), input)
  t.equal(desKeyInput({ key: '00'.repeat(24) }, 'key', [16, 24]).keyBytes, 24)
  t.throws(() => aesKeyInput({ key: '00'.repeat(8) }, 'key'), input)
  t.equal(aesKeyInput({ key: '00'.repeat(32) }, 'key').keyBytes, 32)
})

t.test('no area takes the name of another', async (t) => {
  const areas = [macAlgorithms, pinAlgorithms, cvvAlgorithms, emvAlgorithms, dukptAlgorithms, tr31Algorithms]
  const names = areas.flatMap((area) => Object.keys(area))
  t.equal(new Set(names).size, names.length)
  t.same(Object.keys(knownAlgorithms).sort(), names.sort())
})

t.test('no input of any kind breaks an algorithm', async (t) => {
  const junk = ['', '0', '00', 'zz', '00'.repeat(8), '00'.repeat(16), '00'.repeat(40), 7, null, [], {}]
  const names = ['key', 'data', 'pan', 'pin', 'pin_block', 'padding_method', 'cvk', 'pvk', 'imk', 'atc', 'track', 'un']
  for (const [name, algorithm] of Object.entries({ ...macAlgorithms, ...pinAlgorithms, ...cvvAlgorithms })) {
    for (const value of junk) {
      const inputs = Object.fromEntries(names.map((key) => [key, value]))
      try {
        algorithm(inputs)
      } catch (error) {
        if (error instanceof MizanError && error.code !== 'ASSERTION_FAILED') continue
        t.fail(`${name}: ${String(error)}`)
      }
    }
  }
})

/** What files may hold and no published answer exercises; the values are by `node:crypto` or by hand. */
const more = [
  ['cipher.des_ecb', { key: '0123456789ABCDEF', data: '4E6F772069732074' }, { ciphertext: '3FA40E8A984D4815' }],
  ['cipher.des_ecb', { key: '0123456789ABCDEF', ciphertext: '3FA40E8A984D4815' }, { plaintext: '4E6F772069732074' }],
  ['cipher.tdes_ecb', { key: '0123456789ABCDEF', data: '4E6F772069732074' }, { error: true }],
  [
    'cipher.des_cbc',
    { key: '0123456789ABCDEF', iv: '0000000000000000', data: '4E6F772069732074' },
    { ciphertext: '3FA40E8A984D4815' },
  ],
  [
    'cipher.des_cbc',
    { key: '0123456789ABCDEF', iv: 'FFFFFFFFFFFFFFFF', ciphertext: '3FA40E8A984D4815' },
    { plaintext: 'B19088DF968CDF8B' },
  ],
  ['cipher.des_cbc', { key: '0123456789ABCDEF', iv: '00', data: '4E6F772069732074' }, { error: true }],
  ['mac.pad', { data: '12', padding_method: 4 }, { error: true }],
  ['mac.pad', { data: '12', padding_method: 1, block: 12 }, { error: true }],
  ['mac.pad', { data: '12', padding_method: 1 }, { padded: '1200000000000000' }],
  ['kcv.aes_cmac', { key: 'FA36E44278DB3AB5F298F9F7DA8F1F88' }, { kcv: 'D77F007724' }],
  ['pinblock.iso1.encode', { pin: '12345', fill: '0123456789ABCDEF' }, { pin_block: '1512345012345678' }],
  ['pinblock.iso1.encode', { pin: '12345', fill: '0' }, { error: true }],
  ['pinblock.iso3.encode', { pin: '12345', pan: '0', fill: 'ABCDEFABC' }, { pin_block: '3512345ABCDEFABC' }],
  ['pinblock.iso3.encode', { pin: '12345', pan: '0', fill: '012345678' }, { error: true }],
  ['pinblock.iso1.decode', { pin_block: '1512345012345678' }, { pin: '12345' }],
  ['pinblock.iso2.decode', { pin_block: '2512345FFFFFFFFF' }, { pin: '12345' }],
  ['pin.decimalise.two_scan', { hex: 'AB', count: 3 }, { error: true }],
  ['pin.visa_pvv', { pvk: '0123456789ABCDEF', pvki: '1', pin: '1234', pan: '4000001234567899' }, { error: true }],
  [
    'cvv.cvv2',
    { cvk: '0123456789ABCDEFFEDCBA9876543210', pan: '4111111111111111', expiry: '2512', service_code: '101' },
    { error: true },
  ],
  ['cvv.cvv2', { cvk: '0123456789ABCDEFFEDCBA9876543210', pan: '4111111111111111', expiry: '2512' }, { cvv: '765' }],
] as const

const mizan = (...args: string[]) => commandRunner({})(vectorsCommand, ['crypto', ...args])

t.test('the command', async (t) => {
  const answers = more.map(([algorithm, inputs, expected], at) => ({ id: `more ${at}`, algorithm, inputs, expected }))
  const file = path.join(t.testdir(), 'answers.json')
  writeFileSync(file, JSON.stringify(answers))
  const good = await mizan(file)
  t.equal(good.out, `${answers.length} passed, 0 failed\n`)
  t.equal(good.status, 0)
  const secret = { key: 'FA36E44278DB3AB5F298F9F7DA8F1F88' }
  writeFileSync(
    file,
    JSON.stringify([
      { id: 'wrong', algorithm: 'kcv.aes_cmac', inputs: secret, expected: { kcv: 'D77F007725' } },
      { id: 'unknown', algorithm: 'kcv.none', inputs: secret, expected: { kcv: 'D77F007724' } },
      { id: 'right', algorithm: 'kcv.aes_cmac', inputs: secret, expected: { kcv: 'D77F007724' } },
    ]),
  )
  const bad = await mizan(file)
  t.equal(bad.status, 1)
  t.equal(bad.out, 'wrong: kcv: differs\nunknown: no algorithm kcv.none\n1 passed, 2 failed\n')
  t.notMatch(bad.out + bad.errors, /FA36E4|D77F00/)
  const json = await mizan(file, '--json')
  t.equal(json.status, 1)
  t.same(JSON.parse(json.out), {
    passed: 1,
    failed: 2,
    failures: [
      { id: 'wrong', problems: ['kcv: differs'] },
      { id: 'unknown', problems: ['no algorithm kcv.none'] },
    ],
  })
  writeFileSync(file, '{}')
  const noList = await mizan(file)
  t.equal(noList.status, 1)
  t.match(noList.errors, /list of known answers/)
})

const shared = sharedVectors('crypto.json')

t.test('the shared known answers', { skip: skipWithout(shared) }, async (t) => {
  const run = await mizan(shared)
  t.match(run.out, /^\d+ passed, 0 failed\n$/)
  t.equal(run.status, 0)
})
