import fc from 'fast-check'
import t from 'tap'
import { addDays, type CivilDate, daysBetween, isCivilDate } from '../../src/calendar.ts'
import { arnOf, dateOfYddd, partsOfArn, yddd, yyddd } from '../../src/clearing/records/arn.ts'
import { base2 } from '../../src/clearing/records/base2.ts'
import { ebcdic500ToLatin1 } from '../../src/clearing/records/envelope.ts'
import { type FileEntry, readClearingFile } from '../../src/clearing/records/file-reader.ts'
import { compileLayouts, type Field, type LayoutFile } from '../../src/clearing/records/layout.ts'
import { ClearingRecord, readRecords } from '../../src/clearing/records/record-reader.ts'
import { beginRecord, putField, putNumber, recordText } from '../../src/clearing/records/record-writer.ts'
import { Tally, type Totals } from '../../src/clearing/records/tally.ts'
import { luhnHolds, plainLayouts, plainRecords, plainTotals } from './independent-reader.ts'

const date = fc.integer({ min: 0, max: 36_500 }).map((days) => addDays(20000101 as CivilDate, days))
const file = 'test.ctf'

function recordOf(layout: string, values: Readonly<Record<string, string>>): Buffer {
  const buffer = Buffer.alloc(168)
  const compiled = base2.layout(layout)
  beginRecord(buffer, 0, compiled)
  for (const [name, value] of Object.entries(values)) putField(buffer, 0, compiled.field(name), value)
  return buffer
}

function anyValue({ format, length }: Field): fc.Arbitrary<string> {
  const text = (pattern: string, min = 0) =>
    fc.string({ unit: fc.constantFrom(...pattern), minLength: min, maxLength: length })
  if (format === 'n') return text('0123456789', 1)
  if (format === 'hx') return fc.oneof(fc.constant(''), text('0123456789ABCDEF', length))
  if (format === 'r') return fc.constant('')
  return text('ABCXYZabc0189 .,-/[]!').map((value) => value.trimEnd())
}

t.test('every layout tiles the record, and what is written is read back by two readers', (t) => {
  for (const { name, fields } of plainLayouts) {
    t.equal(
      fields.reduce((next, field) => (field.start === next ? next + field.length : Number.NaN), 1),
      169,
      name,
    )
  }
  for (const layout of base2.all) {
    const values = fc.record(Object.fromEntries(layout.fields.slice(1).map((field) => [field.name, anyValue(field)])))
    fc.assert(
      fc.property(values, (given) => {
        const buffer = recordOf(layout.name, given)
        const record = new ClearingRecord(file, 1, buffer, layout)
        for (const field of layout.fields.slice(1)) {
          const value = given[field.name] ?? ''
          const plain = buffer.toString('latin1', field.start - 1, field.start - 1 + field.length)
          const wanted = field.format === 'n' ? value.padStart(field.length, '0') : value.padEnd(field.length)
          if (plain !== wanted || record.raw(field.name) !== wanted) return false
          if (field.format === 'n' && record.amount(field.name) !== BigInt(value)) return false
        }
        return true
      }),
      { numRuns: 20 },
    )
  }
  t.end()
})

t.test('what does not fit a field is refused without being told', (t) => {
  const { field } = base2.layout('05.0')
  const buffer = Buffer.alloc(168)
  const refused = [
    ['accountNumber', '40000012345678901'],
    ['accountNumber', '4000 00'],
    ['merchantName', 'x'.repeat(26)],
    ['merchantName', 'مخبز'],
  ] as const
  for (const [name, value] of refused) {
    const error = t.throws(() => putField(buffer, 0, field(name), value), { code: 'CODEC_ENCODE_FAILED' }) as Error
    t.match(error.message, name)
    t.notMatch(error.message, value)
  }
  t.throws(() => putNumber(buffer, 0, field('mcc'), 10_000), { code: 'CODEC_ENCODE_FAILED' })
  t.throws(() => putNumber(buffer, 0, field('mcc'), -1), { code: 'CODEC_ENCODE_FAILED' })
  t.equal(recordText('Café  “Nile”  مخبز النيل 1', 25), 'Cafe Nile 1')
  t.equal(recordText('x'.repeat(30), 25), 'x'.repeat(25))
  t.end()
})

