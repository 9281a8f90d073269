/**
 * PostgreSQL's binary array format, written straight into one buffer per parameter: no text to escape on this side and
 * none to parse on the other (PostgreSQL, "array_recv": dimensions, null flag, element type, length, lower bound, then
 * each element as a 4-byte length and its bytes).
 */
const OID = { int2: 21, int4: 23, int8: 20, text: 25, uuid: 2950, bytea: 17 } as const
const HEADER_BYTES = 20
const NULL_LENGTH = -1

const emptyArrays = new Map<number, Buffer>()

function empty(oid: number): Buffer {
  let buffer = emptyArrays.get(oid)
  if (buffer === undefined) {
    buffer = Buffer.alloc(12)
    buffer.writeInt32BE(oid, 8)
    emptyArrays.set(oid, buffer)
  }
  return buffer
}

function header(oid: number, count: number, bytes: number, nulls: boolean): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + bytes)
  buffer.writeInt32BE(1, 0)
  buffer.writeInt32BE(nulls ? 1 : 0, 4)
  buffer.writeInt32BE(oid, 8)
  buffer.writeInt32BE(count, 12)
  buffer.writeInt32BE(1, 16)
  return buffer
}

/** `bigint[]` of safe integers; undefined becomes NULL. */
export function int8Array(values: readonly (number | undefined)[]): Buffer {
  if (values.length === 0) return empty(OID.int8)
  return wide(OID.int8, values)
}

function wide(oid: number, values: readonly (number | undefined)[]): Buffer {
  const buffer = header(oid, values.length, values.length * 12, values.includes(undefined))
  let at = HEADER_BYTES
  for (const value of values) {
    if (value === undefined) {
      at = buffer.writeInt32BE(NULL_LENGTH, at)
      continue
    }
    buffer.writeInt32BE(8, at)
    const high = Math.floor(value / 4_294_967_296)
    buffer.writeInt32BE(high, at + 4)
    at = buffer.writeUInt32BE(value - high * 4_294_967_296, at + 8)
  }
  return buffer.subarray(0, at)
}

/** `integer[]`. */
export function int4Array(values: readonly number[]): Buffer {
  if (values.length === 0) return empty(OID.int4)
  const buffer = header(OID.int4, values.length, values.length * 8, false)
  let at = HEADER_BYTES
  for (const value of values) {
    buffer.writeInt32BE(4, at)
    at = buffer.writeInt32BE(value, at + 4)
  }
  return buffer
}

/** `smallint[]`. */
export function int2Array(values: readonly number[]): Buffer {
  if (values.length === 0) return empty(OID.int2)
  const buffer = header(OID.int2, values.length, values.length * 6, false)
  let at = HEADER_BYTES
  for (const value of values) {
    buffer.writeInt32BE(2, at)
    at = buffer.writeInt16BE(value, at + 4)
  }
  return buffer
}

/** `text[]`, UTF-8. */
export function textArray(values: readonly string[]): Buffer {
  if (values.length === 0) return empty(OID.text)
  let room = 0
  for (const value of values) room += 4 + value.length * 3
  const buffer = header(OID.text, values.length, room, false)
  let at = HEADER_BYTES
  for (const value of values) {
    const written = buffer.write(value, at + 4, 'utf8')
    buffer.writeInt32BE(written, at)
    at += 4 + written
  }
  return buffer.subarray(0, at)
}

/** `uuid[]` from 16-byte latin1 strings; undefined becomes NULL. */
export function uuidArray(values: readonly (string | undefined)[]): Buffer {
  return bytesArray(OID.uuid, values)
}

/** `bytea[]` from latin1 strings. */
export function byteaArray(values: readonly string[]): Buffer {
  return bytesArray(OID.bytea, values)
}

function bytesArray(oid: number, values: readonly (string | undefined)[]): Buffer {
  if (values.length === 0) return empty(oid)
  let room = 0
  for (const value of values) room += 4 + (value?.length ?? 0)
  const buffer = header(oid, values.length, room, values.includes(undefined))
  let at = HEADER_BYTES
  for (const value of values) {
    if (value === undefined) {
      at = buffer.writeInt32BE(NULL_LENGTH, at)
      continue
    }
    buffer.writeInt32BE(value.length, at)
    at = at + 4 + buffer.write(value, at + 4, 'latin1')
  }
  return buffer
}

/** A 16-byte latin1 string as PostgreSQL prints the uuid. */
export function uuidText(bytes: string): string {
  const hex = Buffer.from(bytes, 'latin1').toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** The reverse of {@link uuidText}. */
export function uuidBytes(text: string): string {
  return Buffer.from(text.replaceAll('-', ''), 'hex').toString('latin1')
}
