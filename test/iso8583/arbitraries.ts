/** Random values and messages for the codec's property tests. */
import fc from 'fast-check'
import type { Dialect, FieldSpec, FieldValues } from '../../src/iso8583/dialect.ts'

const digits = '0123456789'
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz '
const printable = Array.from({ length: 256 }, (_, code) => code)
  .filter((code) => code >= 0x20 && !(code >= 0x7f && code < 0xa0))
  .map((code) => String.fromCharCode(code))
  .join('')
const anything = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')

function textOf(characters: string, min: number, max: number): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...characters), minLength: min, maxLength: max })
}

/** Characters that a field of text may hold. */
function charactersOf(spec: FieldSpec): string {
  switch (spec.value) {
    case 'numeric':
      return digits
    case 'alpha':
      return letters
    case 'alphanumeric':
      return letters + digits
    case 'text':
      return printable
    case 'track':
      return `${digits}=`
    default:
      return anything
  }
}

/** Values of a field as `Message.text` gives them: what is written must be read back the same. */
export function fieldValue(spec: FieldSpec, longest = 60): fc.Arbitrary<string> {
  const max = spec.kind === 'fixed' ? spec.max : Math.min(spec.max, longest)
  const min = spec.kind === 'fixed' ? max : 0
  switch (spec.content) {
    case 'bcd':
    case 'bcd-right':
      return evenWhereCounted(spec, textOf(digits, min, max))
    case 'track2':
    case 'track2-eq':
      return evenWhereCounted(spec, textOf(spec.content === 'track2' ? `${digits}D` : `${digits}=`, min, max))
    case 'binary':
    case 'hex-ascii':
      return fc.uint8Array({ minLength: min, maxLength: max }).map((bytes) => Buffer.from(bytes).toString('hex'))
    case 'signed-bcd':
      return signedDigits(spec, min, max)
    case 'ber-length':
      return fc
        .tuple(fc.uint8Array({ minLength: 2, maxLength: 2 }), fc.uint8Array({ maxLength: Math.min(200, max - 4) }))
        .map(([tag, value]) => berObject(Buffer.from(tag), Buffer.from(value)))
    default:
      if (spec.value === 'signed-numeric') return signedDigits(spec, min, max)
      return textOf(charactersOf(spec), min, max)
  }
}

function evenWhereCounted(spec: FieldSpec, values: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return spec.lengthUnit === 'bytes' ? values.map((value) => value.slice(value.length % 2)) : values
}

function signedDigits(spec: FieldSpec, min: number, max: number): fc.Arbitrary<string> {
  const count = (length: number): number => Math.max(0, length - 1)
  const rest = textOf(digits, count(min), count(max))
  const even = spec.content === 'signed-bcd' && spec.lengthUnit === 'bytes'
  return fc
    .tuple(fc.constantFrom('C', 'D'), rest)
    .map(([sign, text]) => sign + (even ? text.slice(text.length % 2) : text))
}

function berObject(tag: Buffer, value: Buffer): string {
  const length = value.length < 0x80 ? [value.length] : [0x81, value.length]
  return Buffer.concat([tag, Buffer.from(length), value]).toString('hex')
}

/** Message types that exist. */
export const messageType = fc.constantFrom('0100', '0110', '0200', '0210', '0420', '0430', '0800', '0810', '1100')

/** A random message of a dialect: its type and values for a random choice of its fields. */
export function messageOf(dialect: Dialect): fc.Arbitrary<{ mti: string; fields: FieldValues }> {
  const all = Object.entries(dialect.spec.fields)
  return fc.tuple(messageType, fc.subarray(all, { minLength: 0, maxLength: 30 })).chain(([mti, chosen]) =>
    fc.tuple(...chosen.map(([, spec]) => fieldValue(spec))).map((values) => {
      const fields: FieldValues = []
      for (const [index, [key]] of chosen.entries()) fields[Number(key)] = values[index]
      return { mti, fields }
    }),
  )
}