t.test('a layout file that is not right names what is wrong', (t) => {
  const good: LayoutFile = {
    name: 'x',
    title: 'x',
    recordLength: 4,
    layouts: [
      {
        name: '90',
        title: 'x',
        transactionCodes: ['90'],
        fields: [
          { name: 'transactionCode', start: 1, length: 2, format: 'n' },
          { name: 'rest', start: 3, length: 2, format: 'r' },
        ],
      },
    ],
  }
  const [layout] = good.layouts
  const [code, rest] = layout?.fields ?? []
  t.ok(compileLayouts(good))
  const refused: [object, RegExp][] = [
    [{ fields: [code, { ...rest, start: 4, length: 1 }] }, /90: rest starts at 4, not at 3/],
    [{ fields: [code, { ...rest, length: 1 }] }, /ends at 3, not at 4/],
    [{ fields: [code, { ...rest, name: 'transactionCode' }] }, /is there twice/],
    [{ fields: [code, { ...rest, format: 'z' }] }, /no format/],
    [{ fields: [code, { ...rest, date: 'YYDDD' }] }, /no date/],
    [{ fields: [rest] }, /begins with no transactionCode/],
    [{ group: 'V2' }, /group without a component/],
  ]
  for (const [change, message] of refused) {
    const spec = { ...good, layouts: [{ ...layout, ...change }] } as LayoutFile
    t.throws(() => compileLayouts(spec), { code: 'CODEC_DIALECT_INVALID', message })
  }
  const twice = { ...good, layouts: [...good.layouts, { ...layout, name: '90b' }] } as LayoutFile
  t.throws(() => compileLayouts(twice), { message: /same records/ })
  t.end()
})

t.test('a reference number has its check digit and leads back to its item', (t) => {
  const parts = fc.record({
    acquirer: fc.integer({ min: 0, max: 999_999 }).map((value) => String(value).padStart(6, '0')),
    date,
    number: fc.integer({ min: 1, max: 999_999_999 }),
  })
  fc.assert(
    fc.property(parts, fc.integer({ min: -1_500, max: 1_500 }), fc.integer({ min: 0, max: 22 }), (given, away, at) => {
      const arn = arnOf(given)
      t.equal(arn.length, 23)
      t.ok(luhnHolds(arn), arn)
      t.same(partsOfArn(arn, addDays(given.date, away)), given)
      const wrong = `${arn.slice(0, at)}${(Number(arn[at]) + 1) % 10}${arn.slice(at + 1)}`
      t.equal(partsOfArn(wrong, given.date), undefined)
    }),
    { numRuns: 50 },
  )
  fc.assert(
    fc.property(date, fc.integer({ min: -18_000, max: 18_000 }), (given, away) => {
      t.equal(dateOfYddd(yyddd(given), addDays(given, away)), given)
      t.equal(dateOfYddd(`${Math.floor(given / 10_000)}${yddd(given).slice(1)}`, 20260101 as CivilDate), given)
    }),
    { numRuns: 50 },
  )
  t.equal(dateOfYddd('26366', 20260601 as CivilDate), undefined)
  t.end()
})

/** A file with batches of so many drafts each; amounts 1, 2, 3… */
function fileOf(batches: readonly number[], change: (records: Buffer[]) => Buffer[] = (records) => records): Buffer[] {
  const records = [
    recordOf('90', { transactionCode: '90', processingBin: '400000', processingDate: '26326', outgoingFileId: '1' }),
  ]
  const all = new Tally()
  let amount = 0
  const trailer = (code: '91' | '92', number: number, totals: Totals) =>
    recordOf(code, {
      transactionCode: code,
      component: '0',
      processingBin: '400000',
      processingDate: '26326',
      destinationAmount: String(totals.destinationPiasters),
      monetaryTransactionCount: String(totals.monetary),
      batchNumber: String(number),
      componentCount: String(totals.components),
      transactionCount: String(totals.transactions),
      sourceAmount: String(totals.sourcePiasters),
    })
  for (const [index, drafts] of batches.entries()) {
    const inBatch = new Tally()
    for (let draft = 0; draft < drafts; draft++) {
      amount++
      const code = ['05', '06', '07', '25'][amount % 4] ?? '05'
      const amounts = { destinationAmount: String(amount), sourceAmount: String(amount * 2) }
      const own = { transactionCode: code, accountNumber: '4000001234567899' }
      records.push(recordOf('05.0', { ...own, component: '0', ...amounts, merchantName: 'NILE [STORE]!' }))
      records.push(recordOf('05.1', { transactionCode: code, component: '1', cardAcceptorId: 'SHOP0001' }))
      if (amount % 2 === 0) records.push(recordOf('05.5', { transactionCode: code, component: '5' }))
      inBatch.add(amount % 2 === 0 ? 3 : 2, true, amount, amount * 2)
    }
    records.push(trailer('91', index + 1, inBatch.totals()))
    all.addBatch(inBatch.totals())
  }
  records.push(trailer('92', batches.length, all.totals()))
  return change(records)
}

