import { MizanError } from '../errors.ts'
import { packedContents, prefixLimits } from './dialect-check.ts'
import type { Content, DialectSpec, FieldSpec, LengthPrefix, LengthUnit } from './dialect-spec.ts'

/**
 * Reads field tables in the compact form that known-answer files come with: per field
 * `[kind, max, content, length encoding, length unit]`. What each code means is in `docs/iso8583.md`, "Foreign tables".
 */

const contents: Readonly<Record<string, Content>> = {
  asc: 'ascii',
  ebc: 'ebcdic',
  bcd: 'bcd',
  bcdr: 'bcd-right',
  bin: 'binary',
  z: 'track2',
  zeq: 'track2-eq',
  hexasc: 'hex-ascii',
  amtb: 'signed-bcd',
  berlen: 'ber-length',
}

const messageTypes: Readonly<Record<string, DialectSpec['mti']>> = { asc: 'ascii', bcd: 'bcd', ebc: 'ebcdic' }

/** A table of the compact form, as it stands in a file: nothing of its shape is certain. */
export interface ForeignDialect {
  readonly mti?: unknown
  readonly bitmap?: unknown
  readonly maxBitmaps?: unknown
  readonly fixedGroups?: unknown
  readonly fields?: unknown
}

/**
 * Turns a compact table into a dialect table. Values are not checked beyond what the encoding needs: the compact form
 * does not say what characters a field may hold.
 * @throws MizanError CODEC_DIALECT_INVALID listing all problems
 */
export function fromForeignDialect(name: string, table: ForeignDialect): DialectSpec {
  const problems: string[] = []
  const mti = messageTypes[String(table.mti)]
  if (mti === undefined) problems.push('mti: must be asc, bcd or ebc')
  const fields: Record<string, FieldSpec> = {}
  for (const [key, entry] of Object.entries((table.fields ?? {}) as Record<string, unknown>)) {
    const field = foreignField(key, entry)
    if (typeof field === 'string') problems.push(`field ${key}: ${field}`)
    else fields[key] = field
  }
  if (problems.length > 0 || mti === undefined) {
    throw new MizanError('CODEC_DIALECT_INVALID', `${name}: ${problems.join('; ')}`)
  }
  return {
    name,
    mti,
    bitmap: table.bitmap as DialectSpec['bitmap'],
    ...(table.maxBitmaps === undefined ? {} : { maxBitmaps: Number(table.maxBitmaps) }),
    ...(table.fixedGroups === undefined ? {} : { fixedGroups: Number(table.fixedGroups) }),
    fields,
  }
}

function foreignField(key: string, entry: unknown): FieldSpec | string {
  if (!Array.isArray(entry)) return 'must be a list'
  const [kind, max, code, length, unit] = entry as unknown[]
  const content = contents[String(code)]
  if (content === undefined) return `content ${String(code)} is unknown`
  if (typeof max !== 'number') return 'the maximum must be a number'
  const name = `field ${key}`
  if (kind === 'F') return { name, kind: 'fixed', max, content }
  if (kind !== 'V') return 'the kind must be F or V'
  if (content === 'ber-length') return { name, kind: 'variable', max, content }
  const limit = prefixLimits[String(length)]
  if (limit === undefined) return `length encoding ${String(length)} is unknown`
  if (unit !== 'c' && unit !== 'B') return 'the length unit must be c or B'
  const lengthUnit = unitOf(content, unit)
  // The compact form does not say whether the maximum of packed digits counted in bytes is in digits or in bytes: the
  // larger reading refuses nothing that is right.
  const largest = packedContents.has(content) && lengthUnit === 'bytes' ? max * 2 : max
  return {
    name,
    kind: 'variable',
    max: Math.min(largest, longest(content, lengthUnit, limit)),
    content,
    length: length as LengthPrefix,
    lengthUnit,
  }
}

function unitOf(content: Content, unit: 'c' | 'B'): LengthUnit {
  if (unit === 'B') return 'bytes'
  if (packedContents.has(content)) return 'digits'
  return content === 'binary' ? 'bytes' : 'chars'
}

/** Longest value that a length prefix can announce; compact tables may give a maximum over it. */
function longest(content: Content, unit: LengthUnit, limit: number): number {
  if (content === 'hex-ascii') return Math.floor(limit / 2)
  return packedContents.has(content) && unit === 'bytes' ? limit * 2 : limit
}
