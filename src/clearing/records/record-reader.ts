import type { CivilDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import { printable } from '../../printable.ts'
import { dateOfYddd } from './arn.ts'
import { base2 } from './base2.ts'
import { detectEnvelope, ENVELOPE_BYTES, type Envelope, ebcdic500ToLatin1, isPadding } from './envelope.ts'
import type { Field, Layout, Layouts } from './layout.ts'

/** A record of a clearing file, in ASCII and without what its file puts around it. */
export class ClearingRecord {
  /** From 1, the header being the first. */
  readonly number: number
  /** Its 168 characters. Good for as long as the caller keeps it. */
  readonly bytes: Buffer
  readonly transactionCode: string
  /** Position 4; '' for a record whose layout has none. */
  readonly component: string
  /** Undefined for a transaction code or part without a layout: it is carried along unread. */
  readonly layout: Layout | undefined
  readonly #file: string

  constructor(file: string, number: number, bytes: Buffer, layout: Layout | undefined) {
    this.#file = file
    this.number = number
    this.bytes = bytes
    this.layout = layout
    this.transactionCode = bytes.toString('latin1', 0, 2)
    this.component = layout !== undefined && layout.component === undefined ? '' : bytes.toString('latin1', 3, 4)
  }

  /** A field's characters as they stand, blanks at the end removed. */
  text(name: string): string {
    return this.raw(name).trimEnd()
  }

  /** A field's characters as they stand. */
  raw(name: string): string {
    const { at, length } = this.#field(name)
    return this.bytes.toString('latin1', at, at + length)
  }

  /** Whether a field holds nothing: blanks, or zeros in digits. */
  isEmpty(name: string): boolean {
    const field = this.#field(name)
    for (let index = field.at; index < field.at + field.length; index++) {
      const byte = this.bytes[index]
      if (byte !== 0x20 && !(byte === 0x30 && field.format === 'n')) return false
    }
    return true
  }

  /** A field's digits, all of them; blanks count as zeros. @throws MizanError BAD_INPUT */
  digits(name: string): string {
    const field = this.#field(name)
    const text = this.bytes.toString('latin1', field.at, field.at + field.length)
    if (/^\d+$/.test(text)) return text
    if (/^ +$/.test(text)) return '0'.repeat(field.length)
    throw this.fault(name, `must be ${field.length} digits`)
  }

  /** A field as a number of at most 15 digits. @throws MizanError BAD_INPUT */
  value(name: string): number {
    const number = Number(this.digits(name))
    if (!Number.isSafeInteger(number)) throw this.fault(name, 'is too large')
    return number
  }

  /** A field as a number of any size. @throws MizanError BAD_INPUT */
  amount(name: string): bigint {
    return BigInt(this.digits(name))
  }

  /**
   * A field as a date (YDDD, YYDDD, CCYYDDD or MMDD), the nearest one where the year is cut; undefined when it is
   * empty.
   * @throws MizanError BAD_INPUT when there is no such date
   */
  date(name: string, near: CivilDate): CivilDate | undefined {
    if (this.isEmpty(name)) return undefined
    const text = this.digits(name)
    const date = this.#field(name).date === 'MMDD' ? dateOfMonthDay(text, near) : dateOfYddd(text, near)
    if (date === undefined) throw this.fault(name, 'is no date')
    return date
  }

  /** What is wrong with a field: names file, record, transaction code, part and field, never a value. */
  fault(field: string, what: string): MizanError {
    return this.problem(`field ${field} ${what}`)
  }

  /** What is wrong with the record as a whole. */
  problem(what: string): MizanError {
    // What is no record of the format may hold anything here.
    const part = this.component === '' ? '' : ` TCR ${printable(this.component)}`
    return new MizanError(
      'BAD_INPUT',
      `${this.#file}, record ${this.number}, TC ${printable(this.transactionCode)}${part}: ${what}`,
    )
  }

  #field(name: string): Field {
    const field = this.layout?.byName.get(name)
    if (field === undefined) throw this.problem(`has no field ${name}`)
    return field
  }
}

/** Nearest date with a month and day. */
function dateOfMonthDay(text: string, near: CivilDate): CivilDate | undefined {
  const year = Math.floor(near / 10_000)
  const candidates = [year - 1, year, year + 1].map((one) => dateOfYear(one, text)).filter((date) => date !== undefined)
  const distance = (date: CivilDate) => Math.abs(utcDays(date) - utcDays(near))
  return candidates.sort((a, b) => distance(a) - distance(b))[0]
}

function dateOfYear(year: number, monthDay: string): CivilDate | undefined {
  const date = (year * 10_000 + Number(monthDay)) as CivilDate
  const days = utcDays(date)
  return new Date(days * 86_400_000).getUTCDate() === date % 100 && date % 10_000 > 100 ? date : undefined
}

