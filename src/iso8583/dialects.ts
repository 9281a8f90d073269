import iso87Ascii from '../../schemas/iso8583/iso87-ascii.json' with { type: 'json' }
import iso87Bcd from '../../schemas/iso8583/iso87-bcd.json' with { type: 'json' }
import visaBase1 from '../../schemas/iso8583/visa-base1.json' with { type: 'json' }
import type { Dialect, DialectSpec } from './dialect.ts'
import { compileDialect } from './dialect.ts'

const specs = [iso87Ascii, iso87Bcd, visaBase1] as unknown as readonly DialectSpec[]

/** The shipped dialects by name, each compiled when it is first asked for. */
export const dialects: Readonly<Record<string, Dialect>> = Object.defineProperties(
  {},
  Object.fromEntries(specs.map((spec) => [spec.name, lazily(() => compileDialect(spec))])),
)

function lazily(compile: () => Dialect): PropertyDescriptor {
  let dialect: Dialect | undefined
  return {
    enumerable: true,
    get: () => {
      dialect ??= compile()
      return dialect
    },
  }
}
