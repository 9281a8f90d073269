import type { Language } from './plural.ts'
import type { Words } from './words.ts'

/** What a field of a template holds; the page docs/notifications.md says how each is given. */
export const fieldKinds = [
  'text',
  'card',
  'code',
  'date',
  'money',
  'quantity',
  'kilograms',
  'loaves',
  'days',
  'minutes',
  'members',
  'points',
] as const
export type FieldKind = (typeof fieldKinds)[number]

/** How a value is written other than plainly: the case that Arabic has after a noun, or money as a decimal number. */
const modifiers = ['oblique', 'decimal'] as const
export type Modifier = (typeof modifiers)[number]

/** A piece of a text. A clause is left out unless all its fields have values. */
export type Piece =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'field'; readonly name: string; readonly modifier: Modifier | undefined }
  | { readonly kind: 'clause'; readonly pieces: readonly Piece[] }

/** A field as a template declares it. */
export interface Field {
  readonly kind: FieldKind
  readonly optional: boolean
}

/** What the templates of a group have in common. */
export interface TemplateGroup {
  readonly group: string
  /** Goes out at any hour, and however many a household gets. */
  readonly important: boolean
  /** Whether a household may say that it wants none of these. */
  readonly optOut: boolean
  /** A message this old is no news any more and is dropped. */
  readonly staleAfterHours: number
}

/** A template, read and checked. */
export interface Template extends TemplateGroup {
  readonly code: string
  readonly fields: ReadonlyMap<string, Field>
  readonly maxParts: number
  readonly texts: Readonly<Record<Language, readonly Piece[]>>
}

/** All templates, ready for use. */
export interface Catalogue {
  readonly templates: ReadonlyMap<string, Template>
  /** Groups that a household may opt out of. */
  readonly optOutGroups: readonly string[]
  readonly words: Words
}

const PLACEHOLDER = /^\{([a-z][A-Za-z]{0,31})(?::([a-z]+))?\}/

/**
 * Reads a text: `{name}` and `{name:modifier}` are fields, `[…]` is a clause.
 * @returns the pieces, and what is wrong with the text in words
 */
export function parseText(text: string): { pieces: Piece[]; faults: string[] } {
  const faults: string[] = []
  const pieces: Piece[] = []
  let clause: Piece[] | undefined
  let at = 0
  while (at < text.length) {
    const target = clause ?? pieces
    const character = text[at] as string
    if (character === '[' || character === ']') {
      if ((character === '[') === (clause !== undefined)) faults.push(`a ${character} at ${at} has no partner`)
      if (character === '[') clause = []
      else {
        if (clause !== undefined) pieces.push({ kind: 'clause', pieces: clause })
        clause = undefined
      }
      at++
      continue
    }
    if (character === '{') {
      const match = PLACEHOLDER.exec(text.slice(at))
      const [whole = character, name = '', modifier] = match ?? []
      if (match === null) faults.push(`what stands at ${at} is no placeholder`)
      else if (modifier !== undefined && !(modifiers as readonly string[]).includes(modifier)) {
        faults.push(`{${name}:${modifier}} has no such modifier: ${modifiers.join(', ')}`)
      } else target.push({ kind: 'field', name, modifier: modifier as Modifier | undefined })
      at += whole.length
      continue
    }
    const end = text.slice(at).search(/[[\]{]/)
    const literal = end === -1 ? text.slice(at) : text.slice(at, at + end)
    target.push({ kind: 'literal', text: literal })
    at += literal.length
  }
  if (clause !== undefined) faults.push('a [ is never closed')
  return { pieces, faults }
}

/** The fields that a text uses, and whether each stands in a clause. */
export function fieldsUsed(
  pieces: readonly Piece[],
  inClause = false,
): { name: string; modifier: Modifier | undefined; inClause: boolean }[] {
  return pieces.flatMap((piece) => {
    if (piece.kind === 'literal') return []
    if (piece.kind === 'clause') return fieldsUsed(piece.pieces, true)
    return [{ name: piece.name, modifier: piece.modifier, inClause }]
  })
}
