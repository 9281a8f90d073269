/**
 * Times the codec on one thread: for each shipped dialect, reading a request with the fields that an authorization
 * reads, and writing its answer. Run: `node bench/codec.ts [--json]`.
 */
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { Dialect, FieldValues } from '../src/iso8583/dialect.ts'
import { dialects } from '../src/iso8583/dialects.ts'

/** One row of the result. */
export interface CodecResult {
  readonly dialect: string
  readonly operation: 'decode' | 'encode'
  readonly perSecond: number
  readonly nsPerMessage: number
  /** size of the message */
  readonly bytes: number
}

export interface CodecBenchOptions {
  /** time to spend on each row. @default 2 */
  readonly seconds?: number
  /** prints one JSON array instead of a table. @default false */
  readonly json?: boolean
  /** prints nothing. @default false */
  readonly quiet?: boolean
}

/** Fields that an authorization reads of a request. */
const textFields = [2, 3, 4, 7, 11, 12, 13, 14, 18, 22, 32, 35, 37, 41, 42, 49]
const byteFields = [52, 55]

/** Rounds of this many messages; the best round counts, for whatever else runs on the machine only ever slows one. */
const ROUND = 20_000

const chipData =
  '82020000950580000100009a032611219c01005f2a0208189f02060000000123009f03060000000000009f1a0208189f1e08f9f9f9f9f9f9f9f9' +
  '9f26080123456789abcdef9f33032040009f360200ff9f37049badbcab'

/** A purchase with chip and PIN: 23 fields, as the figures of other codecs are measured with. */
function request(dialect: Dialect): FieldValues {
  const visa = dialect.name === 'visa-base1'
  const values: Record<number, string> = {
    2: '4000001234567899',
    3: '000000',
    4: '000000012500',
    7: '1121213014',
    11: '123456',
    12: '233014',
    13: '1121',
    14: '2912',
    18: '5411',
    19: '818',
    22: visa ? '0510' : '051',
    23: '001',
    25: '00',
    32: '432109',
    35: dialect.name === 'iso87-ascii' ? '4000001234567899=29122011234500000' : '4000001234567899D29122011234500000',
    37: '632521123456',
    41: 'TERM0001',
    42: 'MERCHANT0000001',
    43: 'BALADI BREAD             CAIRO        EG',
    49: '818',
    52: '62faf4e84b13d45d',
    55: visa ? `01${(chipData.length / 2).toString(16).padStart(4, '0')}${chipData}` : chipData,
    60: '000510000000',
  }
  return fieldValues(values)
}

/** Its answer: 16 fields, the echoed ones, 38, 39, a balance, and the transaction identifier. */
function answer(dialect: Dialect): FieldValues {
  const identifier = '40000000000000000303085254670208'
  return fieldValues({
    2: '4000001234567899',
    3: '000000',
    4: '000000012500',
    7: '1121213014',
    11: '123456',
    12: '233014',
    14: '2912',
    32: '432109',
    37: '632521123456',
    38: 'A1B2C3',
    39: '00',
    41: 'TERM0001',
    42: 'MERCHANT0000001',
    49: '818',
    54: '2002818C000000012500',
    62: dialect.name === 'visa-base1' ? Buffer.from(identifier, 'hex') : identifier,
  })
}

function fieldValues(values: Readonly<Record<number, string | Uint8Array>>): FieldValues {
  const fields: FieldValues = new Array(129)
  for (const [de, value] of Object.entries(values)) fields[Number(de)] = value
  return fields
}

/** Reads one message and what an authorization needs of it; returns a number so that nothing is left out. */
function readRequest(dialect: Dialect, bytes: Buffer): number {
  const message = dialect.decode(bytes)
  let sum = 0
  for (let i = 0; i < textFields.length; i++) sum += message.text(textFields[i] as number)?.length ?? 0
  for (let i = 0; i < byteFields.length; i++) sum += message.bytes(byteFields[i] as number)?.length ?? 0
  return sum
}

/** Nanoseconds of one run of the work, of the best round. */
function timeRounds(seconds: number, work: () => number): number {
  const end = performance.now() + 1000 * seconds
  let best = Number.POSITIVE_INFINITY
  let sink = 0
  do {
    const started = process.hrtime.bigint()
    for (let i = 0; i < ROUND; i++) sink += work()
    best = Math.min(best, Number(process.hrtime.bigint() - started) / ROUND)
  } while (performance.now() < end)
  return sink < 0 ? 0 : best
}

/** Times all shipped dialects and prints a row for each operation. */
export async function benchCodec(options: CodecBenchOptions = {}): Promise<CodecResult[]> {
  const { seconds = 2, json = false, quiet = false } = options
  const results: CodecResult[] = []
  const target = Buffer.alloc(4096)
  for (const dialect of Object.values(dialects)) {
    const bytes = dialect.encode('0100', request(dialect))
    const fields = answer(dialect)
    const answerBytes = dialect.encode('0110', fields).length
    const decodeNs = timeRounds(seconds, () => readRequest(dialect, bytes))
    const encodeNs = timeRounds(seconds, () => dialect.encodeInto('0110', fields, target, 0))
    results.push(row(dialect, 'decode', decodeNs, bytes.length), row(dialect, 'encode', encodeNs, answerBytes))
  }
  if (!quiet) console.log(json ? JSON.stringify(results) : table(results))
  return results
}

function row(dialect: Dialect, operation: CodecResult['operation'], ns: number, bytes: number): CodecResult {
  return { dialect: dialect.name, operation, perSecond: Math.round(1e9 / ns), nsPerMessage: Math.round(ns), bytes }
}

function table(results: readonly CodecResult[]): string {
  const lines = results.map(({ dialect, operation, perSecond, nsPerMessage, bytes }) =>
    [
      dialect.padEnd(12),
      operation.padEnd(9),
      String(bytes).padStart(5),
      String(nsPerMessage).padStart(10),
      perSecond.toLocaleString('en').padStart(12),
    ].join('  '),
  )
  return ['dialect       operation  bytes  ns/message    messages/s', ...lines].join('\n')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({
    options: { json: { type: 'boolean', default: false }, seconds: { type: 'string', default: '2' } },
  })
  await benchCodec({ json: values.json, seconds: Number(values.seconds) })
}
