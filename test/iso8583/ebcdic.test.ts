import t from 'tap'
import { decodeEbcdic, ebcdicToLatin1, encodeEbcdic, latin1ToEbcdic } from '../../src/iso8583/ebcdic.ts'

t.test('code page 037 is a permutation', (t) => {
  t.equal(new Set(ebcdicToLatin1).size, 256)
  for (let byte = 0; byte < 256; byte++) t.equal(latin1ToEbcdic[ebcdicToLatin1[byte] ?? -1], byte)
  const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  t.same(encodeEbcdic(decodeEbcdic(all)), all)
  t.end()
})

t.test('known characters', (t) => {
  t.equal(
    encodeEbcdic('ABC XYZ abc 019 .,-/$#@')?.toString('hex'),
    'c1c2c340e7e8e940818283' + '40f0f1f9404b6b60615b7b7c',
  )
  t.equal(decodeEbcdic(Buffer.from('d7d7', 'hex')), 'PP')
  t.equal(encodeEbcdic('\u00e9')?.toString('hex'), '51')
  t.equal(encodeEbcdic('[]^')?.toString('hex'), 'babbb0')
  t.equal(encodeEbcdic('\u0660'), undefined)
  t.end()
})
