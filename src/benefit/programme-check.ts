import { Value } from 'typebox/value'
import { MizanError } from '../errors.ts'
import { type Problem, schemaProblems } from '../schema-problems.ts'
import { catalogueRules } from './catalogue-rules.ts'
import { programmeRules } from './programme-rules.ts'
import { type ProgrammeFile, type ProgrammeKind, programmeSchemas } from './programme-schema.ts'

/** What the patterns of the schema mean, in words. */
const forms: Readonly<Record<string, string>> = {
  '^\\d{4}-\\d{2}-\\d{2}$': 'must be a date, written yyyy-mm-dd',
  '^([01]\\d|2[0-3]):[0-5]\\d$': 'must be a time, written HH:MM',
  '^[a-z][a-z0-9-]{1,31}$': 'must be a code: 2 to 32 small letters, digits and hyphens, a letter first',
  '^[A-Z]{1,3}$': 'must be a governorate: the one to three capitals of ISO 3166-2:EG',
  '^9[0-9]$': 'must be an account code of DE3, 90 to 99',
  '^\\d{4}$': 'must be an MCC: four digits',
}
const kinds = Object.keys(programmeSchemas) as ProgrammeKind[]

/** A file that was looked at: itself with its defaults filled in, or all that is wrong with it. */
export type CheckedProgramme =
  | { readonly file: ProgrammeFile; readonly problems: readonly [] }
  | { readonly file: undefined; readonly problems: readonly Problem[] }

/**
 * Checks the content of a programme file, whatever it is, and fills its defaults in. The content is not changed.
 * @param others published versions that it must go with; without them it is checked by itself
 */
export function checkProgramme(content: unknown, others?: readonly ProgrammeFile[]): CheckedProgramme {
  const refused = (problems: readonly Problem[]): CheckedProgramme => ({ file: undefined, problems })
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    return refused([{ path: 'the file', message: 'must be an object' }])
  }
  const { kind } = content as { kind?: unknown }
  if (!kinds.includes(kind as ProgrammeKind)) {
    return refused([{ path: 'kind', message: `must be one of ${kinds.join(', ')}` }])
  }
  const schema = programmeSchemas[kind as ProgrammeKind]
  const filled = Value.Default(schema, structuredClone(content))
  const problems = schemaProblems(schema, filled, { key: 'field', forms })
  if (problems.length > 0) return refused(problems)
  const { $schema: _, ...file } = filled as ProgrammeFile & { $schema?: string }
  const own = programmeRules(file)
  if (own.length > 0) return refused(own)
  const among = others === undefined ? [] : problemsAmong(file, others)
  return among.length > 0 ? refused(among) : { file, problems: [] }
}

function problemsAmong(file: ProgrammeFile, others: readonly ProgrammeFile[]): Problem[] {
  return catalogueRules([...others, file]).map(({ code, version, path, message }) => ({
    path: code === file.code && version === file.version ? path : `${code} version ${version}: ${path}`,
    message,
  }))
}

/**
 * The content of a programme file, checked by itself.
 * @throws MizanError PROGRAMME_INVALID naming every fault
 */
export function readProgramme(content: unknown): ProgrammeFile {
  const { file, problems } = checkProgramme(content)
  if (file === undefined) throw new MizanError('PROGRAMME_INVALID', problemsInWords(problems))
  return file
}

/**
 * Checks that versions go together; each must have been read by {@link readProgramme}.
 * @throws MizanError PROGRAMME_INVALID naming every fault
 */
export function requireProgrammes(files: readonly ProgrammeFile[]): void {
  const problems = catalogueRules(files)
  if (problems.length === 0) return
  const words = problems.map(({ code, version, path, message }) => `${code} version ${version}: ${path} ${message}`)
  throw new MizanError('PROGRAMME_INVALID', words.join('; '))
}

/** Problems in one line. */
export function problemsInWords(problems: readonly Problem[]): string {
  return problems.map(({ path, message }) => `${path} ${message}`).join('; ')
}
