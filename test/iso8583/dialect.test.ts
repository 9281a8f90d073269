import t from 'tap'
import { MizanError } from '../../src/errors.ts'
import type { DialectSpec } from '../../src/iso8583/dialect.ts'
import { compileDialect } from '../../src/iso8583/dialect.ts'
import { dialectProblems } from '../../src/iso8583/dialect-check.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { ForeignDialect } from '../../src/iso8583/foreign-dialect.ts'
import { fromForeignDialect } from '../../src/iso8583/foreign-dialect.ts'

t.test('the shipped dialects', (t) => {
  t.same(Object.keys(dialects), ['iso87-ascii', 'iso87-bcd', 'visa-base1'])
  t.equal(dialects['iso87-ascii'], dialects['iso87-ascii'], 'compiled once')
  for (const name of ['iso87-ascii', 'iso87-bcd']) {
    for (let de = 2; de <= 128; de++) t.equal(dialects[name]?.field(de) !== undefined, de !== 65, `${name} ${de}`)
  }
  t.equal(dialects['visa-base1']?.spec.header, 'visa')
  t.equal(dialects['visa-base1']?.field(60)?.lengthUnit, 'bytes')
  t.equal(dialects['visa-base1']?.field(32)?.lengthUnit, 'digits')
  t.equal(dialects['visa-base1']?.field(65), undefined)
  for (const dialect of Object.values(dialects)) {
    for (const de of [2, 3, 4, 7, 11, 12, 13, 14, 32, 37, 41, 42, 49]) t.ok(dialect.answerEcho.includes(de))
    for (const de of [38, 39, 35, 52, 55]) t.notOk(dialect.answerEcho.includes(de))
    for (const [key, field] of Object.entries(dialect.spec.fields)) {
      t.ok(field.value !== undefined, `${dialect.name} ${key} has a value kind`)
    }
    for (const [de, sensitivity] of [
      [2, 'pan'],
      [35, 'track'],
      [45, 'track'],
      [52, 'pin'],
      [55, 'chip'],
      [48, 'private'],
    ] as const) {
      t.equal(dialect.field(de)?.sensitivity, sensitivity)
    }
  }
  t.end()
})

t.test('all problems of a table are listed at once', (t) => {
  const spec = {
    name: 'bad',
    mti: 'asc',
    bitmap: 'bin',
    maxBitmaps: 4,
    header: 'other',
    answer: { echo: [99] },
    fields: {
      0: { name: 'a', kind: 'fixed', max: 1, content: 'ascii' },
      2: { name: 'a', kind: 'variable', max: 19, content: 'bcd', length: 'n1', lengthUnit: 'chars' },
      3: { name: '', kind: 'fixed', max: -1, content: 'utf8', value: 'number', pad: 'left', sensitivity: 'high' },
      4: { name: 'a', kind: 'fixed', max: 4, content: 'bcd', length: 'n1', padNibble: 'e', oddPad: 'top' },
      5: { name: 'a', kind: 'variable', max: 256, content: 'ascii', length: 'n1', lengthUnit: 'chars' },
      6: { name: 'a', kind: 'variable', max: 50, content: 'hex-ascii', length: 'a2', lengthUnit: 'chars' },
      7: { name: 'a', kind: 'variable', max: 5, content: 'bcd', length: 'n1', lengthUnit: 'bytes' },
      8: { name: 'a', kind: 'variable', max: 5, content: 'ascii', length: 'n1', lengthUnit: 'digits' },
      9: { name: 'a', kind: 'variable', max: 5, content: 'ascii', length: 'n3', lengthUnit: 'chars' },
      10: { name: 'a', kind: 'variable', max: 5, content: 'ascii', length: 'n1' },
      11: { name: 'a', kind: 'sometimes', max: 5, content: 'ascii' },
      12: { name: 'a', kind: 'fixed', max: 5, content: 'ber-length' },
      13: { name: 'a', kind: 'variable', max: 5, content: 'ber-length', length: 'n1' },
      14: { name: 'a', kind: 'fixed', max: 2, content: 'ascii', subfields: { form: 'parts' } },
      15: null,
      16: { name: 'a', kind: 'fixed', max: 70_000, content: 'bcd' },
      300: { name: 'a', kind: 'fixed', max: 1, content: 'ascii' },
    },
  } as unknown as DialectSpec
  const problems = dialectProblems(spec)
  for (const part of [
    'mti:',
    'bitmap:',
    'maxBitmaps:',
    'header:',
    'answer.echo: field 99',
    'field 0: must be a number',
    'field 2: packed digits are counted',
    'field 3: name is missing',
    'field 3: content utf8',
    'field 3: max must',
    'field 3: value number',
    'field 3: pad left',
    'field 3: sensitivity high',
    'field 4: a fixed field has no length',
    'field 4: padNibble',
    'field 4: oddPad',
    'field 5: max 256 does not fit',
    'field 6: max 50 does not fit',
    'field 7: max must be even',
    'field 8: lengthUnit digits',
    'field 9: length n3',
    'field 10: lengthUnit',
    'field 11: kind',
    'field 12: ber-length is for',
    'field 13: ber-length is its own',
    'field 14: subfields form parts',
    'field 15: must be an object',
    'field 16: max of packed digits',
    'field 300: must be a number',
  ]) {
    t.ok(
      problems.some((problem) => problem.startsWith(part)),
      part,
    )
  }
  try {
    compileDialect(spec)
    t.fail('must throw')
  } catch (error) {
    t.ok(error instanceof MizanError && error.code === 'CODEC_DIALECT_INVALID')
    t.ok(problems.every((problem) => (error as Error).message.includes(problem)))
  }
  t.end()
})

