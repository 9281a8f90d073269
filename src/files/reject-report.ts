import { closeSync, openSync } from 'node:fs'
import { describeError, MizanError } from '../errors.ts'
import { writeAllSync } from '../whole-file.ts'

/** Why a line of a file was not taken. */
export interface Rejection {
  readonly line: number
  /** '' when it is the line itself. */
  readonly field: string
  readonly reason: string
}

const BUFFER_CHARACTERS = 65_536

/** Takes what was rejected: the first few for people, all of it for a file when one is wanted. */
export class RejectReport {
  /** The first rejections. */
  readonly examples: Rejection[] = []
  readonly #examplesMax: number
  readonly #file: number | undefined
  #buffer = ''
  #count = 0

  /**
   * @param file CSV with the columns line, field, reason; written anew
   * @throws MizanError BAD_INPUT when the file cannot be written
   */
  constructor(file?: string, examplesMax = 20) {
    this.#examplesMax = examplesMax
    if (file === undefined) return
    try {
      this.#file = openSync(file, 'w', 0o600)
    } catch (cause) {
      throw new MizanError('BAD_INPUT', `${file} cannot be written: ${describeError(cause)}`, { cause })
    }
    this.#buffer = 'line,field,reason\n'
  }

  /** Rejections so far; a line may have several. */
  get count(): number {
    return this.#count
  }

  add(rejection: Rejection): void {
    this.#count++
    if (this.examples.length < this.#examplesMax) this.examples.push(rejection)
    if (this.#file === undefined) return
    this.#buffer += `${rejection.line},${csvCell(rejection.field)},${csvCell(rejection.reason)}\n`
    if (this.#buffer.length >= BUFFER_CHARACTERS) this.#flush(this.#file)
  }

  /** Writes what is left. */
  close(): void {
    if (this.#file === undefined) return
    this.#flush(this.#file)
    closeSync(this.#file)
  }

  #flush(file: number): void {
    writeAllSync(file, Buffer.from(this.#buffer))
    this.#buffer = ''
  }
}

/** A text as a cell of a CSV file; one that a spreadsheet would compute is made text. */
function csvCell(text: string): string {
  const safe = /^[=+\-@\t]/.test(text) ? `'${text}` : text
  return /[",;\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