function utcDays(date: CivilDate): number {
  return Date.UTC(Math.floor(date / 10_000), (Math.floor(date / 100) % 100) - 1, date % 100) / 86_400_000
}

/** How a file is read. */
export interface RecordReading {
  /** Its name, for errors. */
  readonly file: string
  /** @default those of `schemas/clearing/base2.json` */
  readonly layouts?: Layouts
  /** Told as soon as it is known. */
  readonly onEnvelope?: (envelope: Envelope) => void
}

/**
 * Reads the records of a clearing file as a stream: in ASCII or EBCDIC, with or without line ends, with or without the
 * hash and the blocks of an interchange file. Yields them a handful at a time; memory is bounded by the chunks.
 * @throws MizanError BAD_INPUT naming file and record: not a clearing file, cut off within a record, bytes behind its
 * end
 */
export async function* readRecords(
  chunks: AsyncIterable<Uint8Array>,
  { file, layouts = base2, onEnvelope }: RecordReading,
): AsyncGenerator<ClearingRecord[]> {
  let rest: Buffer = Buffer.alloc(0)
  let cutter: RecordCutter | undefined
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk])
    if (cutter === undefined && rest.length < ENVELOPE_BYTES) continue
    cutter ??= begin(rest, file, layouts, onEnvelope)
    const { records, used } = cutter.cut(rest, false)
    rest = rest.subarray(used)
    if (records.length > 0) yield records
  }
  cutter ??= begin(rest, file, layouts, onEnvelope)
  const { records } = cutter.cut(rest, true)
  if (records.length > 0) yield records
}

function begin(head: Buffer, file: string, layouts: Layouts, onEnvelope?: (envelope: Envelope) => void): RecordCutter {
  const envelope = detectEnvelope(head, file)
  onEnvelope?.(envelope)
  return new RecordCutter(file, layouts, envelope)
}

/** Cuts bytes into records. */
class RecordCutter {
  readonly #file: string
  readonly #layouts: Layouts
  readonly #envelope: Envelope
  #count = 0
  #group: string | undefined
  #hasPadding = false

  constructor(file: string, layouts: Layouts, envelope: Envelope) {
    this.#file = file
    this.#layouts = layouts
    this.#envelope = envelope
  }

  /** All whole records of the bytes; at the end of the file the last line may lack its end. */
  cut(bytes: Buffer, atEnd: boolean): { records: ClearingRecord[]; used: number } {
    const { stride, recordBytes } = this.#envelope
    const records: ClearingRecord[] = []
    let at = 0
    while (bytes.length - at >= stride || (atEnd && bytes.length - at >= recordBytes)) {
      const record = this.#record(bytes.subarray(at, at + stride))
      if (record !== undefined) records.push(record)
      at = Math.min(at + stride, bytes.length)
    }
    if (atEnd && at < bytes.length && !isPadding(bytes.subarray(at))) {
      const left = bytes.length - at
      throw new MizanError(
        'BAD_INPUT',
        `${this.#file}: it ends within record ${this.#count + 1}, after ${left} bytes of it`,
      )
    }
    return { records, used: at }
  }

  #record(line: Buffer): ClearingRecord | undefined {
    const { encoding, recordBytes, stride } = this.#envelope
    if (isPadding(line)) {
      this.#hasPadding = true
      return undefined
    }
    this.#count++
    if (this.#hasPadding) throw this.#problem('stands behind what fills up the last block')
    if (line.length > recordBytes && (line.at(-1) !== 0x0a || (stride - recordBytes === 2 && line.at(-2) !== 0x0d))) {
      throw this.#problem('does not end where its line ends')
    }
    const body = Buffer.allocUnsafe(168)
    if (recordBytes === 170) {
      body.set(line.subarray(0, 2))
      body.set(line.subarray(4, 170), 2)
    } else {
      body.set(line.subarray(0, 168))
    }
    if (encoding === 'ebcdic')
      for (let index = 0; index < 168; index++) body[index] = ebcdic500ToLatin1[body[index] as number] as number
    return new ClearingRecord(this.#file, this.#count, body, this.#layoutOf(body))
  }

  /** Settlement totals and captured files have several layouts of one code: the first part says which. */
  #layoutOf(body: Buffer): Layout | undefined {
    const code = body.toString('latin1', 0, 2)
    const component = body.toString('latin1', 3, 4)
    if (component === '0') {
      if (code === '46') this.#group = body.toString('latin1', 58, 60)
      else if (code === '33') this.#group = body.toString('latin1', 16, 20)
      else this.#group = undefined
    }
    return this.#layouts.find(code, component, this.#group)
  }

  #problem(what: string): MizanError {
    return new MizanError('BAD_INPUT', `${this.#file}, record ${this.#count} ${what}`)
  }
}
