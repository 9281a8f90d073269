import { createCipheriv, createDecipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import type { Test } from 'tap'
import type { TagLookup } from '../../src/security/emv/cryptogram-data.ts'

/** A published answer of test/vectors: an id, its source, and named values. */
export type Vector = Readonly<Record<string, unknown>> & { readonly id: string; readonly kind: string }

/** All answers of a file, of one kind. */
export function vectorsOf(file: string, kind: string): Vector[] {
  const path = new URL(`../vectors/${file}`, import.meta.url)
  const all: Vector[] = JSON.parse(readFileSync(path, 'utf8'))
  const found = all.filter((vector) => vector.kind === kind)
  if (found.length === 0) throw new Error(`no vectors of kind ${kind}`)
  return found
}

export function text(vector: Vector, name: string): string {
  const value = vector[name]
  if (typeof value !== 'string') throw new Error(`${vector.id}: no ${name}`)
  return value
}

export function number(vector: Vector, name: string): number {
  const value = vector[name]
  if (typeof value !== 'number') throw new Error(`${vector.id}: no ${name}`)
  return value
}

export function bytes(vector: Vector, name: string): Buffer {
  return fromHex(text(vector, name))
}

export function pin(vector: Vector, name: string): Uint8Array | undefined {
  return vector[name] === undefined ? undefined : digits(text(vector, name))
}

export function digits(pin: string): Uint8Array {
  return Uint8Array.from(pin, Number)
}

export function fromHex(hex: string): Buffer {
  const bytes = Buffer.from(hex, 'hex')
  if (bytes.length * 2 !== hex.length) throw new Error('not hex')
  return bytes
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase()
}

/** Chip data from tags in hex; a tag given as undefined is left out. */
export function chipOf(tags: Readonly<Record<string, string | undefined>>): TagLookup {
  const values = new Map<number, Buffer>()
  for (const [tag, value] of Object.entries(tags)) {
    if (value !== undefined) values.set(Number.parseInt(tag, 16), fromHex(value))
  }
  return (tag) => values.get(tag)
}

export function tagsOf(vector: Vector): Record<string, string> {
  return vector.chip as Record<string, string>
}

/** TDES of whole blocks by OpenSSL: a second implementation to compare with. */
export function opensslTdes(key: Uint8Array, data: Uint8Array): Buffer {
  const cipher = createCipheriv('des-ede', key, null).setAutoPadding(false)
  return Buffer.concat([cipher.update(data), cipher.final()])
}

/** Retail MAC by OpenSSL, over data already padded. */
export function opensslRetailMac(key: Uint8Array, padded: Uint8Array): Buffer {
  const first = key.subarray(0, 8)
  const second = key.subarray(8, 16)
  const single = Buffer.concat([first, first])
  const chain = createCipheriv('des-ede-cbc', single, Buffer.alloc(8)).setAutoPadding(false)
  const chained = Buffer.concat([chain.update(padded), chain.final()]).subarray(-8)
  const decipher = createDecipheriv('des-ede', Buffer.concat([second, second]), null).setAutoPadding(false)
  return opensslTdes(single, Buffer.concat([decipher.update(chained), decipher.final()]))
}

/** Padding methods 1 and 2 of ISO/IEC 9797-1, the long way round. */
export function padded(data: Uint8Array, method: 1 | 2): Buffer {
  const all = method === 2 ? [...data, 0x80] : [...data]
  while (all.length % 8 !== 0 || all.length === 0) all.push(0)
  return Buffer.from(all)
}

/** Odd parity, counting the bits of each byte. */
export function withParity(key: Uint8Array): Buffer {
  return Buffer.from(
    key.map((byte) => {
      const ones = byte.toString(2).replaceAll('0', '').length
      return ones % 2 === 1 ? byte : byte ^ 1
    }),
  )
}

/** Asserts that a property holds for all that fast-check tries. */
export function holds<T>(t: Test, property: fc.IProperty<T>, numRuns = 100): void {
  fc.assert(property, { numRuns })
  t.pass('holds')
}

export function anyBytes(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length })
}

export function anyDigits(min: number, max: number): fc.Arbitrary<string> {
  return fc.stringMatching(new RegExp(`^[0-9]{${min},${max}}$`))
}
