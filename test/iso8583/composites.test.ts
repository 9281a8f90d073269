import fc from 'fast-check'
import t from 'tap'
import {
  formatAmounts,
  formatBitmapped,
  formatOriginalData,
  formatProcessingCode,
  institutionKey,
  parseAmounts,
  parseBitmapped,
  parseOriginalData,
  parsePositions,
  parseTrack2,
} from '../../src/iso8583/composites.ts'
import type { PartSpec, SubfieldSpec } from '../../src/iso8583/dialect.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import { subfield } from '../../src/iso8583/subfields.ts'

const visa = dialects['visa-base1']

function partsOf(de: number): readonly PartSpec[] {
  const spec = visa?.subfields(de)
  return spec?.form === 'positions' || spec?.form === 'bitmap' ? spec.parts : []
}

function bitmapOf(de: number): Extract<SubfieldSpec, { form: 'bitmap' }> {
  const spec = visa?.subfields(de)
  if (spec?.form !== 'bitmap') throw new Error(`field ${de} has no bitmap`)
  return spec
}

t.test('DE3', (t) => {
  t.equal(formatProcessingCode({ type: '01', from: '30', to: '00' }), '013000')
  t.end()
})

t.test('DE90', (t) => {
  // The account funding reversal of the Visa reference, section 8.
  const wire = '020041129503260704270000043210900000000000'
  const original = parseOriginalData(wire)
  t.same(original, { mti: '0200', stan: '411295', transmission: '0326070427', acquirer: '432109', forwarder: '' })
  t.equal(original && formatOriginalData(original), wire)
  t.equal(parseOriginalData(wire.slice(1)), undefined)
  t.throws(() => formatOriginalData({ mti: '0200', stan: '1', transmission: '', acquirer: '', forwarder: '' }), {
    code: 'CODEC_ENCODE_FAILED',
  })
  t.equal(institutionKey('00011122233'), '11122233')
  t.equal(institutionKey('00000000000'), '')
  t.end()
})

t.test('DE54', (t) => {
  const text = '2002818C0000000125009202999D000000000020'
  const { amounts, failure } = parseAmounts(text)
  t.equal(failure, undefined)
  t.same(amounts, [
    { accountType: '20', amountType: '02', currency: '818', sign: 'C', amount: 12_500 },
    { accountType: '92', amountType: '02', currency: '999', sign: 'D', amount: 20 },
  ])
  t.equal(formatAmounts(amounts), text)
  t.match(parseAmounts(text.slice(0, 39)).failure, { kind: 'short', field: '54.2', offset: 20 })
  t.match(parseAmounts(text.replace('C', 'X')).failure, { kind: 'content', field: '54.1', offset: 0 })
  const group = amounts[0]
  if (group === undefined) return
  for (const bad of [-1, 1.5, Number.NaN, 1e12]) {
    t.throws(() => formatAmounts([{ ...group, amount: bad }]), { code: 'CODEC_ENCODE_FAILED' })
  }
  t.throws(() => formatAmounts(Array(7).fill(group)), /more than 6/)
  t.end()
})

t.test('positions: DE44 and DE60 of Visa end early', (t) => {
  const de44 = parsePositions(partsOf(44), '5   2')
  t.same([...de44.keys()], ['1', '2', '3', '4', '5'])
  t.equal(de44.get('5'), '2')
  const de60 = parsePositions(partsOf(60), '250009100051')
  t.equal(de60.get('5'), '09')
  t.equal(de60.get('8'), '00')
  t.equal(de60.get('10'), '1')
  t.end()
})

t.test('DE62, 63 and 126 with their own bitmaps', (t) => {
  // DE62, 63 and 126 of the Visa reference's sample messages.
  const de62 = parseBitmapped(62, bitmapOf(62), Buffer.from('40000000000000000303085254670208', 'hex'))
  t.same([...de62.values], [['2', '303085254670208']])
  const de63 = parseBitmapped(63, bitmapOf(63), Buffer.from('a4000000022501404040f5404040', 'hex'))
  t.same([de63.values.get('1'), de63.values.get('3'), de63.values.get('6')], ['0002', '2501', '   5   '])
  const de126 = parseBitmapped(126, bitmapOf(126), Buffer.from('0040000000000000f1f140f8f8f8', 'hex'))
  t.equal(de126.values.get('10'), '11 888')
  const wanted = new Map([
    ['1', 'Y'],
    ['2', '303085254670208'],
    ['17', 'GATEWAY00000001'],
    ['20', '1234567890'],
    ['21', '0099'],
    ['23', 'F '],
  ])
  const bytes = formatBitmapped(62, bitmapOf(62), wanted)
  t.equal(bytes.toString('hex', 0, 8), 'c000' + '9a00' + '00000000')
  t.same(parseBitmapped(62, bitmapOf(62), bytes).values, wanted)
  t.end()
})

