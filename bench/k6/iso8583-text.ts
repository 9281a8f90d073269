/**
 * Messages of the dialect iso87-ascii as text. k6 has no Buffer and none of the program's modules: this is the little
 * that a load script needs, fields as they stand on the wire (docs/iso8583.md).
 */
export type WireFields = Readonly<Record<number, string>>

const FIELDS_PER_BITMAP = 64
const LENGTH_BYTES = 2

/** MTI, bitmaps as hex digits, fields in order. Fields of variable length come with their length. */
export function messageText(mti: string, fields: WireFields): string {
  const numbers = Object.keys(fields)
    .map(Number)
    .sort((a, b) => a - b)
  const bitmaps = (numbers.at(-1) ?? 0) > FIELDS_PER_BITMAP ? 2 : 1
  const bits = new Uint8Array(FIELDS_PER_BITMAP * bitmaps)
  if (bitmaps > 1) bits[0] = 1
  for (const number of numbers) bits[number - 1] = 1
  let bitmap = ''
  for (let at = 0; at < bits.length; at += 4) {
    const nibble = [0, 1, 2, 3].reduce((value, offset) => value * 2 + (bits[at + offset] ?? 0), 0)
    bitmap += nibble.toString(16).toUpperCase()
  }
  return mti + bitmap + numbers.map((number) => fields[number] ?? '').join('')
}

/** A variable field: its length in so many digits, then its value. */
export function variable(digits: number, value: string): string {
  return String(value.length).padStart(digits, '0') + value
}

/** A message framed for the wire: two bytes of length, big-endian. */
export function framed(text: string): ArrayBuffer {
  const bytes = new Uint8Array(LENGTH_BYTES + text.length)
  bytes[0] = text.length >> 8
  bytes[1] = text.length & 255
  for (let at = 0; at < text.length; at++) bytes[LENGTH_BYTES + at] = text.charCodeAt(at)
  return bytes.buffer
}

/** Cuts a stream into the texts of its messages. */
export class TextFramer {
  #pending: number[] = []

  push(chunk: ArrayBuffer): string[] {
    this.#pending.push(...new Uint8Array(chunk))
    const texts: string[] = []
    for (;;) {
      const length = ((this.#pending[0] ?? 0) << 8) | (this.#pending[1] ?? 0)
      if (this.#pending.length < LENGTH_BYTES || this.#pending.length < LENGTH_BYTES + length) return texts
      texts.push(String.fromCharCode(...this.#pending.slice(LENGTH_BYTES, LENGTH_BYTES + length)))
      this.#pending = this.#pending.slice(LENGTH_BYTES + length)
    }
  }
}

const answerFieldLengths: readonly (readonly [number, number | 'LL'])[] = [
  [2, 'LL'],
  [3, 6],
  [4, 12],
  [7, 10],
  [11, 6],
  [12, 6],
  [13, 4],
  [14, 4],
  [32, 'LL'],
  [37, 12],
  [38, 6],
  [39, 2],
]

/** STAN and response code of an answer; fields behind DE39 are not read. */
export function readAnswer(text: string): { mti: string; stan: string; responseCode: string } {
  const found: Record<number, string> = {}
  let at = 4 + (Number.parseInt(text.charAt(4), 16) >= 8 ? 32 : 16)
  for (const [number, length] of answerFieldLengths) {
    const digit = Number.parseInt(text.charAt(4 + Math.floor((number - 1) / 4)), 16)
    if ((digit & (8 >> ((number - 1) % 4))) === 0) continue
    const size = length === 'LL' ? 2 + Number(text.slice(at, at + 2)) : length
    found[number] = text.slice(at, at + size)
    at += size
  }
  return { mti: text.slice(0, 4), stan: found[11] ?? '', responseCode: found[39] ?? '' }
}
