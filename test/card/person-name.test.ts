import { test } from 'tap'
import { readPersonName } from '../../src/card/person-name.ts'

test('a name has letters, of any script', async (t) => {
  for (const name of ['محمد عبد الله', 'مُحَمَّد', "Mary O'Neil", 'Anne-Marie', 'J. R. Smith', 'Ng', '李小龍', 'ـعلي'])
    t.equal(readPersonName(name), name, name)
  t.equal(readPersonName('  Jose\u0301 \t\u00a0 Luis '), 'Jos\u00e9 Luis', 'composed, with single spaces')
  t.equal(readPersonName('a'.repeat(120))?.length, 120)
})

test('what is seen as none or as another is no name', async (t) => {
  const names = [
    '',
    '   ',
    '\u200f\u200f',
    '😀',
    '😀 Ali',
    '\u202eilA',
    'A\u202eli',
    '\ufeff',
    '\ufeffAli',
    'Ali\ud800',
    '\udc00',
  ]
  for (const name of [
    ...names,
    'Ali 2',
    'Ali ٢',
    'Ali\u0000',
    '...',
    "-'",
    '\u0301',
    'a'.repeat(121),
    '<b>Ali</b>',
    'Ali\u200bAli',
  ])
    t.equal(readPersonName(name), undefined, JSON.stringify(name))
})
