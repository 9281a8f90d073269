import { checkProgramme } from '../benefit/programme-check.ts'
import { describeError, MizanError } from '../errors.ts'
import type { Role } from '../store/access-users.ts'
import { noteAudit } from '../store/audit-store.ts'
import type { Client } from '../store/connection.ts'
import type { ProgrammeVersion } from '../store/programme-record.ts'
import type { ProgrammeAuthor } from '../store/programme-store.ts'
import type { CommandIo } from './command-io.ts'
import { logInSecondPerson } from './second-person.ts'

/** Who may publish and withdraw on the command line. */
const PUBLISHERS: readonly Role[] = ['operator', 'admin']

/**
 * Content of a programme file, `-` for standard input.
 * @throws MizanError BAD_INPUT when it cannot be read or is no JSON
 */
export function readContent(io: CommandIo, file: string): unknown {
  const text = Buffer.from(io.readText(file), 'latin1').toString('utf8')
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''))
  } catch (cause) {
    throw new MizanError('BAD_INPUT', `${file} is no JSON: ${describeError(cause)}`, { cause })
  }
}

/** A programme file. @throws MizanError BAD_INPUT; PROGRAMME_INVALID with a line for each fault */
export function readProgrammeFile(io: CommandIo, name: string) {
  const { file, problems } = checkProgramme(readContent(io, name))
  if (file !== undefined) return file
  const lines = problems.map(({ path, message }) => `\n  ${path} ${message}`)
  throw new MizanError('PROGRAMME_INVALID', `${name}${lines.join('')}`)
}

/** Reads the number of a version. @throws MizanError BAD_INPUT */
export function versionNumber(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new MizanError('BAD_INPUT', `${text} is no version: 1 to 9999`)
  return Number(text)
}

/** In whose name a step is taken, with its row in the audit. */
export function authorAs(actor: string): ProgrammeAuthor {
  return {
    actor,
    audit: (client, { action, target, detail }) =>
      noteAudit(client, {
        actor,
        source: 'local',
        requestId: '',
        action,
        outcome: 'done',
        detail: { programme: target, ...detail },
      }),
  }
}

/** Lets the second person log in, as {@link logInSecondPerson}: one with a role that may publish. */
export function logInPublisher(io: CommandIo, client: Client): Promise<string> {
  return logInSecondPerson(io, client, { prompt: 'user who publishes', roles: PUBLISHERS, what: 'publishing' })
}

/** A version in one line. */
export function versionLine(one: ProgrammeVersion): string {
  const until = one.effectiveTo === undefined ? '' : ` to ${one.effectiveTo}`
  const step = one.withdrawn ?? one.published ?? one.submitted ?? one.created
  return [
    `${one.code}@${one.version}`.padEnd(20),
    one.state.padEnd(10),
    one.kind.padEnd(8),
    `from ${one.effectiveFrom}${until}`.padEnd(28),
    `${one.name.en} (by ${step.by})`,
  ].join('  ')
}
