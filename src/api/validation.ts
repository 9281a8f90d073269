import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { Settings } from 'typebox/system'
import { Value } from 'typebox/value'
import { MizanError } from '../errors.ts'
import { formatWords } from './shapes.ts'

/** A fault of a request: which part, where in it (RFC 6901), and what is wrong. Values are never repeated. */
export interface Fault {
  readonly in: 'path' | 'query' | 'header' | 'body'
  readonly pointer: string
  readonly detail: string
}

/** A request that is not as its route asks: all that is wrong with it. */
export class InvalidRequest extends MizanError {
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    super('BAD_INPUT', faults.map((fault) => `${fault.in} ${fault.pointer || '/'} ${fault.detail}`).join('; '))
    this.faults = faults
  }
}

/** More than anyone reads; the library's own limit of 8 would hide some of a bad body. */
const FAULTS_MAX = 100

type SchemaError = ReturnType<Validator['Errors']>[number]

/** A check of values against a schema; made at the first use, because most routes of a process are never called. */
export class Checker {
  readonly #schema: TSchema
  #compiled: Validator | undefined

  constructor(schema: TSchema) {
    this.#schema = schema
  }

  /**
   * Lists what is wrong with a value; nothing when it fits.
   * @param part which part of a request it is
   */
  faults(value: unknown, part: Fault['in']): Fault[] {
    this.#compiled ??= Compile(this.#schema)
    if (this.#compiled.Check(value)) return []
    const limit = Settings.Get().maxErrors
    Settings.Set({ maxErrors: FAULTS_MAX })
    try {
      const found = new Map<string, Fault>()
      for (const error of this.#compiled.Errors(value)) {
        for (const fault of describe(error, part)) {
          if (!found.has(fault.pointer)) found.set(fault.pointer, fault)
        }
      }
      return [...found.values()]
    } finally {
      Settings.Set({ maxErrors: limit })
    }
  }

  /** Reads texts of a path or query as the numbers and truth values that the schema asks for. */
  converted(value: unknown): unknown {
    return Value.Convert(this.#schema, structuredClone(value))
  }

  /** A copy of a value without what the schema does not name: nothing else gets out. */
  cleaned(value: unknown): unknown {
    // As JSON has it: without what is undefined.
    return Value.Clean(this.#schema, JSON.parse(JSON.stringify(value)))
  }
}

function describe(error: SchemaError, part: Fault['in']): Fault[] {
  const { instancePath, keyword } = error
  const params = error.params as Readonly<Record<string, unknown>>
  const one = (detail: string, pointer = instancePath): Fault[] => [{ in: part, pointer, detail }]
  switch (keyword) {
    case 'additionalProperties':
      return (params.additionalProperties as string[]).flatMap((name) =>
        one('is not known here', `${instancePath}/${segmentOf(name)}`),
      )
    // The same unknown name once more.
    case 'boolean':
      return []
    case 'required':
      return (params.requiredProperties as string[]).flatMap((name) =>
        one('is missing', `${instancePath}/${segmentOf(name)}`),
      )
    case 'enum':
      return one(`must be one of ${(params.allowedValues as unknown[]).join(', ')}`)
    case 'anyOf':
      return one('has none of the forms that are allowed here')
    case 'pattern':
      return one(`must have the form ${params.pattern}`)
    case 'format':
      return one(formatWords[String(params.format)] ?? error.message)
    default:
      return one(error.message)
  }
}

/** A name may be anything a caller sends: a card number is not said again, and a long one not at all. */
function segmentOf(name: string): string {
  const shown = /\d{12}/.test(name) || name.length > 64 ? '?' : name
  return shown.replaceAll('~', '~0').replaceAll('/', '~1')
}
