import { MizanError } from '../errors.ts'
import { type SmsLength, smsLength } from './sms-parts.ts'
import { type Catalogue, type Field, fieldsUsed, type Modifier, type Piece, type Template } from './template.ts'
import { valueFault, writeValue } from './values.ts'
import type { Style, Words } from './words.ts'

/** What a notification says, field by field, as the outbox keeps it. */
export type Detail = Readonly<Record<string, unknown>>

/** A message ready to go. */
export interface Rendered {
  readonly text: string
  readonly length: SmsLength
}

/**
 * Writes a message.
 * @param detail a value for each field that is not optional; unknown ones are left aside
 * @throws MizanError NOT_FOUND when there is no such template; BAD_INPUT that names the faulty fields, never their
 * values
 */
export function renderMessage(catalogue: Catalogue, code: string, detail: Detail, style: Style): Rendered {
  const template = catalogue.templates.get(code)
  if (template === undefined) throw new MizanError('NOT_FOUND', `there is no template ${code}`)
  const faults = detailFaults(template, detail)
  if (faults.length > 0) throw new MizanError('BAD_INPUT', `${code}: ${faults.join('; ')}`)
  const text = renderPieces(template.texts[style.language], template.fields, detail, style, catalogue.words)
  return { text, length: smsLength(text) }
}

/** What is wrong with the values for a template. */
function detailFaults({ fields }: Template, detail: Detail): string[] {
  const faults: string[] = []
  for (const [name, { kind, optional }] of fields) {
    const value = detail[name]
    if (isMissing(value)) {
      if (!optional) faults.push(`${name} is missing`)
      continue
    }
    const fault = valueFault(kind, value)
    if (fault !== undefined) faults.push(`${name} ${fault}`)
  }
  return faults
}

/** Writes the pieces of a text; values must be right. */
export function renderPieces(
  pieces: readonly Piece[],
  fields: ReadonlyMap<string, Field>,
  detail: Detail,
  style: Style,
  words: Words,
): string {
  const written = pieces.map((piece) => {
    if (piece.kind === 'literal') return inStyle(piece.text, style)
    if (piece.kind === 'field') {
      const field = fields.get(piece.name)
      return field === undefined ? '' : writeValue(field, detail[piece.name], piece.modifier, style, words)
    }
    const isComplete = fieldsUsed(piece.pieces).every(({ name }) => !isMissing(detail[name]))
    return isComplete ? renderPieces(piece.pieces, fields, detail, style, words) : ''
  })
  return written.join('')
}

/**
 * Whether the fields of a text are those of its template: all used, optional ones in clauses, modifiers where they fit.
 */
export function requiredFaults(
  fields: ReadonlyMap<string, Field>,
  used: readonly { name: string; modifier: Modifier | undefined; inClause: boolean }[],
): string[] {
  const faults: string[] = []
  for (const { name, modifier, inClause } of used) {
    const field = fields.get(name)
    if (field === undefined) {
      faults.push(`{${name}} is no field`)
      continue
    }
    if (field.optional && !inClause) faults.push(`{${name}} may be missing, so it must stand in [ ]`)
    if (modifier === 'decimal' && field.kind !== 'money' && field.kind !== 'quantity') {
      faults.push(`{${name}} is no money, so it cannot be decimal`)
    }
  }
  for (const name of fields.keys()) {
    if (!used.some((one) => one.name === name)) faults.push(`{${name}} is never said`)
  }
  return faults
}

function isMissing(value: unknown): boolean {
  return value === undefined || value === null
}

/** Fixed digits, such as a telephone number, in the digits of the rest. */
function inStyle(text: string, { language, digits }: Style): string {
  if (language === 'en' || digits === 'latn') return text
  return text.replaceAll(/[0-9]/g, (digit) => String.fromCharCode(0x0660 + Number(digit)))
}
