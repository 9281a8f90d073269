import account from '../../schemas/notifications/account.json' with { type: 'json' }
import collection from '../../schemas/notifications/collection.json' with { type: 'json' }
import dispense from '../../schemas/notifications/dispense.json' with { type: 'json' }
import entitlement from '../../schemas/notifications/entitlement.json' with { type: 'json' }
import household from '../../schemas/notifications/household.json' with { type: 'json' }
import security from '../../schemas/notifications/security.json' with { type: 'json' }
import verification from '../../schemas/notifications/verification.json' with { type: 'json' }
import { MizanError } from '../errors.ts'
import { digitStyles } from './numbers.ts'
import { languages } from './plural.ts'
import { renderPieces, requiredFaults } from './render.ts'
import { smsLength } from './sms-parts.ts'
import {
  type Catalogue,
  type Field,
  type FieldKind,
  fieldKinds,
  fieldsUsed,
  parseText,
  type Template,
} from './template.ts'
import { longestValue } from './values.ts'
import { shippedWords, type Words, wordFaults } from './words.ts'

/** A file of `schemas/notifications/`: a group and its templates. */
export interface TemplateFile {
  readonly group: string
  readonly important: boolean
  readonly optOut: boolean
  readonly staleAfterHours: number
  readonly templates: Readonly<Record<string, TemplateEntry>>
}

/** A template as its file writes it. */
export interface TemplateEntry {
  /** Kind by name; `?` behind the kind = may be missing. */
  readonly fields: Readonly<Record<string, string | undefined>>
  /** Most SMS parts that a message may take in any language. */
  readonly maxParts: number
  readonly ar: string
  readonly en: string
}

/** The files that are shipped. */
export const shippedTemplates: readonly TemplateFile[] = [
  collection,
  security,
  verification,
  dispense,
  entitlement,
  account,
  household,
]

const CODE = /^[a-z][a-z0-9-]{1,47}$/
const PARTS_MAX = 6
const STALE_HOURS_MAX = 8_760

/**
 * Reads and checks templates: fields known and used in each language, plural forms complete, no message longer than it
 * may be even with long values.
 * @throws MizanError CONFIG_INVALID that lists every fault with its place
 */
export function compileTemplates(
  files: readonly TemplateFile[] = shippedTemplates,
  words: Words = shippedWords,
): Catalogue {
  const faults = wordFaults(words)
  const templates = new Map<string, Template>()
  for (const file of files) {
    if (!(file.staleAfterHours > 0 && file.staleAfterHours <= STALE_HOURS_MAX)) {
      faults.push(`${file.group}.staleAfterHours must be 1 to ${STALE_HOURS_MAX}`)
    }
    for (const [code, entry] of Object.entries(file.templates)) {
      if (!CODE.test(code)) faults.push(`${code} is no name of a template`)
      if (templates.has(code)) faults.push(`${code} is there twice`)
      const compiled = compile(code, file, entry)
      templates.set(code, compiled.template)
      faults.push(...compiled.faults)
    }
  }
  // The length of a text is only known when all else is right.
  if (faults.length === 0) {
    for (const template of templates.values()) faults.push(...lengthFaults(template, words))
  }
  if (faults.length > 0) throw new MizanError('CONFIG_INVALID', `notification templates: ${faults.join('; ')}`)
  const optOutGroups = files.filter(({ optOut }) => optOut).map(({ group }) => group)
  return { templates, optOutGroups, words }
}

function compile(code: string, file: TemplateFile, entry: TemplateEntry): { template: Template; faults: string[] } {
  const { group, important, optOut, staleAfterHours } = file
  const faults: string[] = []
  const fields = new Map<string, Field>()
  for (const [name, text = ''] of Object.entries(entry.fields)) {
    const optional = text.endsWith('?')
    const kind = optional ? text.slice(0, -1) : text
    if ((fieldKinds as readonly string[]).includes(kind)) fields.set(name, { kind: kind as FieldKind, optional })
    else faults.push(`${code}.fields.${name} must be one of ${fieldKinds.join(', ')}, with ? where it may be missing`)
  }
  const [ar, en] = languages.map((language) => {
    const { pieces, faults: found } = parseText(entry[language])
    faults.push(
      ...[...found, ...requiredFaults(fields, fieldsUsed(pieces))].map((one) => `${code}.${language}: ${one}`),
    )
    return pieces
  })
  const { maxParts } = entry
  if (!Number.isInteger(maxParts) || maxParts < 1 || maxParts > PARTS_MAX) {
    faults.push(`${code}.maxParts must be 1 to ${PARTS_MAX}`)
  }
  const texts = { ar: ar ?? [], en: en ?? [] }
  return { template: { code, group, important, optOut, staleAfterHours, fields, maxParts, texts }, faults }
}

function lengthFaults({ code, fields, texts, maxParts }: Template, words: Words): string[] {
  const faults: string[] = []
  for (const language of languages) {
    const detail = Object.fromEntries([...fields].map(([name, { kind }]) => [name, longestValue(kind, language)]))
    for (const digits of digitStyles) {
      const { parts } = smsLength(renderPieces(texts[language], fields, detail, { language, digits }, words))
      if (parts > maxParts)
        faults.push(`${code}.${language} may take ${parts} SMS parts (${digits}), and ${maxParts} are allowed`)
    }
  }
  return faults
}
