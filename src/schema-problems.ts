import type { TSchema } from 'typebox'
import { Settings } from 'typebox/system'
import { Value } from 'typebox/value'
import { nearest } from './suggestion.ts'

/** A thing that is wrong, at a dotted path such as `listeners.ascii.port`. */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** How the problems of a schema are put into words. */
export interface ProblemWords {
  /** What a key is called: `setting`, `field`. */
  readonly key: string
  /** What a text must look like, by the pattern that it does not follow. */
  readonly forms?: Readonly<Record<string, string>>
}

/** More problems than anyone reads; the library's own limit of 8 would hide some of a bad file. */
const PROBLEMS_MAX = 500

/** The parts of a JSON schema that are walked for suggestions. */
interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly items?: SchemaNode
}

/** Lists everything in which a value does not follow a schema, each path once; misspelt keys with what was meant. */
export function schemaProblems(schema: TSchema, value: unknown, words: ProblemWords): Problem[] {
  const limit = Settings.Get().maxErrors
  Settings.Set({ maxErrors: PROBLEMS_MAX })
  try {
    const problems: Problem[] = []
    for (const error of Value.Errors(schema, value)) {
      for (const problem of describe(error, schema as SchemaNode, value, words)) {
        if (!problems.some((other) => other.path === problem.path)) problems.push(problem)
      }
    }
    return problems
  } finally {
    Settings.Set({ maxErrors: limit })
  }
}

type SchemaError = ReturnType<typeof Value.Errors>[number]

function describe(error: SchemaError, schema: SchemaNode, value: unknown, words: ProblemWords): Problem[] {
  const segments = error.instancePath.split('/').slice(1).map(unescaped)
  const params = error.params as Readonly<Record<string, unknown>>
  switch (error.keyword) {
    case 'additionalProperties':
      return (params.additionalProperties as string[]).map((name) => unknownKey(schema, segments, name, words))
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
    case 'const':
      return [{ path: dotted(segments), message: `must be ${JSON.stringify(params.allowedValue)}` }]
    case 'type':
      return [{ path: dotted(segments), message: `must be ${article(String(params.type))}${got(segments, value)}` }]
    case 'minimum':
    case 'maximum':
      return [
        { path: dotted(segments), message: `must be ${params.comparison} ${params.limit}${got(segments, value)}` },
      ]
    case 'pattern': {
      const form = words.forms?.[String(params.pattern)]
      return [{ path: dotted(segments), message: form ?? `must have the form ${params.pattern}` }]
    }
    default:
      return [{ path: dotted(segments), message: error.message }]
  }
}

/** A key as it stands in a JSON pointer (RFC 6901). */
function unescaped(segment: string): string {
  return segment.replaceAll('~1', '/').replaceAll('~0', '~')
}

function unknownKey(schema: SchemaNode, parent: string[], name: string, { key }: ProblemWords): Problem {
  const meant = nearest(name, knownKeys(schema, parent))
  const hint = meant === undefined ? '' : ` (did you mean ${dotted([...parent, meant])}?)`
  return { path: dotted([...parent, name]), message: `is not a known ${key}${hint}` }
}

function knownKeys(schema: SchemaNode, parent: string[]): string[] {
  let node: SchemaNode | undefined = schema
  for (const segment of parent) node = node?.items ?? node?.properties?.[segment]
  return Object.keys(node?.properties ?? {})
}

/** Quotes numbers and types only: a text may be a secret that was put in the wrong place. */
function got(segments: string[], whole: unknown): string {
  let value: unknown = whole
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
