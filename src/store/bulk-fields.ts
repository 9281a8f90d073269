import { type CivilDate, DATE_FORM, readDate } from '../calendar.ts'
import type { RowFault } from '../files/delimited-reader.ts'
import { asciiDigits } from '../identifiers.ts'

/**
 * Reads the values of one object of a file, and gathers all that is wrong: a value that cannot be read comes out as its
 * default. Reasons never repeat a value.
 */
export class FieldReader {
  readonly faults: RowFault[]
  readonly #values: Readonly<Record<string, unknown>>
  readonly #path: string
  readonly #known = new Set<string>()

  /** @param path where the object stands, such as `cards[0]` */
  constructor(object: unknown, path: string, faults: RowFault[] = []) {
    this.#path = path
    this.faults = faults
    const isObject = typeof object === 'object' && object !== null && !Array.isArray(object)
    if (!isObject) faults.push({ field: path, reason: 'must be an object' })
    this.#values = isObject ? (object as Record<string, unknown>) : {}
  }

  refuse(key: string, reason: string): void {
    this.faults.push({ field: this.#path === '' ? key : `${this.#path}.${key}`, reason })
  }

  /** @param check gives what is wrong with a text */
  text<Default extends string | undefined>(
    key: string,
    check: (text: string) => string | undefined,
    otherwise: Default,
  ): string | Default {
    this.#known.add(key)
    const value = this.#values[key]
    if (value === undefined || value === null || value === '') {
      if (otherwise === '') this.refuse(key, 'must be given')
      return otherwise
    }
    if (typeof value !== 'string' && typeof value !== 'number') {
      this.refuse(key, 'must be a text')
      return otherwise
    }
    const text = asciiDigits(String(value))
    const reason = check(text)
    if (reason === undefined) return text
    this.refuse(key, reason)
    return otherwise
  }

  /** @param otherwise when it is absent; without it the value must be given */
  matching(key: string, pattern: RegExp, reason: string, otherwise?: string): string {
    const check = (text: string) => (pattern.test(text) ? undefined : reason)
    if (otherwise === undefined) return this.text(key, check, '')
    return this.text(key, check, undefined) ?? otherwise
  }

  choice<Value extends string>(key: string, values: readonly Value[], otherwise: Value): Value {
    const check = (text: string) =>
      values.some((one) => one === text) ? undefined : `must be one of ${values.join(', ')}`
    return (this.text(key, check, undefined) as Value | undefined) ?? otherwise
  }

  /** @param otherwise when it is absent; 0 where `least` is 1 or more means that it must be given */
  integer<Default extends number | undefined>(
    key: string,
    least: number,
    most: number,
    otherwise: Default,
  ): number | Default {
    const check = (text: string) => {
      const isIn = /^\d{1,16}$/.test(text) && Number(text) >= least && Number(text) <= most
      return isIn ? undefined : `must be a whole number from ${least} to ${most}`
    }
    const text = this.text(key, check, otherwise === 0 && least > 0 ? '' : undefined)
    return text === undefined || text === '' ? otherwise : Number(text)
  }

  date(key: string): CivilDate {
    const check = (text: string) => (readDate(text) === undefined ? `must be ${DATE_FORM}` : undefined)
    return Number(this.text(key, check, '').replaceAll('-', '')) as CivilDate
  }

  /** Objects of a list; none when it is absent. */
  list(key: string, most: number): FieldReader[] {
    return this.#array(key, most).map((one, at) => {
      const path = this.#path === '' ? key : `${this.#path}.${key}`
      return new FieldReader(one, `${path}[${at}]`, this.faults)
    })
  }

  strings(key: string, pattern: RegExp, reason: string, most: number): string[] {
    const values = this.#array(key, most)
    const texts = values.filter((one): one is string => typeof one === 'string' && pattern.test(one))
    if (texts.length < values.length) this.refuse(key, reason)
    return texts
  }

  /** Refuses what nobody has asked for. */
  end(): void {
    for (const key of Object.keys(this.#values)) {
      if (!this.#known.has(key)) this.refuse(key.slice(0, 40), 'is not known')
    }
  }

  #array(key: string, most: number): readonly unknown[] {
    this.#known.add(key)
    const value = this.#values[key]
    if (value === undefined || value === null) return []
    if (!Array.isArray(value)) this.refuse(key, 'must be a list')
    else if (value.length > most) this.refuse(key, `must have at most ${most}`)
    else return value
    return []
  }
}