const latin1To500 = new Map(Array.from(ebcdic500ToLatin1, (code, byte) => [code, byte]))
const toEbcdic = (bytes: Buffer) => Buffer.from(bytes.map((code) => latin1To500.get(code) ?? 0x6f))
const withHash = (record: Buffer, index: number) =>
  Buffer.concat([record.subarray(0, 2), Buffer.from([0x20 + (index % 7), 0x20]), record.subarray(2)])
const block = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((2_040 - (bytes.length % 2_040)) % 2_040)])

const envelopes: Readonly<Record<string, (records: readonly Buffer[]) => Buffer>> = {
  ctf: (records) => Buffer.concat(records),
  'ctf with CRLF': (records) => Buffer.concat(records.flatMap((record) => [record, Buffer.from('\r\n')])),
  'ctf with LF, none at the end': (records) =>
    Buffer.concat(records.flatMap((record) => [record, Buffer.from('\n')])).subarray(0, -1),
  'ctf in EBCDIC': (records) => toEbcdic(Buffer.concat(records)),
  itf: (records) => Buffer.concat(records.map(withHash)),
  'itf in EBCDIC, in blocks': (records) =>
    block(Buffer.concat(records.map((record, index) => Buffer.concat([...hashed(record, index)])))),
}
function hashed(record: Buffer, index: number): Buffer[] {
  const bytes = toEbcdic(record)
  return [bytes.subarray(0, 2), Buffer.from([index % 256, (index * 31) % 256]), bytes.subarray(2)]
}

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function entriesOf(bytes: Buffer, size = 1_000): Promise<FileEntry[]> {
  const entries: FileEntry[] = []
  for await (const some of readClearingFile(inChunks(bytes, size), { file })) entries.push(...some)
  return entries
}

t.test('a file reads alike in every envelope and however it comes in', async (t) => {
  const records = fileOf([3, 5])
  const plain = plainRecords(Buffer.concat(records))
  const wanted = plainTotals(plain)
  for (const [name, wrap] of Object.entries(envelopes)) {
    const bytes = wrap(records)
    for (const size of [1, 167, 171, 5_000]) {
      if (size === 1 && name !== 'ctf') continue
      const entries = await entriesOf(bytes, size)
      const drafts = entries.filter((entry) => entry.kind === 'transaction')
      t.equal(drafts.length, wanted.drafts, name)
      t.equal(drafts[3]?.part('0')?.text('merchantName'), 'NILE [STORE]!')
      t.equal(drafts[3]?.part('1')?.text('cardAcceptorId'), 'SHOP0001')
      t.equal(drafts[3]?.batch, 2)
      const last = entries.at(-1)
      t.match(last, { kind: 'trailer', batches: wanted.batches, totals: { components: wanted.behindHeader } })
      t.match(last, { totals: { destinationPiasters: wanted.destination, sourcePiasters: wanted.source } })
    }
  }
})

t.test('an empty day is a header and a trailer', async (t) => {
  const entries = await entriesOf(Buffer.concat(fileOf([])))
  t.same(
    entries.map(({ kind }) => kind),
    ['header', 'trailer'],
  )
  t.match(entries[1], { totals: { monetary: 0, components: 1, transactions: 1, sourcePiasters: 0n }, batches: 0 })
})

