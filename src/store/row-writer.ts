/**
 * Rows of a composite type as one PostgreSQL array in binary: one parameter and one `unnest` for a whole table's part
 * of a batch, with no text to escape here and none to parse there. (PostgreSQL, array_recv and record_recv: array
 * header; then for each row its length, its number of fields, and for each field type, length and bytes.)
 */
const OID = { int2: 21, int4: 23, int8: 20, text: 25, uuid: 2950, timestamptz: 1184 } as const
/** Where the rows of an array begin; an array without rows ends before. */
export const ROWS_AT = 20
const BUFFER_BYTES = 4_096
const NULL_LENGTH = -1
const TWO_TO_32 = 4_294_967_296
/** Microseconds are counted from 2000. */
const POSTGRES_EPOCH_MS = 946_684_800_000

/** Writes one array at a time into a buffer that is kept and grows as needed: an array is good until the next one. */
export class RowWriter {
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  #at = 0
  #rowAt = 0

  /** An array of rows; `put` writes the fields of one row in the order of the type, `fields` of them. */
  array<T>(elementOid: number, fields: number, rows: readonly T[], put: (writer: this, row: T) => void): Buffer {
    this.#at = 0
    this.#ensure(ROWS_AT)
    if (rows.length === 0) {
      this.#int(0)
      this.#int(0)
      this.#int(elementOid)
      return this.#buffer.subarray(0, this.#at)
    }
    for (const value of [1, 0, elementOid, rows.length, 1]) this.#int(value)
    for (const row of rows) {
      this.#rowAt = this.#at
      this.#ensure(8)
      this.#at += 4
      this.#int(fields)
      put(this, row)
      this.#buffer.writeInt32BE(this.#at - this.#rowAt - 4, this.#rowAt)
    }
    return this.#buffer.subarray(0, this.#at)
  }

  int2(value: number): void {
    this.#ensure(10)
    this.#int(OID.int2)
    this.#int(2)
    this.#at = this.#buffer.writeInt16BE(value, this.#at)
  }

  /** An integer of 32 bits, or NULL. */
  int4(value: number | undefined): void {
    this.#ensure(12)
    this.#int(OID.int4)
    this.#int(value === undefined ? NULL_LENGTH : 4)
    if (value !== undefined) this.#int(value)
  }

  /** A safe integer, or NULL. */
  int8(value: number | undefined): void {
    this.#wide(OID.int8, value)
  }

  /** An instant in milliseconds since 1970. */
  timestamp(valueMs: number): void {
    this.#wide(OID.timestamptz, Math.round((valueMs - POSTGRES_EPOCH_MS) * 1_000))
  }

  /** A text, or NULL. */
  text(value: string | undefined): void {
    if (value === undefined) {
      this.#ensure(8)
      this.#int(OID.text)
      this.#int(NULL_LENGTH)
      return
    }
    this.#ensure(8 + value.length * 3)
    this.#int(OID.text)
    const written = this.#buffer.write(value, this.#at + 4, 'utf8')
    this.#int(written)
    this.#at += written
  }

  /** 16 bytes as a latin1 string, or NULL. */
  uuid(value: string | undefined): void {
    this.#ensure(24)
    this.#int(OID.uuid)
    if (value === undefined) {
      this.#int(NULL_LENGTH)
      return
    }
    this.#int(16)
    this.#at += this.#buffer.write(value, this.#at, 'latin1')
  }

  #wide(oid: number, value: number | undefined): void {
    this.#ensure(16)
    this.#int(oid)
    if (value === undefined) {
      this.#int(NULL_LENGTH)
      return
    }
    this.#int(8)
    const high = Math.floor(value / TWO_TO_32)
    this.#int(high)
    this.#at = this.#buffer.writeUInt32BE(value - high * TWO_TO_32, this.#at)
  }

  #int(value: number): void {
    this.#at = this.#buffer.writeInt32BE(value, this.#at)
  }

  #ensure(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + bytes))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
  }
}
