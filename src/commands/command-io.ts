import { readFileSync } from 'node:fs'
import { describeError, MizanError } from '../errors.ts'
import { LineInput } from './line-input.ts'

/** What a command has to do with the world outside; a test gives its own. */
export interface CommandIo {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The result, on standard output. */
  out(text: string): void
  /** What a person should know besides, on standard error. */
  note(text: string): void
  /** Opens standard input for questions; the caller closes it. */
  openInput(): LineInput
  /** Text of a file, `-` for standard input, without white space around it. @throws MizanError BAD_INPUT */
  readText(file: string): string
}

/** What a shell says of a process that SIGPIPE ended (128 and the number of the signal). */
const READER_GONE = 141

/**
 * Ends the process quietly when whoever reads its output went away, as with `| head`: there is nobody to tell. Node ignores SIGPIPE and
 * would print where it wrote.
 */
export function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      process.exit(READER_GONE)
    })
  }
}

/** The streams and the environment of this process. */
export const processIo: CommandIo = {
  env: process.env,
  out: (text) => void process.stdout.write(text),
  note: (text) => void process.stderr.write(text),
  openInput: () => new LineInput(),
  readText(file) {
    try {
      return readFileSync(file === '-' ? 0 : file, 'latin1').trim()
    } catch (cause) {
      throw new MizanError('BAD_INPUT', `${file} cannot be read: ${describeError(cause)}`, { cause })
    }
  },
}
