import { readFileSync } from 'node:fs'
import { describeError, MizanError } from '../errors.ts'
import type { Dialect } from '../iso8583/dialect.ts'
import { compileDialect } from '../iso8583/dialect.ts'
import { dialects } from '../iso8583/dialects.ts'
import type { ForeignDialect } from '../iso8583/foreign-dialect.ts'
import { fromForeignDialect } from '../iso8583/foreign-dialect.ts'

/**
 * A shipped dialect by its name.
 * @throws MizanError BAD_INPUT listing the known names
 */
export function shippedDialect(name: string): Dialect {
  const dialect = Object.hasOwn(dialects, name) ? dialects[name] : undefined
  if (dialect !== undefined) return dialect
  throw new MizanError('BAD_INPUT', `no dialect ${name}; there are ${Object.keys(dialects).join(', ')}`)
}

/**
 * Reads a JSON file.
 * @throws MizanError BAD_INPUT when it cannot be read or is not JSON
 */
export function readJsonFile(file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new MizanError('BAD_INPUT', `cannot read ${file}: ${describeError(error)}`)
  }
  return parseJson(text, file)
}

/**
 * Parses JSON; the error says where and never what.
 * @throws MizanError BAD_INPUT
 */
export function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new MizanError('BAD_INPUT', `${source} is not JSON`)
  }
}

/**
 * Compiled field tables of a file in the compact form, by name.
 * @throws MizanError BAD_INPUT or CODEC_DIALECT_INVALID
 */
export function readForeignDialects(file: string): Map<string, Dialect> {
  const tables = readJsonFile(file)
  if (typeof tables !== 'object' || tables === null || Array.isArray(tables)) {
    throw new MizanError('BAD_INPUT', `${file} must hold an object of field tables`)
  }
  const compiled = new Map<string, Dialect>()
  for (const [name, table] of Object.entries(tables as Record<string, ForeignDialect>)) {
    compiled.set(name, compileDialect(fromForeignDialect(name, table)))
  }
  return compiled
}
