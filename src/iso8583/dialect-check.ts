import type { DialectSpec, FieldSpec, PartSpec } from './dialect-spec.ts'
import { FIELD_MAX, partsLength } from './dialect-spec.ts'

const contents = new Set([
  'ascii',
  'ebcdic',
  'bcd',
  'bcd-right',
  'binary',
  'hex-ascii',
  'track2',
  'track2-eq',
  'signed-bcd',
  'ber-length',
])
const kinds = new Set(['numeric', 'signed-numeric', 'alpha', 'alphanumeric', 'text', 'track', 'binary', 'any'])
const paddings = new Set(['none', 'space-right', 'space-left', 'zero-left'])
const sensitivities = new Set(['pan', 'track', 'pin', 'chip', 'secret', 'private', 'personal'])
const subfieldForms = new Set(['positions', 'bitmap', 'ber', 'elements', 'datasets', 'amounts'])

/** Contents whose bytes are packed nibbles. */
export const packedContents: ReadonlySet<string> = new Set(['bcd', 'bcd-right', 'track2', 'track2-eq'])

/** Largest number that each length prefix can hold. */
export const prefixLimits: Readonly<Record<string, number>> = {
  a1: 9,
  a2: 99,
  a3: 999,
  a4: 9999,
  a5: 99_999,
  a6: 999_999,
  e1: 9,
  e2: 99,
  e3: 999,
  b1: 99,
  b2: 9999,
  n1: 255,
  n2: 65_535,
}

/**
 * All problems of a dialect table, each with the path of the field, as one-line texts; empty when the table is good.
 * The table may come from a file, so nothing of its shape is taken for granted.
 */
export function dialectProblems(spec: DialectSpec): string[] {
  const problems: string[] = []
  if (typeof spec !== 'object' || spec === null) return ['a dialect must be an object']
  if (typeof spec.name !== 'string' || spec.name === '') problems.push('name: missing')
  if (!['ascii', 'bcd', 'ebcdic'].includes(spec.mti)) problems.push('mti: must be ascii, bcd or ebcdic')
  if (!['bin8', 'hex16', 'ebchex'].includes(spec.bitmap)) problems.push('bitmap: must be bin8, hex16 or ebchex')
  for (const key of ['maxBitmaps', 'fixedGroups'] as const) {
    const count = spec[key]
    if (count !== undefined && ![1, 2, 3].includes(count)) problems.push(`${key}: must be 1, 2 or 3`)
  }
  if (spec.header !== undefined && spec.header !== 'visa') problems.push('header: must be visa')
  if (typeof spec.fields !== 'object' || spec.fields === null) return [...problems, 'fields: missing']
  for (const [key, field] of Object.entries(spec.fields)) problems.push(...fieldProblems(spec, key, field))
  for (const de of spec.answer?.echo ?? []) {
    if (spec.fields[de] === undefined) problems.push(`answer.echo: field ${de} is not in the table`)
  }
  return problems
}

/** Number of the highest data element that the dialect's bitmaps reach. */
export function highestField(spec: DialectSpec): number {
  return 64 * (spec.fixedGroups ?? spec.maxBitmaps ?? 2)
}