t.test('problems of bitmaps and of parts', (t) => {
  const table = (fields: unknown, more: object = {}) =>
    dialectProblems({ name: 'test', mti: 'bcd', bitmap: 'bin8', fields, ...more } as DialectSpec)
  const fixed = { name: 'a', kind: 'fixed', max: 4, content: 'ascii' }
  t.match(table({ 130: fixed }), [/beyond the last bitmap/])
  t.match(table({ 65: fixed }, { maxBitmaps: 3 }), [/announces the third/])
  t.same(table({ 65: fixed }, { maxBitmaps: 2 }), [])
  t.same(table({ 65: fixed }, { fixedGroups: 3 }), [])
  t.match(table(undefined), [/fields: missing/])
  t.same(dialectProblems(null as unknown as DialectSpec), ['a dialect must be an object'])
  t.match(table({}, { name: '' }), [/name/])
  const parts = [
    { id: '1', name: 'a', length: 3 },
    { id: '1', name: 'a', length: 3 },
    { id: '2', name: 'a', length: 0 },
    { id: '3', name: 'a', length: 1, parts: [{ id: '1', name: 'b', length: 2 }] },
  ]
  t.match(table({ 3: { ...fixed, subfields: { form: 'positions', parts } } }), [
    /parts are longer than the field/,
    /part 1 is there twice/,
    /part 2 needs a length/,
    /parts of 3 are longer/,
  ])
  const bitmapped = [
    { id: '1', name: 'a', length: 3 },
    { id: '9', name: 'a', length: 3, content: 'bcd' },
  ]
  t.match(table({ 3: { ...fixed, subfields: { form: 'bitmap', bytes: 1, parts: bitmapped } } }), [
    /part 1 needs a content/,
    /part 9 is beyond the bitmap/,
  ])
  t.same(table({ 3: { ...fixed, subfields: { form: 'amounts' } } }), [])
  t.end()
})

t.test('tables of the compact form', (t) => {
  const convert = (fields: object, more: object = {}) =>
    fromForeignDialect('foreign', { mti: 'asc', bitmap: 'bin8', fields, ...more } as ForeignDialect)
  const spec = convert(
    { 2: ['V', 19, 'bcdr', 'b1', 'c'], 3: ['F', 6, 'bcd'], 4: ['V', 9999, 'berlen'] },
    { maxBitmaps: 3 },
  )
  t.match(spec.fields[2], { kind: 'variable', max: 19, content: 'bcd-right', length: 'b1', lengthUnit: 'digits' })
  t.match(spec.fields[4], { content: 'ber-length' })
  t.equal(spec.maxBitmaps, 3)
  t.equal(convert({ 2: ['V', 9999, 'asc', 'a2', 'c'] }).fields[2]?.max, 99, 'cut to what the prefix can say')
  t.equal(convert({ 2: ['V', 6, 'bcd', 'n1', 'B'] }).fields[2]?.max, 12, 'the larger reading of bytes and digits')
  t.match(convert({ 2: ['V', 9, 'bin', 'a2', 'c'] }).fields[2], { lengthUnit: 'bytes' })
  t.match(convert({ 2: ['V', 99, 'hexasc', 'a2', 'c'] }).fields[2], { max: 49 })
  t.equal(
    compileDialect(convert({ 2: ['F', 2, 'asc'] }, { mti: 'ebc', bitmap: 'ebchex', fixedGroups: 1 })).name,
    'foreign',
  )
  const bad: [object, object, RegExp][] = [
    [{}, { mti: 'x' }, /mti/],
    [{ 2: ['F', 2, 'utf8'] }, {}, /field 2: content utf8/],
    [{ 2: 'F' }, {}, /field 2: must be a list/],
    [{ 2: ['F', '2', 'asc'] }, {}, /maximum/],
    [{ 2: ['X', 2, 'asc'] }, {}, /kind/],
    [{ 2: ['V', 2, 'asc', 'q2', 'c'] }, {}, /length encoding q2/],
    [{ 2: ['V', 2, 'asc', 'a2', 'x'] }, {}, /unit/],
  ]
  for (const [fields, more, message] of bad) {
    t.throws(() => convert(fields, more), { code: 'CODEC_DIALECT_INVALID' })
    t.throws(() => convert(fields, more), message)
  }
  t.throws(() => compileDialect(convert({}, { bitmap: 'bin9' })), /bitmap/)
  t.end()
})
