import { Settings } from 'typebox/system'
import { Value } from 'typebox/value'
import { type ConfigFile, configFileSchema } from './schema.ts'
import { nearest } from './suggestion.ts'

/** A thing that is wrong, at a dotted path (`listeners.ascii.port`) or at an environment variable. */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** More problems than anyone reads; the library's own limit of 8 would hide some of a bad file. */
const PROBLEMS_MAX = 500

/** The parts of a JSON schema that are walked for suggestions. */
interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly items?: SchemaNode
}

/** Fills the defaults in and lists everything that does not follow the schema. The input is not changed. */
export function validateFile(input: unknown): { file: ConfigFile; problems: Problem[] } {
  const file = Value.Default(configFileSchema, structuredClone(input))
  const limit = Settings.Get().maxErrors
  Settings.Set({ maxErrors: PROBLEMS_MAX })
  try {
    const problems: Problem[] = []
    for (const error of Value.Errors(configFileSchema, file)) {
      for (const problem of describe(error, file)) {
        if (!problems.some((other) => other.path === problem.path)) problems.push(problem)
      }
    }
    return { file: file as ConfigFile, problems }
  } finally {
    Settings.Set({ maxErrors: limit })
  }
}

type SchemaError = ReturnType<typeof Value.Errors>[number]

function describe(error: SchemaError, file: unknown): Problem[] {
  const segments = error.instancePath.split('/').slice(1)
  const params = error.params as Readonly<Record<string, unknown>>
  switch (error.keyword) {
    case 'additionalProperties':
      return (params.additionalProperties as string[]).map((name) => unknownKey(segments, name))
    // The same unknown key once more, without its name.
    case 'boolean':
      return []
    case 'required':
      return (params.requiredProperties as string[]).map((name) => ({
        path: dotted([...segments, name]),
        message: 'is missing',
      }))
    case 'enum':
      return [{ path: dotted(segments), message: `must be one of ${list(params.allowedValues)}` }]
    case 'type':
      return [{ path: dotted(segments), message: `must be ${article(String(params.type))}${got(segments, file)}` }]
    case 'minimum':
    case 'maximum':
      return [{ path: dotted(segments), message: `must be ${params.comparison} ${params.limit}${got(segments, file)}` }]
    case 'pattern':
      return [{ path: dotted(segments), message: `must have the form ${params.pattern}` }]
    default:
      return [{ path: dotted(segments), message: error.message }]
  }
}

function unknownKey(parent: string[], name: string): Problem {
  const meant = nearest(name, knownKeys(parent))
  const hint = meant === undefined ? '' : ` (did you mean ${dotted([...parent, meant])}?)`
  return { path: dotted([...parent, name]), message: `is not a known setting${hint}` }
}

function knownKeys(parent: string[]): string[] {
  let node: SchemaNode | undefined = configFileSchema as SchemaNode
  for (const segment of parent) node = node?.items ?? node?.properties?.[segment]
  return Object.keys(node?.properties ?? {})
}

/** Quotes numbers and types only: a text may be a secret that was put in the wrong place. */
function got(segments: string[], file: unknown): string {
  let value: unknown = file
  for (const segment of segments) value = (value as Record<string, unknown> | undefined)?.[segment]
  if (typeof value === 'number') return `, not ${value}`
  if (value === null) return ', not null'
  return `, not ${Array.isArray(value) ? 'a list' : article(typeof value)}`
}

function article(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`
}

function list(values: unknown): string {
  return (values as unknown[]).join(', ')
}

function dotted(segments: string[]): string {
  return segments.length === 0 ? 'the file' : segments.join('.')
}
