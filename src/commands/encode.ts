import { Command } from 'commander'
import { MizanError } from '../errors.ts'
import type { FieldValues } from '../iso8583/dialect.ts'
import { FIELD_MAX } from '../iso8583/dialect-spec.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { parseJson, shippedDialect } from './dialect-files.ts'

/** `mizan encode`: writes a message given as JSON and prints it in hex. */
export function encodeCommand(io: CommandIo = processIo): Command {
  return new Command('encode')
    .description('write a message given as JSON, in hex')
    .argument('[json]', '{"mti": "0800", "fields": {"70": "301"}}; read from standard input when absent')
    .requiredOption('--dialect <name>', 'dialect of the message')
    .option('--json', 'print {hex}', false)
    .action((json: string | undefined, options: { dialect: string; json: boolean }) => {
      const dialect = shippedDialect(options.dialect)
      const { mti, fields, bitmaps } = messageInput(parseJson(json ?? io.readText('-'), 'the message'))
      const hex = dialect.encode(mti, fields, bitmaps).toString('hex')
      io.out(`${options.json ? JSON.stringify({ hex }) : hex}\n`)
    })
}

/** Takes what `mizan decode --json --clear` prints, or the same by hand; other keys are ignored. */
function messageInput(input: unknown): { mti: string; fields: FieldValues; bitmaps: number } {
  const { mti, fields = {}, bitmaps = 1 } = (input ?? {}) as { mti?: unknown; fields?: unknown; bitmaps?: unknown }
  if (typeof mti !== 'string') throw new MizanError('BAD_INPUT', 'mti must be a text of four digits')
  if (typeof fields !== 'object' || fields === null) throw new MizanError('BAD_INPUT', 'fields must be an object')
  if (typeof bitmaps !== 'number') throw new MizanError('BAD_INPUT', 'bitmaps must be a number')
  const values: FieldValues = []
  for (const [key, value] of Object.entries(fields)) {
    const de = Number(key)
    if (!/^\d+$/.test(key) || de < 2 || de > FIELD_MAX) throw new MizanError('BAD_INPUT', `field ${key}: no such field`)
    if (typeof value !== 'string') throw new MizanError('BAD_INPUT', `field ${key}: the value must be a text`)
    values[de] = value
  }
  return { mti, fields: values, bitmaps }
}
