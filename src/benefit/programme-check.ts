import { Value } from 'typebox/value'
import { MizanError } from '../errors.ts'
import { type ProgrammeFile, programmeSchemas } from './programme-schema.ts'

/** @throws MizanError CONFIG_INVALID naming every fault */
export function requireProgrammes(files: readonly ProgrammeFile[]): void {
  const problems: string[] = []
  for (const file of files) {
    for (const error of Value.Errors(programmeSchemas[file.kind], file)) {
      problems.push(`${file.code}: ${error.instancePath} ${error.message}`)
    }
  }
  if (problems.length > 0) throw new MizanError('CONFIG_INVALID', `programmes: ${problems.join('; ')}`)
}

/** Reads a programme file's content and fills its defaults in. */
export function readProgramme(content: unknown): ProgrammeFile {
  const { kind } = content as ProgrammeFile
  return Value.Default(programmeSchemas[kind], structuredClone(content)) as ProgrammeFile
}
