import { Command } from 'commander'
import { describeError, MizanError } from '../errors.ts'
import type { Dialect } from '../iso8583/dialect.ts'
import type { SubfieldSpec } from '../iso8583/dialect-spec.ts'
import { dialects } from '../iso8583/dialects.ts'
import type { KnownAnswer } from '../iso8583/known-answers.ts'
import { checkKnownAnswer } from '../iso8583/known-answers.ts'
import type { FailedAnswer } from '../security/known-answers/runner.ts'
import { runKnownAnswers } from '../security/known-answers/runner.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { readForeignDialects, readJsonFile } from './dialect-files.ts'

/** `mizan vectors`: runs files of known answers. */
export function vectorsCommand(io: CommandIo = processIo): Command {
  return new Command('vectors')
    .description('run a file of known answers')
    .addCommand(iso8583Command(io))
    .addCommand(cryptoCommand(io))
}

function iso8583Command(io: CommandIo): Command {
  return new Command('iso8583')
    .description('read the messages of a known-answer file and write them again')
    .argument('<file>', 'known answers (JSON)')
    .option(
      '--dialects <file>',
      'field tables to add (JSON); one of the same name as a shipped dialect takes its place',
    )
    .option('--json', 'print {passed, failed, failures}', false)
    .action((file: string, options: { dialects?: string; json: boolean }) => {
      const added = options.dialects === undefined ? new Map<string, Dialect>() : readForeignDialects(options.dialects)
      const answers = readAnswers(file)
      report(io, answers.length, failedAnswers(answers as KnownAnswer[], added), options.json)
    })
}

function cryptoCommand(io: CommandIo): Command {
  return new Command('crypto')
    .description('compute the cryptographic values of a known-answer file')
    .argument('<file>', 'known answers (JSON); an algorithm that is not implemented is a failure')
    .option('--json', 'print {passed, failed, failures}', false)
    .action(async (file: string, options: { json: boolean }) => {
      const answers = readAnswers(file)
      // Loaded only here: the ciphers and their tables would hold up the start of every other command.
      const { knownAlgorithms } = await import('../security/known-answers/algorithms.ts')
      report(io, answers.length, runKnownAnswers(answers, knownAlgorithms), options.json)
    })
}

function readAnswers(file: string): unknown[] {
  const answers = readJsonFile(file)
  if (!Array.isArray(answers)) throw new MizanError('BAD_INPUT', `${file} must hold a list of known answers`)
  return answers
}

function failedAnswers(answers: readonly KnownAnswer[], added: ReadonlyMap<string, Dialect>): FailedAnswer[] {
  const failed: FailedAnswer[] = []
  for (const [index, answer] of answers.entries()) {
    const problems = problemsOf(answer, added)
    if (problems.length > 0) failed.push({ id: String(answer?.id ?? `number ${index + 1}`), problems })
  }
  return failed
}

function problemsOf(answer: KnownAnswer, added: ReadonlyMap<string, Dialect>): string[] {
  if (typeof answer?.hex !== 'string' || typeof answer.expected !== 'object' || answer.expected === null) {
    return ['must have hex and expected']
  }
  const shipped = Object.hasOwn(dialects, answer.dialect) ? dialects[answer.dialect] : undefined
  const dialect = added.get(answer.dialect) ?? shipped
  if (dialect === undefined) return [`no dialect ${answer.dialect}; --dialects adds field tables`]
  try {
    return checkKnownAnswer(answer, dialect, (de) => shipped?.subfields(de) ?? chipDataOf(de))
  } catch (error) {
    return [describeError(error)]
  }
}

/** Added tables do not say how a field divides; chip data is BER-TLV everywhere. */
function chipDataOf(de: number): SubfieldSpec | undefined {
  return de === 55 ? { form: 'ber' } : undefined
}

function report(io: CommandIo, total: number, failed: readonly FailedAnswer[], json: boolean): void {
  if (json) {
    const failures = failed.map(({ id, problems }) => ({ id, problems }))
    io.out(`${JSON.stringify({ passed: total - failed.length, failed: failed.length, failures })}\n`)
  } else {
    for (const { id, problems } of failed) io.out(`${id}: ${problems.join('; ')}\n`)
    io.out(`${total - failed.length} passed, ${failed.length} failed\n`)
  }
  if (failed.length > 0) process.exitCode = 1
}