t.test('what is wrong with a file is said with record and field, and without a card number', async (t) => {
  const edit = (index: number, at: number, text: string) => (records: Buffer[]) => {
    records[index]?.write(text, at, 'latin1')
    return records
  }
  const cases: [string, (records: Buffer[]) => Buffer[], RegExp][] = [
    [
      'amount altered',
      edit(1, 61, '000000000009'),
      /record 9, TC 91 TCR 0: field destinationAmount says 6, and .* gives 14/,
    ],
    [
      'amount not digits',
      edit(1, 61, '0000000000x9'),
      /record 1|record 2, TC 06 TCR 0: field destinationAmount must be 12 digits/,
    ],
    ['a part is missing', (r) => r.toSpliced(2, 1), /TC 91 TCR 0: field componentCount/],
    [
      'a transaction is missing',
      (r) => r.toSpliced(1, 2),
      /TC 91 TCR 0: field monetaryTransactionCount says 3, .* gives 2/,
    ],
    ['a batch is missing', (r) => r.toSpliced(1, 8), /batchNumber is not 1|TC 91/],
    ['a batch twice', (r) => r.toSpliced(9, 0, ...r.slice(1, 9)), /field batchNumber is not 2/],
    ['no trailer', (r) => r.slice(0, -1), /ends without its trailer \(92\): it was cut off/],
    ['no batch trailer', (r) => r.toSpliced(-2, 1), /TC 92 TCR 0: comes before the trailer \(91\)/],
    ['a record behind', (r) => [...r, r[1] ?? Buffer.alloc(0)], /stands behind the trailer of the file/],
    ['second header', (r) => r.toSpliced(3, 0, r[0] ?? Buffer.alloc(0)), /record 4, TC 90: is a second header/],
    ['no header', (r) => r.slice(1), /does not begin with a header record \(90\)/],
    [
      'cut off in a record',
      (r) => [...r.slice(0, -1), (r.at(-1) ?? Buffer.alloc(0)).subarray(0, 100)],
      /ends within record \d+, after 100 bytes/,
    ],
    ['empty', () => [], /does not begin with a header/],
    [
      'bytes that do not print',
      (r) => r.toSpliced(3, 0, Buffer.alloc(168, '\r\n 5\u001b[2J')),
      /record 4, TC \\x0d\\x0a TCR 5: is no record that is known/,
    ],
  ]
  for (const [name, change, message] of cases) {
    const error = (await t.rejects(
      entriesOf(Buffer.concat(fileOf([3, 5], change))),
      { code: 'BAD_INPUT' },
      name,
    )) as Error
    t.match(error.message, message, name)
    t.notMatch(error.message, /4000001234/, name)
  }
  const crlf = Buffer.concat(fileOf([2]).flatMap((record) => [record, Buffer.from('\r\n')]))
  crlf[170 + 168] = 0x20
  await t.rejects(entriesOf(crlf), { message: /record 2 does not end where its line ends/ })
})

t.test('settlement totals and captures are told apart by what their first part says', async (t) => {
  const records = [
    recordOf('90', { transactionCode: '90', processingDate: '26326' }),
    recordOf('46.V2.0', {
      transactionCode: '46',
      component: '0',
      reportGroup: 'V',
      reportSubgroup: '2',
      reportId: '110',
      netAmount: '5',
      netSign: 'CR',
    }),
    recordOf('46.V4.0', {
      transactionCode: '46',
      component: '0',
      reportGroup: 'V',
      reportSubgroup: '4',
      reportId: '120',
    }),
    recordOf('46.V4.1', { transactionCode: '46', component: '1', amount1: '7', amount1Sign: 'DB' }),
    recordOf('01.9', { transactionCode: '02', component: '9', reasonCode1: 'A12' }),
  ]
  const read: ClearingRecord[] = []
  for await (const some of readRecords(inChunks(Buffer.concat(records), 168), { file })) read.push(...some)
  t.same(
    read.map(({ layout }) => layout?.name),
    ['90', '46.V2.0', '46.V4.0', '46.V4.1', '01.9'],
  )
  t.equal(read[1]?.value('netAmount'), 5)
  t.equal(read[3]?.text('amount1Sign'), 'DB')
  t.equal(read[0]?.date('processingDate', 20261201 as CivilDate), 20261122)
  t.ok(isCivilDate(20261122) && daysBetween(20261122 as CivilDate, 20261123 as CivilDate) === 1)
})