function fieldProblems(spec: DialectSpec, key: string, field: FieldSpec): string[] {
  const problems: string[] = []
  const say = (text: string): number => problems.push(`field ${key}: ${text}`)
  const de = Number(key)
  if (!/^[1-9]\d*$/.test(key) || de < 2 || de > FIELD_MAX) say(`must be a number from 2 to ${FIELD_MAX}`)
  else if (de > highestField(spec)) say('is beyond the last bitmap')
  else if (de === 65 && spec.fixedGroups === undefined && (spec.maxBitmaps ?? 2) > 2) say('announces the third bitmap')
  if (typeof field !== 'object' || field === null) {
    say('must be an object')
    return problems
  }
  if (typeof field.name !== 'string' || field.name === '') say('name is missing')
  if (!contents.has(field.content)) say(`content ${field.content} is unknown`)
  if (!Number.isInteger(field.max) || field.max < 0 || field.max > 999_999) say('max must be a whole number')
  // A message is at most 65,535 bytes, and a length is kept in 16 bits.
  const packed = packedContents.has(field.content) || field.content === 'signed-bcd'
  if (packed && field.max > 65_535) say('max of packed digits must be at most 65535')
  if (field.value !== undefined && !kinds.has(field.value)) say(`value ${field.value} is unknown`)
  if (field.pad !== undefined && !paddings.has(field.pad)) say(`pad ${field.pad} is unknown`)
  if (field.sensitivity !== undefined && !sensitivities.has(field.sensitivity)) {
    say(`sensitivity ${field.sensitivity} is unknown`)
  }
  if (field.padNibble !== undefined && !['0', 'f'].includes(field.padNibble)) say('padNibble must be 0 or f')
  if (field.oddPad !== undefined && !['left', 'right'].includes(field.oddPad)) say('oddPad must be left or right')
  lengthProblems(field, say)
  subfieldProblems(field, say)
  return problems
}

function lengthProblems(field: FieldSpec, say: (text: string) => number): void {
  if (field.kind === 'fixed') {
    if (field.length !== undefined) say('a fixed field has no length prefix')
    if (field.content === 'ber-length') say('ber-length is for variable fields')
    return
  }
  if (field.kind !== 'variable') {
    say('kind must be fixed or variable')
    return
  }
  if (field.content === 'ber-length') {
    if (field.length !== undefined) say('ber-length is its own length')
    return
  }
  const limit = prefixLimits[field.length ?? '']
  if (limit === undefined) {
    say(`length ${field.length} is unknown`)
    return
  }
  if (!['digits', 'chars', 'bytes'].includes(field.lengthUnit ?? '')) {
    say('lengthUnit must be digits, chars or bytes')
    return
  }
  const packed = packedContents.has(field.content)
  if (field.lengthUnit === 'digits' && !packed) say('lengthUnit digits is for packed digits')
  if (field.lengthUnit === 'chars' && packed) say('packed digits are counted in digits or bytes')
  if (packed && field.lengthUnit === 'bytes' && field.max % 2 !== 0) say('max must be even where bytes are counted')
  if (longestCount(field) > limit) say(`max ${field.max} does not fit the length prefix ${field.length}`)
}

function longestCount(field: FieldSpec): number {
  if (field.content === 'hex-ascii') return field.max * 2
  if (packedContents.has(field.content) && field.lengthUnit === 'bytes') return Math.ceil(field.max / 2)
  return field.max
}

function subfieldProblems(field: FieldSpec, say: (text: string) => number): void {
  const spec = field.subfields
  if (spec === undefined) return
  if (!subfieldForms.has(spec.form)) {
    say(`subfields form ${spec.form} is unknown`)
    return
  }
  if (spec.form !== 'positions' && spec.form !== 'bitmap') return
  const bits = spec.form === 'bitmap' ? spec.bytes * 8 : undefined
  const tooLong = spec.form === 'positions' && partsLength(spec.parts) > field.max
  if (tooLong) say('the parts are longer than the field')
  partProblems(spec.parts, bits, say)
}

function partProblems(parts: readonly PartSpec[], bits: number | undefined, say: (text: string) => number): void {
  const seen = new Set<string>()
  for (const part of parts) {
    if (seen.has(part.id)) say(`part ${part.id} is there twice`)
    seen.add(part.id)
    if (!Number.isInteger(part.length) || part.length < 1) say(`part ${part.id} needs a length`)
    if (bits !== undefined && part.content === undefined) say(`part ${part.id} needs a content`)
    if (bits !== undefined && !(Number(part.id) >= 1 && Number(part.id) <= bits)) {
      say(`part ${part.id} is beyond the bitmap`)
    }
    if (part.parts !== undefined) {
      if (partsLength(part.parts) > part.length) say(`the parts of ${part.id} are longer than it`)
      partProblems(part.parts, undefined, say)
    }
  }
}
