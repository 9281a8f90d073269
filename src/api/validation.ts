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

  /** As {@link faults}, of what a caller sends: also what no text that is kept may hold. */
  requestFaults(value: unknown, part: Fault['in']): Fault[] {
    return [...this.faults(value, part), ...unkeptTexts(value, part)]
  }

  /**
   * Reads texts of a path or query as the whole numbers and truth values that the schema asks for, in the one way to write
   * each: `45.9`, `0x10`, `+5` or `true` are no number of a card. What is written otherwise stays a text, and so a fault.
   */
  converted(value: unknown): unknown {
    const { properties = {} } = this.#schema as { readonly properties?: Readonly<Record<string, TSchema>> }
    return Object.fromEntries(
      Object.entries(value as Readonly<Record<string, unknown>>).map(([name, text]) => [
        name,
        Object.hasOwn(properties, name) && typeof text === 'string' ? convertedText(properties[name], text) : text,
      ]),
    )
  }

  /** A copy of a value without what the schema does not name: nothing else gets out. */
  cleaned(value: unknown): unknown {
    // As JSON has it: without what is undefined.
    return Value.Clean(this.#schema, JSON.parse(JSON.stringify(value)))
  }
}

function convertedText(schema: TSchema | undefined, text: string): unknown {
  const { type } = (schema ?? {}) as { readonly type?: unknown }
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  if (type !== 'integer' || !/^(0|-?[1-9][0-9]*)$/.test(text)) return text
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : text
}

/** Control characters besides tab and ends of lines; one half of a surrogate pair is looked for besides. */
const CONTROL = /[^\P{Cc}\t\r\n]/u

/** Whether a text can be kept and shown: the database takes no U+0000, and nobody writes other controls. */
export function isKeptText(text: string): boolean {
  return !CONTROL.test(text) && text.isWellFormed()
}

/** Texts and names anywhere in a value that are not to be kept. Without recursion: a body may be nested very deeply. */
function unkeptTexts(value: unknown, part: Fault['in']): Fault[] {
  const found: Fault[] = []
  const open: [unknown, string][] = [[value, '']]
  for (let next = open.pop(); next !== undefined && found.length < FAULTS_MAX; next = open.pop()) {
    const [one, pointer] = next
    if (typeof one === 'string' && !isKeptText(one)) {
      found.push({ in: part, pointer, detail: 'holds a control character' })
    }
    if (typeof one !== 'object' || one === null) continue
    for (const [name, inner] of Object.entries(one)) {
      if (isKeptText(name)) open.push([inner, `${pointer}/${segmentOf(name)}`])
      else found.push({ in: part, pointer: `${pointer}/?`, detail: 'its name holds a control character' })
    }
  }
  return found
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

/** Part of a pointer (RFC 6901). A name may be anything a caller sends: no card number or long one is said again. */
export function segmentOf(name: string): string {
  const shown = /\d{12}/.test(name) || name.length > 64 ? '?' : name
  return shown.replaceAll('~', '~0').replaceAll('/', '~1')
}
