import { parseChipData } from './ber-tlv.ts'
import { parseBitmapped } from './bitmapped.ts'
import { parseAmounts, parsePositions } from './composites.ts'
import type { PartSpec, Sensitivity, SubfieldSpec } from './dialect-spec.ts'
import type { DecodeFailure } from './failure.ts'
import type { Message } from './message.ts'
import { parseDataset, parseElements48 } from './tlv.ts'

/** One part of a field, with its full path: `62.2`, `55.9F26`, `48.QT`. */
export interface Subfield {
  readonly path: string
  /** what the table calls it; empty for tagged data */
  readonly name: string
  /** text, digits, or lower-case hex */
  readonly value: string
  readonly sensitivity: Sensitivity | undefined
}

/** Parts of a field in the order of the message, and what is malformed, if anything. */
export interface SubfieldsResult {
  readonly parts: Subfield[]
  readonly failure: DecodeFailure | undefined
}

/** Tags of chip data that hold a PAN, a track, a name or PIN data (EMV Book 3 annex A). */
const sensitiveTags: Readonly<Record<string, Sensitivity>> = {
  '56': 'track',
  '57': 'track',
  '5A': 'pan',
  '5F20': 'personal',
  '99': 'pin',
  '9F0B': 'personal',
  '9F1F': 'track',
  '9F20': 'track',
  '9F6B': 'track',
}

/** Tags of DE48 that hold nothing about a person. */
const plainElements: ReadonlySet<string> = new Set(['QT', 'DY', 'CP', 'IT', 'AI', 'FL', 'KS'])

/**
 * Divides one field of a message as its dialect says; undefined when the message does not have the field or the dialect
 * does not divide it. Never throws.
 * @param spec takes the place of the dialect's own division
 */
export function readSubfields(
  message: Message,
  de: number,
  spec: SubfieldSpec | undefined = message.dialect.subfields(de),
): SubfieldsResult | undefined {
  if (spec === undefined || !message.has(de)) return undefined
  switch (spec.form) {
    case 'positions':
      return positions(de, spec.parts, message.text(de) ?? '')
    case 'bitmap':
      return bitmapped(de, spec, message.bytes(de) ?? Buffer.alloc(0))
    case 'ber':
      return chipData(de, message.bytes(de) ?? Buffer.alloc(0), spec.wrapped === true)
    case 'elements': {
      const result = parseElements48(message.text(de) ?? '')
      return { parts: elementParts(de, '', result.elements), failure: result.failure }
    }
    case 'datasets':
      return datasets(de, message.bytes(de) ?? Buffer.alloc(0))
    case 'amounts': {
      const result = parseAmounts(message.text(de) ?? '')
      const parts = result.amounts.map((group, index) => ({
        path: `${de}.${index + 1}`,
        name: `account ${group.accountType}, amount type ${group.amountType}, currency ${group.currency}`,
        value: `${group.sign}${group.amount}`,
        sensitivity: undefined,
      }))
      return { parts, failure: result.failure }
    }
  }
}

/** Value of one part by its path (`3.1`, `62.2`, `55.9F26`, `48.QT`), undefined when the message does not have it. */
export function subfield(message: Message, path: string): string | undefined {
  const result = readSubfields(message, Number.parseInt(path, 10))
  return result?.parts.find((part) => part.path === path)?.value
}

function positions(de: number, parts: readonly PartSpec[], text: string): SubfieldsResult {
  return { parts: named(de, parts, parsePositions(parts, text)), failure: undefined }
}

/** Puts names and sensitivities to the values of parts. */
function named(de: number, parts: readonly PartSpec[], values: ReadonlyMap<string, string>): Subfield[] {
  const list: Subfield[] = []
  for (const part of parts) {
    const value = values.get(part.id)
    if (value === undefined) continue
    const path = `${de}.${part.id}`
    list.push({ path, name: part.name, value, sensitivity: part.sensitivity })
    for (const inner of part.parts ?? []) {
      const innerValue = values.get(`${part.id}.${inner.id}`)
      if (innerValue === undefined) continue
      const sensitivity = inner.sensitivity ?? part.sensitivity
      list.push({ path: `${path}.${inner.id}`, name: inner.name, value: innerValue, sensitivity })
    }
  }
  return list
}

function bitmapped(de: number, spec: Extract<SubfieldSpec, { form: 'bitmap' }>, bytes: Buffer): SubfieldsResult {
  const { values, unknown, failure } = parseBitmapped(de, spec, bytes)
  for (const part of spec.parts) {
    const value = values.get(part.id)
    if (part.parts === undefined || value === undefined) continue
    for (const [id, inner] of parsePositions(part.parts, value)) values.set(`${part.id}.${id}`, inner)
  }
  const parts: Subfield[] = [
    { path: `${de}.0`, name: 'bitmap', value: bits(bytes, spec.bytes), sensitivity: undefined },
    ...named(de, spec.parts, values),
  ]
  if (unknown !== undefined) {
    const name = `parts that the table does not have, from ${unknown.ids[0]} on`
    parts.push({ path: `${de}.rest`, name, value: unknown.bytes.toString('hex'), sensitivity: 'private' })
  }
  return { parts, failure }
}

function bits(bytes: Buffer, count: number): string {
  return Array.from(bytes.subarray(0, count), (byte) => byte.toString(2).padStart(8, '0')).join('')
}

function chipData(de: number, bytes: Buffer, wrapped: boolean): SubfieldsResult {
  const { list, failure } = parseChipData(bytes, wrapped)
  const parts = list.map(({ tag, value }) => ({
    path: `${de}.${tag}`,
    name: '',
    value: value.toString('hex'),
    sensitivity: sensitiveTags[tag],
  }))
  return { parts, failure }
}

function elementParts(
  de: number,
  prefix: string,
  elements: readonly { readonly tag: string; readonly value: string }[],
): Subfield[] {
  return elements.map(({ tag, value }) => ({
    path: `${de}.${prefix}${tag}`,
    name: '',
    value,
    sensitivity: plainElements.has(tag) ? undefined : 'private',
  }))
}

function datasets(de: number, bytes: Buffer): SubfieldsResult {
  const result = parseDataset(bytes)
  const parts: Subfield[] = result.datasets.map(({ id, value }) => ({
    path: `${de}.${id.toString(16).padStart(2, '0')}`,
    name: 'dataset',
    value: value.toString('hex'),
    sensitivity: 'private',
  }))
  return { parts: [...parts, ...elementParts(de, '71.', result.elements)], failure: result.failure }
}