t.test('parts that the table does not have are kept byte for byte', (t) => {
  // Bits 1, 13 and 23: 62.13 is not in the table, so what follows cannot be divided.
  const bytes = Buffer.from('8008020000000000e801c640', 'hex')
  const read = parseBitmapped(62, bitmapOf(62), bytes)
  t.equal(read.failure, undefined)
  t.same([...read.values], [['1', 'Y']])
  t.same(read.unknown?.ids, [13, 23])
  t.equal(read.unknown?.bytes.toString('hex'), '01c640')
  t.same(formatBitmapped(62, bitmapOf(62), read.values, read.unknown), bytes)
  t.end()
})

t.test('a bitmapped field that is malformed', (t) => {
  const cases: [string, string, string, number][] = [
    ['4000', 'short', '62.0', 0],
    ['4000000000000000030308525467', 'short', '62.2', 8],
    ['40000000000000000303085254a70208', 'content', '62.2', 8],
    ['40000000000000001303085254670208', 'content', '62.2', 8],
    ['8000000000000000e8e8', 'trailing', '62', 9],
  ]
  for (const [hex, kind, field, offset] of cases) {
    t.match(parseBitmapped(62, bitmapOf(62), Buffer.from(hex, 'hex')).failure, { kind, field, offset })
  }
  for (const [id, value] of [
    ['2', '30308525467020X'],
    ['2', '30308525467020'],
    ['1', '\u0660'],
    ['13', '01'],
  ] as const) {
    t.throws(() => formatBitmapped(62, bitmapOf(62), new Map([[id, value]])), { code: 'CODEC_ENCODE_FAILED' }, id)
  }
  t.throws(() => formatBitmapped(126, bitmapOf(126), new Map([['9', 'zz'.repeat(20)]])), /wrong digit/)
  t.end()
})

t.test('random bitmapped fields come back', (t) => {
  for (const de of [62, 63, 126]) {
    const spec = bitmapOf(de)
    fc.assert(
      fc.property(fc.subarray([...spec.parts]), fc.nat(), (parts, seed) => {
        const values = new Map(parts.map((part) => [part.id, partValue(part, seed)]))
        const read = parseBitmapped(de, spec, formatBitmapped(de, spec, values))
        t.equal(read.failure, undefined)
        t.same(read.values, values)
      }),
      { numRuns: 60 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const read = parseBitmapped(de, spec, Buffer.from(bytes))
        if (read.failure === undefined) {
          t.same(formatBitmapped(de, spec, read.values, read.unknown), Buffer.from(bytes))
        }
      }),
      { numRuns: 300 },
    )
  }
  t.end()
})

function partValue(part: PartSpec, seed: number): string {
  const length = part.content === 'binary' ? part.length * 2 : part.length
  return Array.from({ length }, (_, index) => String((seed + index) % 10)).join('')
}

t.test('track 2 with either separator', (t) => {
  const expected = { pan: '4000001234567899', expiry: '2912', serviceCode: '201', discretionary: '12345' }
  t.same(parseTrack2('4000001234567899D291220112345'), expected)
  t.same(parseTrack2('4000001234567899=291220112345'), expected)
  for (const bad of ['', '4000001234567899', '4000001234567899D29122', 'D4000001234567899D2912201']) {
    t.equal(parseTrack2(bad), undefined)
  }
  t.end()
})

t.test('a part by its path', (t) => {
  const fields: (string | undefined)[] = []
  fields[3] = '009200'
  fields[60] = '000510000001'
  fields[62] = '40000000000000000303085254670208'
  const message = visa?.decode(visa.encode('0100', fields))
  if (message === undefined) return
  t.equal(subfield(message, '3.2'), '92')
  t.equal(subfield(message, '60.10'), '1')
  t.equal(subfield(message, '62.2'), '303085254670208')
  t.equal(subfield(message, '62.1'), undefined)
  t.equal(subfield(message, '4.1'), undefined)
  t.equal(subfield(message, '90.1'), undefined)
  t.equal(subfield(message, 'x'), undefined)
  t.end()
})
