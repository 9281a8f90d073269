import { Value } from 'typebox/value'
import { type Problem, schemaProblems } from '../schema-problems.ts'
import { type ConfigFile, configFileSchema } from './schema.ts'

export type { Problem } from '../schema-problems.ts'

/** Fills the defaults in and lists everything that does not follow the schema. The input is not changed. */
export function validateFile(input: unknown): { file: ConfigFile; problems: Problem[] } {
  const file = Value.Default(configFileSchema, structuredClone(input))
  return { file: file as ConfigFile, problems: schemaProblems(configFileSchema, file, { key: 'setting' }) }
}
