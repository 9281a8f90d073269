import fc from 'fast-check'
import { test } from 'tap'
import {
  type FileColumn,
  type FileFormat,
  type FileRow,
  formatOfName,
  readDelimited,
} from '../../src/files/delimited-reader.ts'

const columns: readonly FileColumn[] = [
  { name: 'id', required: true },
  { name: 'name', required: false, text: true },
  { name: 'amount', required: false },
  { name: 'parts', required: false, nested: true },
]

/** The bytes in pieces of a size, as a stream may bring them. */
async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(
  text: string | Uint8Array,
  format: FileFormat = 'csv',
  options: { size?: number; recordMaxBytes?: number; afterLine?: number } = {},
): Promise<FileRow[]> {
  const { size = 7, ...others } = options
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  const rows: FileRow[] = []
  for await (const row of readDelimited(pieces(bytes, size), { format, columns, ...others })) rows.push(row)
  return rows
}

const brief = (rows: readonly FileRow[]) =>
  rows.map(({ line, fields, faults }) => [line, faults.length === 0 ? fields : faults.map((one) => one.reason).join()])

test('a CSV file gives rows by column, with the lines they begin in', async (t) => {
  const text = '\ufeffid;Name;amount\r\n١٢;"Bakery ""٣""; north\nside";\r\n\r\n 7 ; x ;٠٫5\n8'
  t.same(brief(await read(text)), [
    [2, { id: '12', name: 'Bakery "٣"; north\nside' }],
    [5, { id: '7', name: 'x', amount: '0٫5' }],
    [6, 'there are 1 cells and 3 columns'],
  ])
  t.same((await read('id,name\nEND,1,2\n'))[0]?.cells, ['END', '1', '2'], 'a trailer is read by its cells')
  t.same(brief(await read('id\tname\n1\ta,b\n')), [[2, { id: '1', name: 'a,b' }]])
})

test('an NDJSON file gives texts, and arrays and objects as they stand', async (t) => {
  const rows = await read('{"id":12,"name":null,"parts":[{"a":1}]}\n\n{"id":"٣","amount":true}\n', 'ndjson')
  t.same(brief(rows), [
    [1, { id: '12' }],
    [3, { id: '3', amount: 'true' }],
  ])
  t.same(rows[0]?.nested, { parts: [{ a: 1 }] })
  const bad = await read('[1]\n{"id":\n{"id":{}}\n{"parts":1}\n{"ident":1}', 'ndjson')
  t.same(
    bad.map((row) => row.faults[0]),
    [
      { field: '', reason: 'the line is not a JSON object' },
      { field: '', reason: 'the line is not JSON' },
      { field: 'id', reason: 'must be a text, a number, true or false' },
      { field: 'parts', reason: 'must be an array or an object' },
      { field: 'ident', reason: 'is not known' },
    ],
  )
})

test('what is wrong with a line is told and the next is read', async (t) => {
  const long = `1,${'x'.repeat(200)},`
  const bytes = Buffer.concat([
    Buffer.from(`id,name,amount\n${long}\n2,`),
    Buffer.from([0xc3, 0x28]),
    Buffer.from(',\n3,a"b,\n4,ok,\n5,"never closed,\n6,lost,\n'),
  ])
  t.same(brief(await read(bytes, 'csv', { recordMaxBytes: 100 })), [
    [2, 'the line is too long'],
    [3, 'the line is not UTF-8'],
    [4, 'a quote stands in the middle of a cell'],
    [5, { id: '4', name: 'ok' }],
    [6, 'a quote is not closed'],
  ])
  t.same(
    brief(await read(`id,name\n1,"open\n${'2,x\n'.repeat(30)}3,y\n`, 'csv', { recordMaxBytes: 100 })).slice(0, 2),
    [
      [2, 'a quote is not closed (lines 2 to 26)'],
      [27, { id: '2', name: 'x' }],
    ],
  )
})

test('a file that does not fit as a whole is refused with the way out', async (t) => {
  const refused: readonly (readonly [string | Uint8Array, RegExp])[] = [
    ['', /the file is empty/],
    [
      'name,nmae,name\n',
      /"nmae" is not known; column "name" stands twice; column "id" is missing\. Columns: id, \[name\]/,
    ],
    [Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('id\n1\n', 'utf16le')]), /UTF-16; save it as UTF-8/],
    [Buffer.from([0x1f, 0x8b, 8]), /compressed/],
    ['PK\u0003\u0004', /spreadsheet or an archive/],
    ['"id\n1\n', /the header cannot be read: a quote is not closed/],
  ]
  for (const [text, reason] of refused) await t.rejects(read(text), { code: 'BAD_INPUT', message: reason })
})

test('what stands where a name of a column should is not said again, unless it could be one', async (t) => {
  const message = async (text: string) => {
    const told = await read(text).then(
      () => '',
      (error: Error) => error.message,
    )
    return told.replace(/^.*?: /, '')
  }
  const values = ['5078031234567890', '29001011234567', 'أحمد محمد', 'Ahmed Mohamed', 'Ahmed', '+201001234567']
  t.equal(
    await message(`${values.join(',')}\n`),
    'the first line names no column: is the header line missing? Columns: id, [name], [amount]',
  )
  const partly = await message(`id,${values.join(',')},card_pan2\n`)
  for (const value of values.filter((one) => one !== 'Ahmed')) t.notMatch(partly, value)
  t.match(partly, /column 2 is not known; column 3 is not known; .*column "card_pan2" is not known/)
  const [row] = await read('{"id":1,"5078031234567890":1,"Ahmed Mohamed":2}', 'ndjson')
  const field = '?'
  t.same(row?.faults, [
    { field, reason: 'is not known' },
    { field, reason: 'is not known' },
  ])
})

test('lines that were dealt with are passed over', async (t) => {
  t.same(brief(await read('id\n1\n2\n3\n', 'csv', { afterLine: 3 })), [[4, { id: '3' }]])
  t.same(brief(await read('{"id":1}\n{"id":2}\n', 'ndjson', { afterLine: 1 })), [[2, { id: '2' }]])
})

test('any cells come back as they were written, however the bytes arrive', async (t) => {
  const cell = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\r', ''))
  await fc.assert(
    fc.asyncProperty(
      fc.array(cell, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 9 }),
      async (names, size) => {
        const quoted = names.map((name, at) => `${at},"${name.replaceAll('"', '""')}"`)
        const rows = await read(`id,name\n${quoted.join('\n')}\n`, 'csv', { size })
        t.same(
          rows.map((row) => row.fields.name ?? ''),
          names.map((name) => name.trim()),
        )
      },
    ),
    { numRuns: 100 },
  )
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (noise) => {
      const bytes = Buffer.concat([Buffer.from('id,name\n'), noise])
      for (const row of await read(bytes))
        t.ok(row.faults.length > 0 || row.fields !== undefined, `a row of ${bytes.toString('hex')}`)
      await read(Buffer.concat([Buffer.from('{}\n'), noise]), 'ndjson')
    }),
    { numRuns: 200 },
  )
})

test('the format is told by the name', (t) => {
  t.same(['a.CSV', 'a.ndjson', 'a.jsonl', 'a.xlsx'].map(formatOfName), ['csv', 'ndjson', 'ndjson', undefined])
  t.end()
})
